"""Tempo and pauses of a mel: where it is silent, dead air cut out, speech slowed down or sped up without a new pitch.

Frames are spaced anew along time: each gets a duration, 1 for "as it is", and the mel is read off at the new places. A
frame says how much energy is in which band and has no phase, so that the pitch stays.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from speech.mel import MelConfig

Floats = NDArray[np.float32]

QUIET_DECIBELS = 33.0  # below the loudest tenth of a second: the noise of a recording lies between 30 and 60 below
LOUDEST_SECONDS = 0.1
SHORTEST_PAUSE_SECONDS = 0.15  # what is shorter is mostly the closure of a p, t or k
LONGEST_PAUSE_SECONDS = 0.7  # 95 % of the pauses inside natural sentences are shorter; more of it is dead air
EDGE_SECONDS = 0.12  # silence that is left before the first and after the last sound, as natural clips have it
SEAM_SECONDS = 0.03  # the same where two words meet that were not read in one go


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
        mel: float32 [80, frames].
        alignment: float32 [tokens, steps], brought to the same tempo.
        dead_air: seconds that were cut out of pauses that no reader would make.
    """

    mel: Floats
    alignment: Floats
    dead_air: float


def frame_levels(mel: Floats, config: MelConfig) -> NDArray[np.float64]:
    """Level of each frame in dB: mean power over the bands. mel: [80, frames] -> [frames]."""
    scaled = (np.asarray(mel, np.float64) + config.max_abs_value) / (2 * config.max_abs_value)
    decibels = (1 - scaled) * config.min_level_db + config.ref_level_db
    levels: NDArray[np.float64] = 10 * np.log10(np.mean(10 ** (decibels / 10), axis=0))
    return levels


def loudest(levels: NDArray[np.float64], config: MelConfig) -> float:
    """Level in dB that the loudest tenth of a second reaches; the floor of the scale for an empty mel."""
    if not len(levels):
        return config.min_level_db
    count = min(len(levels), max(1, round(LOUDEST_SECONDS * config.frames_per_second)))
    return float(np.partition(levels, len(levels) - count)[len(levels) - count])


def silences(mel: Floats, config: MelConfig) -> list[Silence]:
    """The stretches of a mel in which nothing sounds; those inside are at least as long as the shortest pause."""
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
    """Give a reading its tempo, and cut what is longer than a pause out of its silences.

    Args:
        mel: [80, frames] in [-4, 4]; alignment: [tokens, steps].
        breaks: bool [tokens], true where a reader may pause: blanks, marks, the end.
        reduction_factor: frames a step.
        speed: 2 is twice as fast; sounds and silences alike.
        pauses: 2 makes the pauses inside the sentence twice as long, 0 leaves them out; at the edges nothing changes.
        edges: seconds of silence that are left at most before the first and after the last sound.
    """
    durations = np.ones(mel.shape[1])
    dead_air = 0.0
    longest = {"start": edges[0], "end": edges[1], "inside": LONGEST_PAUSE_SECONDS}
    for silence in silences(mel, config):
        inside = silence.where == "inside"
        if inside and not _at_break(silence, alignment, breaks, reduction_factor):
            continue
        kept = min(len(silence), round(longest[silence.where] * config.frames_per_second))
        if inside:
            dead_air += (len(silence) - kept) / config.frames_per_second
            kept = round(kept * pauses)
        durations[silence.first : silence.last] = kept / len(silence)
    durations /= speed
    if (durations == 1).all() or durations.sum() < 1:
        return Paced(mel, alignment, dead_air)
    places = new_places(durations)
    # Whole steps, so that step k goes on meaning frames k * r to k * r + r - 1; the last frame, silence, lasts longer.
    places = np.pad(places, (0, -len(places) % reduction_factor), mode="edge")
    middles = places[reduction_factor // 2 :: reduction_factor]
    steps = np.minimum(np.rint(middles).astype(int) // reduction_factor, alignment.shape[1] - 1)
    return Paced(interpolate_frames(mel, places), alignment[:, steps], dead_air)


def _at_break(silence: Silence, alignment: Floats, breaks: NDArray[np.bool_], reduction_factor: int) -> bool:
    """Whether attention is, in a silence, on a token where a reader may pause, or beside one."""
    focus = alignment[:, silence.first // reduction_factor : -(-silence.last // reduction_factor)].argmax(axis=0)
    near = breaks | np.append(breaks[1:], False) | np.append(False, breaks[:-1])
    return bool(near[focus].any())


def new_places(durations: NDArray[np.float64]) -> NDArray[np.float64]:
    """Where in the old frames each new frame lies: durations [frames], in new frames -> [new frames]."""
    ends = np.concatenate([[0.0], np.cumsum(durations)])
    middles = np.arange(max(1, round(ends[-1]))) + 0.5
    places = np.interp(middles, ends, np.arange(len(ends), dtype=np.float64)) - 0.5
    return np.round(np.clip(places, 0, len(durations) - 1), 6).astype(np.float64)


def interpolate_frames(mel: Floats, places: NDArray[np.float64]) -> Floats:
    """The mel at places between its frames, in straight lines: [80, frames], [new frames] -> [80, new frames].

    Cubics measured no better, neither in pitch nor in how closely the sound follows the mel.
    """
    before = np.floor(places).astype(int)
    after = np.minimum(before + 1, mel.shape[1] - 1)
    part = (places - before).astype(np.float32)
    between: Floats = mel[:, before] * (1 - part) + mel[:, after] * part
    return between
