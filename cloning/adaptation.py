"""Adapt a synthesizer to a voice with recordings of the person."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cloning.monitor import SILENT, Monitor
from speech.errors import CorpusError
from synthesizer.adapter import AdaptationClip

if TYPE_CHECKING:
    from cloning.voices import Voice
    from synthesizer import Synthesizer

LEAST_SECONDS = 20.0  # of audio in all
MOST_SECONDS = 600.0  # more is left out
PART_SECONDS = 8.0  # of a recording
PEAK = 0.9  # as in training


def adapt_voice(
    synthesizer: Synthesizer, voice: Voice, recordings: Iterable[np.ndarray], monitor: Monitor = SILENT, seed: int = 0
) -> Voice:
    """The voice with an adapter of the synthesizer, which makes it more like the person.

    Takes two to three minutes on a core. The synthesizer is not changed.

    Args:
        recordings: of the person, float32 [samples] at 16 kHz; a minute or more, at least LEAST_SECONDS in all.

    Raises:
        CorpusError: there is too little audio.
        ConfigError: the synthesizer cannot be adapted.
        WorkCancelled: `monitor.cancelled` returned True.
    """
    clips = [clip for recording in recordings for clip in _clips(synthesizer, recording, voice.embedding)]
    fps = synthesizer.mel_config.frames_per_second
    seconds = sum(clip.mel.shape[1] for clip in clips) / fps
    if seconds < LEAST_SECONDS:
        raise CorpusError(
            f"The recordings have only {seconds:.0f} s: give at least {LEAST_SECONDS:.0f} s of the person, better a "
            "minute."
        )
    adapter = synthesizer.adapt(
        _first(clips, round(MOST_SECONDS * fps)),
        seed=seed,
        progress=monitor.for_stage("adaptation"),
        cancelled=monitor.cancelled,
    )
    return replace(voice, adapter=adapter)


def _clips(synthesizer: Synthesizer, recording: np.ndarray, embedding: np.ndarray) -> list[AdaptationClip]:
    """The recording in parts of PART_SECONDS."""
    from speech.audio import SAMPLE_RATE, remove_offset, resample
    from speech.mel import synthesis_mel

    config = synthesizer.mel_config
    wav = remove_offset(np.asarray(recording, np.float32), SAMPLE_RATE)
    wav = resample(wav, SAMPLE_RATE, config.sample_rate)
    peak = float(np.abs(wav).max(initial=0))
    if peak < 1e-4 or len(wav) < config.win_length:
        return []
    mel = synthesis_mel((PEAK / peak * wav).astype(np.float32), config)
    frames = round(PART_SECONDS * config.frames_per_second)
    return [AdaptationClip(mel[:, first : first + frames], embedding) for first in range(0, mel.shape[1], frames)]


def _first(clips: Sequence[AdaptationClip], frames: int) -> list[AdaptationClip]:
    """The first clips, up to a number of frames in all."""
    ends = np.cumsum([clip.mel.shape[1] for clip in clips])
    return [clip for clip, end in zip(clips, ends, strict=True) if end <= frames] or list(clips[:1])
