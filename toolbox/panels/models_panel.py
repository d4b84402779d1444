"""Which encoder, synthesizer and vocoder work, and what is inside their files."""

from __future__ import annotations

from pathlib import Path

from PyQt5.QtWidgets import QComboBox, QHBoxLayout, QVBoxLayout, QWidget

from cloning import ModelFiles
from toolbox.panels.questions import MODELS, ask_for_files
from toolbox.state.session import Session
from toolbox.storage.model_files import (
    NO_VOCODER,
    STAGES,
    ModelFile,
    list_models,
    read_model_file,
    usual_vocoder,
    why_they_do_not_fit,
)
from toolbox.window.widgets import Card, button, faint, row, selectable

TITLES = {"encoder": "Encoder: hears a voice", "synthesizer": "Synthesizer: reads a text",
          "vocoder": "Vocoder: makes the sound"}  # fmt: skip
RUNS = Path("runs")  # where training leaves its models


class ModelsPanel(QWidget):
    """A card for each stage, and a button that loads what is chosen."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._folders = [session.models_folder, RUNS.absolute()]
        more: list[str] = session.preferences.get("more_models", [])
        self._folders += [Path(folder) for folder in more]
        self.models: dict[str, list[ModelFile]] = {stage: [] for stage in STAGES}
        self.boxes: dict[str, QComboBox] = {}
        self.about = {stage: selectable() for stage in STAGES}
        self.remark = faint()
        self.load_button = button(
            "&Load these models", "Work with the models that are chosen here", self.load, "", True
        )
        self.folder_button = button(
            "Add &folder...", "Look for models in another folder", self.ask_for_folder, "folder"
        )
        self.file_button = button("Add fil&e...", "Add one model file", self.ask_for_file)
        self.again_button = button("Look &again", "Read the folders anew, for instance while you train", self.scan)
        cards = QHBoxLayout()
        for stage in STAGES:
            card = Card(TITLES[stage])
            box = self.boxes[stage] = QComboBox()
            box.setAccessibleName(stage.capitalize())
            box.setToolTip(f"The {stage} to work with")
            box.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(16)
            box.currentIndexChanged.connect(lambda _place: self._tell())
            card.column.addWidget(box)
            card.column.addWidget(self.about[stage])
            card.column.addStretch(1)
            cards.addWidget(card, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 0)
        column.addLayout(cards, 1)
        column.addWidget(self.remark)
        column.addLayout(row(self.folder_button, self.file_button, self.again_button, None, self.load_button))
        session.models_changed.connect(self._mark_loaded)

    def scan(self) -> None:
        """Read what is there, on another thread."""
        folders = list(self._folders)

        def read(_context: object) -> tuple[dict[str, list[ModelFile]], list[str]]:
            rejected: list[str] = []
            return list_models(folders, lambda path, reason: rejected.append(f"{path}: {reason}")), rejected

        def listed(found: tuple[dict[str, list[ModelFile]], list[str]]) -> None:
            for line in found[1]:
                self._session.logged.emit(f"model left out: {line}")
            self._show(found[0])

        self._session.submit("Looking for models", read, listed, "files", False)

    def _show(self, models: dict[str, list[ModelFile]]) -> None:
        chosen = {stage: self.chosen(stage) for stage in STAGES}
        self.models = models
        for stage, box in self.boxes.items():
            box.blockSignals(True)
            box.clear()
            for model in models[stage]:
                box.addItem(model.name, model)
            box.blockSignals(False)
        loaded = self._session.files
        for stage in STAGES:
            path = chosen[stage].path if chosen[stage] is not None else getattr(loaded, stage, None)  # type: ignore[union-attr]
            self._mark(stage, path)
        if loaded is None and chosen["vocoder"] is None:
            self._mark("vocoder", usual_vocoder(self._session.models_folder, models["vocoder"]).path)
        self._tell()

    def _mark(self, stage: str, path: Path | None) -> None:
        for place, model in enumerate(self.models[stage]):
            same = model.path is None if path is None else model.path is not None and model.path == path
            if same:
                self.boxes[stage].setCurrentIndex(place)

    def _mark_loaded(self) -> None:
        if not any(self.models.values()):
            self.scan()
            return
        for stage in STAGES:
            self._mark(stage, getattr(self._session.files, stage))
        self._tell()

    def chosen(self, stage: str) -> ModelFile | None:
        return self.boxes[stage].currentData()

    def _tell(self) -> None:
        """Say what is inside, and whether the three fit each other."""
        encoder, synthesizer, vocoder = (self.chosen(stage) for stage in STAGES)
        for stage in STAGES:
            model = self.chosen(stage)
            self.about[stage].setText("No model of this stage was found." if model is None else model.description)
        why = "A model is missing: add a folder that holds one."
        if encoder is not None and synthesizer is not None and vocoder is not None:
            why = why_they_do_not_fit(encoder, synthesizer, vocoder)
        in_use = why == "" and self._files() == self._session.files
        self.remark.setText(why or ("These models are in use." if in_use else "These models fit each other."))
        self.load_button.setEnabled(why == "" and not in_use)

    def _files(self) -> ModelFiles | None:
        encoder, synthesizer, vocoder = (self.chosen(stage) for stage in STAGES)
        if encoder is None or synthesizer is None or encoder.path is None or synthesizer.path is None:
            return None
        return ModelFiles(encoder.path, synthesizer.path, (vocoder or NO_VOCODER).path)

    def load(self) -> None:
        files = self._files()
        if files is not None:
            self._session.load_models(files)

    def ask_for_folder(self) -> None:
        ask_for_files(self, self._session.preferences, "A folder with models", "folder", self.add_folders)

    def add_folders(self, folders: list[Path]) -> None:
        self._folders = list(dict.fromkeys([*self._folders, *folders]))
        self._session.preferences.set("more_models", [str(folder) for folder in self._folders[2:]])
        self.scan()

    def ask_for_file(self) -> None:
        ask_for_files(self, self._session.preferences, "A model", "open", lambda paths: self.add_file(paths[0]), MODELS)

    def add_file(self, path: Path) -> None:
        """Add one model to its stage's list and mark it."""

        def read(_context: object) -> ModelFile:
            from speech.errors import ModelFileError

            try:
                return read_model_file(path)
            except (OSError, ValueError) as error:
                raise ModelFileError(f"{path} is no model of this toolkit: choose another file.") from error

        def add(model: ModelFile) -> None:
            models = {stage: list(found) for stage, found in self.models.items()}
            if all(model.path != one.path for one in models[model.stage]):
                models[model.stage].insert(0, model)
            self._show(models)
            self._mark(model.stage, model.path)
            self._tell()

        self._session.submit(f"Reading {path.name}", read, add, "files")
