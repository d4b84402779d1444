"""Training crops for the spectral vocoder: mel frames and the pre-emphasised waveform they were made from.

A batch is a pure function of (seed, step, rank), so that the position in the data is the step alone.
"""

from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from speech.audio import preemphasis
from speech.errors import ConfigError, CorpusError
from speech.mel import decode_mel
from vocoder.data import INT16_SCALE, VocoderStore, check_store, split_items
from vocoder.spectral.config import SpectralConfig

SHORTEST_CROP = 8  # frames: longer than half the longest window of the losses


class SpectralBatch(TypedDict):
    """mel: float32 [batch, n_mels, frames] in [-1, 1]; wave: float32 [batch, frames * hop], pre-emphasised."""

    mel: Tensor
    wave: Tensor


class SpectralBatches:
    """Random crops of the training split; every frame of the store is as likely as any other.

    Args:
        store: arrays `mel` uint8 [frames, n_mels] and `wav` int16 [frames * hop].
        batch_size, frames: crops in a batch, and mel frames in a crop.

    Raises:
        CorpusError: the store is of another kind, or no utterance of the training split is long enough.
    """

    def __init__(
        self,
        store: VocoderStore,
        config: SpectralConfig,
        batch_size: int = 16,
        frames: int = 40,
        *,
        seed: int = 0,
        rank: int = 0,
    ) -> None:
        if batch_size < 1 or frames < SHORTEST_CROP:
            raise ConfigError(f"A batch needs at least one crop, and a crop at least {SHORTEST_CROP} frames.")
        check_store(store, config.mel)
        self.store, self.config, self.batch_size, self.frames = store, config, batch_size, frames
        self.seed, self.rank = seed, rank
        self.items = np.array(split_items(store, "train", frames), dtype=np.int64)
        if not len(self.items):
            raise CorpusError(
                f"No utterance of the training split has {frames} frames: add recordings and preprocess again."
            )
        self._ends = np.cumsum([store.shape(int(item), "mel")[0] - frames + 1 for item in self.items])

    def batch_at(self, step: int) -> SpectralBatch:
        """The batch of one training step."""
        rng = np.random.default_rng([self.seed, self.rank, step])
        places = rng.integers(self._ends[-1], size=self.batch_size)
        chosen = np.searchsorted(self._ends, places, side="right")
        starts = places - np.concatenate([[0], self._ends])[chosen]
        crops = [
            cut_crop(self.store, int(item), int(start), self.frames, self.config)
            for item, start in zip(self.items[chosen], starts, strict=True)
        ]
        return collate(crops)


def cut_crop(
    store: VocoderStore, item: int, start: int, frames: int, config: SpectralConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Mel [n_mels, frames] in [-1, 1] and pre-emphasised samples [frames * hop] of one stretch of an utterance."""
    mel = decode_mel(np.asarray(store.array(item, "mel")[start : start + frames]), config.mel.max_abs_value)
    first, last = start * config.hop_length, (start + frames) * config.hop_length
    wav = np.asarray(store.array(item, "wav")[max(0, first - 1) : last], dtype=np.float32) / np.float32(INT16_SCALE)
    wav = np.pad(wav, (last - first + 1 - len(wav), 0))
    return mel.T / np.float32(config.mel.max_abs_value), preemphasis(wav, config.mel.preemphasis)[1:]


def collate(crops: list[tuple[np.ndarray, np.ndarray]]) -> SpectralBatch:
    """Stack crops into a batch."""
    mels, waves = zip(*crops, strict=True)
    return {"mel": torch.from_numpy(np.stack(mels)), "wave": torch.from_numpy(np.stack(waves).astype(np.float32))}
