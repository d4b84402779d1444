"""Writing audio files, level, pre-emphasis and mu-law."""

import errno
import os

import numpy as np
import pytest
import soundfile

from speech import audio
from speech.errors import AudioError, StorageError
from tests.speech.clips import RATE, assert_is_the_tone, tone
from tests.toy_models import speech_like


@pytest.mark.parametrize("name", ["out.wav", "out.flac", "out.ogg", "OUT.WAV"])
def test_write_then_read(tmp_path, name):
    audio.write_audio(tmp_path / name, tone())
    assert_is_the_tone(audio.read_audio(tmp_path / name))
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_writing_clips_values_beyond_full_scale(tmp_path):
    audio.write_audio(tmp_path / "loud.wav", tone(peak=3.0))
    wav = audio.read_audio(tmp_path / "loud.wav")
    np.testing.assert_allclose(wav, np.clip(tone(peak=3.0), -1, 1), atol=1e-4)


def test_writing_refuses_to_overwrite_unless_allowed(tmp_path):
    path = tmp_path / "out.wav"
    audio.write_audio(path, tone(0.5))
    with pytest.raises(StorageError, match="exists already"):
        audio.write_audio(path, tone(1.0))
    audio.write_audio(path, tone(1.0), overwrite=True)
    assert len(audio.read_audio(path)) == RATE


def test_bad_paths_and_arrays_are_refused_when_writing(tmp_path):
    with pytest.raises(StorageError, match="cannot be written"):
        audio.write_audio(tmp_path / "missing" / "out.wav", tone())
    with pytest.raises(StorageError, match="must end in"):
        audio.write_audio(tmp_path / "out.xyz", tone())
    for wav in (
        np.zeros(0, dtype=np.float32),
        np.array([np.nan], dtype=np.float32),
        np.zeros((2, 9), dtype=np.float32),
    ):
        with pytest.raises(AudioError):
            audio.write_audio(tmp_path / "out.wav", wav)
    assert not list(tmp_path.iterdir())


def test_a_full_disk_keeps_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "out.wav"
    audio.write_audio(path, tone())
    before = path.read_bytes()

    def full(_descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match="disk is full"):
        audio.write_audio(path, tone(0.5), overwrite=True)
    assert path.read_bytes() == before
    assert [left.name for left in tmp_path.iterdir()] == ["out.wav"]


def test_raise_volume_never_lowers_the_level():
    quiet, loud = tone(peak=1e-3), tone(peak=0.9)
    assert audio.rms_dbfs(audio.raise_volume(quiet)) == pytest.approx(-30, abs=0.01)
    assert audio.raise_volume(loud) is loud
    assert not audio.raise_volume(np.zeros(10, dtype=np.float32)).any()
    assert audio.rms_dbfs(np.zeros(0, dtype=np.float32)) == -np.inf
    assert np.abs(audio.normalize_peak(quiet)).max() == pytest.approx(0.9)
    assert not audio.normalize_peak(np.zeros(10, dtype=np.float32)).any()


def test_integers_are_scaled_by_their_range():
    np.testing.assert_array_equal(
        audio.as_wav(np.array([-32768, 0, 16384], dtype=np.int16)), np.array([-1, 0, 0.5], dtype=np.float32)
    )
    with pytest.raises(AudioError):
        audio.as_wav(np.array(["a"]))


# --- offset and drift -----------------------------------------------------------------------------------------------

SECONDS = np.arange(4 * RATE) / RATE
OFFSETS: dict[str, float | np.ndarray] = {
    "small": 0.05,
    "negative": -0.05,
    "large": 0.2,
    "larger than the speech": -0.5,
    "ramp": 0.1 * SECONDS,
    "settling": 0.5 * np.exp(-SECONDS),
    "slow wave": 0.2 * np.sin(np.pi * SECONDS),
}


@pytest.mark.parametrize("name", OFFSETS)
@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_offset_and_drift_are_removed_when_a_file_is_read(tmp_path, name, rate):
    wav = audio.resample(0.8 * speech_like(4.0), RATE, rate)
    offset = OFFSETS[name] + np.zeros(4 * RATE)
    shifted = wav + np.interp(np.arange(len(wav)) / rate, SECONDS, offset).astype(np.float32)
    soundfile.write(tmp_path / "clean.wav", wav, rate, subtype="FLOAT")
    soundfile.write(tmp_path / "shifted.wav", shifted, rate, subtype="FLOAT")
    clean, cleaned = (audio.read_audio(tmp_path / file) for file in ("clean.wav", "shifted.wav"))
    assert abs(float(cleaned.mean())) < 1e-3
    middle = slice(RATE // 4, -RATE // 4)
    np.testing.assert_allclose(cleaned[middle], clean[middle], atol=0.005)


def test_clips_without_an_offset_stay_identical(samples_dir):
    for wav in (speech_like(2.0), tone(0.01), np.zeros(RATE, np.float32), np.zeros(0, np.float32)):
        assert audio.remove_offset(wav) is wav
    for path in sorted(samples_dir.glob("*.flac")):
        wav = audio.read_audio(path)
        np.testing.assert_array_equal(wav, soundfile.read(path, dtype="float32")[0])


def test_a_constant_is_silence():
    for value in (0.3, -1.0, 1e-3):
        assert not audio.remove_offset(np.full(RATE, value, np.float32)).any()


# --- pre-emphasis and mu-law ----------------------------------------------------------------------------------------


def test_emphasis_and_mu_law_equal_golden(golden_dir):
    golden = np.load(golden_dir / "mulaw.npz")
    wav = golden["x"]
    np.testing.assert_array_equal(audio.mu_law_encode(wav, 9), golden["encoded"])
    np.testing.assert_allclose(audio.mu_law_decode(golden["encoded"], 9), golden["decoded"], atol=1e-6)
    np.testing.assert_allclose(audio.preemphasis(wav), golden["pre"], atol=1e-9)


@pytest.mark.parametrize("bits", [8, 9, 10])
def test_mu_law_round_trip(bits):
    labels = np.arange(2**bits)
    decoded = audio.mu_law_decode(labels, bits)
    assert decoded.min() == -1 and decoded.max() == 1 and decoded.dtype == np.float32
    np.testing.assert_array_equal(audio.mu_law_encode(decoded, bits), labels)
    assert audio.mu_law_encode(np.array([-7.0, 7.0]), bits).tolist() == [0, 2**bits - 1]
