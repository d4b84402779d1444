"""Training crops for a WaveRNN: mel frames with their neighbours, and the samples that belong to them."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from speech.audio import INT16_SCALE
from speech.mel import decode_mel
from vocoder.data import VocoderStore
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.samples import encode_wav


class Batch(TypedDict):
    """One batch of crops of the compact or the classic shape.

    samples: [batch, frames * hop + 1], labels (int64) or values (float32); the first is the one before the crop.
    mel: float32 [batch, n_mels, frames + 2 * pad] in [-1, 1].
    """

    samples: Tensor
    mel: Tensor


def mel_window(mel: np.ndarray, start: int, frames: int, pad: int, config: WaveRNNConfig) -> np.ndarray:
    """Frames [start - pad, start + frames + pad) as the network reads them.

    Args:
        mel: [total, n_mels], frame-major, scaled to [-max_abs_value, max_abs_value] or as uint8 code.

    Returns:
        float32 [n_mels, frames + 2 * pad] in [-1, 1]; beyond the ends of the mel it is `config.mel_edge`.
    """
    first, last = max(0, start - pad), min(len(mel), start + frames + pad)
    part = mel[first:last]
    part = decode_mel(part, config.mel.max_abs_value) if part.dtype == np.uint8 else part
    part = np.asarray(part, dtype=np.float32) / np.float32(config.mel.max_abs_value)
    before, after = first - (start - pad), start + frames + pad - last
    return np.pad(part, ((before, after), (0, 0)), constant_values=config.mel_edge).T


def cut_crop(
    store: VocoderStore, item: int, start: int, frames: int, config: WaveRNNConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Samples [frames * hop + 1] and mel [n_mels, frames + 2 * pad] of one crop; see `Batch`."""
    samples = cut_samples(store, item, start * config.hop_length - 1, (start + frames) * config.hop_length, config)
    return samples, mel_window(store.array(item, "mel"), start, frames, config.pad, config)


def cut_samples(store: VocoderStore, item: int, first: int, stop: int, config: WaveRNNConfig) -> np.ndarray:
    """Samples [first, stop) of an utterance, silent before its beginning."""
    begin = first - 1  # the pre-emphasis needs the sample before
    wav = np.asarray(store.array(item, "wav")[max(0, begin) : stop], dtype=np.float32) / np.float32(INT16_SCALE)
    wav = np.pad(wav, (stop - begin - len(wav), 0))
    return encode_wav(wav[1:], config, before=float(wav[0]))


def collate(crops: Sequence[tuple[np.ndarray, np.ndarray]]) -> Batch:
    """Stack crops into a batch."""
    samples, mels = zip(*crops, strict=True)
    return {"samples": torch.from_numpy(np.stack(samples)), "mel": torch.from_numpy(np.stack(mels))}
