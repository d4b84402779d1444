"""What the synthesizer's benchmark compares is the same computation."""

import numpy as np
import pytest

from benchmarks.measuring import report
from benchmarks.synthesizer import check_gradients, decoding, random_model, sample_sentences
from synthesizer.config import ATTENTION_KINDS
from tests.synthesizer.toy import toy_config


def test_the_plain_loop_has_the_same_loss_and_gradients() -> None:
    check_gradients(toy_config())


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_decoding_tells_the_seconds_it_made(kind: str) -> None:
    seconds = decoding(random_model(toy_config(attention=kind)), [np.arange(2, 9)], window=(0, 2))()
    assert 0 < seconds < 4


def test_sample_sentences_are_whole_sentences() -> None:
    assert all(30 < len(symbols) < 200 for symbols in sample_sentences(8))


def test_figures_are_written_as_a_list(tmp_path, capsys) -> None:
    import json

    path = tmp_path / "figures.json"
    assert report(iter([("speed", 2.0, "times")]), path) == {"speed": 2.0}
    assert json.loads(path.read_text()) == [{"case": "speed", "value": 2.0, "unit": "times"}]
    assert "speed" in capsys.readouterr().out
