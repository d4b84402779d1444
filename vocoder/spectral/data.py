"""Training crops for the spectral vocoder: mel frames and the pre-emphasised waveform that belongs to them."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from speech.audio import INT16_SCALE, preemphasis
from speech.mel import decode_mel
from speech.mel_config import MelConfig
from vocoder.data import CropBatches, VocoderStore

SHORTEST_CROP = 8  # frames: longer than half the longest window of the losses


class SpectralBatch(TypedDict):
    """mel: float32 [batch, n_mels, frames] in [-1, 1]; wave: float32 [batch, frames * hop], pre-emphasised."""

    mel: Tensor
    wave: Tensor


class SpectralBatches(CropBatches):
    """See `CropBatches`."""

    min_frames = SHORTEST_CROP

    def _batch(self, crops: Sequence[tuple[int, int]]) -> SpectralBatch:
        return collate([cut_crop(self.store, item, start, self.frames, self.config.mel) for item, start in crops])


def cut_crop(
    store: VocoderStore, item: int, start: int, frames: int, config: MelConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Mel [n_mels, frames] in [-1, 1] and pre-emphasised samples [frames * hop] of a part of an utterance."""
    mel = decode_mel(np.asarray(store.array(item, "mel")[start : start + frames]), config.max_abs_value)
    first, last = start * config.hop_length, (start + frames) * config.hop_length
    wav = np.asarray(store.array(item, "wav")[max(0, first - 1) : last], dtype=np.float32) / np.float32(INT16_SCALE)
    wav = np.pad(wav, (last - first + 1 - len(wav), 0))
    return mel.T / np.float32(config.max_abs_value), preemphasis(wav, config.preemphasis)[1:]


def collate(crops: list[tuple[np.ndarray, np.ndarray]]) -> SpectralBatch:
    """Stack crops into a batch."""
    mels, waves = zip(*crops, strict=True)
    return {"mel": torch.from_numpy(np.stack(mels)), "wave": torch.from_numpy(np.stack(waves).astype(np.float32))}
