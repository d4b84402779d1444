import numpy as np
import pytest
import soundfile

from corpora.splits import noise_split
from evaluation.noise import NoiseSet, speech_level
from speech.errors import CorpusError
from speech.noise_mixing import add_noise, rms


@pytest.fixture
def folder(tmp_path):
    """Twenty noises of a second, of which one is silent, with digital silence at the ends."""
    rng = np.random.default_rng(0)
    for number in range(20):
        wav = np.concatenate([np.zeros(800), 0.1 * rng.standard_normal(16_000), np.zeros(800)])
        soundfile.write(tmp_path / f"noise{number}.wav", np.zeros(16_000) if number == 5 else wav, 16_000)
    (tmp_path / "notes.txt").write_text("not audio")
    return tmp_path


def test_only_held_out_noises_are_used(folder):
    names = [path.name for path in folder.glob("*.wav")]
    held_out = [name for name in names if noise_split(name) == "validation" and name != "noise5.wav"]
    assert 0 < len(held_out) < 19
    noises = NoiseSet(folder)
    assert len(noises) == len(held_out)
    assert all(len(noise) <= 16_000 for noise in noises.noises)  # without the silence at the ends


def test_a_segment_has_its_length_and_level_and_is_repeatable(folder):
    noises = NoiseSet(folder)
    for samples in (100, 16_000, 100_000):
        noise = noises.segment(samples, "a")
        assert noise.shape == (samples,)
        assert noise.dtype == np.float32
        assert rms(noise) == pytest.approx(1, abs=1e-3)
        assert np.array_equal(noise, noises.segment(samples, "a"))
    assert not np.array_equal(noises.segment(500, "a"), noises.segment(500, "b"))
    assert not np.array_equal(noises.segment(500, "a"), noises.segment(500, "a", seed=1))


@pytest.mark.parametrize("snr_db", [20.0, 10.0, 0.0])
def test_the_ratio_is_that_of_speech_to_noise(snr_db):
    rng = np.random.default_rng(0)
    speech = np.zeros(48_000, np.float32)
    speech[16_000:32_000] = 0.1 * rng.standard_normal(16_000)
    level = speech_level(speech, np.arange(34, 66))  # the windows of 30 ms inside the second second
    assert level == pytest.approx(0.1, rel=0.05)
    noise = rng.standard_normal(48_000).astype(np.float32)
    mixed = add_noise(speech, level, noise / rms(noise), snr_db)
    assert 20 * np.log10(level / rms(mixed - speech)) == pytest.approx(snr_db, abs=0.1)


def test_folders_without_held_out_noise(tmp_path):
    with pytest.raises(CorpusError, match="no folder"):
        NoiseSet(tmp_path / "none")
    with pytest.raises(CorpusError, match="held-out noise"):
        NoiseSet(tmp_path)
