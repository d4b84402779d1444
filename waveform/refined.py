"""The inverse transform with refinement, of spectra and of samples that arrive in parts.

In voiced frames, the spectrum first gets the harmonics of pulses at the F0 of the mel (`pulses`). The target magnitudes
are the geometric mean of two magnitude spectra that both have the mel's bands: this one, which has the harmonics, and
a smooth one computed from the mel alone.

As in `vocoder.griffin_lim`, the search goes block by block. Earlier frames keep their phases, and a few frames after
the block take part in the search and are discarded. The blocks do not depend on the parts in which a spectrum arrives.
"""

import functools
import math
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch

from speech.mel import MelConfig, mel_filters, mel_to_magnitude
from waveform.fast_blend import CORRECTIONS, ITERATIONS, LEAST, MOST, FastBlend, fast_blend
from waveform.phase import Frames
from waveform.pulses import Pulses
from waveform.segments import MelFrames
from waveform.transform import ForwardTransform, InverseTransform

BLOCK_FRAMES = 64  # whose phases are found together
LOOKAHEAD_FRAMES = 8  # after them, which take part in the search
_TINY = np.float32(1e-9)


class RefinedTransform:
    """Inverse transform with refinement, of a spectrum that arrives in parts.

    Args:
        mel: dB scaled to [-4, 4]; it must have the frames of every spectrum that is pushed.
        iterations: projections of each block.
        check: called before each projection; an exception that it raises ends the work.
    """

    def __init__(self, mel: MelFrames, config: MelConfig, iterations: int, check: Callable[[], None]) -> None:
        self._mel, self._config, self._iterations, self._check = mel, config, iterations, check
        self._frames, self._bands, self._blend = Frames.of(config), _Bands(config), _blend_of(config)
        self._pulses = Pulses(config)
        self._inverse = InverseTransform(torch.from_numpy(self._frames.window), config.hop_length)
        self._waiting = self._known = np.zeros((0, config.n_frequencies), dtype=np.complex64)
        self._start = 0  # index of the first waiting frame

    def push(self, spectrum: torch.Tensor, last: bool) -> torch.Tensor:
        """As `InverseTransform.push`, for a batch of one. A part may give no samples."""
        self._waiting = np.concatenate([self._waiting, spectrum[0].T.numpy()])
        parts = [torch.zeros(1, 0)]
        while len(self._waiting) >= BLOCK_FRAMES + LOOKAHEAD_FRAMES or (last and len(self._waiting)):
            refined = torch.from_numpy(self._next_block().T[None])
            parts.append(self._inverse.push(refined, last and not len(self._waiting)))
        return torch.cat(parts, dim=1)

    def _next_block(self) -> np.ndarray:
        """Refined spectrum [frames, bins] of the first BLOCK_FRAMES waiting frames, or of all if there are fewer."""
        frames, known = self._frames, self._known
        waiting = self._waiting[: BLOCK_FRAMES + LOOKAHEAD_FRAMES]
        first = self._start - len(known)
        mel = self._mel.read(first, self._start + len(waiting))
        harmonic = self._pulses.apply(waiting, mel, done=min(BLOCK_FRAMES, len(waiting)))
        block = np.concatenate([known, harmonic])
        search = frames.fast_search(len(block)) if self._blend else None
        if self._blend is not None and search is not None:
            search.resynthesise(block)
            self._blend(search, mel)
            refined = search.iterate(known, self._iterations, self._check)
        else:
            refined = self._refine(block, mel)
        done = refined[len(known) :][:BLOCK_FRAMES]
        self._waiting = self._waiting[BLOCK_FRAMES:]
        self._start += len(done)
        self._known = done[len(done) - min(len(done), frames.blocks - 1) :]
        self._mel.forget(self._start - len(self._known))
        return done

    def _refine(self, block: np.ndarray, mel: np.ndarray) -> np.ndarray:
        """The compiled search in numpy, for a spectrum [frames, bins] that begins with the frames `self._known`."""
        frames, known = self._frames, self._known
        smooth = mel_to_magnitude(mel, self._config, iterations=ITERATIONS).T
        projected = frames.project(block)
        magnitude = self._bands.blend(np.abs(projected), smooth)
        magnitude[mel.max(axis=0) <= 1e-3 - self._config.max_abs_value] = 0  # all bands at the floor: silence
        start = projected * (magnitude / np.maximum(np.abs(projected), _TINY))
        start[: len(known)] = known
        return frames.search_phase(magnitude, start, len(known), self._iterations, self._check)


def refine_samples(
    parts: Iterable[np.ndarray], mel: MelFrames, config: MelConfig, iterations: int, check: Callable[[], None]
) -> Iterator[np.ndarray]:
    """Refine pre-emphasised samples of a mel, float32 [samples] in parts of any length, of which each frame has a hop.

    Frequencies below the lowest band are removed: speech has next to nothing there, and noise that the de-emphasis
    would raise by up to 30 dB.

    Args:
        mel, iterations, check: as for `RefinedTransform`.

    Returns:
        As many samples, in parts of a block.
    """
    forward = ForwardTransform(Frames.of(config))
    inverse = RefinedTransform(mel, config, iterations, check)
    below = math.ceil(config.fmin * config.n_fft / config.sample_rate)

    def push(spectrum: np.ndarray, last: bool) -> np.ndarray:
        spectrum[:, :below] = 0
        return inverse.push(torch.from_numpy(spectrum.T[None]), last)[0].numpy()

    for part in parts:
        spectrum = forward.push(part)
        if len(spectrum):
            yield push(spectrum, last=False)
    yield push(forward.finish(), last=True)


@functools.lru_cache(maxsize=4)
def _blend_of(config: MelConfig) -> FastBlend | None:
    return fast_blend(config)


class _Bands:
    """The mel filter bank, and the fraction of each bin that belongs to each band."""

    def __init__(self, config: MelConfig) -> None:
        self._filters = mel_filters(config.sample_rate, config.n_fft, config.n_mels, config.fmin, config.fmax)
        total = self._filters.sum(axis=0)
        self._covered = total > 0
        self._fractions = self._filters / np.maximum(total, _TINY)

    def blend(self, magnitude: np.ndarray, smooth: np.ndarray) -> np.ndarray:
        """Geometric mean of `smooth` and of `magnitude` scaled to the bands of `smooth`: float32 [frames, bins].

        Bins outside of all bands keep their value in `magnitude`.
        """
        target, corrected = smooth @ self._filters.T, magnitude
        for _ in range(CORRECTIONS):
            ratio = target / np.maximum(corrected @ self._filters.T, _TINY)
            corrected = corrected * (np.clip(ratio, LEAST, MOST) @ self._fractions)
        return np.where(self._covered, np.sqrt(corrected * smooth), magnitude)
