"""Griffin-Lim: a waveform from a mel without a trained model.

The mel is mapped to a linear magnitude spectrum (non-negative least squares). Phases that fit these magnitudes are
found by the fast Griffin-Lim algorithm of Perraudin, Balazs and Sondergaard (2013): alternating projections (Griffin
and Lim 1984) with momentum. The result sounds metallic compared to a trained vocoder.

The search goes block by block, as in the real-time variant of Beauregard, Zhu and Wyse (2005). The frames before a
block keep their phases, and a few frames after it take part in the search and are discarded. So a block fits what
precedes it, and memory does not depend on the length of the mel. The resulting mel is as close to the given one as with
a single search over all frames.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, signal

from speech.errors import ConfigError
from speech.mel import MelConfig, mel_to_magnitude
from vocoder.base import Vocoder, joined
from vocoder.control import Control
from waveform.phase import Frames
from waveform.segments import MelFrames

if TYPE_CHECKING:
    import torch

BLOCK_FRAMES = 32  # whose phases are found together
LOOKAHEAD_FRAMES = 16  # after them, which take part in the search


class GriffinLimVocoder(Vocoder):
    """Griffin-Lim as a vocoder. It has no weights, so there is no model file.

    Args:
        config: mel settings of the input.
        iterations: projections of each block; more than 60 gain little.
    """

    kind = "griffin-lim"

    def __init__(self, config: MelConfig | None = None, iterations: int = 60) -> None:
        super().__init__()
        self._mel_config = config or MelConfig()
        self.iterations = iterations

    @property
    def mel_config(self) -> MelConfig:
        return self._mel_config

    def save(self, path: str | Path, dtype: "torch.dtype | None" = None) -> None:
        """Raises: ConfigError."""
        raise ConfigError("Griffin-Lim has no model file, so there is nothing to save: choose a trained vocoder.")

    def _generate_whole(self, mel: np.ndarray, seed: int | None, control: Control) -> np.ndarray:
        """A waveform that exceeds full scale is scaled down as a whole."""
        parts = self._generate(MelFrames.whole(mel), seed, control)
        wav = joined(parts, mel.shape[1] * self.mel_config.hop_length, control)
        peak = float(np.abs(wav).max())
        return wav / np.float32(peak) if peak > 1.0 else wav

    def _generate(self, mel: MelFrames, seed: int | None, control: Control) -> Iterator[np.ndarray]:
        """The waveform in blocks. It may exceed full scale, because the peak is not known in advance."""
        config, hop = self.mel_config, self.mel_config.hop_length
        # The first frame is centred on sample 0, so half a window lies before the signal.
        early, done, state = config.n_fft // 2, 0, np.zeros(1)
        for block in self._blocks(mel, np.random.default_rng(seed), control):
            skipped = min(early, len(block))
            early -= skipped
            block = block[skipped : skipped + mel.known * hop - done]
            done += len(block)
            if len(block):
                # y[t] = x[t] + coefficient * y[t - 1], continued from block to block
                wav, state = signal.lfilter([1.0], [1.0, -config.preemphasis], block.astype(np.float64), zi=state)
                yield wav.astype(np.float32)

    def _blocks(self, mel: MelFrames, rng: np.random.Generator, control: Control) -> Iterator[np.ndarray]:
        """Pre-emphasised samples block by block, with half a window before the mel's first and after its last frame."""
        config = self.mel_config
        frames, hop = Frames.of(config), config.hop_length
        context = frames.blocks - 1  # frames that share samples with the one after them
        weight = frames.weight(BLOCK_FRAMES + 2 * context)[context * hop : (context + BLOCK_FRAMES) * hop]
        known = np.zeros((0, config.n_fft // 2 + 1), dtype=np.complex64)
        tail = np.zeros(context * hop, dtype=np.float32)
        start = 0
        while mel.has(start):
            window = mel.read(start - len(known), start + BLOCK_FRAMES + LOOKAHEAD_FRAMES)
            count = min(BLOCK_FRAMES, window.shape[1] - len(known))
            magnitude = np.ascontiguousarray(mel_to_magnitude(window, config).T, dtype=np.float32)
            # All bands at the floor: silence, and no phase to search for.
            magnitude[window.T.max(axis=1) <= -config.max_abs_value + 1e-3] = 0
            angle = rng.uniform(-np.pi, np.pi, magnitude.shape).astype(np.float32)
            spectrum = magnitude * np.exp(1j * angle).astype(np.complex64)
            spectrum[: len(known)] = known
            spectrum = frames.search_phase(magnitude, spectrum, len(known), self.iterations, control.check)
            spectrum = spectrum[len(known) : len(known) + count]
            windowed = fft.irfft(spectrum, n=config.n_fft, axis=1) * frames.window
            block = frames.overlap_add(windowed)
            block[: len(tail)] += tail
            ready = count * hop
            yield block[:ready] / weight[:ready]
            tail = block[ready:]
            known = spectrum[-context:] if context else spectrum[:0]
            start += count
            mel.forget(start - len(known))
        yield tail / weight[: len(tail)]
