"""Harmonics for voiced frames: the phases of a pulse train at the F0 of the mel, and some of its magnitudes.

A network that predicts phases frame by frame does not keep those of a harmonic from frame to frame, above all where the
mel of a synthesizer shows no harmonics. Voiced speech is excited by pulses, whose phases do.
"""

import numpy as np
from scipy.ndimage import gaussian_filter1d

from speech.mel import MelConfig
from speech.mel_f0 import f0_from_mel
from waveform.phase import Frames

HARMONICITY = 0.3  # power of the pulses' magnitudes, by which those of the network are multiplied
LEAST = 0.05  # of these magnitudes, relative to their root mean square
SMOOTHING_FRAMES = 2.0  # standard deviation of the Gaussian that smooths the F0 contour
_REACH = 7  # samples of a band-limited pulse on either side
_OFFSETS = np.arange(-_REACH, _REACH + 1)
_TAPER = np.hanning(2 * _REACH + 3)[1:-1]
_TINY = np.float32(1e-9)
_UNVOICED_F0 = 100.0  # Hz; where no frame is voiced


class Pulses:
    """Gives spectra that come block by block the phases of pulses, and emphasises their harmonics.

    Args:
        config: of the mel and of the spectra.
    """

    def __init__(self, config: MelConfig) -> None:
        self._config, self._frames = config, Frames.of(config)
        self._phase = 0.0  # in periods, at the first sample of the next block
        self._times = np.zeros(0)  # of the last pulses, relative to that sample

    def apply(self, spectrum: np.ndarray, mel: np.ndarray, done: int) -> np.ndarray:
        """The spectrum of a block, changed in voiced frames.

        Args:
            spectrum: complex64 [frames, bins].
            mel: of these frames, which further ones may precede: [n_mels, earlier + frames].
            done: the next block begins this many frames later.
        """
        count, earlier, hop = len(spectrum), mel.shape[1] - len(spectrum), self._frames.hop
        f0 = f0_from_mel(mel, self._config)
        steps = self._steps(f0, earlier, count)
        phases = self._phase + np.concatenate([[0.0], np.cumsum(steps)])
        before = np.flatnonzero(np.diff(np.floor(phases)))
        crossings = before + (np.floor(phases[before + 1]) - phases[before]) / steps[before]
        times = np.concatenate([self._times, crossings])
        reach = self._frames.n_fft // 2
        pulses = self._frames.analyze(pulses_at(times + reach, count * hop + 2 * reach), count)
        self._phase = float(phases[done * hop] % 1)
        kept = (times >= done * hop - reach - _REACH) & (times < done * hop)
        self._times = times[kept] - done * hop
        voiced = f0[earlier:, None] > 0
        levels = np.abs(pulses)
        relative = levels / np.maximum(np.sqrt(np.square(levels).mean(axis=1, keepdims=True)), _TINY)
        magnitudes = np.abs(spectrum) * np.maximum(relative, LEAST) ** HARMONICITY
        return np.where(voiced, magnitudes * (pulses / np.maximum(levels, _TINY)), spectrum).astype(np.complex64)

    def _steps(self, f0: np.ndarray, earlier: int, count: int) -> np.ndarray:
        """Periods from each sample of the block to the next, until half a window after the last frame or later."""
        reach = max(self._frames.hop, self._frames.n_fft // 2 + _REACH)
        samples = np.arange((count - 1) * self._frames.hop + reach)
        voiced = np.flatnonzero(f0)
        if not len(voiced):
            return np.full(len(samples), _UNVOICED_F0 / self._config.sample_rate)
        places = np.arange(len(f0))
        contour = gaussian_filter1d(np.interp(places, voiced, np.log(f0[voiced])), SMOOTHING_FRAMES, mode="nearest")
        return np.exp(np.interp(samples / self._frames.hop + earlier, places, contour)) / self._config.sample_rate


def pulses_at(times: np.ndarray, samples: int) -> np.ndarray:
    """Band-limited pulses at any times, in samples: float32 [samples]."""
    train = np.zeros(samples + 2 * _REACH + 2)
    whole = np.floor(times).astype(np.int64)
    places = whole[:, None] + _OFFSETS + _REACH + 1
    values = np.sinc(_OFFSETS - (times - whole)[:, None]) * _TAPER
    inside = (places >= 0) & (places < len(train))
    np.add.at(train, places[inside], values[inside])
    return train[_REACH + 1 : _REACH + 1 + samples].astype(np.float32)
