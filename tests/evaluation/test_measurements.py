import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.measurements import Candidates, Metrics, by_condition, summarise
from evaluation.outputs import NATURAL, Output, copy_output
from synthesizer.alignment_score import alignment_report
from tests.evaluation.fakes import FakeEncoder, FakeRecogniser
from tests.toy_models import speech_like

TEXT = "hello there you"


def natural(key: str, wav: np.ndarray, text: str = TEXT) -> Output:
    return Output(NATURAL, key, "low", text, 0, wav)


@pytest.fixture
def candidates():
    encoder = FakeEncoder()
    clips = [speech_like(1.0, pitch) for pitch in (100, 200)]
    return Candidates(
        FakeRecogniser().sentence_set([TEXT, "other"]),
        ["low", "high"],
        [np.asarray(encoder.embed(clip)) for clip in clips],
    )


def test_everything_is_measured(candidates):
    metrics = Metrics(FakeRecogniser("hello their you you"), FakeEncoder())
    row = metrics.measure(natural("a", speech_like(1.0, 105)), candidates)
    assert (row["words"], row["word_errors"]) == (3, 2)
    assert row["chosen_right"] is True
    assert row["nearest"] == "low"
    assert row["nearest_right"] is True
    assert row["similarity"] > 0.7
    assert row["signal_ok"] is True
    json.dumps(row, allow_nan=False)


def test_recogniser_and_encoder_may_be_missing(candidates):
    row = Metrics(None, None).measure(natural("a", speech_like(1.0)), candidates)
    assert not {"recognised", "chosen", "similarity", "nearest"} & set(row)


def test_free_transcription_can_be_limited_to_the_first_of_each_condition(candidates):
    metrics = Metrics(FakeRecogniser("hello there you"), None, open_limit=1)
    outputs = [natural(key, speech_like(1.0)) for key in "ab"]
    rows = [metrics.measure(output, candidates) for output in outputs]
    other = metrics.measure(replace(outputs[0], condition="copy"), candidates)
    assert ["word_errors" in row for row in (*rows, other)] == [True, False, True]
    figures = summarise(rows)
    assert figures["words: error rate"].n == 1
    assert figures["words: right sentence chosen"].n == 2


def test_silence_counts_as_an_error(candidates):
    output = natural("a", np.zeros(16_000, np.float32))
    row = Metrics(FakeRecogniser(""), FakeEncoder()).measure(output, candidates)
    assert row["similarity"] is None
    assert row["nearest_right"] is False
    assert row["word_errors"] == 3
    assert row["signal_ok"] is False
    json.dumps(row, allow_nan=False)
    figures = summarise([row])
    assert figures["voice: nearest reference right"].value == 0
    assert "voice: similarity" not in figures


def test_copies_are_compared_with_their_originals(candidates):
    from vocoder.griffin_lim.inference import GriffinLimVocoder

    original = natural("a", speech_like(1.0))
    copy = copy_output(original, "griffin-lim", GriffinLimVocoder(iterations=5), seed=0)
    row = Metrics(None, None).measure(copy, candidates, original.wav)
    assert row["condition"] == "copy, griffin-lim"
    assert row["mel_cepstral_distortion"] > 0
    assert row["vocoder_seconds"] > 0


def test_figures_weight_words_not_outputs(candidates):
    metrics = Metrics(FakeRecogniser("hello"), FakeEncoder())
    wav = speech_like(1.0)
    rows = [metrics.measure(natural(str(k), wav, text), candidates)
            for k, text in enumerate(["hello", "hello you there"])]  # fmt: skip
    figure = summarise(rows)["words: error rate"]
    assert figure.value == pytest.approx(2 / 4)
    assert figure.n == 2


def test_attention_is_counted_by_sentence(candidates):
    good, bad = (alignment_report(np.eye(20), stopped) for stopped in (True, False))
    output = Output("clone, x", "a", "low", TEXT, 0, speech_like(1.0), 16_000, 0.5, 0.25, (good, bad), attempts=3)
    figures = summarise([Metrics(None, None).measure(output, candidates)])
    assert figures["attention: runs to the end"].value == 1.0
    assert figures["attention: failures"].value == 0.5
    assert figures["attention: failures"].n == 2
    assert figures["attention: more than one attempt"].value == 1.0
    assert figures["speed: real-time factor, synthesizer"].value == pytest.approx(0.5)
    assert figures["speed: real-time factor, vocoder"].value == pytest.approx(0.25)


def test_conditions_keep_their_order():
    rows = [{"condition": name} for name in ("b", "a", "b")]
    assert {name: len(part) for name, part in by_condition(rows).items()} == {"b": 2, "a": 1}
    assert list(by_condition(rows)) == ["b", "a"]
