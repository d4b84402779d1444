"""F0 estimation from a mel spectrogram, and the harmonic pattern of an F0 contour in a mel spectrogram.

Below 1 kHz the mel bands are 36 Hz apart, which resolves the harmonics of a voice. F0 is estimated by matching the fine
structure of a frame over the bands with that of pulse trains of known F0.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from speech.audio import SAMPLE_RATE, remove_offset, resample, volume_gain
from speech.mel import MelConfig, synthesis_mel
from speech.vad import VAD_WINDOW, speech_windows

Floats = NDArray[np.float32]

MIN_F0, F0_OCTAVES, STEPS_PER_OCTAVE = 60.0, 2.75, 48  # Hz; candidates up to 404 Hz, a quarter of a semitone apart
ENVELOPE_BANDS = 3.0  # standard deviation of the Gaussian that smooths the spectral envelope
COMPARED_BANDS = 45  # bands up to 2 kHz; above them harmonics are not resolved
MIN_SIMILARITY = 0.35  # cosine similarity to the best pattern below which a frame is unvoiced
VOICING_COST = 0.3  # of a change between voiced and unvoiced
OCTAVE_COST, MAX_F0_COST = 4.0, 1.2  # of a change of F0 from frame to frame: per octave, and at most
PULSE_LEVEL = 0.05  # RMS level scale of a pulse train
EPSILON = 1e-4
PEAK = 0.9  # recordings are normalised to this peak before the mel spectrogram
MIN_VOICED_SECONDS = 0.5
MAX_SECONDS = 60  # of speech; the median F0 changes little after that


def fine_structure(mel: NDArray[np.floating]) -> NDArray[np.floating]:
    """A mel spectrogram without its envelope over the bands: [..., n_mels, frames], same unit."""
    return mel - gaussian_filter1d(mel, ENVELOPE_BANDS, axis=-2)


def pulse_train(f0: NDArray[np.floating], config: MelConfig) -> Floats:
    """A waveform with all harmonics of equal amplitude up to `config.fmax`.

    The sum of N cosines of equal amplitude has the closed form sin(N x / 2) cos((N + 1) x / 2) / sin(x / 2), and N
    where the denominator is 0.

    Args:
        f0: [frames] in Hz, 0 for unvoiced frames.

    Returns:
        float32 [frames * hop_length].
    """
    samples = len(f0) * config.hop_length
    voiced = np.flatnonzero(f0 > 0)
    if not len(voiced):
        return np.zeros(samples, np.float32)
    time = np.arange(samples) / config.hop_length
    frequency = np.exp(np.interp(time, voiced, np.log(f0[voiced])))
    is_voiced = (f0 > 0)[np.minimum((time + 0.5).astype(int), len(f0) - 1)]
    half = np.pi * np.cumsum(frequency) / config.sample_rate
    count = np.floor(config.fmax / frequency)
    denominator = np.sin(half)
    at_peak = np.abs(denominator) < EPSILON
    wave = np.sin(count * half) * np.cos((count + 1) * half) / np.where(at_peak, 1.0, denominator)
    wave = np.where(at_peak, count, wave) / np.sqrt(count)
    return (PULSE_LEVEL * wave * is_voiced).astype(np.float32)


def harmonic_pattern(f0: NDArray[np.floating], config: MelConfig) -> Floats:
    """Fine structure of a pulse train: [frames] in Hz, 0 for unvoiced -> float32 [n_mels, frames]."""
    if not (f0 > 0).any():
        return np.zeros((config.n_mels, len(f0)), np.float32)
    mel = synthesis_mel(pulse_train(f0, config), config)[:, : len(f0)]
    return fine_structure(mel).astype(np.float32)


def median_f0(wav: NDArray[np.floating], config: MelConfig | None = None) -> float | None:
    """Median F0 in Hz of a recording's first minute of speech; None if less than half a second is voiced.

    A recording of up to a minute is analysed whole. Of a longer one, silences are left out by voice activity detection.

    Args:
        wav: float32 [samples] at `config.sample_rate`.
        config: mel settings, by default those of the default models.
    """
    config = config or MelConfig()
    wav = first_minute_of_speech(remove_offset(np.asarray(wav), config.sample_rate), config.sample_rate)
    peak = float(np.abs(wav).max(initial=0))
    if len(wav) < config.win_length or peak < EPSILON:
        return None
    f0 = f0_from_mel(synthesis_mel((PEAK / peak * wav).astype(np.float32), config), config)
    voiced = f0[f0 > 0]
    return float(np.median(voiced)) if len(voiced) >= MIN_VOICED_SECONDS * config.frames_per_second else None


def first_minute_of_speech(wav: NDArray[np.floating], sample_rate: int) -> NDArray[np.floating]:
    """All of a shorter recording; the first minute of one in which no speech is detected."""
    limit = MAX_SECONDS * sample_rate
    if len(wav) <= limit:
        return wav
    at_vad_rate = resample(wav, sample_rate, SAMPLE_RATE)
    kept = speech_windows(at_vad_rate, volume_gain(at_vad_rate))
    if not kept.any():
        return wav[:limit]
    starts = np.arange(len(kept) + 1) * VAD_WINDOW * sample_rate // SAMPLE_RATE
    windows = np.flatnonzero(kept)[: MAX_SECONDS * SAMPLE_RATE // VAD_WINDOW]
    return np.concatenate([wav[starts[window] : starts[window + 1]] for window in windows])


def f0_candidates() -> NDArray[np.float64]:
    """The F0 values that are compared, in Hz."""
    return MIN_F0 * 2.0 ** (np.arange(round(F0_OCTAVES * STEPS_PER_OCTAVE)) / STEPS_PER_OCTAVE)


@functools.lru_cache(maxsize=4)
def _patterns(config: MelConfig) -> Floats:
    """Fine structure of each candidate with L2 norm 1: [candidates, COMPARED_BANDS]."""
    middle = 8  # a frame away from the ends of the pulse train
    patterns = np.stack([harmonic_pattern(np.full(2 * middle, hertz), config)[:, middle] for hertz in f0_candidates()])
    patterns = patterns[:, :COMPARED_BANDS]
    return patterns / np.linalg.norm(patterns, axis=1, keepdims=True)


@functools.lru_cache(maxsize=1)
def _transition_costs() -> NDArray[np.float64]:
    """Cost of each change from frame to frame, symmetric; the last state is unvoiced: [candidates + 1] squared."""
    count = len(f0_candidates())
    costs = np.full((count + 1, count + 1), VOICING_COST)
    costs[:count, :count] = np.minimum(
        np.abs(np.arange(count)[:, None] - np.arange(count)) * (OCTAVE_COST / STEPS_PER_OCTAVE), MAX_F0_COST
    )
    costs[count, count] = 0
    return costs


def f0_from_mel(mel: NDArray[np.floating], config: MelConfig) -> Floats:
    """F0 contour of a mel spectrogram.

    The contour is the best Viterbi path through the candidates. A frame scores by the cosine similarity to a
    candidate's pattern; changes of F0 and of voicing cost. Then each frame is moved to the peak between the candidates.
    On clean read speech the contour agrees with YIN within 0.01 octaves.

    Args:
        mel: [n_mels, frames], dB scaled to [-4, 4].

    Returns:
        float32 [frames] in Hz; 0 for unvoiced frames.
    """
    return f0_and_similarity(mel[None], config)[0][0]


def harmonic_similarity(mels: NDArray[np.floating], config: MelConfig) -> NDArray[np.floating]:
    """Cosine similarity of each frame to the harmonic pattern of each F0 candidate.

    Args:
        mels: [mels, n_mels, frames], dB scaled to [-4, 4].

    Returns:
        [mels, candidates, frames]; at `MIN_SIMILARITY` or above a frame can be voiced.
    """
    structure = fine_structure(mels)[:, :COMPARED_BANDS]
    similarity: NDArray[np.floating] = _patterns(config) @ structure
    return similarity / np.maximum(np.linalg.norm(structure, axis=1), 1.0)[:, None]


def f0_and_similarity(mels: NDArray[np.floating], config: MelConfig) -> tuple[Floats, Floats]:
    """F0 contours of several mel spectrograms, and how clear the pitch is.

    Args:
        mels: [mels, n_mels, frames], dB scaled to [-4, 4].

    Returns:
        float32 [mels, frames] as `f0_from_mel` returns it, and float32 [mels, frames], the cosine similarity to the
        pattern of the F0; `MIN_SIMILARITY` for unvoiced frames.
    """
    similarity, costs = harmonic_similarity(mels, config), _transition_costs()
    unvoiced = np.full((len(mels), 1, similarity.shape[2]), MIN_SIMILARITY)
    scores = np.concatenate([similarity, unvoiced], axis=1).transpose(0, 2, 1)  # [mels, frames, candidates + 1]
    path = np.stack([_best_path(rows, costs) for rows in scores])
    chosen = np.take_along_axis(scores, path[:, :, None], axis=2)[:, :, 0]
    f0 = np.append(f0_candidates(), 0.0)[path] * 2.0 ** (_peak_offsets(scores, path) / STEPS_PER_OCTAVE)
    return f0.astype(np.float32), chosen.astype(np.float32)


def _peak_offsets(scores: NDArray[np.float64], path: NDArray[np.int64]) -> NDArray[np.float64]:
    """Distance of the similarity's peak from the candidates of a path, by a parabola through three candidates.

    Args:
        scores: [mels, frames, candidates + 1].
        path: int64 [mels, frames].

    Returns:
        float64 [mels, frames], in candidates, at most 0.5; 0 where the path is not at a peak.
    """
    inner = np.clip(path, 1, scores.shape[2] - 3)[:, :, None]
    below, at, above = (np.take_along_axis(scores, inner + side, axis=2)[:, :, 0] for side in (-1, 0, 1))
    is_peak = (inner[:, :, 0] == path) & (at > below) & (at > above)
    return np.where(is_peak, 0.5 * (above - below) / np.where(is_peak, 2 * at - below - above, 1.0), 0.0)


def _best_path(scores: NDArray[np.float64], costs: NDArray[np.float64]) -> NDArray[np.int64]:
    """The Viterbi path through scores [frames, states] with symmetric costs [states, states]: int64 [frames]."""
    previous, total = np.zeros(scores.shape, np.int64), scores[0]
    states = np.arange(len(total))
    for frame in range(1, len(scores)):
        transitions = total - costs  # [to, from]
        previous[frame] = transitions.argmax(1)
        total = transitions[states, previous[frame]] + scores[frame]
    path = np.zeros(len(scores), np.int64)
    path[-1] = total.argmax()
    for frame in range(len(scores) - 1, 0, -1):
        path[frame - 1] = previous[frame, path[frame]]
    return path
