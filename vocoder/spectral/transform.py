"""The inverse short-time Fourier transform, of a whole spectrum or of one that comes in parts."""

import torch
import torch.nn.functional as F
from torch import Tensor

SMALLEST_WEIGHT = 1e-2  # of the squared windows over a sample; in the middle it is 1.5 for a hop of a quarter window


class InverseTransform:
    """Weighted overlap-add (Griffin and Lim 1984); frame k is centred on sample k * hop.

    Args:
        window: [n_fft], of the synthesis, zero at its first sample.
        hop: samples from frame to frame; divides n_fft, at most half of it.
    """

    def __init__(self, window: Tensor, hop: int) -> None:
        self._window, self._hop, self._n_fft = window, hop, len(window)
        self._begun: Tensor | None = None  # [batch + 1, n_fft - hop], samples that later frames will still add to
        self._early = self._n_fft // 2  # samples before the signal that are still to be dropped

    def push(self, spectrum: Tensor, last: bool) -> Tensor:
        """The samples that the frames so far decide.

        Args:
            spectrum: complex64 [batch, n_fft // 2 + 1, frames], frames >= 1.
            last: no frames follow.

        Returns:
            [batch, samples], half a window short of the frames, until the last ones complete them.
        """
        n_fft, hop, frames = self._n_fft, self._hop, spectrum.shape[2]
        pieces = torch.fft.irfft(spectrum, n=n_fft, dim=1) * self._window[:, None]
        weight = self._window.square()[None, :, None].expand(1, -1, frames)
        # the weight goes along as one more signal, so that the ends of the whole are weighted as they are covered
        signals, length = torch.cat([pieces, weight]), (frames - 1) * hop + n_fft
        added = F.fold(signals, (1, length), (1, n_fft), stride=(1, hop))[:, 0, 0]
        if self._begun is not None:
            added = added + F.pad(self._begun, (0, frames * hop))
        ready = frames * hop + (n_fft // 2 if last else 0)
        self._begun = added[:, frames * hop :]
        dropped = min(self._early, ready)
        self._early -= dropped
        return added[:-1, dropped:ready] / added[-1:, dropped:ready].clamp_min(SMALLEST_WEIGHT)
