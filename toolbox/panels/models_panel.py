"""Choice of encoder, synthesizer and vocoder, with the content of their headers."""

from __future__ import annotations

import functools
from pathlib import Path

from PyQt5.QtWidgets import QComboBox, QHBoxLayout, QSizePolicy, QVBoxLayout, QWidget

from cloning.models import ModelFiles
from modelfile.locations import fetched_models
from modelfile.public import is_public_checkpoint
from toolbox import jobs
from toolbox.panels.dialogs import MODELS, ask_for_files
from toolbox.state.session import Session
from toolbox.state.worker import JobContext
from toolbox.storage.model_files import STAGES, ModelFile, incompatibility, list_models, read_model_file
from toolbox.widgets.parts import Card, button, faint, row, selectable
from toolbox.widgets.scrolling import MIN_HEIGHT, ScrollPage

PURPOSES = {
    "encoder": "Computes the speaker embedding of a recording.",
    "synthesizer": "Converts text to a mel spectrogram.",
    "vocoder": "Converts a mel spectrogram to audio.",
}
RUNS = Path("runs")  # output folder of the training scripts


class ModelsPanel(QWidget):
    """A card for each stage, and a button that loads the selected models."""

    def __init__(self, session: Session, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._session = session
        self._folders = [session.models_folder, RUNS.absolute(), fetched_models()]
        more: list[str] = session.preferences.get("more_models", [])
        self._folders += [Path(folder) for folder in more]
        self.models: dict[str, list[ModelFile]] = {stage: [] for stage in STAGES}
        self.boxes: dict[str, QComboBox] = {}
        self.about = {stage: selectable() for stage in STAGES}
        self.remark = faint()
        self.load_button = button("&Load these models", "Use the selected models", self.load, "", True)
        self.folder_button = button("Add &folder...", "Search another folder for models", self.ask_for_folder, "folder")
        self.file_button = button("Add fil&es...", "Add model files, or public checkpoints (.pt)", self.ask_for_files)
        self.rescan_button = button("&Refresh", "Search the folders again, for example during a training", self.scan)
        cards = QHBoxLayout()
        for stage in STAGES:
            card = Card(stage.capitalize())
            box = self.boxes[stage] = QComboBox()
            box.setAccessibleName(stage.capitalize())
            box.setToolTip(f"The {stage} to use")
            box.setSizeAdjustPolicy(QComboBox.AdjustToMinimumContentsLengthWithIcon)
            box.setMinimumContentsLength(16)
            box.currentIndexChanged.connect(lambda _index: self._show_selected())
            card.column.addWidget(faint(PURPOSES[stage]))
            card.column.addWidget(box)
            card.column.addWidget(self.about[stage])
            card.column.addStretch(1)
            cards.addWidget(card, 1)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 8, 0, 0)
        inner = QWidget()
        inner.setLayout(cards)
        cards.setContentsMargins(0, 0, 0, 0)
        area = ScrollPage(inner)  # so that the buttons below stay in view
        area.setSizePolicy(QSizePolicy.Preferred, QSizePolicy.Ignored)
        area.setMinimumHeight(MIN_HEIGHT)
        column.addWidget(area, 1)
        column.addWidget(self.remark)
        column.addLayout(row(self.folder_button, self.file_button, self.rescan_button, None, self.load_button))
        session.models_changed.connect(self._select_loaded)

    def scan(self) -> None:
        """Search the folders in the background."""
        folders = list(self._folders)

        def read(_context: object) -> tuple[dict[str, list[ModelFile]], list[str]]:
            rejected: list[str] = []
            return list_models(folders, lambda path, reason: rejected.append(f"{path}: {reason}")), rejected

        def listed(found: tuple[dict[str, list[ModelFile]], list[str]]) -> None:
            for line in found[1]:
                self._session.logged.emit(f"model skipped: {line}")
            self._show(found[0])

        self._session.submit("Searching for models", read, listed, "files", False)

    def _show(self, models: dict[str, list[ModelFile]]) -> None:
        selected = {stage: self.selected(stage) for stage in STAGES}
        self.models = models
        for stage, box in self.boxes.items():
            box.blockSignals(True)
            box.clear()
            for model in models[stage]:
                box.addItem(model.name, model)
            box.blockSignals(False)
            before = selected[stage]
            if before is not None:
                self._select(stage, before.path)
            elif self._session.files is not None:
                self._select(stage, getattr(self._session.files, stage))
        self._show_selected()

    def _select(self, stage: str, path: Path | None) -> None:
        for index, model in enumerate(self.models[stage]):
            if model.path == path:
                self.boxes[stage].setCurrentIndex(index)

    def _select_loaded(self) -> None:
        if not any(self.models.values()):
            self.scan()
            return
        for stage in STAGES:
            self._select(stage, getattr(self._session.files, stage))
        self._show_selected()

    def selected(self, stage: str) -> ModelFile | None:
        return self.boxes[stage].currentData()

    def _show_selected(self) -> None:
        """Describe the selected models, and say whether they fit each other."""
        encoder, synthesizer, vocoder = (self.selected(stage) for stage in STAGES)
        for stage in STAGES:
            model = self.selected(stage)
            self.about[stage].setText(f"No {stage} was found." if model is None else model.description)
        problem = "A model is missing: add a folder that contains one."
        if encoder is not None and synthesizer is not None and vocoder is not None:
            problem = incompatibility(encoder, synthesizer, vocoder)
        in_use = not problem and self._files() == self._session.files
        self.remark.setText(problem or ("These models are in use." if in_use else "These models fit each other."))
        self.load_button.setEnabled(not problem and not in_use)

    def _files(self) -> ModelFiles | None:
        encoder, synthesizer, vocoder = (self.selected(stage) for stage in STAGES)
        if encoder is None or synthesizer is None or encoder.path is None or synthesizer.path is None:
            return None
        return ModelFiles(encoder.path, synthesizer.path, None if vocoder is None else vocoder.path)

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

    def ask_for_files(self) -> None:
        ask_for_files(self, self._session.preferences, "Models", "open many", self.add_files, MODELS)

    def add_files(self, paths: list[Path]) -> None:
        """Add models to the lists of their stages and select them; offer to convert those that are checkpoints."""
        for path in paths:
            if not is_public_checkpoint(path):
                read = functools.partial(lambda path, _context: [read_model_file(path)], path)
                self._session.submit(f"Reading {path.name}", read, self._add, "files")
        checkpoints = [path for path in paths if is_public_checkpoint(path)]
        if checkpoints:
            self._offer_conversion(checkpoints)

    def _offer_conversion(self, checkpoints: list[Path]) -> None:
        names = " and ".join(path.name for path in checkpoints)
        subject = "is a PyTorch checkpoint" if len(checkpoints) == 1 else "are PyTorch checkpoints"
        self._session.notify(
            f"{names} {subject}, which cannot be used directly.", "&Convert", lambda: self.convert(checkpoints)
        )

    def convert(self, checkpoints: list[Path]) -> None:
        """Convert public checkpoints in the background, then select the model files."""

        def work(context: JobContext) -> list[ModelFile]:
            return [read_model_file(path) for path in jobs.convert_checkpoints(context, checkpoints)]

        def done(models: list[ModelFile]) -> None:
            self._add(models)
            self._session.notify(f"Converted to {' and '.join(readable(model) for model in models)}.")

        def readable(model: ModelFile) -> str:
            return model.name if model.path is None else model.path.name

        self._session.submit(f"Converting {checkpoints[0].name}", work, done, "slow")

    def _add(self, models: list[ModelFile]) -> None:
        listed = {stage: list(found) for stage, found in self.models.items()}
        for model in models:
            same = [one for one in listed[model.header.stage] if one.path == model.path]
            listed[model.header.stage] = [model] + [one for one in listed[model.header.stage] if one not in same]
        self._show(listed)
        for model in models:
            self._select(model.header.stage, model.path)
        self._show_selected()
