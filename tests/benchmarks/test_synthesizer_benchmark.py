"""The benchmark of the synthesizer compares passes that compute the same."""

import numpy as np
import pytest

from benchmarks.measuring import report, training_precisions
from benchmarks.plain_tacotron import check_gradients
from benchmarks.synthesizer import (
    Arguments,
    compare_training,
    decoding,
    random_model,
    sample_sentences,
)
from synthesizer.tacotron.config import ATTENTION_KINDS
from tests.synthesizer.toy import toy_config


def test_plain_loop_has_the_same_loss_and_gradients() -> None:
    check_gradients(toy_config())


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_decoding_returns_seconds_of_speech(kind: str) -> None:
    seconds = decoding(random_model(toy_config(attention=kind)), [np.arange(2, 9)], window=(0, 2))()
    assert 0 < seconds < 4


def test_sample_sentences_have_typical_lengths() -> None:
    assert all(30 < len(symbols) < 200 for symbols in sample_sentences(8))


def test_the_figure_without_a_precision_is_for_the_default_of_training(monkeypatch) -> None:
    """bf16 is not measured if the processor emulates it."""
    monkeypatch.setattr("training.processes.cpu_multiplies_bf16", lambda: True)
    assert training_precisions() == (("fp32", "bf16"), "bf16")
    monkeypatch.setattr("training.processes.cpu_multiplies_bf16", lambda: False)
    assert training_precisions() == (("fp32",), "fp32")


@pytest.mark.parametrize("native", [True, False])
def test_training_is_compared_in_native_precisions(native, monkeypatch) -> None:
    compared = ("fp32", "bf16") if native else ("fp32",)
    monkeypatch.setattr("training.processes.cpu_multiplies_bf16", lambda: native)
    monkeypatch.setattr("benchmarks.plain_tacotron.check_gradients", lambda config: None)
    seconds = {"fp32": [1.0, 2.0], "bf16": [1.0, 3.0]}
    monkeypatch.setattr("benchmarks.synthesizer.training_steps", lambda batch, precision: seconds[precision])
    monkeypatch.setattr("benchmarks.synthesizer.minimum_times", lambda repeats, *steps: steps)
    figures = {case: value for case, value, _ in compare_training(Arguments(quick=True))}
    ratios = {case: value for case, value in figures.items() if "plain_loop_" in case}
    assert ratios.keys() == {f"train_frames_per_s_vs_plain_loop_{how}" for how in compared}
    assert figures["train_frames_per_s_vs_plain_loop"] == ratios[f"train_frames_per_s_vs_plain_loop_{compared[-1]}"]


def test_figures_are_written_as_json(tmp_path, capsys) -> None:
    import json

    path = tmp_path / "figures.json"
    assert report(iter([("speed", 2.0, "times")]), path) == {"speed": 2.0}
    assert json.loads(path.read_text()) == [{"case": "speed", "value": 2.0, "unit": "times"}]
    assert "speed" in capsys.readouterr().out
