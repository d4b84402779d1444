"""Training crops from the vocoder's feature store: mel frames with their neighbours, and the samples they belong to.

A batch is a pure function of (seed, step, rank), so that the position in the data is the step alone.
"""

import dataclasses
from typing import TYPE_CHECKING, Protocol, TypedDict

import numpy as np
import torch
from torch import Tensor

from speech.errors import ConfigError, CorpusError
from speech.mel import MelConfig, decode_mel

if TYPE_CHECKING:
    from vocoder.wavernn.config import WaveRNNConfig

INT16_SCALE = 32768.0


class VocoderStore(Protocol):
    """What is needed of `corpora.store.FeatureStore`."""

    info: dict

    def __len__(self) -> int: ...

    def meta(self, i: int) -> dict: ...

    def array(self, i: int, name: str) -> np.ndarray: ...

    def shape(self, i: int, name: str) -> tuple[int, ...]: ...


class Batch(TypedDict):
    """One batch of crops.

    samples: [batch, frames * hop + 1], labels (int64) or values (float32); the first is the one before the crop.
    mel: float32 [batch, n_mels, frames + 2 * pad] in [-1, 1].
    """

    samples: Tensor
    mel: Tensor


def check_store(store: VocoderStore, config: MelConfig) -> None:
    """Refuse a store of another stage, or whose mels are not the model's.

    Raises:
        CorpusError: with what to do.
    """
    stage = store.info.get("stage", "vocoder")
    if stage != "vocoder":
        raise CorpusError(f"This is a feature store of the {stage} stage: make one with `preprocess.py vocoder`.")
    stored = store.info.get("mel_config", store.info.get("mel"))
    if stored is not None and dict(stored) != dataclasses.asdict(config):
        raise CorpusError(
            "The store's mel settings are not the model's: preprocess again, or use the store's settings."
        )


def split_items(store: VocoderStore, split: str, min_frames: int) -> list[int]:
    """Items of a split ("train" or "validation") that a crop of `min_frames` fits into."""
    return [
        item
        for item in range(len(store))
        if store.meta(item).get("split", "train") == split and store.shape(item, "mel")[0] >= min_frames
    ]


def mel_window(mel: np.ndarray, start: int, frames: int, pad: int, config: "WaveRNNConfig") -> np.ndarray:
    """Frames [start - pad, start + frames + pad) as a network reads them.

    Args:
        mel: [total, n_mels], frame-major, scaled to [-max_abs_value, max_abs_value] or as uint8 code.

    Returns:
        float32 [n_mels, frames + 2 * pad] in [-1, 1]; what lies beyond the ends is `config.mel_edge`.
    """
    first, last = max(0, start - pad), min(len(mel), start + frames + pad)
    part = mel[first:last]
    part = decode_mel(part, config.mel.max_abs_value) if part.dtype == np.uint8 else part
    part = np.asarray(part, dtype=np.float32) / np.float32(config.mel.max_abs_value)
    before, after = first - (start - pad), start + frames + pad - last
    return np.pad(part, ((before, after), (0, 0)), constant_values=config.mel_edge).T


class VocoderBatches:
    """Random crops of the training split; every frame of the store is as likely as any other.

    Args:
        store: arrays `mel` uint8 [frames, n_mels] and `wav` int16 [frames * hop].
        config: of the model; says how samples are named and how much context a frame has.
        batch_size, frames: crops in a batch, and mel frames in a crop.

    Raises:
        CorpusError: the store is of another kind, or no utterance of the training split is long enough.
    """

    def __init__(
        self,
        store: VocoderStore,
        config: "WaveRNNConfig",
        batch_size: int = 16,
        frames: int = 6,
        seed: int = 0,
        rank: int = 0,
    ) -> None:
        if batch_size < 1 or frames < 1:
            raise ConfigError("A batch needs at least one crop of at least one frame.")
        check_store(store, config.mel)
        self.store, self.config, self.batch_size, self.frames = store, config, batch_size, frames
        self.seed, self.rank = seed, rank
        self.items = np.array(split_items(store, "train", frames), dtype=np.int64)
        if not len(self.items):
            raise CorpusError(
                f"No utterance of the training split has {frames} frames: add recordings and preprocess again."
            )
        places = np.array([store.shape(int(item), "mel")[0] - frames + 1 for item in self.items])
        self._ends = np.cumsum(places)

    def batch_at(self, step: int) -> Batch:
        """The batch of one training step."""
        rng = np.random.default_rng([self.seed, self.rank, step])
        places = rng.integers(self._ends[-1], size=self.batch_size)
        chosen = np.searchsorted(self._ends, places, side="right")
        starts = places - np.concatenate([[0], self._ends])[chosen]
        return collate(
            [
                cut_crop(self.store, int(item), int(start), self.frames, self.config)
                for item, start in zip(self.items[chosen], starts, strict=True)
            ]
        )


def cut_crop(
    store: VocoderStore, item: int, start: int, frames: int, config: "WaveRNNConfig"
) -> tuple[np.ndarray, np.ndarray]:
    """Samples [frames * hop + 1] and mel [n_mels, frames + 2 * pad] of one crop; see `Batch`."""
    from vocoder.wavernn.samples import encode_wav

    first, last = start * config.hop_length, (start + frames) * config.hop_length
    # two samples more: the one that is fed in first, and the one that its pre-emphasis looks back to
    wav = np.asarray(store.array(item, "wav")[max(0, first - 2) : last], dtype=np.float32) / np.float32(INT16_SCALE)
    wav = np.pad(wav, (last - first + 2 - len(wav), 0))
    samples = encode_wav(wav[1:], config, before=float(wav[0]))
    return samples, mel_window(store.array(item, "mel"), start, frames, config.pad, config)


def collate(crops: list[tuple[np.ndarray, np.ndarray]]) -> Batch:
    """Stack crops into a batch."""
    samples, mels = zip(*crops, strict=True)
    return {"samples": torch.from_numpy(np.stack(samples)), "mel": torch.from_numpy(np.stack(mels))}
