"""Questions rise."""

import numpy as np
import pytest

from synthesizer.intonation import RISE_OCTAVES, raise_end, rises
from synthesizer.text.front_end import text_to_transcript


@pytest.mark.parametrize(
    "text", ["Are you sure?", "You did it?", "Is that what he said?", '"Really?"', "Don't you know?"]
)
def test_questions_for_yes_and_no_rise(text: str) -> None:
    assert rises(text_to_transcript(text))


@pytest.mark.parametrize("text", ["I am sure.", "Why not?", "And what's that?", "How are you?", "So who knows?", "Go!"])
def test_all_others_fall(text: str) -> None:
    assert not rises(text_to_transcript(text))


def test_the_end_goes_up() -> None:
    pitch = np.full(100, 120.0)
    pitch[90:] = 0
    raised = raise_end(pitch, 80)
    assert raised[89] == pytest.approx(120 * 2**RISE_OCTAVES)
    assert np.array_equal(raised[:60], pitch[:60]) and not raised[90:].any()
    assert (np.diff(raised[62:90]) > 0).all()
    assert np.array_equal(raise_end(pitch, 80, expression=0.0), pitch)
    assert not raise_end(np.zeros(5), 80).any()
