import time

import numpy as np
import pytest

from speech.errors import SpeechError, WorkCancelled
from speech.mel import MelConfig, synthesis_mel
from vocoder import GriffinLimVocoder


def griffin_lim(mel: np.ndarray, config: MelConfig | None = None, iterations: int = 60, seed: int | None = 0):
    return GriffinLimVocoder(config, iterations).vocode(mel, seed)


def mel_distance(wav: np.ndarray, mel: np.ndarray) -> float:
    return float(np.abs(synthesis_mel(wav)[:, : mel.shape[1]] - mel).mean())


def test_mel_of_a_synthetic_voice_is_close(voice):
    mel = synthesis_mel(voice(1.0))
    wav = griffin_lim(mel)
    assert wav.dtype == np.float32 and wav.shape == (mel.shape[1] * 200,)
    assert np.abs(wav).max() <= 1
    assert mel_distance(wav, mel) < 0.2
    assert mel_distance(wav, mel) < 0.6 * mel_distance(griffin_lim(mel, iterations=0), mel)


def test_mel_and_level_of_a_recording_are_close(golden_dir):
    golden = np.load(golden_dir / "mel.npz")
    mel, original = golden["1320_00000.mel"], golden["1320_00000.wav"]
    wav = griffin_lim(mel, iterations=30)
    assert mel_distance(wav, mel) < 0.1
    assert wav.std() == pytest.approx(original.std(), rel=0.1)


def test_seeds(voice):
    mel = synthesis_mel(voice(0.3))
    assert np.array_equal(griffin_lim(mel, iterations=5, seed=3), griffin_lim(mel, iterations=5, seed=3))
    assert not np.array_equal(griffin_lim(mel, iterations=5, seed=3), griffin_lim(mel, iterations=5, seed=4))
    assert not np.array_equal(griffin_lim(mel, iterations=5, seed=None), griffin_lim(mel, iterations=5, seed=None))


@pytest.mark.parametrize("frames", [1, 2, 5])
def test_tiny_mels(frames):
    wav = griffin_lim(np.full((80, frames), 0.5, dtype=np.float32), iterations=3)
    assert wav.shape == (200 * frames,) and np.isfinite(wav).all()


def test_silence_stays_silent():
    wav = griffin_lim(np.full((80, 30), -4.0, dtype=np.float32))
    assert wav.shape == (6000,) and not wav.any()


def test_loudest_mel_is_scaled_to_full_scale():
    wav = griffin_lim(np.full((80, 10), 4.0, dtype=np.float32), iterations=3)
    assert np.isfinite(wav).all() and np.abs(wav).max() <= 1


def test_a_stream_of_loud_mels_is_not_clipped():
    """The chain scales the whole result to its peak, so a clipped stream would be distorted for no reason."""
    mel, vocoder = np.full((80, 10), 4.0, dtype=np.float32), GriffinLimVocoder(iterations=3)
    stream = np.concatenate(list(vocoder.stream(mel, seed=0)))
    assert np.abs(stream).max() > 1
    np.testing.assert_allclose(stream / np.abs(stream).max(), vocoder.vocode(mel, seed=0), atol=1e-6)


@pytest.mark.parametrize(
    "mel",
    [
        np.zeros((80, 0), np.float32),
        np.zeros((0, 10), np.float32),
        np.zeros((10, 80), np.float32),
        np.zeros(80, np.float32),
        np.full((80, 4), np.nan, np.float32),
        np.full((80, 4), np.inf, np.float32),
        np.full((80, 4), "x"),
    ],
)
def test_bad_mels_are_refused_in_one_sentence(mel):
    with pytest.raises(SpeechError) as error:
        griffin_lim(mel)
    assert str(error.value).endswith(".") and "\n" not in str(error.value)


def test_different_window_and_hop():
    config = MelConfig(n_fft=1024, win_length=800, hop_length=160, sample_rate=16_000)
    seconds = np.arange(8000) / 16_000
    mel = synthesis_mel((0.5 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32), config)
    wav = griffin_lim(mel, config, iterations=20)
    assert wav.shape == (mel.shape[1] * 160,)
    spectrum = np.abs(np.fft.rfft(wav))
    assert np.argmax(spectrum) * 16_000 / len(wav) == pytest.approx(440, abs=15)


def test_blocks_join_without_clicks(voice, monkeypatch):
    """And the mel is as close as with a single search over all frames."""
    mel = synthesis_mel(voice(1.5))
    in_blocks = griffin_lim(mel)
    monkeypatch.setattr("vocoder.griffin_lim.inference.BLOCK_FRAMES", 1000)
    assert mel_distance(in_blocks, mel) < mel_distance(griffin_lim(mel), mel) + 0.02
    monkeypatch.undo()
    seconds = np.arange(32_000) / 16_000
    wav = griffin_lim(synthesis_mel((0.5 * np.sin(2 * np.pi * 440 * seconds)).astype(np.float32)))
    assert np.abs(np.diff(wav)).max() < 0.13  # 0.09 within the tone itself


@pytest.mark.parametrize("frames", [31, 32, 33, 47, 65])
def test_lengths_around_a_block(frames):
    mel = np.random.default_rng(0).uniform(-3, 1, (80, frames)).astype(np.float32)
    wav = griffin_lim(mel, iterations=2)
    assert wav.shape == (200 * frames,) and np.isfinite(wav).all()


def test_stream_equals_vocode(voice):
    mel, seen = synthesis_mel(0.3 * voice(0.3)), []
    vocoder = GriffinLimVocoder(iterations=4)
    wav = vocoder.vocode(mel, seed=1, progress=lambda done, total: seen.append((done, total)))
    assert np.array_equal(wav, griffin_lim(mel, iterations=4, seed=1))
    assert seen[-1] == (len(wav), len(wav))
    chunks = list(vocoder.stream(mel, seed=1))
    assert np.array_equal(np.concatenate(chunks), wav)
    assert max(len(chunk) for chunk in chunks) == 1600
    assert vocoder.mel_config == MelConfig() and vocoder.sample_rate == 16_000


@pytest.mark.parametrize("verb", ["vocode", "stream"])
def test_cancelling_ends_the_work_within_50_ms(verb):
    asked: list[float] = []

    def cancelled() -> bool:
        asked.append(time.process_time())
        return len(asked) == 90

    with pytest.raises(WorkCancelled):
        list(getattr(GriffinLimVocoder(), verb)(np.zeros((80, 200), np.float32), seed=0, cancelled=cancelled))
    assert len(asked) == 90 and max(np.diff(asked)) < 0.05
