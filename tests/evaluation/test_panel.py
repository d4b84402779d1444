import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.outputs import Output, copy_output, natural_output
from evaluation.panel import Candidates, Panel, by_condition, summarise
from synthesizer.alignment_score import alignment_report
from tests.evaluation.fakes import FakeJudge, FakeRecogniser
from tests.toy_models import speech_like

TEXT = "hello there you"


@pytest.fixture
def candidates():
    judge = FakeJudge()
    clips = [speech_like(1.0, pitch) for pitch in (100, 200)]
    return Candidates(
        FakeRecogniser().sentence_set([TEXT, "other"]),
        ["low", "high"],
        [np.asarray(judge.embed(clip)) for clip in clips],
    )


def test_every_judge_is_asked(candidates):
    panel = Panel(FakeRecogniser("hello their you you"), FakeJudge())
    row = panel.measure(natural_output("a", "low", TEXT, 0, speech_like(1.0, 105)), candidates)
    assert (row["words"], row["word_errors"]) == (3, 2)
    assert row["chosen_right"] is True
    assert row["nearest"] == "low"
    assert row["nearest_right"] is True
    assert row["similarity"] > 0.7
    assert row["signal_ok"] is True
    json.dumps(row, allow_nan=False)


def test_judges_may_be_missing(candidates):
    row = Panel(None, None).measure(natural_output("a", "low", TEXT, 0, speech_like(1.0)), candidates)
    assert not {"heard", "chosen", "similarity", "nearest"} & set(row)


def test_open_recognition_can_be_limited_to_the_first_of_each_condition(candidates):
    panel = Panel(FakeRecogniser("hello there you"), None, open_limit=1)
    outputs = [natural_output(key, "low", TEXT, 0, speech_like(1.0)) for key in "ab"]
    rows = [panel.measure(output, candidates) for output in outputs]
    other = panel.measure(replace(outputs[0], condition="copy"), candidates)
    assert ["word_errors" in row for row in (*rows, other)] == [True, False, True]
    figures = summarise(rows)
    assert figures["words: error rate"].n == 1
    assert figures["words: right sentence chosen"].n == 2


def test_silence_is_a_miss_and_not_a_crash(candidates):
    output = natural_output("a", "low", TEXT, 0, np.zeros(16_000, np.float32))
    row = Panel(FakeRecogniser(""), FakeJudge()).measure(output, candidates)
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

    natural = natural_output("a", "low", TEXT, 0, speech_like(1.0))
    copy = copy_output(natural, "griffin-lim", GriffinLimVocoder(iterations=5), seed=0)
    row = Panel(None, None).measure(copy, candidates, natural.wav)
    assert row["condition"] == "copy, griffin-lim"
    assert row["mel_cepstral_distortion"] > 0
    assert row["vocoder_seconds"] > 0


def test_figures_weigh_words_not_outputs(candidates):
    panel = Panel(FakeRecogniser("hello"), FakeJudge())
    wav = speech_like(1.0)
    rows = [panel.measure(natural_output(str(k), "low", text, 0, wav), candidates)
            for k, text in enumerate(["hello", "hello you there"])]  # fmt: skip
    figure = summarise(rows)["words: error rate"]
    assert figure.value == pytest.approx(2 / 4)
    assert figure.n == 2


def test_attention_is_counted_by_sentence(candidates):
    good, bad = (alignment_report(np.eye(20), stopped) for stopped in (True, False))
    output = Output("clone, x", "a", "low", TEXT, 0, speech_like(1.0), 0.5, 0.25, (good, bad), attempts=3)
    figures = summarise([Panel(None, None).measure(output, candidates)])
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
