"""Speaking texts into files: the printed summary and the manifest."""

import json
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import demo_cli
from cloning import SpeechOptions, Voice
from cloning.batch import speak_batch
from cloning.narration import Narrator, count_sentences, sentence_entry
from synthesizer import Sentence
from synthesizer.text.lexicon import Lexicon
from tests.toy_models import save_toy_models, speech_like

ALIGNMENT = np.eye(5, dtype=np.float32)
GOOD = Sentence("one.", ALIGNMENT, True, 1, seconds=0.8)
SPLIT = Sentence(
    "two, three.", ALIGNMENT, True, 3, fallbacks=("split",), kept="split", parts=2, excess_pause=1.25, seconds=2.0
)
BAD = Sentence("four.", ALIGNMENT, False, 4, score=0.25, fallbacks=("another seed", "windowed"), remarks=("it hums",))
NOISE = Sentence("five.", ALIGNMENT, True, 2, score=0.0, remarks=("it is probably unintelligible",), intelligible=False)


def test_sentences_are_counted():
    assert count_sentences([GOOD]) == "1 sentence"
    assert count_sentences([GOOD, SPLIT]) == "2 sentences, 1 decoded again (1 split)"
    assert count_sentences([GOOD, NOISE]) == "2 sentences, 1 doubtful, 1 probably unintelligible"
    assert count_sentences([GOOD, SPLIT, BAD]) == "3 sentences, 2 decoded again (1 split), 1 doubtful"


def test_the_manifest_has_an_entry_for_each_sentence():
    assert sentence_entry(GOOD)["done"] == []
    assert sentence_entry(SPLIT)["done"] == ["decoded 3 times: split into 2 parts", "pauses shortened by 1.2 s"]
    entry = sentence_entry(BAD)
    assert (entry["score"], entry["attempts"], entry["remarks"]) == (0.25, 4, ["it hums"])
    assert entry["done"] == ["decoded 4 times: the first attempt was the best"]
    assert entry["intelligible"] and not sentence_entry(NOISE)["intelligible"]
    json.dumps([entry, sentence_entry(SPLIT)])


def test_the_options_are_passed_on_and_written(tmp_path):
    spoken = []
    lexicon = Lexicon(())

    def speak(text, voice, options, monitor):
        spoken.append(options)
        return SimpleNamespace(
            wav=speech_like(1.0),
            sample_rate=16_000,
            seconds=1.0,
            seed=3,
            alignment_score=1.0,
            intelligible=True,
            remarks=(),
            sentences=(GOOD,),
            save=lambda path, overwrite: path.write_bytes(b""),
        )

    cloner: Any = SimpleNamespace(speak=speak, similarity=lambda *_: None)
    voice = Voice(np.ones(4), "toy", "ann", sources=("a.wav",))
    options = SpeechOptions(seed=3, speed=0.8, pauses=1.5, pitch_range=2.0, lexicon=lexicon)
    narrator = Narrator(cloner, voice, options)
    speak_batch(narrator, [("Hello.", tmp_path / "001.wav")], None, overwrite=False)
    assert spoken == [options]
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert (manifest["speed"], manifest["pauses"], manifest["pitch_range"]) == (0.8, 1.5, 2.0)
    assert manifest["outputs"][0]["sentences"] == [sentence_entry(GOOD)]
    assert narrator.summary().endswith("similarity to the reference not measurable, 1 sentence")


@pytest.mark.parametrize(
    ("flag", "value"), [("--speed", "3"), ("--speed", "0"), ("--pauses", "-1"), ("--pauses", "nan")]
)
def test_options_out_of_range_are_refused_before_any_work(tmp_path, capsys, monkeypatch, flag, value):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.wav").write_bytes(b"")
    with pytest.raises(SystemExit) as stop:
        demo_cli.main(["a.wav", "--text", "Hello.", f"{flag}={value}"])
    assert stop.value.code == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_speed_and_lexicon_from_the_command_line(tmp_path, capsys, monkeypatch):
    import soundfile

    monkeypatch.chdir(tmp_path)
    soundfile.write("low.wav", speech_like(4.5, 110), 16_000)
    (tmp_path / "words.csv").write_text("hello,AH0 N D IH0 S K R AY1 B AH0 B AH0 L\n", encoding="utf-8")
    save_toy_models(tmp_path / "models")
    base = ["low.wav", "--text", "Hello there.", "--seed", "3", "--models", "models", "--device", "cpu"]
    for name, more in (("a", []), ("slow", ["--speed", "0.5"]), ("word", ["--lexicon", "words.csv"])):
        assert demo_cli.main([*base, "--out", f"{name}.wav", *more]) == 0
    usual, slow, word = (soundfile.info(f"{name}.wav").duration for name in ("a", "slow", "word"))
    assert slow == pytest.approx(2 * usual, rel=0.2)
    assert word > usual + 0.2  # more phonemes take longer
    assert capsys.readouterr().out.splitlines()[-1].count("1 sentence") == 1
