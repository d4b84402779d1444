"""Requests to speak a text: progress, playback while audio is generated, cancelling, and reuse of the settings."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from PyQt5.QtCore import QObject, pyqtSignal

from cloning.models import ModelFiles
from cloning.options import SpeechOptions
from speech.errors import SpeechError, one_line
from toolbox import jobs
from toolbox.state.chosen_voice import ChosenVoice
from toolbox.state.session import Session
from toolbox.state.shown_result import ShownResult
from toolbox.state.worker import Job, JobContext
from toolbox.storage.results import Line, Result
from toolbox.storage.settings import DEFAULTS, SpeechSettings

MAX_LINES = 2000  # of a text in the window; longer ones are spoken from a file


@dataclass(frozen=True)
class TextRequest:
    """What is set on the page. Attributes: seed: None draws one."""

    text: str
    seed: int | None = None
    settings: SpeechSettings = DEFAULTS


Kind = Literal["speak", "synthesize"]


class Requests(ShownResult):
    """Passes requests to the models' worker, and their results to the player and the panels.

    Attributes:
        first_audio_after: seconds from the last request to its first audio.

    Signals:
        started: the text of a request that was passed to the worker.
        lines_changed: the `Line`s synthesized so far.
        audio_added: the next float32 [samples], and their rate in Hz.
        idle_changed: whether a request can be made.
        request_restored: the `TextRequest` of a result, to be shown on the page.
    """

    started = pyqtSignal(str)
    lines_changed = pyqtSignal(list)
    audio_added = pyqtSignal(object, int)
    idle_changed = pyqtSignal(bool)
    request_restored = pyqtSignal(object)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(session, parent)
        self.first_audio_after: float | None = None
        self._job: Job | None = None
        self._waiting: tuple[Kind, TextRequest] | None = None  # until there is a voice
        self._requested_at = 0.0
        self._lines: list[Line] = []
        self._audio: list[np.ndarray] = []  # of the request in progress
        self._rate = 0
        self._person = ""  # whose voice the request uses
        self._speaking: tuple[jobs.SpeechRequest, ModelFiles] | None = None
        self._playing_live = False
        session.voices.changed.connect(self._submit_waiting)

    # --- requests

    @property
    def busy(self) -> bool:
        return self.in_progress or self._waiting is not None

    @property
    def in_progress(self) -> bool:
        return self._job is not None

    def speak(self, request: TextRequest) -> None:
        """Synthesize and vocode, with playback from the first chunk."""
        self._request("speak", request)

    def synthesize(self, request: TextRequest) -> None:
        """Only the mel spectrogram."""
        self._request("synthesize", request)

    def vocode(self, request: TextRequest) -> None:
        """The audio of the mel spectrogram on display, with the present vocoder."""
        draft, session = self.result, self.session
        files = session.models_in_use()
        if files is None or self.busy:
            return
        if draft is None:
            session.notify("There is no mel spectrogram yet: synthesize one first.")
            return
        models = session.models
        self._begin("Vocoding", draft.text, lambda context: jobs.vocode(
            context, models, files, draft, request.seed, request.settings.trim
        ))  # fmt: skip
        self._lines = list(draft.lines)
        self.lines_changed.emit(self._lines)

    def speak_file(self, path: Path, folder: Path, request: TextRequest) -> None:
        """Speak a text file, one line each into numbered wav files, without playback."""
        session = self.session
        files, chosen = session.models_in_use(), session.voices.chosen
        if files is None or self.busy:
            return
        if chosen is None:
            session.notify("The voice is not ready yet: try again in a moment.")
            return
        file_request = jobs.FileRequest(path, folder, chosen.voice, request.seed, request.settings)
        models = session.models
        job = session.submit(
            f"Speaking {path.name}", lambda context: jobs.speak_file(context, models, files, file_request)
        )
        job.done.connect(lambda written: session.notify(f"{len(written)} files were written to {folder}."))
        self._own(job)

    def cancel(self) -> None:
        """Cancel the request and stop playback."""
        self.session.player.stop()
        if self._waiting is not None:
            self._waiting = None
            self.idle_changed.emit(True)
        if self._job is not None:
            self._job.cancel()

    def _request(self, kind: Kind, request: TextRequest) -> None:
        session = self.session
        files = session.models_in_use()
        if files is None or self.busy:
            return
        self._requested_at, self.first_audio_after = time.perf_counter(), None
        if not request.text.strip():
            session.notify("There is no text to speak: write a sentence first.")
        elif request.text.count("\n") > MAX_LINES:
            session.notify("The text is too long: save it as a text file and choose 'Speak a text file'.")
        elif session.voices.choosing:
            self._waiting = kind, request
            self.idle_changed.emit(False)
            session.logged.emit("The request waits for the voice.")
        elif session.voices.chosen is None:
            session.notify("Choose a voice first: a sample, a file or a recording.")
        else:
            self._submit(kind, request, files, session.voices.chosen)

    def _submit_waiting(self) -> None:
        if self._waiting is None or self.session.voices.choosing:
            return
        (kind, request), self._waiting = self._waiting, None
        files, chosen = self.session.files, self.session.voices.chosen
        if chosen is None or files is None:  # choosing failed, which was reported
            self.idle_changed.emit(True)
            return
        self._submit(kind, request, files, chosen)

    def _submit(self, kind: Kind, request: TextRequest, files: ModelFiles, chosen: ChosenVoice) -> None:
        models = self.session.models
        seed = SpeechOptions(seed=request.seed).seeded().seed  # drawn here, so that a cancelled request has one
        speech_request = jobs.SpeechRequest(request.text, chosen.named, seed, request.settings, chosen.mel)
        make = jobs.speak if kind == "speak" else jobs.synthesize
        title = "Speaking" if kind == "speak" else "Synthesizing"
        self._begin(title, request.text, lambda context: make(context, models, files, speech_request))
        self._speaking = (speech_request, files) if kind == "speak" else None
        self._person = chosen.person

    def _begin(self, title: str, text: str, function: Callable[[JobContext], Result]) -> None:
        self.session.stop_playing()
        self._lines, self._audio, self._speaking, self._playing_live = [], [], None, False
        self._person = ""
        job = self.session.submit(title, function, self._done)
        job.chunk.connect(self._chunk)
        job.cancelled.connect(self.session.stop_playing)
        job.cancelled.connect(self._keep_spoken)
        job.failed.connect(lambda *_: self.session.player.finish())
        job.failed.connect(self.result_changed)
        self._own(job)
        self.started.emit(text)

    def _own(self, job: Job) -> None:
        self._job = job
        job.ended.connect(self._ended)
        self.idle_changed.emit(False)

    def _ended(self) -> None:
        self._job = None
        self.idle_changed.emit(True)

    def _chunk(self, chunk: object) -> None:
        if isinstance(chunk, jobs.AudioChunk):
            if not self._playing_live:
                self._playing_live = True
                self.session.begin_playing("result", chunk.sample_rate)
                if self.first_audio_after is None:
                    self.first_audio_after = time.perf_counter() - self._requested_at
            self._audio.append(chunk.wav)
            self._rate = chunk.sample_rate
            self.session.player.append(chunk.wav)
            self.audio_added.emit(chunk.wav, chunk.sample_rate)
        elif isinstance(chunk, Line):
            last = self._lines[-1] if self._lines else None
            if last is not None and last.text == chunk.text and last.mel.shape[1] < chunk.mel.shape[1]:
                self._lines[-1] = chunk  # the same line with one more sentence
            else:
                self._lines.append(chunk)
            self.lines_changed.emit(self._lines)

    def _keep_spoken(self) -> None:
        """After a cancel: display and store what was spoken so far, or display the previous result again."""
        if self._speaking is None or not self._audio or not self._lines:
            self.result_changed.emit()
            return
        (request, files), self._speaking = self._speaking, None
        lines, audio, rate, descriptions = list(self._lines), self._audio, self._rate, dict(self.session.descriptions)
        job = self.session.submit(
            "Keeping what was spoken",
            lambda _context: jobs.interrupted_result(request, lines, audio, rate, files, descriptions),
            self.show_new, "files", False,
        )  # fmt: skip
        job.failed.connect(lambda *_: self.result_changed.emit())

    def abandon(self) -> None:
        """Forget the request in progress; a cancel then keeps nothing."""
        self._speaking = None

    def _done(self, result: Result) -> None:
        self.session.player.finish()
        self.show_new(result)
        if len(result.embedding):
            self.session.result_embedded.emit(result, self._person or result.voice.name)
        waited = "" if self.first_audio_after is None else f"first audio after {self.first_audio_after:.1f} s, "
        self.session.logged.emit(f"{waited}{result.seconds:.1f} s of speech in {result.seconds_taken:.1f} s, "
                                 f"seed {result.seed}")  # fmt: skip

    def restore_settings(self) -> None:
        """Put text, seed, options, voice and models of the result on display back on the page."""
        result, session = self.result, self.session
        if result is None:
            return
        self.request_restored.emit(TextRequest(result.text, result.seed, result.settings))
        title = result.voice.name or "Voice of the result"
        session.voices.use(
            ChosenVoice("clips", title, result.voice, mel=result.reference, lines=("from a stored result",))
        )
        try:
            files = ModelFiles.find(session.models_folder, **dict(result.files))
        except SpeechError as error:
            session.notify(f"The models of this result are not available: {one_line(error)}")
            return
        if files != session.files:
            session.load_models(files)
