"""Step 2: what to say, and the button that says it."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeyEvent
from PyQt5.QtWidgets import QCheckBox, QMenu, QPlainTextEdit, QSpinBox, QWidget

from toolbox.state.requests import Orders, Wish
from toolbox.state.session import Session
from toolbox.window.widgets import Card, button, clock, faint, paint_icon, row

FIRST_TEXT = "Hello. I have never said this sentence before, and yet you can hear me say it."
CHARACTERS_PER_SECOND = 14.0  # of read English
GREATEST_SEED = 2**31 - 1


class TextBox(QPlainTextEdit):
    """A text field in which Tab goes on to the next control, as everywhere else."""

    def __init__(self) -> None:
        super().__init__()
        self.setTabChangesFocus(True)
        self.setAccessibleName("Text to say")
        self.setPlaceholderText("Write what should be said. Each line is one utterance.")
        self.setMinimumHeight(84)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        if event.key() in (Qt.Key_Return, Qt.Key_Enter) and event.modifiers() & Qt.ControlModifier:
            event.ignore()  # speaks
            return
        super().keyPressEvent(event)


class TextCard(Card):
    """Args: speak_file: asks for a text file and a folder."""

    def __init__(
        self, session: Session, orders: Orders, speak_file: Callable[[], object], parent: QWidget | None = None
    ) -> None:
        super().__init__("Text", "2", parent)
        self._session, self._orders = session, orders
        preferences = session.preferences
        self.text = TextBox()
        self.text.setPlainText(preferences.get("text", FIRST_TEXT))
        self.text.textChanged.connect(self._count)
        self.counted = faint()
        self.trim = QCheckBox("Cut long &silences")
        self.trim.setToolTip("Shorten pauses of more than a fifth of a second in the finished sound")
        self.trim.setChecked(preferences.get("trim", False))
        self.fixed = QCheckBox("Fi&xed seed")
        self.fixed.setToolTip("The same seed, text, voice and models give the same sound again")
        self.fixed.setChecked(preferences.get("seed_fixed", False))
        self.seed = QSpinBox()
        self.seed.setRange(0, GREATEST_SEED)
        self.seed.setAccessibleName("Seed")
        self.seed.setToolTip("The seed: any whole number")
        self.seed.setValue(preferences.get("seed", 1))
        self.seed.setEnabled(self.fixed.isChecked())
        self.fixed.toggled.connect(self.seed.setEnabled)
        self.speak_button = button(
            "Speak", "Say it with this voice; you hear it while it is being made", self.speak_or_stop, "play", True,
            "Ctrl+Return",
        )  # fmt: skip
        self.more_button = button("Mor&e", "Only one of the stages, or a whole text file")
        menu = QMenu(self)
        self.synthesize_action = menu.addAction("Synthesize only (the mel)", self.synthesize)
        self.vocode_action = menu.addAction("Vocode the mel that is shown", self.vocode)
        menu.addSeparator()
        self.file_action = menu.addAction("Text file to numbered sounds...", speak_file)
        self.more_button.setMenu(menu)
        self.column.addWidget(self.text, 1)
        self.column.addWidget(self.counted)
        self.column.addLayout(row(self.trim, None, self.fixed, self.seed))
        line = row()
        line.addWidget(self.speak_button, 1)
        line.addWidget(self.more_button)
        self.column.addLayout(line)
        orders.idle_changed.connect(self._show_idle)
        orders.wish_restored.connect(self._restore)
        self._count()

    def wish(self) -> Wish:
        """What is on the page."""
        seed = self.seed.value() if self.fixed.isChecked() else None
        return Wish(self.text.toPlainText(), seed, self.trim.isChecked())

    def remember(self) -> None:
        """Put what is on the page into the settings."""
        preferences = self._session.preferences
        preferences.set("text", self.text.toPlainText()[:20_000])
        preferences.set("trim", self.trim.isChecked())
        preferences.set("seed_fixed", self.fixed.isChecked())
        preferences.set("seed", self.seed.value())

    def speak_or_stop(self) -> None:
        if self._orders.busy:
            self._orders.cancel()
        else:
            self._orders.speak(self.wish())

    def speak(self) -> None:
        if not self._orders.busy:
            self._orders.speak(self.wish())

    def synthesize(self) -> None:
        self._orders.synthesize(self.wish())

    def vocode(self) -> None:
        self._orders.vocode(self.wish())

    def _show_idle(self, idle: bool) -> None:
        self.speak_button.setText("Speak" if idle else "Stop")
        self.speak_button.setAccessibleName(self.speak_button.text())
        self.speak_button.setProperty("picture", "play" if idle else "stop")
        paint_icon(self.speak_button)
        for action in (self.synthesize_action, self.vocode_action, self.file_action):
            action.setEnabled(idle)

    def _restore(self, wish: Wish) -> None:
        self.text.setPlainText(wish.text)
        self.trim.setChecked(wish.trim)
        if wish.seed is not None:
            self.fixed.setChecked(True)
            self.seed.setValue(wish.seed)

    def _count(self) -> None:
        text = self.text.toPlainText()
        lines = sum(bool(line.strip()) for line in text.splitlines())
        long = clock(len(text) / CHARACTERS_PER_SECOND) if text.strip() else "nothing"
        self.counted.setText(f"{lines} line{'s' * (lines != 1)}, about {long} of speech")
