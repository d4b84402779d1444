"""The real window with toy models, fake audio devices and temporary folders."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from PyQt5.QtCore import QEvent
from PyQt5.QtWidgets import QApplication

from speech.audio import write_audio
from tests.toolbox.audio_devices import FakeDevices
from tests.toy_models import speech_like
from toolbox.state.session import Session
from toolbox.storage.preferences import Preferences
from toolbox.storage.results import ResultStore
from toolbox.storage.voice_store import VoiceStore
from toolbox.widgets import style
from toolbox.window.main_window import MainWindow

SIZE = (1366, 740)


def save_speech(path: Path, seconds: float = 4.5, pitch: float = 120.0, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_audio(path, speech_like(seconds, pitch, seed), 16_000)
    return path


class AppDriver:
    """Opens and drives a window.

    Attributes:
        data: folder of its preferences, voices and results.
        errors: sentences that were shown.
        notices: sentences that were shown, each with the action that was offered.
    """

    def __init__(self, qtbot: Any, models: Path, folder: Path) -> None:
        self.qtbot, self.models, self.folder = qtbot, models, folder
        self.data = folder / "data"
        self.audio: Any = FakeDevices(speech_like(6.0))
        self.window: MainWindow | None = None

    def open(self, folders: list[Path] | None = None, wait: bool = True, theme: str = "light") -> MainWindow:
        """Open a window and wait until its first voice is ready."""
        style.apply(QApplication.instance(), style.choose(theme, False))
        self.errors: list[str] = []
        self.notices: list[tuple[str, Callable[[], object] | None]] = []
        preferences = Preferences(self.data / "toolbox.json")
        preferences.set("last_folder", str(self.folder))
        self.session = Session(
            preferences, self.models, "cpu", VoiceStore(self.data / "voices"), ResultStore(self.data / "results"),
            self.audio,
        )  # fmt: skip
        self.session.error.connect(lambda sentence, _details: self.errors.append(sentence))
        self.session.notice.connect(lambda sentence, _offer, action: self.notices.append((sentence, action)))
        self.window = window = MainWindow(self.session, folders)
        self.requests, self.voices = window.requests, self.session.voices
        window.resize(*SIZE)
        window.show()
        window.start(lambda _context: None)
        if wait:
            self.until(lambda: self.voices.chosen is not None and not self.session.busy)
        return window

    def until(self, condition: Callable[[], object], seconds: float = 60.0) -> None:
        self.qtbot.waitUntil(lambda: bool(condition()), timeout=round(1000 * seconds))

    def settle(self) -> None:
        """Wait until all jobs have ended."""
        self.until(lambda: not self.session.busy)

    def speak(self, text: str = "Hello there.") -> None:
        """Speak a text, and wait until the result is stored."""
        assert self.window is not None
        before = self.requests.result
        self.window.text_card.text.setPlainText(text)
        self.window.text_card.speak_button.click()
        self.until(lambda: self.requests.result is not before and not self.requests.busy)
        self.settle()

    def close(self) -> None:
        if self.window is not None:
            self.window.close()
            assert self.session.close()
            QApplication.processEvents()  # last messages of cancelled jobs
            self.window.deleteLater()
            self.window = None
            QApplication.sendPostedEvents(None, QEvent.DeferredDelete)
            QApplication.processEvents()
