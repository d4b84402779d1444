"""Griffin-Lim: a waveform from a mel with no trained model at all.

The mel's bands are spread back over the linear spectrum (non-negative least squares), and a phase is sought whose
short-time spectrum has those magnitudes: the fast Griffin-Lim iteration of Perraudin, Balazs and Sondergaard (2013),
which is Griffin and Lim's alternating projection (1984) with momentum. It sounds metallic beside a trained vocoder but
works on any mel, at once.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy import fft, signal

from speech.audio import deemphasis
from speech.mel import MelConfig, mel_to_magnitude
from vocoder.checks import check_mel

logger = logging.getLogger(__name__)

MOMENTUM = 0.99
_TINY = np.float32(1e-12)


@dataclass(frozen=True)
class _Frames:
    """Analysis and synthesis of all frames at once; the window is centred in n_fft samples.

    A frame is cut into `blocks` pieces of one hop, so that overlap-add is `blocks` shifted additions of whole arrays.
    """

    n_fft: int
    hop: int
    window: np.ndarray
    blocks: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", -(-self.n_fft // self.hop))

    def overlap_add(self, pieces: np.ndarray) -> np.ndarray:
        """[frames, n_fft] -> [(frames + blocks - 1) * hop]."""
        frames = pieces.shape[0]
        padded = np.pad(pieces, ((0, 0), (0, self.blocks * self.hop - self.n_fft)))
        padded = padded.reshape(frames, self.blocks, self.hop)
        total = np.zeros((frames + self.blocks - 1, self.hop), dtype=np.float32)
        for block in range(self.blocks):
            total[block : block + frames] += padded[:, block]
        return total.reshape(-1)

    def weight(self, frames: int) -> np.ndarray:
        """Sum of the squared windows over each sample: what an overlap-added signal is divided by."""
        squares = np.broadcast_to(self.window**2, (frames, self.n_fft))
        return np.maximum(self.overlap_add(squares), np.float32(1e-3) * np.max(self.window**2))

    def synthesize(self, spectrum: np.ndarray, weight: np.ndarray) -> np.ndarray:
        pieces = fft.irfft(spectrum, n=self.n_fft, axis=1, overwrite_x=False) * self.window
        return self.overlap_add(pieces) / weight

    def analyze(self, wav: np.ndarray, frames: int) -> np.ndarray:
        wav = np.pad(wav, (0, max(0, (frames - 1) * self.hop + self.n_fft - wav.size)))
        views = np.lib.stride_tricks.sliding_window_view(wav, self.n_fft)[:: self.hop][:frames]
        return fft.rfft(views * self.window, axis=1)


def griffin_lim(
    mel: np.ndarray, config: MelConfig | None = None, iterations: int = 60, seed: int | None = 0
) -> np.ndarray:
    """The waveform whose mel comes close to the one given.

    Args:
        mel: [n_mels, frames], dB scaled to [-4, 4].
        config: mel settings that the mel was made with.
        iterations: projections; past 60 little is gained.
        seed: of the phase that the search starts from; None draws a fresh one.

    Returns:
        float32 [frames * hop_length] in [-1, 1], de-emphasised, at `config.sample_rate`.

    Raises:
        AudioError: the mel is empty, has another number of bands, or holds values that are not finite.
    """
    config = config or MelConfig()
    mel = check_mel(mel, config.n_mels)
    samples = mel.shape[1] * config.hop_length
    if mel.max() <= -config.max_abs_value + 1e-3:  # every band at the floor: silence, and no phase to search for
        return np.zeros(samples, dtype=np.float32)
    magnitude = np.ascontiguousarray(mel_to_magnitude(mel, config).T, dtype=np.float32)
    wav = _search_phase(magnitude, config, iterations, np.random.default_rng(seed))
    # The first frame is centred on sample 0, so half a window lies before the signal.
    start = config.n_fft // 2
    wav = np.pad(wav, (0, max(0, start + samples - wav.size)))[start : start + samples]
    wav = deemphasis(wav, config.preemphasis).astype(np.float32)
    peak = float(np.abs(wav).max())
    return wav / np.float32(peak) if peak > 1.0 else wav


def _search_phase(magnitude: np.ndarray, config: MelConfig, iterations: int, rng: np.random.Generator) -> np.ndarray:
    """magnitude [frames, bins] -> wav with half a window in front of it, its energy matched to the magnitude."""
    window = signal.get_window("hann", config.win_length, fftbins=True).astype(np.float32)
    margin = config.n_fft - config.win_length
    frames = _Frames(config.n_fft, config.hop_length, np.pad(window, (margin // 2, margin - margin // 2)))
    count = magnitude.shape[0]
    weight = frames.weight(count)
    angle = rng.uniform(-np.pi, np.pi, magnitude.shape).astype(np.float32)
    spectrum = magnitude * np.exp(1j * angle).astype(np.complex64)
    previous = np.zeros_like(spectrum)
    for _ in range(max(0, iterations)):
        rebuilt = frames.analyze(frames.synthesize(spectrum, weight), count)
        spectrum = rebuilt + np.float32(MOMENTUM) * (rebuilt - previous)
        spectrum *= magnitude / np.maximum(np.abs(spectrum), _TINY)
        previous = rebuilt
    wav = frames.synthesize(spectrum, weight)
    # An inconsistent spectrum loses energy when it is inverted; give back what the mel asked for.
    reached = float(np.square(np.abs(frames.analyze(wav, count))).sum(dtype=np.float64))
    wanted = float(np.square(magnitude).sum(dtype=np.float64))
    return wav * np.float32(np.sqrt(wanted / max(reached, 1e-12)))


class GriffinLimVocoder:
    """Griffin-Lim behind the verbs of `vocoder.Vocoder`; it has nothing to load or save."""

    kind = "griffin_lim"

    def __init__(self, config: MelConfig | None = None, iterations: int = 60) -> None:
        self.mel_config = config or MelConfig()
        self.iterations = iterations

    @property
    def sample_rate(self) -> int:
        return self.mel_config.sample_rate

    def vocode(self, mel: np.ndarray, seed: int | None = None, progress=None) -> np.ndarray:
        """mel [n_mels, frames] in [-4, 4] -> float32 [frames * hop_length] in [-1, 1]; see `griffin_lim`."""
        wav = griffin_lim(mel, self.mel_config, self.iterations, seed)
        if progress is not None:
            progress(wav.size, wav.size)
        return wav

    def stream(self, mel: np.ndarray, seed: int | None = None) -> Iterator[np.ndarray]:
        """One chunk: the phase search needs the whole utterance."""
        yield self.vocode(mel, seed=seed)
