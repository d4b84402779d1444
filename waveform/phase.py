"""Short-time spectra and phase retrieval.

Phases are found by the fast Griffin-Lim algorithm of Perraudin, Balazs and Sondergaard (2013): alternating projections
(Griffin and Lim 1984) with momentum.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import torch

from kernels.phase_search import MOMENTUM, FastSearch, fast_search
from speech.mel import MelConfig, hann_window

_TINY = np.float32(1e-12)


@dataclass(frozen=True)
class Frames:
    """Analysis and synthesis of all frames at once.

    A frame is divided into `blocks` segments of one hop, so that overlap-add is `blocks` shifted additions of arrays.

    Attributes:
        window: [n_fft], centred.
    """

    n_fft: int
    hop: int
    window: np.ndarray
    blocks: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", -(-self.n_fft // self.hop))

    @classmethod
    def of(cls, config: MelConfig) -> "Frames":
        return cls(config.n_fft, config.hop_length, hann_window(config.win_length, config.n_fft))

    def overlap_add(self, windowed: np.ndarray) -> np.ndarray:
        """[frames, n_fft] -> [(frames + blocks - 1) * hop]."""
        frames, hop = len(windowed), self.hop
        total = np.zeros((frames + self.blocks - 1, hop), dtype=np.float32)
        for block in range(self.blocks):
            part = windowed[:, block * hop : (block + 1) * hop]
            total[block : block + frames, : part.shape[1]] += part
        return total.reshape(-1)

    def weight(self, frames: int) -> np.ndarray:
        """Sum of the squared windows at each sample, by which an overlap-added signal is divided."""
        squares = np.broadcast_to(self.window**2, (frames, self.n_fft))
        return np.maximum(self.overlap_add(squares), np.float32(1e-3) * np.max(self.window**2))

    def synthesize(self, spectrum: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The signal whose spectrum is nearest to `spectrum` [frames, bins]; `weight` is `self.weight(frames)`."""
        # PyTorch's transform takes three quarters of the time of scipy's.
        windowed = torch.fft.irfft(torch.from_numpy(spectrum), n=self.n_fft).numpy()
        windowed *= self.window
        wav = self.overlap_add(windowed)
        wav /= weight
        return wav

    def analyze(self, wav: np.ndarray, frames: int) -> np.ndarray:
        """The spectrum of a signal padded with zeros: [samples] -> complex64 [frames, bins]."""
        lacking = (frames - 1) * self.hop + self.n_fft - wav.size
        signal = torch.from_numpy(np.pad(wav, (0, lacking)) if lacking > 0 else wav)
        views = signal.as_strided((frames, self.n_fft), (self.hop, 1))
        return torch.fft.rfft(views * torch.from_numpy(self.window)).numpy()

    def project(self, spectrum: np.ndarray) -> np.ndarray:
        """The consistent spectrum nearest to `spectrum`, complex64 [frames, bins]."""
        search, count = self.fast_search(len(spectrum)), len(spectrum)
        if search is not None:
            return search.project(spectrum)
        return self.analyze(self.synthesize(spectrum, self.weight(count)), count)

    def search_phase(
        self, magnitude: np.ndarray, start: np.ndarray, fixed: int, iterations: int, check: Callable[[], None]
    ) -> np.ndarray:
        """A spectrum with given magnitudes that is closer to being consistent, that is, the transform of a signal.

        Args:
            magnitude: float32 [frames, bins], at least 0.
            start: complex64 [frames, bins], the first estimate.
            fixed: number of frames at the beginning that keep their values in `start`.
            iterations: projections.
            check: called before every few of them; an exception that it raises ends the work.

        Returns:
            complex64 [frames, bins].
        """
        count, spectrum = len(magnitude), start
        search = self.fast_search(count)
        if search is not None and iterations > 0:
            return search.search(magnitude, start, fixed, iterations, check)
        weight, gain = self.weight(count), np.empty_like(magnitude)
        previous = np.zeros_like(spectrum)
        for _ in range(max(0, iterations)):
            check()
            rebuilt = self.analyze(self.synthesize(spectrum, weight), count)
            spectrum = np.subtract(rebuilt, previous, out=previous)
            spectrum *= np.float32(MOMENTUM)
            spectrum += rebuilt
            np.abs(spectrum, out=gain)
            np.maximum(gain, _TINY, out=gain)
            np.divide(magnitude, gain, out=gain)
            spectrum *= gain
            spectrum[:fixed] = start[:fixed]
            previous = rebuilt
        return spectrum

    def fast_search(self, frames: int) -> FastSearch | None:
        """The search over this number of frames in compiled code; None where it cannot be compiled."""
        return fast_search(self.n_fft, self.hop, self.window, self.weight(frames), frames)
