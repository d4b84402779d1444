"""Tempo and pauses of a mel: find silences, shorten overlong pauses, change the speed without changing the pitch.

The mel is resampled along time: each frame gets a duration, 1 for unchanged, and the mel is interpolated at the new
positions. Mel frames have no phase, so F0 does not change.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.mel_config import MelConfig

Floats = NDArray[np.float32]

QUIET_DECIBELS = 33.0  # below the loudest tenth of a second; the noise of recordings lies 30 to 60 dB below
LOUDEST_SECONDS = 0.1
SHORTEST_PAUSE_SECONDS = 0.15  # a shorter one is mostly the closure of a p, t or k
LONGEST_PAUSE_SECONDS = 0.7  # 95 % of the pauses inside natural sentences are shorter
EDGE_SECONDS = 0.12  # silence kept before and after speech, as in natural clips
BOUNDARY_SECONDS = 0.03  # the same where two parts of a sentence meet without a pause


@dataclass(frozen=True)
class Silence:
    """Frames `first` to `last - 1` are quiet. `where` is "start", "inside" or "end" of the mel."""

    first: int
    last: int
    where: str

    def __len__(self) -> int:
        return self.last - self.first


@dataclass(frozen=True, eq=False)
class Paced:
    """A mel with its new tempo.

    Attributes:
        mel: float32 [n_mels, frames].
        alignment: float32 [tokens, steps], resampled alike.
        excess_pause: seconds that were cut out of overlong pauses.
    """

    mel: Floats
    alignment: Floats
    excess_pause: float


def frame_levels(mel: Floats, config: MelConfig) -> NDArray[np.float64]:
    """Level of each frame in dB: mean power over the bands. mel: [n_mels, frames] -> [frames]."""
    scaled = (np.asarray(mel, np.float64) + config.max_abs_value) / (2 * config.max_abs_value)
    decibels = (1 - scaled) * config.min_level_db + config.ref_level_db
    levels: NDArray[np.float64] = 10 * np.log10(np.mean(10 ** (decibels / 10), axis=0))
    return levels


def loudest(levels: NDArray[np.float64], config: MelConfig) -> float:
    """Level in dB that the loudest tenth of a second reaches; the lowest level for an empty mel."""
    if not len(levels):
        return config.min_level_db
    count = min(len(levels), max(1, round(LOUDEST_SECONDS * config.frames_per_second)))
    return float(np.partition(levels, len(levels) - count)[len(levels) - count])


def silences(mel: Floats, config: MelConfig) -> list[Silence]:
    """The silences of a mel; those inside are at least SHORTEST_PAUSE_SECONDS long."""
    levels = frame_levels(mel, config)
    quiet = levels < loudest(levels, config) - QUIET_DECIBELS
    edges = np.flatnonzero(np.diff(np.concatenate([[False], quiet, [False]])))
    shortest = SHORTEST_PAUSE_SECONDS * config.frames_per_second
    found = []
    for first, last in edges.reshape(-1, 2).tolist():
        where = "start" if first == 0 else "end" if last == len(levels) else "inside"
        if where != "inside" or last - first >= shortest:
            found.append(Silence(first, last, where))
    return found


def pace(
    mel: Floats,
    alignment: Floats,
    breaks: NDArray[np.bool_],
    config: MelConfig,
    reduction_factor: int,
    speed: float = 1.0,
    pauses: float = 1.0,
    edges: tuple[float, float] = (EDGE_SECONDS, EDGE_SECONDS),
) -> Paced:
    """Change the tempo of a decoded sentence and shorten its overlong pauses.

    Args:
        mel: [n_mels, frames] in [-4, 4]; alignment: [tokens, steps].
        breaks: bool [tokens], true where a pause is natural: spaces, punctuation, the end.
        reduction_factor: frames per step.
        speed: 2 is twice as fast, speech and silences alike.
        pauses: 2 doubles the pauses inside the sentence, 0 removes them; the edges are not affected.
        edges: longest silence in seconds before and after the speech.
    """
    durations = np.ones(mel.shape[1])
    excess = 0.0
    longest = {"start": edges[0], "end": edges[1], "inside": LONGEST_PAUSE_SECONDS}
    for silence in silences(mel, config):
        inside = silence.where == "inside"
        if inside and not _at_break(silence, alignment, breaks, reduction_factor):
            continue
        kept = min(len(silence), round(longest[silence.where] * config.frames_per_second))
        if inside:
            excess += (len(silence) - kept) / config.frames_per_second
            kept = round(kept * pauses)
        durations[silence.first : silence.last] = kept / len(silence)
    durations /= speed
    if (durations == 1).all() or durations.sum() < 1:
        return Paced(mel, alignment, excess)
    positions = source_positions(durations)
    # Pad to whole steps with the last frame, which is silent: step k must cover frames k * r to k * r + r - 1.
    positions = np.pad(positions, (0, -len(positions) % reduction_factor), mode="edge")
    centres = positions[reduction_factor // 2 :: reduction_factor]
    steps = np.minimum(np.rint(centres).astype(int) // reduction_factor, alignment.shape[1] - 1)
    return Paced(interpolate_frames(mel, positions), alignment[:, steps], excess)


def _at_break(silence: Silence, alignment: Floats, breaks: NDArray[np.bool_], reduction_factor: int) -> bool:
    """Whether attention is on or beside a token where a pause is natural during a silence."""
    focus = alignment[:, silence.first // reduction_factor : -(-silence.last // reduction_factor)].argmax(axis=0)
    near = breaks | np.append(breaks[1:], False) | np.append(False, breaks[:-1])
    return bool(near[focus].any())


def source_positions(durations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Position of each output frame among the input frames: durations [frames] in output frames -> [output frames]."""
    ends = np.concatenate([[0.0], np.cumsum(durations)])
    centres = np.arange(max(1, round(ends[-1]))) + 0.5
    positions = np.interp(centres, ends, np.arange(len(ends), dtype=np.float64)) - 0.5
    return np.round(np.clip(positions, 0, len(durations) - 1), 6).astype(np.float64)


def interpolate_frames(mel: Floats, positions: NDArray[np.float64]) -> Floats:
    """Linear interpolation between frames: mel [n_mels, frames], positions [output frames] -> [n_mels, output frames].

    Cubic interpolation was no better in pitch or spectral distance.
    """
    before = np.floor(positions).astype(int)
    after = np.minimum(before + 1, mel.shape[1] - 1)
    fraction = (positions - before).astype(np.float32)
    between: Floats = mel[:, before] * (1 - fraction) + mel[:, after] * fraction
    return between
