"""How far a vocoder's output is from the recording whose mel it was given. The two are aligned, sample by sample."""

from __future__ import annotations

import numpy as np
import scipy.fft

from speech.audio import SAMPLE_RATE
from speech.errors import ConfigError
from speech.mel import MelConfig, synthesis_mel

CEPSTRA = 13
RESOLUTIONS = ((1024, 120, 600), (2048, 240, 1200), (512, 50, 240))  # n_fft, hop, window (Yamamoto et al., 2020)


def mel_cepstral_distortion(wav: np.ndarray, reference: np.ndarray, config: MelConfig | None = None) -> float:
    """Mean distance of the mel cepstra in dB (Kubichek, 1993), without the zeroth one, which is the level.

    10 / ln 10 * sqrt(2 * sum of the squared differences of 13 coefficients), averaged over the frames. The cepstra are
    a cosine transform of the 80 log mel bands that the models use, so that figures compare with each other but not with
    papers that take theirs from another spectrum.

    Args:
        wav, reference: float32 [samples]; the longer is cut to the shorter.
    """
    config = config or MelConfig()
    samples = min(len(wav), len(reference))
    difference = _cepstra(wav[:samples], config) - _cepstra(reference[:samples], config)
    return float(10 / np.log(10) * np.sqrt(2 * np.square(difference).sum(axis=1)).mean())


def _cepstra(wav: np.ndarray, config: MelConfig) -> np.ndarray:
    """Coefficients 1 to 13 of log amplitude = sum of c_m cos(m w), as the formula above takes them: [frames, 13]."""
    mel = synthesis_mel(wav, config).astype(np.float64)
    decibels = (mel + config.max_abs_value) / (2 * config.max_abs_value) * -config.min_level_db
    logarithm = decibels * np.log(10) / 20
    return scipy.fft.dct(logarithm, axis=0)[1 : CEPSTRA + 1].T / config.n_mels


def spectral_distance(wav: np.ndarray, reference: np.ndarray) -> float:
    """Multi-resolution STFT distance (Yamamoto et al., arXiv 1910.11480), 0 if equal. Args as above.

    Spectral convergence plus mean absolute difference of the log magnitudes, averaged over three resolutions.
    """
    samples = min(len(wav), len(reference))
    distances = []
    for n_fft, hop, win in RESOLUTIONS:
        ours = _magnitude(wav[:samples], n_fft, hop, win)
        theirs = _magnitude(reference[:samples], n_fft, hop, win)
        convergence = np.linalg.norm(theirs - ours) / np.linalg.norm(theirs)
        distances.append(convergence + np.abs(np.log(theirs) - np.log(ours)).mean())
    return float(np.mean(distances))


def _magnitude(wav: np.ndarray, n_fft: int, hop: int, win: int) -> np.ndarray:
    window = np.zeros(n_fft, dtype=np.float32)
    start = (n_fft - win) // 2
    window[start : start + win] = np.hanning(win + 1)[:-1]
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(wav, n_fft // 2), n_fft)[::hop]
    spectrum = scipy.fft.rfft(frames * window, axis=1)
    return np.sqrt(np.maximum(spectrum.real**2 + spectrum.imag**2, 1e-7))


class Pesq:
    """Wide-band PESQ (ITU-T P.862.2), 1 to 4.6, by the package pesq. Calls give None where it finds no speech."""

    def __init__(self) -> None:
        """Raises: ConfigError if the package is missing."""
        try:
            import pesq
        except ImportError as error:
            raise ConfigError("PESQ needs the package pesq: run pip install -r requirements-dev.txt.") from error
        self._module = pesq

    def __call__(self, wav: np.ndarray, reference: np.ndarray) -> float | None:
        samples = min(len(wav), len(reference))
        try:
            return float(self._module.pesq(SAMPLE_RATE, reference[:samples], wav[:samples], "wb"))
        except (self._module.PesqError, ValueError):  # too short, or no utterance found in one of them
            return None
