"""Linear prediction and pitch of the excitation shape, computed from the mel alone.

The mel is that of the pre-emphasised signal, which is what a WaveRNN generates. So its spectral envelope gives the
coefficients directly: power spectrum -> autocorrelation -> normal equations (Valin & Skoglund 2019, "LPCNet", section
2.2). The envelope is the mean of the mel bands at each frequency, weighted by the mel filters. It predicts better than
the pseudo-inverse of the filters, which leaves ripples and has nothing beyond the highest band.

Everything is a function of a frame's window alone, the frame and its neighbours. So a stream, folds and training crops
have the same values.
"""

import functools
from dataclasses import dataclass

import numpy as np

from speech.mel import mel_amplitudes, mel_filters
from speech.mel_config import MelConfig
from speech.mel_f0 import MIN_F0, f0_and_similarity
from vocoder.wavernn.config import WaveRNNConfig

LAG_WINDOW_HZ = 20.0  # bandwidth of the Gaussian lag window
NOISE_FLOOR = 3e-4  # white-noise correction: -35 dB
LEAST_POWER = 1e-9  # of an empty frame

AROUND = 2  # samples on either side of the excitation one pitch period back
SIGNALS = 2 + 2 * AROUND  # inputs of the network beside labels and mel: the last sample and that excitation

# Sampling (LPCNet, section 3.3): the distribution to the power of 1 + max(0, SLOPE * clarity - OFFSET). LPCNet has 1.5
# and 0.5. With little training that generates 9 dB too quietly, because the quiet history lowers the level further.
SLOPE, OFFSET = 0.375, 0.125
FLOOR = 0.002  # subtracted from the probabilities, relative to the largest


@dataclass(frozen=True)
class Prediction:
    """Linear prediction and pitch of frames, in `config.subframes` parts each.

    Attributes:
        coefficients: float32 [frames, subframes, order]; the prediction is their product with the last samples, the
            latest first.
        lags: float32 [frames, subframes], whole samples of a pitch period; 0 where unvoiced.
        clarity: float32 [frames, subframes] in [0, 1], how clear the pitch is; 0 where unvoiced.
    """

    coefficients: np.ndarray
    lags: np.ndarray
    clarity: np.ndarray

    def powers(self) -> np.ndarray:
        """The powers to which the distributions are raised: float32 [frames, subframes], 1 where unvoiced."""
        return np.float32(1) + np.maximum(np.float32(SLOPE) * self.clarity - np.float32(OFFSET), 0)


def longest_lag(config: WaveRNNConfig) -> int:
    """Samples of the longest pitch period."""
    return round(config.mel.sample_rate / MIN_F0)


def predict_from_mel(windows: np.ndarray, config: WaveRNNConfig) -> Prediction:
    """Linear prediction and pitch between each frame and the next.

    Args:
        windows: [frames, n_mels, 2 * pad + 1] in [-1, 1], each with its frame in the middle.
    """
    mels = windows.astype(np.float32, copy=False) * np.float32(config.mel.max_abs_value)
    here, following = config.pad, config.pad + 1
    between = ((np.arange(config.subframes) + 0.5) / config.subframes).astype(np.float32)
    steps = (mels[:, :, following] - mels[:, :, here])[:, None]
    coefficients = linear_prediction(mels[:, None, :, here] + between[:, None] * steps, config)
    f0, similarity = f0_and_similarity(mels, config.mel)
    ends = f0[:, here : following + 1]
    nearest = here + (between >= 0.5)
    glide = ends[:, :1] ** (1 - between) * ends[:, 1:] ** between  # 0 unless both are voiced
    pitch = np.where(glide > 0, glide, f0[:, nearest])
    voiced = pitch > 0
    lags = np.where(voiced, np.rint(config.mel.sample_rate / np.where(voiced, pitch, 1)), 0)
    return Prediction(coefficients, lags.astype(np.float32), similarity[:, nearest] * voiced)


def linear_prediction(mels: np.ndarray, config: WaveRNNConfig) -> np.ndarray:
    """Coefficients of frames: [..., n_mels], scaled to [-max_abs_value, max_abs_value] -> float32 [..., order].

    A frame's coefficients do not depend on the other frames, to the last bit.
    """
    amplitudes = mel_amplitudes(mels, config.mel).astype(np.float64)[..., None]
    power = np.square(_envelope(config.mel) @ amplitudes)
    correlation = (_correlation(config.mel, config.prediction_order) @ power)[..., 0]
    correlation[..., 0] = correlation[..., 0] * (1 + NOISE_FLOOR) + LEAST_POWER
    order = np.arange(config.prediction_order)
    matrix = correlation[..., np.abs(order[:, None] - order)]
    return np.linalg.solve(matrix, correlation[..., 1:, None])[..., 0].astype(np.float32)


@functools.lru_cache(maxsize=4)
def _envelope(config: MelConfig) -> np.ndarray:
    """Mel amplitudes -> spectral envelope: [frequencies, n_mels].

    An amplitude divided by the sum of its filter is the mean of the spectrum in that band. At a frequency, the bands
    count as their filters do, scaled to a peak of 1. A frequency that no filter covers takes the nearest one that is.
    """
    filters = mel_filters(config.sample_rate, config.n_fft, config.n_mels, config.fmin, config.fmax).astype(np.float64)
    filters = np.maximum(filters, 1e-12)  # a narrow band at a short transform may cover no frequency
    shares = filters / filters.max(axis=1, keepdims=True)
    covered = np.flatnonzero(shares.sum(axis=0) > 1e-6)
    frequencies = np.arange(config.n_frequencies)
    shares = shares[:, covered[np.abs(covered[:, None] - frequencies).argmin(axis=0)]]
    return (shares / shares.sum(axis=0) / filters.sum(axis=1, keepdims=True)).T


@functools.lru_cache(maxsize=4)
def _correlation(config: MelConfig, order: int) -> np.ndarray:
    """Power spectrum -> autocorrelation under the lag window: [order + 1, frequencies]."""
    lags = np.arange(order + 1)
    frequencies = np.arange(config.n_frequencies)
    counted = np.where((frequencies == 0) | (2 * frequencies == config.n_fft), 1, 2) / config.n_fft
    window = np.exp(-0.5 * (2 * np.pi * LAG_WINDOW_HZ * lags / config.sample_rate) ** 2)
    return window[:, None] * np.cos(2 * np.pi * np.outer(lags, frequencies) / config.n_fft) * counted
