"""What the window is about: the models, the voice that was chosen, what is kept on disk, and who works on what.

Panels call its methods, which return at once, and listen to its signals. Three workers share the work, so that none of
it waits for what it has nothing to do with: one for the models, one for files, one for what may take minutes (datasets
and the map).
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np
from PyQt5.QtCore import QObject, QTimer, pyqtSignal

from cloning import DEFAULT_MODELS, ModelFiles
from speech.errors import SpeechError, one_line
from toolbox import jobs
from toolbox.audio.player import Player
from toolbox.audio.recording import Recorder
from toolbox.state.voice_choice import FIRST_SAMPLE, VoiceChoice
from toolbox.state.worker import Job, JobContext, Worker
from toolbox.storage.preferences import Preferences
from toolbox.storage.results import ResultStore
from toolbox.storage.voice_shelf import VoiceShelf

logger = logging.getLogger(__name__)

CLOSE_SECONDS = 2.0  # for which the end of the program waits for work to stop
PLAYHEAD_MILLISECONDS = 33

Place = Literal["models", "files", "slow"]


class Session(QObject):
    """See above.

    Args:
        models_folder: where the usual models are; `files` may be changed later.
        sound: the module `sounddevice`, or what stands in for it.

    Signals:
        trouble: an error, one sentence, and details.
        note: a sentence, the label of what can be done about it or "", and what does it.
        logged: a line for the log.
        job_submitted: a `Job`, and whether the person asked for it.
        models_changed: another chain was loaded; `about` tells which.
        result_heard: a `Result` whose embedding is known.
        point_heard: an embedding for the map, float32 [size], who speaks, and what it is called.
        playing_changed: what is played now: "result", "reference", another word, or "" for nothing.
        played_to: the same word, and seconds into that sound, about thirty times a second.
    """

    trouble = pyqtSignal(str, str)
    note = pyqtSignal(str, str, object)
    logged = pyqtSignal(str)
    job_submitted = pyqtSignal(object, bool)
    models_changed = pyqtSignal()
    result_heard = pyqtSignal(object)
    point_heard = pyqtSignal(object, str, str)
    playing_changed = pyqtSignal(str)
    played_to = pyqtSignal(str, float)

    def __init__(
        self,
        preferences: Preferences | None = None,
        models_folder: Path = DEFAULT_MODELS,
        device: str = "auto",
        shelf: VoiceShelf | None = None,
        results: ResultStore | None = None,
        sound: Any = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.preferences = preferences or Preferences()
        self.models_folder = models_folder
        self.models = jobs.Models(device)
        self.files: ModelFiles | None = None
        self.about: dict[str, str] = {}
        self.results = results or ResultStore()
        self.sound = sound
        self.player = Player(self.preferences.get("output_device", "") or None, sound)
        self.recorder = Recorder(self.preferences.get("input_device", "") or None, sound)
        self.playing = ""
        self._output_told = False
        self._workers: dict[Place, Worker] = {
            "models": Worker("models", self), "files": Worker("files", self), "slow": Worker("slow", self)
        }  # fmt: skip
        for worker in self._workers.values():
            worker.restarted.connect(lambda sentence: self.trouble.emit(sentence, ""))
        self.voices = VoiceChoice(self, shelf or VoiceShelf())
        self._playhead = QTimer(self)
        self._playhead.timeout.connect(self._follow_player)

    # --- work

    def submit(
        self,
        title: str,
        function: Callable[[JobContext], Any],
        done: Callable[[Any], object] | None = None,
        place: Place = "models",
        asked_for: bool = True,
    ) -> Job:
        """Have something done by a worker; a failure is told by `trouble`.

        Args:
            done: called on the GUI thread with the result.
            asked_for: False for what the window does on its own, and tells of in its foot line only.
        """
        job = self._workers[place].submit(title, function)
        if done is not None:
            job.done.connect(lambda made, tell=done: _call(tell, made))
        job.failed.connect(self._failed)
        job.cancelled.connect(lambda: self.logged.emit(f"{title}: cancelled"))
        job.done.connect(lambda _result: self.logged.emit(f"{title}: done"))
        self.job_submitted.emit(job, asked_for)
        return job

    def _failed(self, sentence: str, details: str) -> None:
        self.logged.emit(f"error: {sentence}")
        self.trouble.emit(sentence, details)

    def tell(self, sentence: str, offer: str = "", take: Callable[[], object] | None = None) -> None:
        self.logged.emit(sentence)
        self.note.emit(sentence, offer, take)

    @property
    def busy(self) -> bool:
        return any(worker.busy for worker in self._workers.values())

    def cancel_all(self) -> None:
        for worker in self._workers.values():
            worker.cancel_all()

    def close(self) -> bool:
        """Stop everything. Returns: whether all threads are gone."""
        self.player.stop()
        self.recorder.discard()
        self.cancel_all()
        closed = [worker.close(CLOSE_SECONDS) for worker in self._workers.values()]
        return all(closed)

    # --- models

    def start(self, prepare: Callable[[JobContext], object] | None = None) -> Job:
        """Load what was used last, behind the window, or else the usual models and the first sample voice.

        Args:
            prepare: done first on the models' thread; by default, the heavy imports.
        Returns:
            that first job. Until it has ended nothing else should import compiled modules: the system loads libraries
            one after another, and who waits for that in an import keeps the interpreter from the window.
        """
        starting = self.submit("Starting", prepare or _prepare, asked_for=False)
        self.voices.refresh_library()
        try:
            self.files = self._remembered_files()
        except SpeechError as error:
            self.trouble.emit(one_line(error), "")
            return starting
        self.load_models(self.files, asked_for=False)
        kind: Literal["sample", "saved"] = "saved" if self.preferences.get("voice_kind", "") == "saved" else "sample"
        self.voices.choose(kind, self.preferences.get("voice_key", FIRST_SAMPLE), asked_for=False)
        return starting

    def _remembered_files(self) -> ModelFiles:
        """The files of the last time, as far as they are there. Raises: ModelFileError if the usual ones are not."""
        remembered: dict[str, Any] = {}
        if self.preferences.get("models_folder", "") == str(self.models_folder):
            model_files: dict[str, str] = self.preferences.get("model_files", {})
            for stage, path in model_files.items():
                if stage in ("encoder", "synthesizer", "vocoder") and (path == "griffin-lim" or Path(path).is_file()):
                    remembered[stage] = path
        return ModelFiles.find(self.models_folder, **remembered)

    def load_models(self, files: ModelFiles, asked_for: bool = True) -> Job:
        """Take another chain; the old one stays in use where that fails."""
        models = self.models
        return self.submit(
            "Loading the models",
            lambda context: jobs.load_models(context, models, files),
            lambda about: self._models_loaded(files, about),
            asked_for=asked_for,
        )

    def _models_loaded(self, files: ModelFiles, about: dict[str, str]) -> None:
        changed_encoder = self.files is not None and self.files.encoder != files.encoder
        self.files, self.about = files, about
        self.preferences.set("models_folder", str(self.models_folder))
        stages = {"encoder": files.encoder, "synthesizer": files.synthesizer, "vocoder": files.vocoder}
        self.preferences.set("model_files", {stage: str(path or "griffin-lim") for stage, path in stages.items()})
        self.models_changed.emit()
        if changed_encoder:
            self.voices.hear_again()

    def chain(self) -> ModelFiles | None:
        """The files that are in use; without any it is said that they are missing."""
        if self.files is None:
            self.trouble.emit("No models are chosen: choose them on the page Models.", "")
        return self.files

    # --- playing

    def play(self, what: str, wav: np.ndarray, sample_rate: int, start: float = 0.0) -> None:
        """Hear a sound, float32 [samples], from `start` seconds on; `what` is the word for it in the signals."""
        self.player.play(wav, sample_rate, start)
        self._playing(what)

    def begin_playing(self, what: str, sample_rate: int) -> None:
        """Hear a sound that is still being made: `player.append` and `player.finish` bring the rest."""
        self.player.begin(sample_rate)
        self._playing(what)

    def stop_playing(self) -> None:
        self.player.stop()
        self._follow_player()

    def output_is_missing(self, sentence: str) -> None:
        """Nothing can be heard here, which is said once and not for each sound."""
        self._output_told = True
        self.tell(sentence)

    def _playing(self, what: str) -> None:
        self.playing = what
        self.playing_changed.emit(what)
        self._playhead.start(PLAYHEAD_MILLISECONDS)

    def _follow_player(self) -> None:
        if not self.playing:
            return
        if self.player.playing:
            self.played_to.emit(self.playing, self.player.position())
            return
        self._playhead.stop()
        self.playing = ""
        self.playing_changed.emit("")
        if self.player.error and not self._output_told:
            self.output_is_missing(f"{self.player.error} What is made can still be looked at and exported.")
        self._output_told = bool(self.player.error)


def _prepare(context: JobContext) -> None:
    from toolbox.jobs.quiet_imports import import_quietly

    def tell(done: int, total: int) -> None:
        context.progress("Starting", done, total)
        context.check()

    import_quietly(tell=tell)


def _call(function: Callable[[Any], object], value: Any) -> None:
    function(value)
