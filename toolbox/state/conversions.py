"""Speech to speech in the window: the recording, and the result in the voice in use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PyQt5.QtCore import QObject, pyqtSignal

from cloning.models import ModelFiles, units_of
from cloning.options import SpeechOptions
from cloning.source_speech import SourceSpeech
from speech.errors import SpeechError, one_line
from toolbox import jobs
from toolbox.state.session import Session
from toolbox.state.worker import Job
from toolbox.storage.settings import SpeechSettings

NOT_LOADED = "The models are not loaded yet."


class Conversions(QObject):
    """The recording to convert, and the last result. All calls return at once.

    Attributes:
        speech: the recording; None until one is read.
        result: of the last conversion of `speech`; None until there is one.

    Signals:
        changed: any of this.
        audio_added: the next float32 [samples] of the conversion in progress, and their rate in Hz.
    """

    changed = pyqtSignal()
    audio_added = pyqtSignal(object, int)

    def __init__(self, session: Session, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self.speech: SourceSpeech | None = None
        self.result: jobs.Converted | None = None
        self._job: Job | None = None
        self._files: ModelFiles | None = None
        self.trouble = NOT_LOADED
        session.models_changed.connect(self._find)

    @property
    def busy(self) -> bool:
        return self._job is not None

    def _find(self) -> None:
        """Find the files of the model. Why there is none is said in `trouble`, which is "" otherwise."""
        session = self._session
        self._files, self.trouble = None, NOT_LOADED
        if session.files is not None:
            try:
                in_use = session.files.synthesizer
                self._files = ModelFiles.find_conversion(
                    session.models_folder,
                    encoder=session.files.encoder,
                    synthesizer=in_use if units_of(in_use) else None,
                )
                self.trouble = ""
            except SpeechError as error:
                self.trouble = one_line(error)
        self.changed.emit()

    def open(self, recording: Path | np.ndarray) -> None:
        """Use a recording: a file, or float32 [samples] at 16 kHz."""

        def use(speech: SourceSpeech) -> None:
            self.cancel()
            self._session.stop_playing()
            self.speech, self.result = speech, None
            self.changed.emit()

        self._session.submit(
            "Reading the recording", lambda context: jobs.read_speech(context, recording), use, "files"
        )

    def convert(self, settings: SpeechSettings, seed: int | None, keep_pitch: bool) -> None:
        """Convert the recording to the voice in use, with playback from the first chunk."""
        session, files, speech, chosen = self._session, self._files, self.speech, self._session.voices.chosen
        if self.busy:
            return
        if files is None or speech is None or chosen is None:
            session.notify(self.trouble or ("Choose a voice first." if speech else "Open or record speech first."))
            return
        options = SpeechOptions(seed=seed, loudness=settings.loudness, watermark=settings.watermark)
        request = jobs.ConversionRequest(speech, chosen.named, options, keep_pitch)
        session.stop_playing()
        self.result = None
        self._job = session.submit(
            "Converting", lambda context: jobs.convert_speech(context, session.models, files, request), self._done
        )
        self._job.chunk.connect(self._chunk)
        self._job.cancelled.connect(session.stop_playing)
        self._job.failed.connect(lambda *_: session.player.finish())
        self._job.ended.connect(self._ended)
        self.changed.emit()

    def cancel(self) -> None:
        if self._job is not None:
            self._job.cancel()

    def save(self, path: Path) -> None:
        """Write the audio of the result; replaces an existing file."""
        result = self.result
        if result is not None:
            self._session.submit(
                "Saving the conversion",
                lambda context: jobs.save_conversion(context, result.conversion, path),
                lambda written: self._session.notify(f"The audio was written to {written}."),
                "files",
            )

    def _chunk(self, chunk: object) -> None:
        if isinstance(chunk, jobs.AudioChunk):
            self.audio_added.emit(chunk.wav, chunk.sample_rate)
            if self._session.playing != "converted":
                self._session.begin_playing("converted", chunk.sample_rate)
            self._session.player.append(chunk.wav)

    def _done(self, result: jobs.Converted) -> None:
        self._session.player.finish()
        self.result = result
        self.changed.emit()

    def _ended(self) -> None:
        self._job = None
        self.changed.emit()
