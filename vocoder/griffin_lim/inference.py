"""Griffin-Lim: a waveform from a mel with no trained model at all.

The mel's bands are spread back over the linear spectrum (non-negative least squares), and a phase is sought whose
short-time spectrum has those magnitudes: the fast Griffin-Lim iteration of Perraudin, Balazs and Sondergaard (2013),
which is Griffin and Lim's alternating projection (1984) with momentum. It sounds metallic beside a trained vocoder but
works on any mel, at once.

The search goes block by block, as Beauregard, Zhu and Wyse do it for real time (2005): the frames before a block keep
the phase that they have, some frames after it are searched along and thrown away. A block so fits what was said before,
and time and memory do not depend on how long the whole is. The mel reached is as close as with one search over all.
"""

from collections.abc import Iterator

import numpy as np
from scipy import fft, signal

from speech.mel import MelConfig, mel_to_magnitude
from vocoder.base import Cancelled, Progress, stop_if
from vocoder.checks import check_mel
from vocoder.phase import Frames

BLOCK_FRAMES = 32  # whose phase is decided together
LOOKAHEAD_FRAMES = 16  # after them, which take part in the search
CHUNK_FRAMES = 8  # of a stream: 0.1 s


def griffin_lim(
    mel: np.ndarray, config: MelConfig | None = None, iterations: int = 60, seed: int | None = 0
) -> np.ndarray:
    """The waveform whose mel comes close to the one given.

    Args:
        mel: [n_mels, frames], dB scaled to [-4, 4].
        config: mel settings that the mel was made with.
        iterations: projections of each block; past 60 little is gained.
        seed: of the phase that the search starts from; None draws a fresh one.

    Returns:
        float32 [frames * hop_length] in [-1, 1], de-emphasised, at `config.sample_rate`.

    Raises:
        AudioError: the mel is empty, has another number of bands, or holds values that are not finite.
    """
    return GriffinLimVocoder(config, iterations).vocode(mel, seed)


class GriffinLimVocoder:
    """Griffin-Lim behind the verbs of `vocoder.Vocoder`; it has nothing to load or save."""

    kind = "griffin_lim"

    def __init__(self, config: MelConfig | None = None, iterations: int = 60) -> None:
        self.mel_config = config or MelConfig()
        self.iterations = iterations

    @property
    def sample_rate(self) -> int:
        return self.mel_config.sample_rate

    def warm_up(self) -> None:
        """Nothing is done only once."""

    def vocode(
        self,
        mel: np.ndarray,
        seed: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> np.ndarray:
        """See `Vocoder.vocode`. What would be louder than full scale is turned down as a whole."""
        mel = check_mel(mel, self.mel_config.n_mels)
        wav = np.concatenate(list(self._blocks(mel, seed, progress, cancelled)))
        peak = float(np.abs(wav).max())
        return wav / np.float32(peak) if peak > 1.0 else wav

    def stream(
        self,
        mel: np.ndarray,
        seed: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> Iterator[np.ndarray]:
        """See `Vocoder.stream`. The chunks together are what `vocode` gives, except that full scale is a limit here:
        a stream cannot know how loud it is going to be."""
        mel = check_mel(mel, self.mel_config.n_mels)
        size = CHUNK_FRAMES * self.mel_config.hop_length
        blocks = self._blocks(mel, seed, progress, cancelled)
        return (np.clip(block[start : start + size], -1, 1) for block in blocks for start in range(0, len(block), size))

    def _blocks(
        self, mel: np.ndarray, seed: int | None, progress: Progress | None, cancelled: Cancelled | None
    ) -> Iterator[np.ndarray]:
        """The waveform in parts that are as long as they come, not limited to [-1, 1]."""
        config, hop = self.mel_config, self.mel_config.hop_length
        # The first frame is centred on sample 0, so half a window lies before the signal.
        early, left = config.n_fft // 2, mel.shape[1] * hop
        state, total = np.zeros(1), left
        for made in self._searched(mel, np.random.default_rng(seed), cancelled):
            skipped = min(early, len(made))
            early -= skipped
            made = made[skipped : skipped + left]
            left -= len(made)
            if progress is not None:
                progress(total - left, total)
            if len(made):
                # y[t] = x[t] + coefficient * y[t - 1], carried on from block to block
                wav, state = signal.lfilter([1.0], [1.0, -config.preemphasis], made.astype(np.float64), zi=state)
                yield wav.astype(np.float32)

    def _searched(self, mel: np.ndarray, rng: np.random.Generator, cancelled: Cancelled | None) -> Iterator[np.ndarray]:
        """Pre-emphasised samples block by block, with half a window before the mel's first and after its last frame."""
        config, count = self.mel_config, mel.shape[1]
        frames, hop = Frames.of(config), config.hop_length
        context = frames.blocks - 1  # frames that share samples with the one after them
        weight = frames.weight(BLOCK_FRAMES + 2 * context)[context * hop : (context + BLOCK_FRAMES) * hop]
        known = np.zeros((0, config.n_fft // 2 + 1), dtype=np.complex64)
        tail = np.zeros(context * hop, dtype=np.float32)
        for start in range(0, count, BLOCK_FRAMES):
            stop = min(start + BLOCK_FRAMES, count)
            window = mel[:, start - len(known) : stop + LOOKAHEAD_FRAMES]
            magnitude = np.ascontiguousarray(mel_to_magnitude(window, config).T, dtype=np.float32)
            # every band at the floor: silence, and no phase to search for
            magnitude[window.T.max(axis=1) <= -config.max_abs_value + 1e-3] = 0
            angle = rng.uniform(-np.pi, np.pi, magnitude.shape).astype(np.float32)
            spectrum = magnitude * np.exp(1j * angle).astype(np.complex64)
            spectrum[: len(known)] = known
            spectrum = frames.search_phase(magnitude, spectrum, len(known), self.iterations, lambda: stop_if(cancelled))
            spectrum = spectrum[len(known) : len(known) + stop - start]
            pieces = fft.irfft(spectrum, n=config.n_fft, axis=1) * frames.window
            made = frames.overlap_add(pieces)
            made[: len(tail)] += tail
            ready = (stop - start) * hop
            yield made[:ready] / weight[:ready]
            tail = made[ready:]
            known = spectrum[-context:] if context else spectrum[:0]
        yield tail / weight[: len(tail)]
