"""Stores of all stages from a toy corpus with unusable files."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import preprocess
from corpora.splits import noise_split
from corpora.store import FeatureStore
from speech.audio import raise_volume, read_audio, write_audio
from speech.mel import decode_mel, encoder_mel, synthesis_mel
from synthesizer.text.transcript import Transcript
from tests.toy_models import EMBEDDING_SIZE, speech_like, toy_encoder, toy_synthesizer

TEXT = "the birch canoe slid on the smooth planks"


@pytest.fixture(scope="module")
def encoder_file(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("encoder") / "encoder.safetensors"
    toy_encoder().save(path)
    return path


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    """Ten speakers with equal file names, a text with | and a line break, and files to leave out."""
    folder = tmp_path_factory.mktemp("data") / "toy"
    texts = {"1": TEXT, "2": 'No. 2 | "paid" £5,\nthen left again!'}
    for speaker in range(10):
        for name, text in texts.items():
            speak(folder / f"s{speaker}/{name}.wav", text, seed=speaker)
    speak(folder / "s0/short.wav", "hi", seconds=0.9)
    speak(folder / "s0/too fast.wav", TEXT * 3)
    speak(folder / "s0/too slow.wav", "oh")
    speak(folder / "s0/no text.wav", None)
    speak(folder / "s0/unspeakable.wav", "…")
    (folder / "s1/broken.wav").write_bytes(b"no audio" * 100)
    write_audio(folder / "s1/silent.wav", np.zeros(32_000, np.float32))
    (folder / "s1/silent.txt").write_text(TEXT, encoding="utf-8")
    (folder / "empty speaker").mkdir()
    return folder


def speak(path: Path, text: str | None, seconds: float = 2.4, seed: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, np.pad(speech_like(seconds, seed=seed), 8000))
    if text is not None:
        path.with_suffix(".txt").write_text(text, encoding="utf-8")


def run(*arguments: object) -> None:
    preprocess.main([str(argument) for argument in arguments])


def same(one: FeatureStore, other: FeatureStore) -> bool:
    return one.keys == other.keys and all(
        one.meta(index) == other.meta(index)
        and all(np.array_equal(one.array(index, name), other.array(index, name)) for name in one.fields)
        for index in range(len(one))
    )


def test_encoder_store(tmp_path, corpus, capsys):
    run("encoder", corpus, "--out", tmp_path, "--jobs", 0)
    store = FeatureStore(tmp_path)
    assert store.info["stage"] == "encoder"
    assert len(store) == 24  # the texts do not matter
    mel = store.array(0, "mel")
    assert mel.dtype == np.float16 and mel.shape[1] == 40 and np.isfinite(mel).all() and mel.max() > 0
    held_out = {store.meta(index)["speaker"] for index in store.select(split="validation")}
    assert 1 <= len(held_out) < 5
    assert all(store.meta(index)["split"] == "validation" for name in held_out for index in store.select(speaker=name))
    assert {key.removeprefix("toy/"): reason.split(" (")[0] for key, reason in store.rejected()} == {
        "s0/short.wav": "too short",
        "s1/broken.wav": "it cannot be read as audio",
        "s1/silent.wav": "no speech",
        "empty speaker": "the folder has no recordings",
    }
    printed = capsys.readouterr().out
    assert "found 26 utterances of 10 speakers" in printed
    assert "left out: 4" in printed and "no speech, for example toy/s1/silent.wav" in printed


def test_encoder_store_with_more_bands(tmp_path, corpus, capsys):
    run("encoder", corpus, "--out", tmp_path, "--jobs", 0, "--n-mels", 80)
    store = FeatureStore(tmp_path)
    assert store.info["n_mels"] == 80
    mel = store.array(0, "mel")
    assert mel.dtype == np.float16 and mel.shape[1] == 80 and (mel.max(axis=0) > 0).all()
    with pytest.raises(SystemExit):
        run("encoder", corpus, "--out", tmp_path, "--jobs", 0)
    assert "n_mels is 80 in the store" in capsys.readouterr().err


def test_vocoder_store(tmp_path, corpus):
    run("vocoder", corpus, "--out", tmp_path, "--jobs", 0)
    store = FeatureStore(tmp_path)
    assert len(store) == 24
    assert store.info["mel_config"]["hop_length"] == 200
    for index in range(2):
        wav, mel = store.array(index, "wav"), store.array(index, "mel")
        assert wav.dtype == np.int16 and mel.dtype == np.uint8 and mel.shape[1] == 80
        assert len(wav) == len(mel) * 200
        assert 0.88 < np.abs(wav).max() / 32768 < 0.92
        again = synthesis_mel(wav[: round(store.meta(index)["seconds"] * 16_000)] / np.float32(32768))
        frames = min(len(mel), again.shape[1])
        assert np.abs(decode_mel(mel[:frames]).T - again[:, :frames]).mean() < 0.05
    assert dict(store.rejected())["toy/s1/silent.wav"] == "silent"


def test_synthesizer_store(tmp_path, corpus, encoder_file):
    run("synthesizer", corpus, "--out", tmp_path, "--encoder", encoder_file, "--jobs", 0)
    store = FeatureStore(tmp_path)
    assert store.info["embedding_space"] == "toy"
    assert store.info["mel_config"]["n_mels"] == 80
    assert len(store) == 20
    index = store.find("toy/s3/2.wav")
    meta = store.meta(index)
    assert Transcript.from_json(meta["transcript"]).text.startswith("number two")
    assert "five pounds" in Transcript.from_json(meta["transcript"]).text
    assert meta["speaker"] == "s3" and meta["corpus"] == "toy" and 2.2 < meta["seconds"] < 2.7
    mel, embedding = store.array(index, "mel"), store.array(index, "embedding")
    assert mel.dtype == np.uint8 and mel.shape == (round(meta["seconds"] * 80) + 1, 80)
    assert embedding.shape == (EMBEDDING_SIZE,) and np.linalg.norm(embedding) == pytest.approx(1, abs=1e-4)
    whole = speech_like(2.4, seed=3)
    assert embedding @ toy_encoder().embed(np.pad(whole, 8000)) > 0.999
    reasons = {key.removeprefix("toy/"): reason.split(" (")[0] for key, reason in store.rejected()}
    assert reasons["s0/too fast.wav"] == "too fast for its text"
    assert reasons["s0/too slow.wav"] == "too slow for its text"
    assert reasons["s0/no text.wav"] == "no transcript"
    assert reasons["s0/unspeakable.wav"] == "text cannot be spoken"
    assert reasons["s1/silent.wav"] == "silent"


def test_noise_store(tmp_path):
    rng = np.random.default_rng(0)
    for number in range(30):
        path = tmp_path / f"noise/{'deep/' * (number % 3)}rain_{number}-A.wav"
        path.parent.mkdir(parents=True, exist_ok=True)
        write_audio(path, (0.001 * rng.standard_normal(32_000)).astype(np.float32))
    write_audio(tmp_path / "noise/silent.wav", np.zeros(32_000, np.float32))
    run("noise", tmp_path / "noise", "--out", tmp_path / "store", "--jobs", 0)
    store = FeatureStore(tmp_path / "store")
    assert store.info["stage"] == "noise" and len(store) == 30
    assert store.rejected() == [("noise/silent.wav", "silent")]
    mel = store.array(0, "mel")
    assert mel.dtype == np.float16 and mel.shape == (201, 40)  # silences stay
    loud = encoder_mel(raise_volume(read_audio(tmp_path / store.keys[0])))
    np.testing.assert_allclose(mel, loud, rtol=1e-3, atol=1e-6)
    for index in range(len(store)):
        assert store.meta(index)["split"] == noise_split(store.keys[index])


def test_vocoder_store_with_ground_truth_aligned_mels(tmp_path, corpus, encoder_file):
    toy_synthesizer().save(tmp_path / "synthesizer.safetensors")
    arguments = ["vocoder", corpus, "--jobs", 0]
    models = ["--gta", "--encoder", encoder_file, "--synthesizer", tmp_path / "synthesizer.safetensors"]
    run(*arguments, "--out", tmp_path / "own")
    run(*arguments, *models, "--out", tmp_path / "gta")
    own, gta = FeatureStore(tmp_path / "own"), FeatureStore(tmp_path / "gta")
    assert gta.info["gta"] and gta.info["embedding_space"] == "toy" and "gta" not in own.info
    assert 0 < len(gta) < len(own)
    for index, key in enumerate(gta.keys):
        mel, other = gta.array(index, "mel"), own.array(own.find(key), "mel")
        assert mel.dtype == np.uint8 and mel.shape == other.shape and not np.array_equal(mel, other)
        np.testing.assert_array_equal(gta.array(index, "wav"), own.array(own.find(key), "wav"))
        assert gta.meta(index)["gta"] is True
    reasons = {key.removeprefix("toy/"): reason.split(" (")[0] for key, reason in gta.rejected()}
    assert reasons["s0/no text.wav"] == "no transcript"
    assert reasons["s0/unspeakable.wav"] == "text cannot be spoken"
    run(*arguments, *models, "--out", tmp_path / "again")
    assert same(gta, FeatureStore(tmp_path / "again"))


def test_models_that_do_not_belong_together_are_refused(tmp_path, corpus, encoder_file, capsys):
    toy_synthesizer(space="other").save(tmp_path / "synthesizer.safetensors")
    with pytest.raises(SystemExit):
        run(
            *("vocoder", corpus, "--out", tmp_path / "store", "--gta", "--encoder", encoder_file),
            *("--synthesizer", tmp_path / "synthesizer.safetensors"),
        )
    assert "trained together" in capsys.readouterr().err


def test_segments_between_pauses(tmp_path, corpus, encoder_file, monkeypatch):
    """A resumed run completes an utterance of which some segments are stored, and stores none twice."""
    from speech.alignment import Segment, Word

    def halves(wav, text, **settings):
        middle, words = len(wav) / 16_000 / 2, text.split()
        return [
            Segment(start, start + middle, " ".join(some), tuple(Word(word, 0.6, 0.8) for word in some))
            for start, some in ((0, words[:4]), (middle, words[4:]))
        ]

    monkeypatch.setattr("speech.alignment.split_at_silences", halves)
    arguments = ("synthesizer", corpus, "--encoder", encoder_file, "--jobs", 0, "--min-seconds", 0.9)
    run(*arguments, "--split-at-silences", "--out", tmp_path)
    store = FeatureStore(tmp_path)
    keys = [key for key in store.keys if "/s3/1.wav" in key]
    assert keys == ["toy/s3/1.wav#1of2", "toy/s3/1.wav#2of2"]
    texts = [Transcript.from_json(store.meta(store.find(key))["transcript"]).text for key in keys]
    assert " ".join(texts) == TEXT
    times = store.array(store.find(keys[0]), "word_times")
    assert times.shape == (4, 2)
    assert (times < 0.5).all()  # counted from the start of the speech, after the silence
    first, second = (store.array(store.find(key), "embedding") for key in keys)
    np.testing.assert_array_equal(first, second)  # too short for separate embeddings
    index = tmp_path / "index-0.jsonl"
    os.truncate(index, index.stat().st_size - 10)
    assert len(FeatureStore(tmp_path)) == len(store) - 1
    run(*arguments, "--split-at-silences", "--out", tmp_path)
    assert same(FeatureStore(tmp_path), store)
    assert len(index.read_bytes().splitlines()) == len(store)


def test_speed_copies_are_separate_voices(tmp_path, corpus, encoder_file):
    """Training clips are stored at each speed, with other speaker names and embeddings; held-out ones are not."""
    arguments = ("synthesizer", corpus, "--encoder", encoder_file, "--jobs", 0, "--speeds", 0.8, 1.25)
    run(*arguments, "--out", tmp_path)
    store = FeatureStore(tmp_path)
    held_out = store.select(split="validation")
    assert len(held_out) and not any(" at " in store.meta(index)["speaker"] for index in held_out)
    key = next(store.keys[index] for index in store.select(split="train") if "#1of3" in store.keys[index])
    indices = [store.find(key.replace("#1of3", f"#{number}of3")) for number in (1, 2, 3)]
    speaker = store.meta(indices[0])["speaker"]
    assert [store.meta(index)["speaker"] for index in indices] == [speaker, f"{speaker} at 0.8", f"{speaker} at 1.25"]
    seconds = np.array([store.meta(index)["seconds"] for index in indices])
    np.testing.assert_allclose(seconds[1:] / seconds[0], [1 / 0.8, 1 / 1.25], rtol=0.05)
    embeddings = np.stack([store.array(index, "embedding") for index in indices])
    assert (embeddings[1:] @ embeddings[0] < 0.999).all()
    index = tmp_path / "index-0.jsonl"
    os.truncate(index, index.stat().st_size - 10)
    run(*arguments, "--out", tmp_path)
    assert same(FeatureStore(tmp_path), store)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_run_is_continued(tmp_path, corpus, repository):
    """Two workers and their parent are killed; the continued store equals that of an undisturbed run."""
    store = tmp_path / "killed"
    command = [sys.executable, "preprocess.py", "vocoder", str(corpus), "--out", str(store), "--jobs", "2"]
    process = subprocess.Popen(command, cwd=repository, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    while process.poll() is None:
        if any(path.stat().st_size for path in store.glob("index-[01].jsonl")):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.005)
    process.wait()
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    run("vocoder", corpus, "--out", tmp_path / "whole", "--jobs", 0)
    killed, whole = FeatureStore(store), FeatureStore(tmp_path / "whole")
    assert same(killed, whole)
    assert {key for key, _ in killed.rejected()} == {key for key, _ in whole.rejected()}


def test_a_second_run_adds_only_what_is_new(tmp_path, corpus, capsys):
    speak(tmp_path / "more/ann/1.wav", TEXT)
    run("vocoder", tmp_path / "more", "--out", tmp_path / "store", "--jobs", 0)
    before = (tmp_path / "store/index-0.jsonl").read_bytes()
    run("vocoder", tmp_path / "more", "--out", tmp_path / "store", "--jobs", 0)
    assert "0 are to do" in capsys.readouterr().out
    assert (tmp_path / "store/index-0.jsonl").read_bytes() == before
    run("vocoder", tmp_path / "more", corpus, "--out", tmp_path / "store", "--jobs", 0, "--validation-speakers")
    assert len(FeatureStore(tmp_path / "store")) == 25


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["vocoder", "--out", "x"], "No corpus"),
        (["vocoder", "missing", "--out", "{tmp}/x"], "There is no corpus at missing"),
        (["vocoder", "c", "--out", "x", "--jobs", "-1"], "--jobs"),
        (["vocoder", "c", "--out", "x", "--min-seconds", "0.5"], "--min-seconds"),
        (["vocoder", "c", "--out", "x", "--min-seconds", "70"], "--min-seconds"),
        (["vocoder", "{tmp}/bad", "--out", "{tmp}/x", "--jobs", "0"], "Nothing is left"),
        (["encoder", "{tmp}/vox", "--out", "{tmp}/x", "--nationalities", "UK", "USA"], "put vox1_meta.csv into"),
        (["encoder", "c", "--out", "{tmp}/x", "--n-mels", "129"], "--n-mels"),
        (["synthesizer", "c", "--out", "{tmp}/x", "--encoder", "{tmp}/none.safetensors"], "none.safetensors"),
    ],
)
def test_mistakes_are_reported_in_one_sentence(tmp_path, capsys, arguments, sentence):
    (tmp_path / "bad/ann").mkdir(parents=True)
    (tmp_path / "vox/wav/id10001/video").mkdir(parents=True)
    write_audio(tmp_path / "bad/ann/1.wav", np.zeros(32_000, np.float32))
    with pytest.raises(SystemExit) as stopped:
        run(*[argument.replace("{tmp}", str(tmp_path)) for argument in arguments])
    assert stopped.value.code == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ") and sentence in error


def test_other_settings_need_another_store(tmp_path, capsys):
    speak(tmp_path / "c/ann/1.wav", TEXT)
    run("vocoder", tmp_path / "c", "--out", tmp_path / "store", "--jobs", 0)
    with pytest.raises(SystemExit):
        run("vocoder", tmp_path / "c", "--out", tmp_path / "store", "--jobs", 0, "--min-seconds", 1)
    assert "min_seconds is 1.6 in the store, not 1" in capsys.readouterr().err
    assert json.loads((tmp_path / "store/store.json").read_text(encoding="utf-8"))["min_seconds"] == 1.6


def test_labels_choose_recordings_and_are_stored(tmp_path, capsys):
    root = tmp_path / "ravdess"
    for name in ("Actor_01/03-01-01-01-01-01-01", "Actor_02/03-01-05-02-02-01-02"):
        speak(root / f"{name}.wav", None)
    run("vocoder", root, "--out", tmp_path / "all", "--jobs", 0)
    store = FeatureStore(tmp_path / "all")
    assert store.meta(1)["labels"] == {"channel": "speech", "emotion": "angry", "intensity": "strong"}
    run("vocoder", root, "--out", tmp_path / "calm", "--jobs", 0, "--labels", "emotion=neutral")
    assert FeatureStore(tmp_path / "calm").keys == store.keys[:1]
    with pytest.raises(SystemExit):
        run("vocoder", root, "--out", tmp_path / "none", "--jobs", 0, "--labels", "emotion=bored")
    assert "No recording has the label emotion=bored: emotion is angry, neutral." in capsys.readouterr().err
