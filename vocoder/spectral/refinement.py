"""A few projections that make the network's spectrum fit the mel and itself.

A network that was trained without a discriminator knows the phases only roughly, and the waveform of its spectrum then
has neither quite the mel that was asked for nor the magnitudes that the network meant. From there a few steps of the
fast Griffin-Lim search go further than many from random phases. The magnitudes that are sought are the geometric mean
of two, both with the mel's bands: the network's, which have the harmonics, and the smooth ones of the mel alone.

As with `vocoder.griffin_lim`, the search goes block by block: what was said before is not touched, and some frames
after the block are searched along and thrown away. The blocks lie at fixed frames, whatever parts a spectrum comes in.
"""

import functools
from collections.abc import Callable

import numpy as np
import torch

from speech.mel import MelConfig, mel_filters, mel_to_magnitude
from vocoder.phase import Frames
from vocoder.segments import MelFrames
from vocoder.spectral.fast_blend import CORRECTIONS, ITERATIONS, LEAST, MOST, FastBlend, fast_blend
from vocoder.spectral.transform import InverseTransform

BLOCK_FRAMES = 64  # whose phase is decided together
LOOKAHEAD_FRAMES = 8  # after them, which take part in the search
_TINY = np.float32(1e-9)


class RefinedTransform:
    """An inverse transform that refines the spectrum first, on a spectrum that comes in parts.

    Args:
        mel: dB scaled to [-4, 4]; it has the frames of each spectrum that is pushed.
        iterations: projections of each block.
        check: called before each projection; what it raises ends the work.
    """

    def __init__(self, mel: MelFrames, config: MelConfig, iterations: int, check: Callable[[], None]) -> None:
        self._mel, self._config, self._iterations, self._check = mel, config, iterations, check
        self._frames, self._bands, self._blend = Frames.of(config), _Bands(config), _blend_of(config)
        self._inverse = InverseTransform(torch.from_numpy(self._frames.window), config.hop_length)
        self._waiting = self._known = np.zeros((0, config.n_frequencies), dtype=np.complex64)
        self._start = 0  # of the first frame that waits

    def push(self, spectrum: torch.Tensor, last: bool) -> torch.Tensor:
        """As `InverseTransform.push`, for a batch of one; there may be no samples yet."""
        self._waiting = np.concatenate([self._waiting, spectrum[0].T.numpy()])
        parts = [torch.zeros(1, 0)]
        while len(self._waiting) >= BLOCK_FRAMES + LOOKAHEAD_FRAMES or (last and len(self._waiting)):
            refined = torch.from_numpy(self._next_block().T[None])
            parts.append(self._inverse.push(refined, last and not len(self._waiting)))
        return torch.cat(parts, dim=1)

    def _next_block(self) -> np.ndarray:
        """Refined spectrum [frames, bins] of the first BLOCK_FRAMES that wait, or of all if they are fewer."""
        frames, known = self._frames, self._known
        made = np.concatenate([known, self._waiting[: BLOCK_FRAMES + LOOKAHEAD_FRAMES]])
        first = self._start - len(known)
        mel = self._mel.read(first, first + len(made))
        search = frames.fast_search(len(made)) if self._blend else None
        if self._blend is not None and search is not None:
            search.hear(made)
            self._blend(search, mel)
            refined = search.go_on(known, self._iterations, self._check)
        else:
            refined = self._refine(made, mel)
        decided = refined[len(known) :][:BLOCK_FRAMES]
        self._waiting = self._waiting[BLOCK_FRAMES:]
        self._start += len(decided)
        self._known = decided[len(decided) - min(len(decided), frames.blocks - 1) :]
        self._mel.forget(self._start - len(self._known))
        return decided

    def _refine(self, made: np.ndarray, mel: np.ndarray) -> np.ndarray:
        """What compiled code does to a spectrum [frames, bins], in numpy; its first frames are `self._known`."""
        frames, known = self._frames, self._known
        smooth = mel_to_magnitude(mel, self._config, iterations=ITERATIONS).T
        heard = frames.project(made)
        magnitude = self._bands.blend(np.abs(heard), smooth)
        magnitude[mel.max(axis=0) <= 1e-3 - self._config.max_abs_value] = 0  # every band at the floor: silence
        start = heard * (magnitude / np.maximum(np.abs(heard), _TINY))
        start[: len(known)] = known
        return frames.search_phase(magnitude, start, len(known), self._iterations, self._check)


@functools.lru_cache(maxsize=4)
def _blend_of(config: MelConfig) -> FastBlend | None:
    return fast_blend(config)


class _Bands:
    """The mel's bands over the bins of a spectrum."""

    def __init__(self, config: MelConfig) -> None:
        self._filters = mel_filters(config.sample_rate, config.n_fft, config.n_mels, config.fmin, config.fmax)
        total = self._filters.sum(axis=0)
        self._covered = total > 0
        self._shares = self._filters / np.maximum(total, _TINY)  # of a bin, in each band

    def blend(self, magnitude: np.ndarray, smooth: np.ndarray) -> np.ndarray:
        """Geometric mean of `magnitude`, its bands made those of `smooth`, and `smooth`: float32 [frames, bins].

        Bins outside of all bands, of which the mel says nothing, stay as they are in `magnitude`.
        """
        wanted, corrected = smooth @ self._filters.T, magnitude
        for _ in range(CORRECTIONS):
            ratio = wanted / np.maximum(corrected @ self._filters.T, _TINY)
            corrected = corrected * (np.clip(ratio, LEAST, MOST) @ self._shares)
        return np.where(self._covered, np.sqrt(corrected * smooth), magnitude)
