import numpy as np
import pytest
import torch

from corpora.store import FeatureStore, FeatureWriter
from speech.errors import ConfigError, CorpusError, SpeechError
from speech.mel import decode_mel
from vocoder.data import split_items
from vocoder.wavernn.batches import WaveRNNBatches
from vocoder.wavernn.data import cut_crop, mel_window
from vocoder.wavernn.samples import encode_wav


def test_batch_is_a_function_of_seed_step_and_rank(toy_store, toy_config):
    def batch(seed=0, step=0, rank=0):
        return WaveRNNBatches(toy_store, toy_config(), 3, 2, seed=seed, rank=rank).batch_at(step)

    first, again = batch(), batch()
    assert first["samples"].shape == (3, 401) and first["samples"].dtype == torch.int64
    assert first["mel"].shape == (3, 80, 6) and first["mel"].dtype == torch.float32
    assert torch.equal(first["samples"], again["samples"]) and torch.equal(first["mel"], again["mel"])
    for other in (batch(seed=1), batch(step=1), batch(rank=1)):
        assert not torch.equal(first["mel"], other["mel"])


def test_samples_and_mel_of_a_crop_are_aligned(toy_store, toy_config):
    config = toy_config()
    wav = toy_store.array(0, "wav").astype(np.float32) / 32768
    mel = decode_mel(toy_store.array(0, "mel")).T / 4
    samples = np.concatenate([[config.silence], encode_wav(wav, config)])
    padded = np.pad(mel, ((0, 0), (2, 2)), constant_values=-1)
    frames = mel.shape[1]
    for start in (0, 1, 2, 7, frames - 3):
        crop, window = cut_crop(toy_store, 0, start, 3, config)
        assert np.array_equal(crop, samples[start * 200 : (start + 3) * 200 + 1])
        assert np.allclose(window, padded[:, start : start + 7])


def test_mol_crops_are_continuous(toy_store, toy_config):
    batch = WaveRNNBatches(toy_store, toy_config(mode="mol"), 2, 2).batch_at(0)
    assert batch["samples"].dtype == torch.float32 and batch["samples"].abs().max() <= 1


def test_padding_beyond_the_ends_of_the_mel(toy_config):
    mel = np.full((3, 80), 2.0, np.float32)
    assert mel_window(mel, 0, 1, 2, toy_config("classic"))[0].tolist() == [0, 0, 0.5, 0.5, 0.5]
    assert mel_window(mel, 2, 1, 2, toy_config())[0].tolist() == [0.5, 0.5, 0.5, -1, -1]


def test_splits_are_separate(toy_store, toy_config):
    assert split_items(toy_store, "validation", 1) == [5]
    assert WaveRNNBatches(toy_store, toy_config(), 2, 2).items.tolist() == [0, 1, 2, 3, 4]


def test_unsuitable_stores_are_refused(toy_store, toy_config, tmp_path):
    with pytest.raises(CorpusError):
        WaveRNNBatches(toy_store, toy_config(), 2, frames=500)
    with pytest.raises(ConfigError):
        WaveRNNBatches(toy_store, toy_config(), 0, 2)
    infos: list[tuple[dict, str]] = [
        ({"stage": "encoder"}, "encoder stage"),
        ({"stage": "vocoder", "mel_config": {"n_mels": 40}}, r"n_mels 40.*n_mels 80.*mel settings"),
    ]
    for number, (info, words) in enumerate(infos):
        path = tmp_path / str(number)
        with FeatureWriter(path) as writer:
            writer.write_info(info)
            writer.add("a", {"mel": np.zeros((9, 80), np.uint8), "wav": np.zeros(1800, np.int16)}, {"split": "train"})
        with pytest.raises(SpeechError, match=words):
            WaveRNNBatches(FeatureStore(path), toy_config(), 2, 2)
