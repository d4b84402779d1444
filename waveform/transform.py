"""Short-time Fourier transform and its inverse, whole or in parts. Frame k is centred on sample k * hop."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from waveform.phase import Frames

SMALLEST_WEIGHT = 1e-2  # sum of the squared windows at a sample; 1.5 inside a signal with a hop of a quarter window


class ForwardTransform:
    """The spectrum of a signal with one frame for each hop, zeros before and after it.

    Args:
        frames: how a signal is divided; the hop divides the length of the signal.
    """

    def __init__(self, frames: Frames) -> None:
        self._frames = frames
        self._waiting = np.zeros(frames.n_fft // 2, np.float32)  # samples from the start of the next frame

    def push(self, samples: np.ndarray) -> np.ndarray:
        """Frames that are complete with these samples, float32 [samples]: complex64 [frames, n_fft // 2 + 1]."""
        self._waiting = np.concatenate([self._waiting, samples])
        return self._analyze((len(self._waiting) - self._frames.n_fft) // self._frames.hop + 1)

    def finish(self) -> np.ndarray:
        """The frames that reach beyond the end of the signal, as `push`."""
        return self._analyze((len(self._waiting) - self._frames.n_fft // 2) // self._frames.hop)

    def _analyze(self, count: int) -> np.ndarray:
        if count <= 0:
            return np.zeros((0, self._frames.n_fft // 2 + 1), np.complex64)
        spectrum = self._frames.analyze(self._waiting, count)
        self._waiting = self._waiting[count * self._frames.hop :]
        return spectrum


class InverseTransform:
    """Weighted overlap-add (Griffin and Lim 1984).

    Args:
        window: synthesis window [n_fft], zero at its first sample.
        hop: samples from frame to frame; it divides n_fft and is at most half of it.
    """

    def __init__(self, window: Tensor, hop: int) -> None:
        self._window, self._hop, self._n_fft = window, hop, len(window)
        self._incomplete: Tensor | None = None  # [batch + 1, n_fft - hop], samples that later frames overlap
        self._early = self._n_fft // 2  # samples before the signal that are not dropped yet

    def push(self, spectrum: Tensor, last: bool) -> Tensor:
        """The samples that no later frame changes.

        Args:
            spectrum: complex64 [batch, n_fft // 2 + 1, frames], frames >= 1.
            last: whether these are the last frames.

        Returns:
            [batch, samples]. They lag half a window behind the frames, except after the last part.
        """
        n_fft, hop, frames = self._n_fft, self._hop, spectrum.shape[2]
        windowed = torch.fft.irfft(spectrum, n=n_fft, dim=1) * self._window[:, None]
        weight = self._window.square()[None, :, None].expand(1, -1, frames)
        # The weight is overlap-added as one more signal, so the ends are divided by the windows that cover them.
        signals, length = torch.cat([windowed, weight]), (frames - 1) * hop + n_fft
        added = F.fold(signals, (1, length), (1, n_fft), stride=(1, hop))[:, 0, 0]
        if self._incomplete is not None:
            added = added + F.pad(self._incomplete, (0, frames * hop))
        ready = frames * hop + (n_fft // 2 if last else 0)
        self._incomplete = added[:, frames * hop :]
        dropped = min(self._early, ready)
        self._early -= dropped
        return added[:-1, dropped:ready] / added[-1:, dropped:ready].clamp_min(SMALLEST_WEIGHT)
