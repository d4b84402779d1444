"""What everything in the window shares: worker threads, models, playback, preferences and stored results.

Panels call its methods, which return at once, and connect to its signals. Three workers run jobs: one for the models,
one for files, and one for what may take minutes (datasets and the map).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PyQt5.QtCore import QObject, QTimer, pyqtSignal

from cloning.models import DEFAULT_MODELS, ModelFiles
from toolbox import jobs
from toolbox.audio.player import Player
from toolbox.audio.recording import Recorder
from toolbox.state.undo import UndoStack
from toolbox.state.worker import Job, JobContext, Worker
from toolbox.storage.preferences import Preferences
from toolbox.storage.results import ResultStore

CLOSE_SECONDS = 2.0  # longest wait for the workers when the program ends
PLAYHEAD_MILLISECONDS = 33

WorkerName = Literal["models", "files", "slow"]


class Services(QObject):
    """The shared services of the window.

    Args:
        models_folder: the folder of the default models; other files can be loaded later.
        audio_library: the module `sounddevice`, or a replacement.

    Attributes:
        files: the models in use; None until some are found.
        descriptions: file name and step of each loaded stage.
        can_adapt: whether the synthesizer in use can be adapted to a voice.
        playing: what is playing: "result", "reference", another name, or "" for nothing.

    Signals:
        error: one sentence, and details.
        notice: one sentence, the label of an action or "", and the action.
        logged: a line for the log.
        job_submitted: a `Job`, and whether the user asked for it.
        models_changed: other models were loaded.
        result_embedded: a `Result` with an embedding, and the person whose voice it has.
        point_added: an embedding for the map, float32 [embedding_size], its speaker, its name and its embedding space.
        playing_changed: `playing`.
        playback_moved: `playing`, and the position in seconds, about thirty times per second.
    """

    error = pyqtSignal(str, str)
    notice = pyqtSignal(str, str, object)
    logged = pyqtSignal(str)
    job_submitted = pyqtSignal(object, bool)
    models_changed = pyqtSignal()
    result_embedded = pyqtSignal(object, str)
    point_added = pyqtSignal(object, str, str, str)
    playing_changed = pyqtSignal(str)
    playback_moved = pyqtSignal(str, float)

    def __init__(
        self,
        preferences: Preferences | None = None,
        models_folder: Path = DEFAULT_MODELS,
        device: str = "auto",
        results: ResultStore | None = None,
        audio_library: Any = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.preferences = preferences or Preferences()
        self.models_folder = models_folder
        self.models = jobs.Models(device)
        self.files: ModelFiles | None = None
        self.descriptions: dict[str, str] = {}
        self.can_adapt = False
        self.results = results or ResultStore()
        self.audio_library = audio_library
        self.player = Player(self.preferences.get("output_device", "") or None, audio_library)
        self.recorder = Recorder(self.preferences.get("input_device", "") or None, audio_library)
        self.playing = ""
        self._paused: tuple[np.ndarray, float] | None = None  # audio, and the position in seconds
        self._undo = UndoStack()
        self._output_reported = False
        self._workers: dict[WorkerName, Worker] = {
            "models": Worker("models", self), "files": Worker("files", self), "slow": Worker("slow", self)
        }  # fmt: skip
        for worker in self._workers.values():
            worker.restarted.connect(lambda sentence: self.error.emit(sentence, ""))
        self._playhead = QTimer(self)
        self._playhead.timeout.connect(self._follow_player)

    # --- work

    def submit(
        self,
        title: str,
        function: Callable[[JobContext], Any],
        done: Callable[[Any], object] | None = None,
        worker: WorkerName = "models",
        by_user: bool = True,
    ) -> Job:
        """Run a function on a worker; a failure is reported by `error`.

        Args:
            done: called with the result, on the GUI thread.
            by_user: False for background work that the user did not ask for.
        """
        job = self._workers[worker].submit(title, function)
        if done is not None:
            job.done.connect(lambda result, call=done: _call(call, result))
        job.failed.connect(self._failed)
        job.cancelled.connect(lambda: self.logged.emit(f"{title}: cancelled"))
        job.done.connect(lambda _result: self.logged.emit(f"{title}: done"))
        self.job_submitted.emit(job, by_user)
        return job

    def _failed(self, sentence: str, details: str) -> None:
        self.logged.emit(f"error: {sentence}")
        self.error.emit(sentence, details)

    def notify(self, sentence: str, offer: str = "", action: Callable[[], object] | None = None) -> None:
        """Show a notice. Args: offer: label of a button that calls `action`."""
        self.logged.emit(sentence)
        self.notice.emit(sentence, offer, action)

    def offer_undo(self, sentence: str, take_back: Callable[[], object]) -> None:
        """Report a change that the notice's button or `undo` takes back."""
        self.notify(sentence, "&Undo", self._undo.add(take_back))

    def undo(self) -> None:
        """Take back the latest change. The notice replaces the one that offered to do this."""
        self.notify("The change was undone." if self._undo.undo() else "There is nothing to undo.")

    @property
    def busy(self) -> bool:
        return any(worker.busy for worker in self._workers.values())

    def cancel_all(self) -> None:
        for worker in self._workers.values():
            worker.cancel_all()

    def close(self) -> bool:
        """Stop everything. Returns: whether all threads have ended."""
        self.player.stop()
        self.recorder.discard()
        self.cancel_all()
        closed = [worker.close(CLOSE_SECONDS) for worker in self._workers.values()]
        return all(closed)

    def models_in_use(self) -> ModelFiles | None:
        """The model files in use; if there are none, an error is shown."""
        if self.files is None:
            self.error.emit("No models are loaded: choose them on the page Models.", "")
        return self.files

    # --- playback

    def play(self, what: str, wav: np.ndarray, sample_rate: int, start: float = 0.0, end: float | None = None) -> None:
        """Play audio, float32 [samples], or the part between two positions in seconds.

        If nothing can be played, that is reported each time, because the user asked for it.

        Args:
            what: its name in the signals.
        """
        self._output_reported = False
        self._paused = None
        self.player.play(wav, sample_rate, start, end)
        self._set_playing(what)

    def play_or_pause(self, what: str, wav: np.ndarray, sample_rate: int) -> None:
        """Pause audio that is playing, continue it where it was paused, or play it from the start."""
        if self.playing == what:
            position = self.player.position()
            self.stop_playing()
            self._paused = wav, position
            return
        paused = self._paused
        self.play(what, wav, sample_rate, paused[1] if paused is not None and paused[0] is wav else 0.0)

    def begin_playing(self, what: str, sample_rate: int) -> None:
        """Play audio that is still being generated; `player.append` and `player.finish` provide it."""
        self.player.begin(sample_rate)
        self._set_playing(what)

    def stop_playing(self) -> None:
        self.player.stop()
        self._follow_player()

    def report_missing_output(self, sentence: str) -> None:
        """Report that nothing can be played. Audio that is generated afterwards does not repeat it."""
        self._output_reported = True
        self.notify(sentence)

    def _set_playing(self, what: str) -> None:
        self.playing = what
        self.playing_changed.emit(what)
        self._playhead.start(PLAYHEAD_MILLISECONDS)

    def _follow_player(self) -> None:
        if not self.playing:
            return
        if self.player.playing:
            self.playback_moved.emit(self.playing, self.player.position())
            return
        self._playhead.stop()
        self.playing = ""
        self.playing_changed.emit("")
        if self.player.error and not self._output_reported:
            self.report_missing_output(f"{self.player.error} Results can still be viewed and exported.")
        self._output_reported = bool(self.player.error)


def _call(function: Callable[[Any], object], value: Any) -> None:
    function(value)
