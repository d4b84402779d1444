"""Progress of a text of several lines."""

from __future__ import annotations

from toolbox.jobs.context import JobContext


class LineProgress:
    """Counts characters: those of each line once when they are synthesized and once when they are vocoded."""

    def __init__(self, context: JobContext, texts: list[str]) -> None:
        self._context = context
        self._sizes = [len(text) for text in texts]
        self._number = 0
        self._characters = 0
        self._vocoded = 0.0  # fraction of the synthesized characters

    def begin(self, number: int) -> None:
        """The line with this index is next."""
        self._number, self._characters, self._vocoded = number, 0, 0.0
        self._report("Synthesizing")

    def synthesized(self, characters: int) -> None:
        """Add synthesized characters of the line."""
        self._vocoded *= self._characters / max(self._characters + characters, 1)
        self._characters += characters
        self._report("Vocoding")

    def vocoded(self, samples: int, known: int) -> None:
        """Args: samples: generated so far; known: samples of the mels so far."""
        self._vocoded = max(self._vocoded, samples / max(known, 1))
        self._report("Vocoding")

    def finish(self) -> None:
        """All lines are spoken."""
        total = 2 * sum(self._sizes)
        self._context.progress("Measuring the similarity", total, total)

    def _report(self, stage: str) -> None:
        count, size = len(self._sizes), self._sizes[self._number]
        if count > 1:
            stage = f"{stage}, line {self._number + 1} of {count}"
        done = min(size, self._characters) * (1 + min(1.0, self._vocoded))
        before = 2 * sum(self._sizes[: self._number])
        self._context.progress(stage, int(before + done), 2 * sum(self._sizes))
