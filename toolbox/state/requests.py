"""What is ordered to be said, what comes of it, and what is kept: the results, their sounds, their settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
from PyQt5.QtCore import QObject, pyqtSignal

from cloning import ModelFiles
from speech.errors import SpeechError, one_line
from toolbox import jobs
from toolbox.state.session import Session
from toolbox.state.voice_choice import Chosen
from toolbox.state.worker import Job, JobContext
from toolbox.storage.results import Entry, Line, Result

MOST_LINES_ALOUD = 2000  # of a text in the window; a whole book goes by way of a file


@dataclass(frozen=True)
class Wish:
    """What to say, and how. Attributes: seed: None for a fresh one."""

    text: str
    seed: int | None = None
    trim: bool = False


Kind = Literal["speak", "synthesize"]


class Orders(QObject):
    """Hands orders to the models' worker, and what is made to the player and the panels.

    Signals:
        begun: an order was taken up: its text.
        lines_changed: the `Line`s read so far.
        sounded: the next float32 [samples], and their rate in Hz.
        result_changed: the result that is shown is another one, or None.
        results_changed: the list of `Entry`, the newest first.
        idle_changed: whether an order can be given.
        wish_restored: the `Wish` behind a result, to be put on the page again.
    """

    begun = pyqtSignal(str)
    lines_changed = pyqtSignal(list)
    sounded = pyqtSignal(object, int)
    result_changed = pyqtSignal()
    results_changed = pyqtSignal(list)
    idle_changed = pyqtSignal(bool)
    wish_restored = pyqtSignal(object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self.session = session
        self.result: Result | None = None
        self.key = ""  # of the result that is shown, where it is kept
        self.entries: list[Entry] = []
        self.first_sound_after: float | None = None  # seconds from the last order to its first sound
        self._job: Job | None = None
        self._waiting: tuple[Kind, Wish] | None = None  # until there is a voice
        self._ordered_at = 0.0
        self._lines: list[Line] = []
        self._heard_live = False
        self._sounds = 0  # runs; counts the sounds that were asked for, so that only the last one is played
        session.voices.changed.connect(self._take_up_waiting)

    # --- orders

    @property
    def busy(self) -> bool:
        return self._job is not None or self._waiting is not None

    def speak(self, wish: Wish) -> None:
        """Synthesize and vocode, to be heard from the first chunk on."""
        self._order("speak", wish)

    def synthesize(self, wish: Wish) -> None:
        """Only the mel."""
        self._order("synthesize", wish)

    def vocode(self, wish: Wish) -> None:
        """The sound of the mel that is shown, with the vocoder that is chosen now."""
        draft, session = self.result, self.session
        files = session.chain()
        if files is None or self.busy:
            return
        if draft is None:
            session.tell("There is no mel to vocode yet: synthesize one first.")
            return
        models = session.models
        self._begin("Vocoding", draft.text, lambda context: jobs.vocode(
            context, models, files, draft, wish.seed, wish.trim
        ))  # fmt: skip
        self._lines = list(draft.lines)
        self.lines_changed.emit(self._lines)

    def speak_file(self, path: Path, folder: Path, wish: Wish, overwrite: bool = False) -> None:
        """Say a text file, a line each into numbered wavs; nothing of it is played."""
        session = self.session
        files, chosen = session.chain(), session.voices.chosen
        if files is None or self.busy:
            return
        if chosen is None:
            session.tell("The voice is not ready yet: try again in a moment.")
            return
        order = jobs.FileOrder(path, folder, chosen.voice, wish.seed, wish.trim, overwrite)
        models = session.models
        job = session.submit(f"Speaking {path.name}", lambda context: jobs.speak_file(context, models, files, order))
        job.done.connect(lambda spoken: session.tell(f"{len(spoken)} files were written to {folder}."))
        self._own(job)

    def cancel(self) -> None:
        """Give the order up, and be silent."""
        self.session.player.stop()
        if self._waiting is not None:
            self._waiting = None
            self.idle_changed.emit(True)
        if self._job is not None:
            self._job.cancel()

    def _order(self, kind: Kind, wish: Wish) -> None:
        session = self.session
        files = session.chain()
        if files is None or self.busy:
            return
        self._ordered_at, self.first_sound_after = time.perf_counter(), None
        if not wish.text.strip():
            session.tell("There is nothing to say: write a sentence first.")
        elif wish.text.count("\n") > MOST_LINES_ALOUD:
            session.tell("That is a whole book: save it as a text file and choose 'Text file to sounds'.")
        elif session.voices.choosing or session.voices.chosen is None:
            if session.voices.chosen is None and not session.voices.choosing:
                session.tell("Choose a voice first: a sample, a file or a recording.")
                return
            self._waiting = kind, wish
            self.idle_changed.emit(False)
            session.logged.emit("The order waits for the voice.")
        else:
            self._submit(kind, wish, files, session.voices.chosen)

    def _take_up_waiting(self) -> None:
        if self._waiting is None or self.session.voices.choosing:
            return
        (kind, wish), self._waiting = self._waiting, None
        files, chosen = self.session.files, self.session.voices.chosen
        if chosen is None or files is None:  # choosing failed, which was told
            self.idle_changed.emit(True)
            return
        self._submit(kind, wish, files, chosen)

    def _submit(self, kind: Kind, wish: Wish, files: ModelFiles, chosen: Chosen) -> None:
        models = self.session.models
        voice = chosen.voice if chosen.voice.name else replace(chosen.voice, name=chosen.title)
        order = jobs.Order(wish.text, voice, wish.seed, wish.trim)
        make = jobs.speak if kind == "speak" else jobs.synthesize
        title = "Speaking" if kind == "speak" else "Synthesizing"
        self._begin(title, wish.text, lambda context: make(context, models, files, order))

    def _begin(self, title: str, text: str, function: Callable[[JobContext], Result]) -> None:
        self.session.stop_playing()
        self._lines, self._heard_live = [], False
        job = self.session.submit(title, function, self._done)
        job.chunk.connect(self._chunk)
        job.cancelled.connect(self.session.stop_playing)
        job.cancelled.connect(self.result_changed)  # what was shown before is shown again
        job.failed.connect(lambda *_: self.session.player.finish())
        job.failed.connect(self.result_changed)
        self._own(job)
        self.begun.emit(text)

    def _own(self, job: Job) -> None:
        self._job = job
        job.ended.connect(self._ended)
        self.idle_changed.emit(False)

    def _ended(self) -> None:
        self._job = None
        self.idle_changed.emit(True)

    def _chunk(self, chunk: object) -> None:
        if isinstance(chunk, jobs.Sound):
            if not self._heard_live:
                self._heard_live = True
                self.session.begin_playing("result", chunk.sample_rate)
                if self.first_sound_after is None:
                    self.first_sound_after = time.perf_counter() - self._ordered_at
            self.session.player.append(chunk.wav)
            self.sounded.emit(chunk.wav, chunk.sample_rate)
        elif isinstance(chunk, Line):
            last = self._lines[-1] if self._lines else None
            if last is not None and last.text == chunk.text and last.mel.shape[1] < chunk.mel.shape[1]:
                self._lines[-1] = chunk  # the same line, a sentence longer
            else:
                self._lines.append(chunk)
            self.lines_changed.emit(self._lines)

    def _done(self, result: Result) -> None:
        self.session.player.finish()
        self.result, self.key = result, ""
        self.result_changed.emit()
        if len(result.embedding):
            self.session.result_heard.emit(result)
        waited = "" if self.first_sound_after is None else f"first sound after {self.first_sound_after:.1f} s, "
        self.session.logged.emit(f"{waited}{result.seconds:.1f} s of speech in {result.seconds_taken:.1f} s, "
                                 f"seed {result.seed}")  # fmt: skip
        self._keep(result)

    # --- results on disk

    def _keep(self, result: Result) -> None:
        store = self.session.results

        def keep(_context: JobContext) -> tuple[Entry, list[Entry]]:
            return store.add(result), store.list()

        def kept(made: tuple[Entry, list[Entry]]) -> None:
            if self.result is result:
                self.key = made[0].key
            self._listed(made[1])

        self.session.submit("Keeping the result", keep, kept, "files", False)

    def refresh(self) -> None:
        """Read the list of what is kept."""
        store = self.session.results
        self.session.submit("Reading the results", lambda _context: store.list(), self._first_listed, "files", False)

    def _first_listed(self, entries: list[Entry]) -> None:
        for remark in self.session.results.remarks:
            self.session.logged.emit(remark)
        self._listed(entries)

    def _listed(self, entries: list[Entry]) -> None:
        self.entries = entries
        self.results_changed.emit(entries)

    def show(self, key: str, play: bool = False) -> None:
        """Show a kept result, and play it if that is asked for."""
        if key == self.key and self.result is not None:
            if play:
                self.play()
            return
        store = self.session.results

        def shown(result: Result) -> None:
            if self._job is not None:
                return  # what is being made now is on show
            self.result, self.key = result, key
            self.result_changed.emit()
            if play:
                self.play()

        self.session.submit("Opening the result", lambda _context: store.load(key), shown, "files", False)

    def play(self, start: float = 0.0) -> None:
        """Hear the result that is shown."""
        if self.result is None or not len(self.result.wav):
            self.session.tell("There is no sound yet: press Speak, or vocode the mel.")
            return
        self.session.play("result", self.result.wav, self.result.sample_rate, start)

    def load_sound(self, key: str, then: Callable[[np.ndarray, int], object]) -> None:
        """Read the sound of a kept result, for a comparison."""
        store = self.session.results
        self.session.submit("Opening the sound", lambda _c: store.sound(key), lambda made: then(*made), "files", False)

    def export(self, path: Path, overwrite: bool = False) -> None:
        """Write the sound of the result that is shown into a file of the person's."""
        result = self.result
        if result is None:
            self.session.tell("There is nothing to export yet: press Speak first.")
            return
        self.session.submit(
            "Exporting",
            lambda context: jobs.export(context, result, path, overwrite),
            lambda written: self.session.tell(f"The sound was written to {written}."),
            "files",
        )

    def delete(self, key: str) -> None:
        """Put a result into the trash, and offer to take it out again."""
        store = self.session.results

        def remove(_context: JobContext) -> list[Entry]:
            store.delete(key)
            return store.list()

        def removed(entries: list[Entry]) -> None:
            self._listed(entries)
            self.session.tell("The result was deleted.", "&Undo", lambda: self._restore(key))

        self.session.submit("Deleting the result", remove, removed, "files", False)

    def _restore(self, key: str) -> None:
        store = self.session.results

        def restore(_context: JobContext) -> list[Entry]:
            store.restore(key)
            return store.list()

        self.session.submit("Taking the result back", restore, self._listed, "files", False)

    def restore_settings(self) -> None:
        """Put text, seed, voice and models of the result that is shown back on the page."""
        result, session = self.result, self.session
        if result is None:
            return
        self.wish_restored.emit(Wish(result.text, result.seed, result.trimmed))
        session.voices.take(Chosen("clips", result.voice.name or "Voice of the result", result.voice,
                                  lines=("from a result that was kept",)))  # fmt: skip
        try:
            files = ModelFiles.find(session.models_folder, **dict(result.files))
        except SpeechError as error:
            session.tell(f"Its models are not there any more: {one_line(error)}")
            return
        if files != session.files:
            session.load_models(files)
