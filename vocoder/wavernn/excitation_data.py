"""Training crops of the excitation shape, with the history that generation has: of its own samples, quantised.

The targets lead back to the recording: the excitation to predict is the recorded sample minus the prediction from the
generated history. Noise on the labels of the history makes the network correct its own errors (Valin & Skoglund 2019,
"LPCNet", section 3.4).
"""

import math
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from torch import Tensor

from vocoder.data import VocoderStore
from vocoder.wavernn.compiled import closed_loop
from vocoder.wavernn.config import MAX_ORDER, WaveRNNConfig
from vocoder.wavernn.data import cut_samples, mel_window
from vocoder.wavernn.prediction import AROUND, SIGNALS, longest_lag, predict_from_mel
from vocoder.wavernn.samples import level_table


class ExcitationBatch(TypedDict):
    """One batch of crops.

    labels: int64 [batch, frames * hop, 2], of the last excitation and of the prediction.
    signals: float32 [batch, frames * hop, SIGNALS], see `ExcitationWaveRNN.forward`.
    targets: int64 [batch, frames * hop], labels of the excitation.
    mel: float32 [batch, n_mels, frames + 2 * pad] in [-1, 1].
    """

    labels: Tensor
    signals: Tensor
    targets: Tensor
    mel: Tensor


def excitation_batch(
    store: VocoderStore,
    crops: Sequence[tuple[int, int]],
    frames: int,
    config: WaveRNNConfig,
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
) -> ExcitationBatch:
    """Prepare crops.

    Args:
        crops: item and first frame of each.
        frames: mel frames of a crop.
        noise: largest standard deviation of the noise on the labels of the history; each crop draws its own between 0
            and this.
        rng: for the noise; None for no noise.
    """
    before = math.ceil((longest_lag(config) + AROUND) / config.hop_length)  # frames that fill the history
    total = before + frames
    mels = [mel_window(store.array(item, "mel"), start - before, total, config.pad, config) for item, start in crops]
    windows = np.stack([sliding_window_view(mel, 2 * config.pad + 1, axis=1) for mel in mels]).transpose(0, 2, 1, 3)
    prediction = predict_from_mel(windows.reshape(-1, *windows.shape[2:]), config)
    hop = config.hop_length
    labels = np.empty((len(crops), frames * hop, 3), dtype=np.int64)
    signals = np.empty((len(crops), frames * hop, SIGNALS), dtype=np.float32)
    for index, (item, start) in enumerate(crops):
        known = min(start, before)  # a stream starts with an empty history, too
        wav = cut_samples(store, item, (start - known) * hop - MAX_ORDER, (start + frames) * hop, config)
        added = np.zeros((known + frames) * hop, dtype=np.float32)
        if rng is not None:
            added += np.float32(rng.uniform(0, noise)) * rng.standard_normal(len(added), dtype=np.float32)
        own = slice((index + 1) * total - known - frames, (index + 1) * total)
        history = run_closed_loop(wav, added, prediction.coefficients[own], prediction.lags[own], config)
        labels[index], signals[index] = (each[known * hop :] for each in history)
    return {
        "labels": torch.from_numpy(np.ascontiguousarray(labels[..., :2])),
        "signals": torch.from_numpy(signals),
        "targets": torch.from_numpy(np.ascontiguousarray(labels[..., 2])),
        "mel": torch.from_numpy(np.stack([mel[:, before:] for mel in mels])),
    }


def run_closed_loop(
    wav: np.ndarray, noise: np.ndarray, coefficients: np.ndarray, lags: np.ndarray, config: WaveRNNConfig
) -> tuple[np.ndarray, np.ndarray]:
    """Labels [samples, 3] and signals [samples, SIGNALS] of one crop; see `excitation_kernels.closed_loop`.

    Args:
        wav: [MAX_ORDER + samples], with the samples before the crop.
        noise: [samples].
        coefficients, lags: of the `Prediction` of the crop's frames.
    """
    count, reach = len(noise), longest_lag(config) + AROUND
    padded = np.zeros((lags.size, MAX_ORDER), dtype=np.float32)
    padded[:, : config.prediction_order] = coefficients.reshape(lags.size, -1)
    labels, signals = np.empty((count, 3), dtype=np.float32), np.empty((count, SIGNALS), dtype=np.float32)
    past, excitation = wav[MAX_ORDER - 1 :: -1].copy(), np.zeros(reach + count, dtype=np.float32)
    arrays = (wav[MAX_ORDER:].copy(), noise, padded, lags.reshape(-1).copy(), level_table(config))
    results = (past, excitation, labels, signals)
    closed_loop()(*arrays, config.hop_length // config.subframes, *results, count, reach, config.labels)
    return labels, signals
