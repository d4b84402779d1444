"""Dialogs that do not block the window: for files, and for a name with a consent note."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

from PyQt5.QtWidgets import QDialog, QFileDialog, QFormLayout, QLineEdit, QPlainTextEdit, QVBoxLayout, QWidget

from cloning.voices import check_voice_name
from speech.errors import ConfigError, one_line
from toolbox.storage.preferences import Preferences
from toolbox.widgets.parts import button, faint, row

RECORDINGS = "Recordings (*.wav *.flac *.ogg *.opus *.mp3 *.m4a *.aac *.mp4 *.webm);;All files (*)"
RESULTS = "Audio (*.wav *.flac *.ogg)"
TEXTS = "Text (*.txt);;All files (*)"
MODELS = "Models and checkpoints (*.safetensors *.pt *.pth *.pyt);;All files (*)"
LEXICONS = "Lexicon (*.csv);;All files (*)"

Mode = Literal["open", "open many", "save", "folder"]


def ask_for_files(
    parent: QWidget,
    preferences: Preferences,
    title: str,
    mode: Mode,
    then: Callable[[list[Path]], object],
    kinds: str = "",
    suggestion: str = "",
) -> QFileDialog:
    """Open a file dialog in the folder that was used last.

    Args:
        then: called with the chosen paths; not called after a cancel.
        kinds: file types, in the format of Qt.
        suggestion: default name of a file to save. The dialog asks before it overwrites a file.
    """
    dialog = QFileDialog(parent, title, preferences.get("last_folder", str(Path.home())), kinds)
    modes = {
        "open": QFileDialog.ExistingFile,
        "open many": QFileDialog.ExistingFiles,
        "save": QFileDialog.AnyFile,
        "folder": QFileDialog.Directory,
    }
    dialog.setFileMode(modes[mode])
    if mode == "folder":
        dialog.setOption(QFileDialog.ShowDirsOnly)
    if mode == "save":
        dialog.setAcceptMode(QFileDialog.AcceptSave)
        dialog.setDefaultSuffix(suggestion.rpartition(".")[2])
        dialog.selectFile(suggestion)

    def chosen(names: Sequence[str]) -> None:
        paths = [Path(name) for name in names if name]
        if paths:
            folder = paths[0] if mode == "folder" else paths[0].parent
            preferences.set("last_folder", str(folder))
            then(paths)

    dialog.filesSelected.connect(chosen)
    dialog.finished.connect(dialog.deleteLater)
    dialog.open()
    return dialog


class NameDialog(QDialog):
    """Asks for the name of a voice and for a consent note.

    Args:
        then: called with the name and the note.
        taken: names in use, and a remark for a name among them; an empty remark forbids these names.
        consent: the present note; None omits that field.
    """

    def __init__(
        self,
        parent: QWidget,
        title: str,
        then: Callable[[str, str], object],
        taken: tuple[Sequence[str], str] = ((), ""),
        name: str = "",
        consent: str | None = "",
    ) -> None:
        super().__init__(parent)
        self.setWindowTitle(title)
        self.setMinimumWidth(460)
        self._then, self._taken = then, taken
        self.name = QLineEdit(name)
        self.name.setAccessibleName("Name of the voice")
        self.name.setPlaceholderText("for example: ann")
        self.name.textChanged.connect(self._check)
        self.consent = QPlainTextEdit(consent or "")
        self.consent.setAccessibleName("Consent")
        self.consent.setTabChangesFocus(True)
        self.consent.setMaximumHeight(80)
        self.consent.setPlaceholderText("Whose voice is it, and who permitted its use? (Ann, by letter, 3 May)")
        self.remark = faint()
        self.ok_button = button("&Save", "Save under this name", self.accept_name, "", True)
        cancel = button("Cancel", "Close without saving", self.reject)
        form = QFormLayout()
        form.addRow("&Name", self.name)
        if consent is not None:
            form.addRow("&Consent", self.consent)
        column = QVBoxLayout(self)
        column.addLayout(form)
        column.addWidget(self.remark)
        column.addLayout(row(None, cancel, self.ok_button))
        self.ok_button.setDefault(True)
        self._check()

    def _check(self) -> None:
        """Show at once what is wrong with the name."""
        name, fine, remark = self.name.text(), False, ""
        if name.strip():
            try:
                normal = check_voice_name(name)
            except ConfigError as error:
                remark = one_line(error)
            else:
                names, allowed = self._taken
                fine = normal not in names or bool(allowed)
                if normal in names:
                    remark = allowed or "There is already a voice of this name: choose a different name."
        self.remark.setText(remark)
        self.ok_button.setEnabled(fine)

    def accept_name(self) -> None:
        self.accept()
        self._then(check_voice_name(self.name.text()), self.consent.toPlainText().strip())
