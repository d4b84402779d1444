"""Stores from folders that Real-Time-Voice-Cloning has preprocessed."""

from pathlib import Path

import numpy as np
import pytest

import preprocess
from corpora.store import FeatureStore
from speech.audio import write_audio
from synthesizer.units.config import UnitConfig
from synthesizer.units.encoders import MfccUnits
from tests.synthesizer.vits.toy import toy_units
from tests.toy_models import speech_like, toy_encoder

TEXT = "THE BIRCH CANOE SLID ON THE SMOOTH PLANKS"


@pytest.fixture(scope="module")
def sv2tts(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "SV2TTS"
    lines = []
    for speaker in range(4):
        wav = np.pad(speech_like(2.4, seed=speaker), 4000)
        name = f"{speaker}-1-0000_00"
        (folder / "synthesizer/audio").mkdir(parents=True, exist_ok=True)
        np.save(folder / f"synthesizer/audio/audio-{name}.npy", 0.9 * wav / np.abs(wav).max())
        lines.append(f"audio-{name}.npy|mel-{name}.npy|embed-{name}.npy|{len(wav)}|1|{TEXT}\n")
        mels = folder / f"encoder/s{speaker}"
        mels.mkdir(parents=True)
        np.save(mels / "0.npy", np.full((200, 40), speaker + 0.5, np.float32))
        (mels / "_sources.txt").write_text("0.npy,0.flac\n", encoding="utf-8")
    (folder / "synthesizer/train.txt").write_text("".join(lines), encoding="utf-8")
    return folder


def stored(*arguments: object) -> FeatureStore:
    preprocess.main([str(argument) for argument in (*arguments, "--jobs", 0)])
    return FeatureStore(str(arguments[arguments.index("--out") + 1]))


def test_mels_of_the_encoder_are_stored_as_they_are(sv2tts: Path, tmp_path: Path) -> None:
    store = stored("encoder", sv2tts / "encoder", "--out", tmp_path)
    found = {store.meta(index)["speaker"]: np.asarray(store.array(index, "mel")) for index in range(len(store))}
    assert set(found) == {"s0", "s1", "s2", "s3"} and store.meta(0)["seconds"] == 2.0
    for speaker, mel in found.items():
        np.testing.assert_array_equal(mel, np.full((200, 40), int(speaker[1:]) + 0.5, np.float16))


def test_audio_and_texts_are_prepared_for_synthesizer_and_vocoder(sv2tts: Path, tmp_path: Path) -> None:
    toy_encoder().save(tmp_path / "encoder.safetensors")
    encoder = ("--encoder", tmp_path / "encoder.safetensors")
    store = stored("synthesizer", sv2tts / "synthesizer", "--out", tmp_path / "synthesizer", *encoder, "--keep-audio")
    assert sorted(store.meta(index)["speaker"] for index in range(len(store))) == ["0", "1", "2", "3"]
    assert "canoe" in store.meta(0)["transcript"]
    vocoder = stored("vocoder", sv2tts, "--out", tmp_path / "vocoder")
    assert len(vocoder) == 4 and store.info["keep_audio"]
    for index in range(4):
        np.testing.assert_array_equal(store.array(index, "wav"), vocoder.array(index, "wav"))
        assert store.shape(index, "wav") == (200 * store.shape(index, "mel")[0],)


def test_units_are_stored_beside_the_mels(sv2tts: Path, tmp_path: Path) -> None:
    toy_encoder().save(tmp_path / "encoder.safetensors")
    centroids = np.random.default_rng(0).standard_normal((5, 39)).astype(np.float32)
    MfccUnits(UnitConfig(units=5), centroids).save(tmp_path / "units.safetensors")
    files = ("--encoder", tmp_path / "encoder.safetensors", "--units", tmp_path / "units.safetensors")
    store = stored("synthesizer", sv2tts / "synthesizer", "--out", tmp_path / "synthesizer", *files)
    assert store.info["units"]
    for index in range(len(store)):
        units = store.array(index, "units")
        seconds = store.meta(index)["seconds"]
        assert units.dtype == np.int64 and 0 <= units.min() <= units.max() < 5
        assert len(units) == pytest.approx(50 * seconds, abs=1)
        pitch = store.array(index, "unit_pitch")
        assert pitch.shape == units.shape and 100 < np.median(pitch[pitch > 0]) < 140


def test_clips_without_a_text_are_kept_if_that_is_asked_for(sv2tts: Path, tmp_path: Path, capsys) -> None:
    toy_encoder().save(tmp_path / "encoder.safetensors")
    toy_units().save(tmp_path / "units.safetensors")
    for number in range(4):
        (tmp_path / f"corpus/s{number}").mkdir(parents=True)
        write_audio(tmp_path / f"corpus/s{number}/a.wav", speech_like(2.4, seed=number))
    flags = ("--keep-audio", "--text-optional", "--units", tmp_path / "units.safetensors")
    given = ("synthesizer", tmp_path / "corpus", "--encoder", tmp_path / "encoder.safetensors", *flags)
    store = stored(*given, "--out", tmp_path / "store")
    assert len(store) == 4 and store.info["text_optional"] and store.has(0, "units") and store.has(0, "wav")
    assert all("transcript" not in store.meta(index) for index in range(4))
    with pytest.raises(SystemExit) as stopped:
        stored("synthesizer", tmp_path / "corpus", "--out", tmp_path / "other", "--text-optional")
    assert stopped.value.code == 2 and "--keep-audio and --units" in capsys.readouterr().err


def test_a_different_number_of_mel_bands_is_refused(sv2tts: Path, tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit) as stopped:
        preprocess.main(["encoder", str(sv2tts / "encoder"), "--out", str(tmp_path), "--n-mels", "80", "--jobs", "0"])
    assert stopped.value.code == 2
    assert "40 mel bands instead of 80" in (tmp_path / "rejected.jsonl").read_text(encoding="utf-8")
