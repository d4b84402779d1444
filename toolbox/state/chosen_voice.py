"""The voice in use, as the panels show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from cloning.voices import Voice
from speech.errors import AudioError
from toolbox import jobs

if TYPE_CHECKING:
    from speech.quality import Remark

SAMPLE_RATE = 16_000
SAMPLE_TITLES = {"slt": "woman, American", "rms": "man, American", "awb": "man, Scottish", "kal": "man, robot-like"}

Kind = Literal["sample", "saved", "clips", "mix"]


@dataclass(frozen=True, eq=False)
class ChosenVoice:
    """The voice in use.

    Attributes:
        key: for `VoiceChoice.choose`: the file name of a sample or the name of a saved voice; "" for others.
        recordings: name and audio, float32 [samples] at 16 kHz, of each clip; empty if no audio is stored.
        mel: float32 [n_mels, frames] of the first one.
        lines: description, a line each.
        clips: what it was made of, if that is not saved yet.
        speaker: whose voice it is, if that has a name besides the voice's.
    """

    kind: Kind
    title: str
    voice: Voice
    key: str = ""
    recordings: tuple[tuple[str, np.ndarray], ...] = ()
    mel: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    lines: tuple[str, ...] = ()
    remarks: tuple[Remark, ...] = ()
    clips: tuple[jobs.AnalysedClip, ...] = ()
    speaker: str = ""

    @cached_property
    def wav(self) -> np.ndarray:
        """All recordings, end to end: float32 [samples] at 16 kHz."""
        return np.concatenate([np.zeros(0, np.float32), *(wav for _, wav in self.recordings)])

    @property
    def person(self) -> str:
        """Whose voice it is, on the map."""
        return self.speaker or self.voice.name or self.title

    @property
    def named(self) -> Voice:
        """The voice with a name, for the provenance of what is made with it."""
        return self.voice if self.voice.name else replace(self.voice, name=self.title)

    def part(self, start: float, end: float) -> list[tuple[str, np.ndarray]]:
        """The recordings between two positions of `wav` in seconds."""
        first, last = round(start * SAMPLE_RATE), round(end * SAMPLE_RATE)
        parts, before = [], 0
        for name, wav in self.recordings:
            cut = wav[max(0, first - before) : max(0, last - before)]
            parts += [(name, cut)] if len(cut) else []
            before += len(wav)
        return parts


def sample_title(path: Path) -> str:
    about = SAMPLE_TITLES.get(path.stem)
    return f"Sample {path.stem} ({about})" if about else f"Sample {path.stem}"


def title_of(made: jobs.Enrolment) -> str:
    first = made.clips[0].source if made.clips else ""
    return first if len(made.clips) < 2 else f"{first} and {len(made.clips) - 1} more"


def voice_of(kind: Kind, title: str, made: jobs.Enrolment, key: str = "") -> ChosenVoice:
    """Raises: AudioError with the problems of the clips, if no voice could be made of them."""
    if made.voice is None:
        problems = [
            f"{clip.source}: {remark.sentence}"
            for clip in made.clips
            for remark in clip.remarks
            if remark.severity == "error"
        ]
        raise AudioError(" ".join(problems) or "No speech was found in this recording: choose a different one.")
    recordings = tuple((clip.source, clip.wav) for clip in made.clips)
    remarks = made.remarks + tuple(remark for clip in made.clips for remark in clip.remarks)
    lines = (f"{sum(clip.seconds for clip in made.clips):.1f} s of speech in {len(made.clips)} recording"
             f"{'s' * (len(made.clips) > 1)}", *detection_lines(made.clips))  # fmt: skip
    return ChosenVoice(kind, title, made.voice, key, recordings, made.clips[0].mel, lines, remarks, made.clips)


def detection_lines(clips: Sequence[jobs.AnalysedClip]) -> tuple[str, ...]:
    """Whether the clips are synthesized speech: one line, or several if that differs; with their names if several."""
    known = [clip for clip in clips if clip.detection]
    return tuple(clip.detection if len(clips) == 1 else f"{clip.source}: {clip.detection}" for clip in known[:2])


def first_mel(recordings: Sequence[tuple[str, np.ndarray]]) -> np.ndarray:
    """float32 [n_mels, frames] of the first recording; empty without one."""
    from speech.mel import synthesis_mel

    return synthesis_mel(recordings[0][1]) if recordings else np.zeros((0, 0), np.float32)
