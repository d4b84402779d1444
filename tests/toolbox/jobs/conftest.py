"""Toy models and a voice for the jobs, and a context that records reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from cloning.models import ModelFiles
from cloning.voices import Voice
from tests.toy_models import save_toy_models, speech_like
from toolbox import jobs
from toolbox.jobs.context import JobContext


class Recorder:
    """A context that records what is reported, and cancels at a stage or at a type of chunk."""

    def __init__(self, cancel_at: str = "") -> None:
        self.progress: list[tuple[str, int, int]] = []
        self.chunks: list[object] = []
        self.cancel_at = cancel_at
        self.context = JobContext(self._report)

    def _report(self, kind: str, value) -> None:
        if kind == "progress":
            self.progress.append(value)
            if self.cancel_at and value[0].startswith(self.cancel_at):
                self.context.cancel()
        else:
            self.chunks.append(value)
            if self.cancel_at == type(value).__name__:
                self.context.cancel()

    def audio(self) -> np.ndarray:
        return np.concatenate([chunk.wav for chunk in self.chunks if isinstance(chunk, jobs.AudioChunk)])

    def check_progress(self) -> None:
        """Progress never decreases while its total is unchanged, and never exceeds it."""
        for (_, done, total), (_, next_done, next_total) in zip(self.progress, self.progress[1:], strict=False):
            assert total != next_total or done <= next_done
            assert not total or 0 <= done <= total


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def make_recorder() -> type[Recorder]:
    return Recorder


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    return save_toy_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def files(folder) -> ModelFiles:
    return ModelFiles.find(folder)


@pytest.fixture(scope="session")
def models() -> jobs.Models:
    return jobs.Models("cpu")


@pytest.fixture(scope="session")
def voice(models, files) -> Voice:
    made = jobs.enrol(JobContext(), models, files, [("a", speech_like(4.5))], "toy")
    assert made.voice is not None
    return made.voice
