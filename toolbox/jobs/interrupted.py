"""The result of a request that was cancelled: what was spoken so far."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from cloning.finishing import fade_edges, joined
from cloning.models import ModelFiles
from toolbox.jobs.speaking import SpeechRequest
from toolbox.storage.model_files import paths_of
from toolbox.storage.results import BREAK_SECONDS, Line, Result

FRAMES_PER_SECOND = 80.0  # of the default mel settings
REMARK = "cancelled before the end"


def interrupted_result(
    request: SpeechRequest, lines: Sequence[Line], chunks: Sequence[np.ndarray], sample_rate: int,
    files: ModelFiles, descriptions: dict[str, str],
) -> Result:  # fmt: skip
    """A result of the audio so far.

    Args:
        request: with its seed.
        lines: synthesized so far, at least one.
        chunks: float32 [samples] each, at least one: the audio so far.
        descriptions: see `Models.descriptions`.
    """
    wav = joined(fade_edges(chunks, sample_rate))
    return Result(
        lines=_spoken(lines, len(wav) / sample_rate),
        wav=wav,
        sample_rate=sample_rate,
        seed=request.seed or 0,
        voice=request.voice,
        settings=replace(request.settings, trim=False),
        models=descriptions,
        files=paths_of(files),
        reference=request.reference,
    )


def _spoken(lines: Sequence[Line], seconds: float) -> tuple[Line, ...]:
    """The lines up to a time; the last one is cut off there."""
    spoken: list[Line] = []
    for line in lines:
        frames = line.mel.shape[1]
        known = round(seconds * FRAMES_PER_SECOND)
        if known < frames:
            steps = max(1, line.alignment.shape[1] * known // frames)
            line = replace(line, mel=line.mel[:, : max(1, known)], alignment=line.alignment[:, :steps])
        spoken.append(line)
        seconds -= frames / FRAMES_PER_SECOND + BREAK_SECONDS
        if seconds <= 0:
            break
    spoken[-1] = replace(spoken[-1], remarks=(*spoken[-1].remarks, REMARK))
    return tuple(spoken)
