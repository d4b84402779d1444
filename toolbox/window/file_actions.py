"""Actions that ask the user for a file, a folder or a name first."""

from __future__ import annotations

from pathlib import Path

from PyQt5.QtWidgets import QWidget

from toolbox.panels.dialogs import RECORDINGS, RESULTS, TEXTS, NameDialog, ask_for_files
from toolbox.panels.text_card import TextCard
from toolbox.state.requests import Requests
from toolbox.state.session import Session
from toolbox.state.worker import JobContext
from toolbox.storage.result_files import proposed_name

MAX_TEXT = 20_000  # characters in the text box; a longer text is spoken from its file


class FileActions:
    """Args: parent: of the dialogs; text_card: holds the request of a text file."""

    def __init__(self, parent: QWidget, session: Session, requests: Requests) -> None:
        self._parent, self._session, self._requests = parent, session, requests
        self.text_card: TextCard | None = None

    def open_recordings(self) -> None:
        ask_for_files(
            self._parent, self._session.preferences, "Recordings of one speaker", "open many",
            lambda paths: self._session.voices.use_clips(paths), RECORDINGS,
        )  # fmt: skip

    def save_voice(self) -> None:
        voices = self._session.voices
        chosen = voices.chosen
        if chosen is None or chosen.kind == "saved":
            return
        joins = "A voice of this name exists: these recordings will be added to it." if chosen.clips else ""
        dialog = NameDialog(self._parent, "Save this voice", voices.save_chosen, (voices.saved_names, joins), "",
                            chosen.voice.consent)  # fmt: skip
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def export(self) -> None:
        result = self._requests.result
        name = "result" if result is None else proposed_name(result.voice.name, result.text)
        ask_for_files(
            self._parent, self._session.preferences, "Export the audio", "save",
            lambda paths: self._requests.export(paths[0], overwrite=True), RESULTS, f"{name}.wav",
        )  # fmt: skip

    def use_text_file(self, path: Path) -> None:
        """Put a text file into the text box, or offer to speak it into files if it is too long for that."""

        def read(_context: JobContext) -> str:
            from cloning.targets import read_text

            return read_text(path)

        def use(text: str) -> None:
            assert self.text_card is not None
            if len(text) > MAX_TEXT:
                self.choose_output_folder(path)
                return
            self.text_card.replace_text(text)
            self._session.notify(
                f"The text of {path.name} is in the text box now.", "Speak into &files...",
                lambda: self.choose_output_folder(path),
            )  # fmt: skip

        self._session.submit(f"Reading {path.name}", read, use, "files")

    def speak_text_file(self) -> None:
        ask_for_files(
            self._parent, self._session.preferences, "A text file, one utterance per line", "open",
            lambda paths: self.choose_output_folder(paths[0]), TEXTS,
        )  # fmt: skip

    def choose_output_folder(self, text_file: Path) -> None:
        """Ask for the folder of the audio files, then speak the text file."""

        def speak(paths: list[Path]) -> None:
            assert self.text_card is not None
            self._requests.speak_file(text_file, paths[0], self.text_card.request())

        ask_for_files(
            self._parent, self._session.preferences, f"A folder for the audio of {text_file.name}", "folder", speak
        )
