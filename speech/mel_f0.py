"""The pitch that a mel shows, and the pattern of harmonics that a pitch has in a mel.

A mel's bands are 36 Hz apart below 1 kHz, close enough to see the harmonics of a voice one by one. So a pitch can be
read off a mel by comparing its fine structure over the bands with that of buzzes of known pitch, and the other way
round a pitch says where the fine structure must be.
"""

from __future__ import annotations

import functools

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from speech.mel import MelConfig, synthesis_mel

Floats = NDArray[np.float32]

MIN_F0, F0_OCTAVES, STEPS = 60.0, 2.75, 48  # Hz; f0_candidates up to 404 Hz, a quarter of a semitone apart
ENVELOPE_BANDS = 3.0  # standard deviation of what counts as the envelope under the fine structure
COMPARED_BANDS = 45  # up to 2 kHz; above it harmonics melt together
AS_GOOD_AS_NONE = 0.35  # likeness to the best pulse_train below which a frame has no pitch
CHANGE_COST = 0.3  # of beginning or ending to have a pitch
OCTAVE_COST, MOST_COST = 4.0, 1.2  # of a change of pitch from frame to frame, for an octave and at most
LEVEL = 0.05  # of a pulse_train's samples
TINY = 1e-4
PEAK = 0.9  # to which recordings are brought before they become mels
LEAST_VOICED_SECONDS = 0.5
MOST_SECONDS = 60  # of a recording; more tell nothing new of how high somebody speaks


def fine_structure(mel: NDArray[np.floating]) -> NDArray[np.floating]:
    """What a mel [n_mels, frames] has beyond its envelope over the bands; the same shape and unit."""
    return mel - gaussian_filter1d(mel, ENVELOPE_BANDS, axis=0)


def pulse_train(pitch: NDArray[np.floating], config: MelConfig) -> Floats:
    """A sound of all harmonics alike, with this pitch: [frames] in Hz, 0 for none -> [frames * hop_length].

    The sum of N cosines of equal amplitude has a closed form, sin(N x / 2) cos((N + 1) x / 2) / sin(x / 2).
    """
    samples = len(pitch) * config.hop_length
    voiced = np.flatnonzero(pitch > 0)
    if not len(voiced):
        return np.zeros(samples, np.float32)
    time = np.arange(samples) / config.hop_length
    frequency = np.exp(np.interp(time, voiced, np.log(pitch[voiced])))
    sounds = (pitch > 0)[np.minimum((time + 0.5).astype(int), len(pitch) - 1)]
    half = np.pi * np.cumsum(frequency) / config.sample_rate
    count = np.floor(config.fmax / frequency)
    below = np.sin(half)
    below = np.where(np.abs(below) < TINY, TINY, below)
    wave = np.sin(count * half) * np.cos((count + 1) * half) / below / np.sqrt(count)
    return (LEVEL * wave * sounds).astype(np.float32)


def harmonic_pattern(pitch: NDArray[np.floating], config: MelConfig) -> Floats:
    """The fine structure of a pulse_train with this pitch: [frames] in Hz, 0 for none -> float32 [n_mels, frames]."""
    if not (pitch > 0).any():
        return np.zeros((config.n_mels, len(pitch)), np.float32)
    mel = synthesis_mel(pulse_train(pitch, config), config)[:, : len(pitch)]
    return fine_structure(mel).astype(np.float32)


def median_f0(wav: NDArray[np.floating], config: MelConfig | None = None) -> float | None:
    """The median pitch of a recording's first minute in Hz; None where too little of it has one.

    Args:
        wav: float32 [samples] at `config.sample_rate`.
    """
    config = config or MelConfig()
    wav = wav[: MOST_SECONDS * config.sample_rate]
    peak = float(np.abs(wav).max(initial=0))
    if len(wav) < config.win_length or peak < TINY:
        return None
    pitch = f0_from_mel(synthesis_mel((PEAK / peak * wav).astype(np.float32), config), config)
    voiced = pitch[pitch > 0]
    return float(np.median(voiced)) if len(voiced) >= LEAST_VOICED_SECONDS * config.frames_per_second else None


def f0_candidates() -> NDArray[np.float64]:
    """The pitches that are looked for, in Hz."""
    return MIN_F0 * 2.0 ** (np.arange(round(F0_OCTAVES * STEPS)) / STEPS)


@functools.lru_cache(maxsize=4)
def _patterns(config: MelConfig) -> Floats:
    """The fine structure of each candidate, of length 1: [f0_candidates, COMPARED_BANDS]."""
    middle = 8  # away from the ends of the pulse_train
    patterns = np.stack([harmonic_pattern(np.full(2 * middle, hertz), config)[:, middle] for hertz in f0_candidates()])
    patterns = patterns[:, :COMPARED_BANDS]
    return patterns / np.linalg.norm(patterns, axis=1, keepdims=True)


def f0_from_mel(mel: NDArray[np.floating], config: MelConfig) -> Floats:
    """The pitch of a recording by its mel.

    The most likely path through f0_candidates (Viterbi), each frame's likeness to a pulse_train being what the path gains, and
    changes of pitch what it costs. On clean read speech it agrees with YIN to a hundredth of an octave.

    Args:
        mel: [n_mels, frames], dB scaled to [-4, 4].

    Returns:
        float32 [frames] in Hz, 0 where there is none.
    """
    patterns = _patterns(config)
    structure = fine_structure(mel)[:COMPARED_BANDS]
    likeness = (patterns @ structure) / np.maximum(np.linalg.norm(structure, axis=0), 1.0)
    count, frames = likeness.shape
    gains = np.concatenate([likeness, np.full((1, frames), AS_GOOD_AS_NONE)])
    costs = np.full((count + 1, count + 1), CHANGE_COST)
    costs[:count, :count] = np.minimum(
        np.abs(np.arange(count)[:, None] - np.arange(count)) * (OCTAVE_COST / STEPS), MOST_COST
    )
    costs[count, count] = 0
    before, total = np.zeros((frames, count + 1), np.int64), gains[:, 0]
    for frame in range(1, frames):
        ways = total[:, None] - costs
        before[frame] = ways.argmax(0)
        total = ways.max(0) + gains[:, frame]
    path = np.zeros(frames, np.int64)
    path[-1] = total.argmax()
    for frame in range(frames - 1, 0, -1):
        path[frame - 1] = before[frame, path[frame]]
    hertz = np.append(f0_candidates(), 0.0)
    return hertz[path].astype(np.float32)
