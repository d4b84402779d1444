"""Short-time spectra and the search for phases that fit each other.

The search is the fast Griffin-Lim iteration of Perraudin, Balazs and Sondergaard (2013): alternating projections
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
    """Analysis and synthesis of all frames at once; the window is centred in n_fft samples.

    A frame is cut into `blocks` pieces of one hop, so that overlap-add is `blocks` shifted additions of whole arrays.
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

    def overlap_add(self, pieces: np.ndarray) -> np.ndarray:
        """[frames, n_fft] -> [(frames + blocks - 1) * hop]."""
        frames, hop = len(pieces), self.hop
        total = np.zeros((frames + self.blocks - 1, hop), dtype=np.float32)
        for block in range(self.blocks):
            part = pieces[:, block * hop : (block + 1) * hop]
            total[block : block + frames, : part.shape[1]] += part
        return total.reshape(-1)

    def weight(self, frames: int) -> np.ndarray:
        """Sum of the squared windows over each sample: what an overlap-added signal is divided by."""
        squares = np.broadcast_to(self.window**2, (frames, self.n_fft))
        return np.maximum(self.overlap_add(squares), np.float32(1e-3) * np.max(self.window**2))

    def synthesize(self, spectrum: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """The signal nearest to [frames, bins]; `weight` is that of so many frames."""
        # PyTorch's transform takes three quarters of the time of scipy's
        pieces = torch.fft.irfft(torch.from_numpy(spectrum), n=self.n_fft).numpy()
        pieces *= self.window
        wav = self.overlap_add(pieces)
        wav /= weight
        return wav

    def analyze(self, wav: np.ndarray, frames: int) -> np.ndarray:
        """The spectrum of a signal: [samples] -> complex64 [frames, bins], as if zeros followed."""
        lacking = (frames - 1) * self.hop + self.n_fft - wav.size
        signal = torch.from_numpy(np.pad(wav, (0, lacking)) if lacking > 0 else wav)
        views = signal.as_strided((frames, self.n_fft), (self.hop, 1))
        return torch.fft.rfft(views * torch.from_numpy(self.window)).numpy()

    def project(self, spectrum: np.ndarray) -> np.ndarray:
        """The spectrum of the signal nearest to complex64 [frames, bins]."""
        search, count = self.fast_search(len(spectrum)), len(spectrum)
        if search is not None:
            return search.project(spectrum)
        return self.analyze(self.synthesize(spectrum, self.weight(count)), count)

    def search_phase(
        self, magnitude: np.ndarray, start: np.ndarray, fixed: int, iterations: int, check: Callable[[], None]
    ) -> np.ndarray:
        """A spectrum with these magnitudes that is nearer to being the transform of a signal.

        Args:
            magnitude: float32 [frames, bins], at least 0.
            start: complex64 [frames, bins], the spectrum to begin with.
            fixed: how many of the first frames stay as they are in `start`.
            iterations: projections.
            check: called before every few of them; what it raises ends the work.

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
        """The search over so many frames in compiled code; None where there is none."""
        return fast_search(self.n_fft, self.hop, self.window, self.weight(frames), frames)
