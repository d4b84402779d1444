"""What the window does with files that are dropped into it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from modelfile.public import is_public_checkpoint
from toolbox.panels.convert_page import ConvertPage
from toolbox.panels.dataset_browser import DatasetBrowser
from toolbox.panels.library import LibraryPanel
from toolbox.panels.models_panel import ModelsPanel
from toolbox.panels.options_panel import OptionsPanel
from toolbox.state.session import Session
from toolbox.storage.datasets import recordings_in
from toolbox.window.file_actions import FileActions

MAX_DROPPED = 20  # recordings for one voice; a folder with more is a dataset


class DroppedFiles:
    """Args: show_page: shows a page by its name; the others take the files."""

    def __init__(
        self, session: Session, show_page: Callable[[str], object], file_actions: FileActions, models: ModelsPanel,
        options: OptionsPanel, datasets: DatasetBrowser, library: LibraryPanel, convert: ConvertPage,
    ) -> None:  # fmt: skip
        self._session, self._show_page, self._file_actions = session, show_page, file_actions
        self._models, self._options, self._datasets, self._library = models, options, datasets, library
        self._convert = convert

    def use(self, paths: list[Path]) -> None:
        """Use files by their type: texts, models, lexicons, recordings, folders of recordings."""
        by_suffix = {path.suffix.lower(): path for path in reversed(paths)}
        if ".txt" in by_suffix:
            self._show_page("Speak")
            self._file_actions.use_text_file(by_suffix[".txt"])
        elif models := [path for path in paths if path.suffix.lower() == ".safetensors" or is_public_checkpoint(path)]:
            self._show_page("Models")
            self._models.add_files(models)
        elif ".csv" in by_suffix:
            self._options.use_lexicon(by_suffix[".csv"])
        elif paths:
            self._session.submit("Reading the dropped files", lambda _context: recordings_in(paths),
                                 lambda found: self._use_recordings(paths, found), "slow")  # fmt: skip

    def _use_recordings(self, paths: list[Path], found: list[Path]) -> None:
        folders = [path for path in paths if path.is_dir()]
        if folders and len(found) > MAX_DROPPED:
            self._show_page("Datasets")
            self._datasets.add_folders(folders)
        elif self._library.isVisible() and self._library.shown is not None:
            self._library.add_files(found)
        elif self._convert.isVisible() and found and not self._convert.conversions.trouble:
            self._convert.conversions.open(found[0])
        else:
            self._show_page("Speak")
            self._session.voices.use_clips(found)
