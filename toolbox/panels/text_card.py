"""Step 2, the text: what to say, its options, and the button that speaks it."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import QMimeData, QSize, Qt
from PyQt5.QtGui import QKeyEvent, QTextCursor
from PyQt5.QtWidgets import QMenu, QPlainTextEdit, QWidget

from toolbox.panels.options_panel import OptionsPanel
from toolbox.state.requests import Requests, TextRequest
from toolbox.state.session import Session
from toolbox.widgets.parts import Card, ElidedLabel, Fold, button, clock, paint_icon, row
from toolbox.widgets.scrolling import ScrollColumn

FIRST_TEXT = "Hello. I have never said this sentence before, and yet you can hear me say it."
CHARACTERS_PER_SECOND = 14.0  # of English read aloud
MAX_REMEMBERED = 20_000  # characters
OPTIONS_PIXELS = 136  # least height of the options


class TextBox(QPlainTextEdit):
    """A text field in which Tab moves to the next control."""

    def __init__(self) -> None:
        super().__init__()
        self.setTabChangesFocus(True)
        self.setAccessibleName("Text to speak")
        self.setPlaceholderText("Write what should be said. Each line is one utterance.")
        self.setMinimumHeight(60)

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), 4 * self.fontMetrics().lineSpacing())

    def canInsertFromMimeData(self, source: QMimeData) -> bool:
        return not source.hasUrls() and super().canInsertFromMimeData(source)  # the window uses dropped files

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key_Return, Qt.Key_Enter) and event.modifiers() & Qt.ControlModifier:
            event.ignore()  # the shortcut of Speak
            return
        super().keyPressEvent(event)


class TextCard(Card):
    """Args: speak_file: asks for a text file and a folder."""

    def __init__(
        self, session: Session, requests: Requests, speak_file: Callable[[], object], parent: QWidget | None = None
    ) -> None:
        super().__init__("Text", "2", parent)
        self._session, self._requests = session, requests
        self.text = TextBox()
        self.text.setPlainText(session.preferences.get("text", FIRST_TEXT))
        self.text.textChanged.connect(self._show_length)
        self.length = ElidedLabel()
        self.length.setObjectName("faint")
        self.length.setAlignment(Qt.AlignRight | Qt.AlignVCenter)
        self.head.addWidget(self.length, 20)
        self.options = OptionsPanel(session)
        tip = "Show or hide speed, pauses, pitch range, lexicon, loudness and seed"
        self.fold = Fold("Op&tions", tip, ScrollColumn(self.options, OPTIONS_PIXELS))  # Speak stays in view
        self.fold.set_open(session.preferences.get("options_open", False))
        self.options.changed.connect(self._show_options)
        self.speak_button = button(
            "Speak", "Speak the text with this voice; playback starts while it is being generated",
            self.speak_or_stop, "play", True, "Ctrl+Return",
        )  # fmt: skip
        self.more_button = button("More", "Run one of the stages alone, or speak a whole text file")
        menu = QMenu(self)
        self.synthesize_action = menu.addAction("Synthesize only (mel spectrogram)", self.synthesize)
        self.vocode_action = menu.addAction("Vocode the mel spectrogram on display", self.vocode)
        menu.addSeparator()
        self.file_action = menu.addAction("Speak a text file...", speak_file)
        self.more_button.setMenu(menu)
        self.column.addWidget(self.text, 1)
        self.column.addWidget(self.fold)
        line = row()
        line.addWidget(self.speak_button, 1)
        line.addWidget(self.more_button)
        self.column.addLayout(line)
        requests.idle_changed.connect(self._show_idle)
        requests.request_restored.connect(self._restore)
        self._show_length()
        self._show_options()

    def request(self) -> TextRequest:
        """What is set on the page."""
        return TextRequest(self.text.toPlainText(), self.options.seed_wanted(), self.options.settings())

    def replace_text(self, text: str) -> None:
        """Replace the text; Ctrl+Z in the text box undoes that."""
        cursor = self.text.textCursor()
        cursor.select(QTextCursor.Document)
        cursor.insertText(text)
        self.text.setTextCursor(cursor)

    def remember(self) -> None:
        """Put text and options into the preferences."""
        self._session.preferences.set("text", self.text.toPlainText()[:MAX_REMEMBERED])
        self._session.preferences.set("options_open", self.fold.is_open())
        self.options.remember()

    def speak_or_stop(self) -> None:
        if self._requests.busy:
            self._requests.cancel()
        else:
            self._requests.speak(self.request())

    def speak(self) -> None:
        if not self._requests.busy:
            self._requests.speak(self.request())

    def synthesize(self) -> None:
        self._requests.synthesize(self.request())

    def vocode(self) -> None:
        self._requests.vocode(self.request())

    def _show_idle(self, idle: bool) -> None:
        self.speak_button.setText("Speak" if idle else "Stop")
        self.speak_button.setAccessibleName(self.speak_button.text())
        self.speak_button.setProperty("picture", "play" if idle else "stop")
        paint_icon(self.speak_button)
        for action in (self.synthesize_action, self.vocode_action, self.file_action):
            action.setEnabled(idle)

    def _restore(self, request: TextRequest) -> None:
        self.text.setPlainText(request.text)
        self.options.restore(request.settings, request.seed)

    def _show_length(self) -> None:
        text = self.text.toPlainText()
        lines = sum(bool(line.strip()) for line in text.splitlines())
        length = clock(len(text) / CHARACTERS_PER_SECOND) if text.strip() else "0 s"
        self.length.set_text(f"{lines} line{'s' * (lines != 1)}, about {length} of speech")

    def _show_options(self) -> None:
        self.fold.summary.set_text(self.options.summary())
