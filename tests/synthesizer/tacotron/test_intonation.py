"""Yes/no questions end on a rise."""

import numpy as np
import pytest

from synthesizer.tacotron.intonation import RISE_OCTAVES, raise_end, rises
from synthesizer.text.front_end import text_to_transcript


@pytest.mark.parametrize(
    "text", ["Are you sure?", "You did it?", "Is that what he said?", '"Really?"', "Don't you know?"]
)
def test_yes_no_questions_rise(text: str) -> None:
    assert rises(text_to_transcript(text))


@pytest.mark.parametrize("text", ["I am sure.", "Why not?", "And what's that?", "How are you?", "So who knows?", "Go!"])
def test_other_sentences_fall(text: str) -> None:
    assert not rises(text_to_transcript(text))


def test_end_rises() -> None:
    pitch = np.concatenate([np.full(60, 120.0), np.geomspace(120, 80, 30), np.zeros(10)])  # a fall
    mean = 2 ** np.log2(pitch[:90]).mean()
    raised = raise_end(pitch, 80)
    assert raised[89] == pytest.approx(mean * 2**RISE_OCTAVES)
    assert np.array_equal(raised[:60], pitch[:60]) and not raised[90:].any()
    assert (np.diff(raised[70:90]) > 0).all()
    assert raise_end(pitch, 80, pitch_range=0.0)[89] == pytest.approx(mean)
    assert not raise_end(np.zeros(5), 80).any()
