import json
from dataclasses import replace

import numpy as np
import pytest

from evaluation.judges import Judges
from evaluation.measurements import Candidates, Metrics, by_condition, summarise
from evaluation.outputs import NATURAL, Output, copy_output
from evaluation.similarity import embed_voices
from synthesizer.alignment_score import alignment_report
from tests.evaluation.fakes import FakeNaturalness, FakeRecogniser, FakeSpeakerJudge
from tests.toy_models import speech_like

TEXT = "hello there you"


def natural(key: str, wav: np.ndarray, text: str = TEXT) -> Output:
    return Output(NATURAL, key, "low", text, 0, wav)


@pytest.fixture
def candidates():
    clips = {"low": [speech_like(1.0, 100)], "high": [speech_like(1.0, 200)]}
    judge = FakeSpeakerJudge()
    return Candidates(FakeRecogniser().sentence_set([TEXT, "other"]), {judge.name: embed_voices(judge, clips)})


def test_everything_is_measured(candidates):
    judges = Judges(FakeRecogniser("hello their you you"), FakeNaturalness(), [FakeSpeakerJudge(threshold=0.7)])
    row = Metrics(judges).measure(natural("a", speech_like(1.0, 105)), candidates)
    assert (row["words"], row["word_errors"]) == (3, 2)
    assert row["chosen_right"] is True
    voice = row["similarity"]["resemblyzer"]
    assert (voice["nearest"], voice["nearest_right"], voice["accepted"]) == ("low", True, True)
    assert voice["cosine"] > 0.7
    assert 1 < row["naturalness"]["fake MOS"] < 5
    assert row["signal_ok"] is True
    json.dumps(row, allow_nan=False)


def test_judges_may_be_missing(candidates):
    row = Metrics(Judges()).measure(natural("a", speech_like(1.0)), candidates)
    assert not {"recogniser", "recognised", "chosen", "naturalness"} & set(row)
    assert row["similarity"] == {}
    assert not [name for name in summarise([row]) if name.startswith(("words", "quality", "voice"))]


def test_a_voice_without_further_clips_has_no_similarity(candidates):
    output = replace(natural("a", speech_like(1.0)), voice="unknown")
    assert Metrics(Judges(speakers=[FakeSpeakerJudge()])).measure(output, candidates)["similarity"] == {}


def test_figures_say_which_judge_gave_them(candidates):
    judges = Judges(FakeRecogniser(), FakeNaturalness(), [FakeSpeakerJudge(threshold=0.7)])
    outputs = [natural("a", speech_like(1.0, 105)), natural("b", speech_like(1.0, 200))]
    figures = summarise([Metrics(judges).measure(output, candidates) for output in outputs])
    assert list(figures)[:7] == [
        "words: error rate (fake)", "words: character error rate (fake)", "words: right sentence chosen (fake)",
        "quality: 1 to 5 (fake MOS)", "voice: cosine (resemblyzer)", "voice: accepted as the speaker (resemblyzer)",
        "voice: nearest reference right (resemblyzer)",
    ]  # fmt: skip
    assert figures["voice: accepted as the speaker (resemblyzer)"].value == 0.5
    cosine = figures["voice: cosine (resemblyzer)"]
    assert cosine.low is not None and cosine.value is not None and cosine.low < cosine.value


def test_free_transcription_can_be_limited_to_the_first_of_each_condition(candidates):
    metrics = Metrics(Judges(FakeRecogniser("hello there you")), open_limit=1)
    outputs = [natural(key, speech_like(1.0)) for key in "ab"]
    rows = [metrics.measure(output, candidates) for output in outputs]
    other = metrics.measure(replace(outputs[0], condition="copy"), candidates)
    assert ["word_errors" in row for row in (*rows, other)] == [True, False, True]
    figures = summarise(rows)
    assert figures["words: error rate (fake)"].n == 1
    assert figures["words: right sentence chosen (fake)"].n == 2


def test_silence_counts_as_an_error(candidates):
    output = natural("a", np.zeros(16_000, np.float32))
    judges = Judges(FakeRecogniser(""), None, [FakeSpeakerJudge(threshold=-0.9)])
    row = Metrics(judges).measure(output, candidates)
    assert row["similarity"]["resemblyzer"] == {
        "cosine": None, "nearest": None, "nearest_right": False, "accepted": False,
    }  # fmt: skip
    assert row["word_errors"] == 3
    assert row["signal_ok"] is False
    json.dumps(row, allow_nan=False)
    figures = summarise([row])
    assert figures["voice: nearest reference right (resemblyzer)"].value == 0
    assert "voice: cosine (resemblyzer)" not in figures


def test_copies_are_compared_with_their_originals(candidates):
    from vocoder.griffin_lim.inference import GriffinLimVocoder

    original = natural("a", speech_like(1.0))
    copy = copy_output(original, "griffin-lim", GriffinLimVocoder(iterations=5), seed=0)
    row = Metrics(Judges()).measure(copy, candidates, original.wav)
    assert row["condition"] == "copy, griffin-lim"
    assert row["mel_cepstral_distortion"] > 0
    assert row["vocoder_seconds"] > 0


def test_figures_weight_words_not_outputs(candidates):
    metrics = Metrics(Judges(FakeRecogniser("hello")))
    wav = speech_like(1.0)
    rows = [metrics.measure(natural(str(k), wav, text), candidates)
            for k, text in enumerate(["hello", "hello you there"])]  # fmt: skip
    figure = summarise(rows)["words: error rate (fake)"]
    assert figure.value == pytest.approx(2 / 4)
    assert figure.n == 2


def test_attention_is_counted_by_sentence(candidates):
    good, bad = (alignment_report(np.eye(20), stopped) for stopped in (True, False))
    output = Output("clone, x", "a", "low", TEXT, 0, speech_like(1.0), 16_000, 0.5, 0.25, (good, bad), attempts=3)
    figures = summarise([Metrics(Judges()).measure(output, candidates)])
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
