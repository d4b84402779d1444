"""The list of voices: saved ones, samples, and the voice in use if it has no place in the list."""

from __future__ import annotations

from PyQt5.QtWidgets import QComboBox, QSizePolicy

from toolbox.state.chosen_voice import sample_title
from toolbox.state.session import Session

NOT_SAVED, DELETED = "not saved", "deleted"


class VoiceBox(QComboBox):
    """Shows the voice in use, and chooses another one."""

    def __init__(self, session: Session, tip: str) -> None:
        super().__init__()
        self._session = session
        self.setAccessibleName("Voice")
        self.setToolTip(tip)
        self.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
        self.setMinimumContentsLength(8)
        self.setSizePolicy(QSizePolicy.Expanding, QSizePolicy.Fixed)
        self.setMaxVisibleItems(20)
        self.activated.connect(self._picked)
        session.voices.changed.connect(self.refresh)
        session.voices.library_changed.connect(lambda _names: self.refresh())
        self.refresh()

    def refresh(self) -> None:
        """Show the available voices and the one in use."""
        voices = self._session.voices
        chosen = voices.chosen
        self.blockSignals(True)
        self.clear()
        if chosen is not None and not chosen.key:
            self.addItem(f"{chosen.title} ({NOT_SAVED})", None)
        elif chosen is not None and voices.is_deleted:
            self.addItem(f"{chosen.title} ({DELETED})", (chosen.kind, chosen.key))
        for name in voices.saved_names:
            self.addItem(name, ("saved", name))
        if self.count():
            self.insertSeparator(self.count())
        for path in voices.samples():
            self.addItem(sample_title(path), ("sample", path.name))
        wanted: tuple[str, str] | None = (chosen.kind, chosen.key) if chosen is not None and chosen.key else None
        if voices.choosing and (chosen is None or chosen.key):
            wanted = voices.wanted
        rows = [row for row in range(self.count()) if self.itemData(row) == wanted and self.itemText(row)]
        self.setCurrentIndex(rows[0] if rows else -1)
        self.blockSignals(False)

    def _picked(self, row: int) -> None:
        wanted = self.itemData(row)
        if wanted is not None:
            self._session.voices.choose(*wanted)
