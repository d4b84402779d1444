"""The status bar: the current job, its progress, the remaining time, and a cancel button."""

from __future__ import annotations

from PyQt5 import sip
from PyQt5.QtCore import QTimer
from PyQt5.QtWidgets import QHBoxLayout, QProgressBar, QWidget

from toolbox.state.worker import Job
from toolbox.widgets.parts import ElidedLabel, button, clock

UPDATE_MILLISECONDS = 250  # of the estimate, while the job reports nothing


class ActivityBar(QWidget):
    """Shows the oldest job that has not ended, and the number of waiting ones."""

    def __init__(self, idle: str = "", parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._jobs: list[Job] = []
        self._idle = idle
        self.label = ElidedLabel(idle)
        self.label.setAccessibleName("Status")
        self.bar = QProgressBar()
        self.bar.setAccessibleName("Progress")
        self.bar.setMinimumWidth(220)
        self.bar.setMaximumWidth(420)
        self.cancel_button = button("Cancel", "Cancel all jobs", self.cancel, "stop", shortcut="Esc")
        line = QHBoxLayout(self)
        line.setContentsMargins(4, 2, 4, 4)
        line.addWidget(self.label, 1)
        line.addWidget(self.bar)
        line.addWidget(self.cancel_button)
        self._timer = QTimer(self)
        self._timer.timeout.connect(self._estimate)
        self._stage, self._note, self._done, self._total = "", "", 0, 0
        self._refresh()

    def follow(self, job: Job) -> None:
        """Show a job until it ends."""
        self._jobs.append(job)
        job.started.connect(self._refresh)
        job.progress.connect(lambda stage, done, total: self._progress(job, stage, done, total))
        job.ended.connect(lambda: self._ended(job))
        self._refresh()

    def cancel(self) -> None:
        """Cancel all jobs."""
        for job in list(self._jobs):
            job.cancel()

    def set_idle_text(self, text: str) -> None:
        self._idle = text
        if not self._jobs:
            self.label.set_text(text)

    def show_note(self, sentence: str) -> None:
        """Say what the present job is waiting for, until it reports another stage or ends."""
        self._note = sentence if self._jobs else ""
        self._refresh()

    @property
    def busy(self) -> bool:
        return bool(self._jobs)

    def _ended(self, job: Job) -> None:
        if job in self._jobs:
            self._jobs.remove(job)
        self._stage, self._note, self._done, self._total = "", "", 0, 0
        self._refresh()

    def _progress(self, job: Job, stage: str, done: int, total: int) -> None:
        if self._jobs and job is self._jobs[0]:
            if stage != self._stage:
                self._note = ""
            self._stage, self._done, self._total = stage, done, total
            self._refresh()

    def _refresh(self) -> None:
        if sip.isdeleted(self):  # a job may end after the window
            return
        busy = bool(self._jobs)
        self.cancel_button.setEnabled(busy)
        if busy != self._timer.isActive():
            if busy:
                self._timer.start(UPDATE_MILLISECONDS)
            else:
                self._timer.stop()
        if not busy:
            self.bar.setRange(0, 1)
            self.bar.setValue(0)
            self.bar.setFormat("")
            self.label.set_text(self._idle)
            return
        job, waiting = self._jobs[0], len(self._jobs) - 1
        if self._note:
            self.label.set_text(self._note)  # without the title, so that it fits
            self.bar.setRange(0, 0)
            return
        stage = f": {self._stage[:1].lower()}{self._stage[1:]}" if self._stage and self._stage != job.title else ""
        self.label.set_text(f"{job.title}{stage}" + (f" ({waiting} more waiting)" if waiting else ""))
        self.bar.setRange(0, self._total)
        self.bar.setValue(min(self._done, self._total))
        self._estimate()

    def _estimate(self) -> None:
        if not self._jobs or self._note:
            return
        left = self._jobs[0].remaining_seconds()
        percent = f"{100 * self._done // self._total} %" if self._total else ""
        self.bar.setFormat(f"{percent}, about {clock(left)} left" if left is not None and left >= 1 else percent)
