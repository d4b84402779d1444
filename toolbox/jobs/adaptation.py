"""The job that adapts a synthesizer to a voice."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from cloning.adaptation import LEAST_SECONDS
from cloning.models import ModelFiles
from cloning.speech_model import Monitor
from cloning.voices import Voice
from speech.errors import CorpusError
from toolbox.jobs.context import JobContext
from toolbox.jobs.loaded_models import Models

SAMPLE_RATE = 16_000


def adapt(
    context: JobContext, models: Models, files: ModelFiles, voice: Voice, recordings: Sequence[np.ndarray]
) -> Voice:
    """The voice with an adapter of the synthesizer, see `VoiceCloner.adapt`. The models are not changed.

    Raises:
        CorpusError: there are less than 20 s of audio.
        ConfigError: as `VoiceCloner.adapt`.
    """
    seconds = sum(len(recording) for recording in recordings) / SAMPLE_RATE
    if seconds < LEAST_SECONDS:
        raise CorpusError(
            f"This voice has only {seconds:.0f} s of recordings, but {LEAST_SECONDS:.0f} s are needed, better a "
            "minute: press Record and read any text aloud, or open several recordings at once."
        )
    model = models.two_stage(context, files)
    context.progress("Preparing the recordings", 0, 0)
    monitor = Monitor(
        progress=lambda _stage, done, total: context.progress("Adapting", done, total), cancelled=context.cancelled
    )
    return model.adapt(voice, recordings, monitor)
