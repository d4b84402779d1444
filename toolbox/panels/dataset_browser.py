"""Datasets, their speakers and utterances: look, hear, take as a voice, or let chance decide."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import QItemSelectionModel, QStringListModel, Qt
from PyQt5.QtWidgets import QAbstractItemView, QCheckBox, QListView, QSplitter, QVBoxLayout, QWidget

from toolbox import jobs
from toolbox.panels.questions import ask_for_files
from toolbox.state.session import Session
from toolbox.state.worker import Job, JobContext
from toolbox.storage.datasets import Dataset, Utterance, find_datasets, random_choice
from toolbox.window.widgets import Card, button, faint, row

MOST_AT_ONCE = 200  # utterances for one voice, or for the map


class Column(Card):
    """One of the three lists, with a button below that lets chance decide."""

    def __init__(self, title: str, random: Callable[[], object]) -> None:
        super().__init__(title)
        self.names = title
        self.model = QStringListModel()
        self.view = QListView()
        self.view.setAccessibleName(title)
        self.view.setModel(self.model)
        self.view.setUniformItemSizes(True)
        self.view.setEditTriggers(QAbstractItemView.NoEditTriggers)
        self.view.setTextElideMode(Qt.ElideMiddle)
        what = title.lower().removesuffix("s")
        self.random_button = button(f"Random {what}", f"Let chance choose a {what}, and load an utterance", random)
        self.column.addWidget(self.view, 1)
        self.column.addWidget(self.random_button)

    def show_names(self, names: list[str]) -> None:
        self.model.setStringList(names)
        self.title.setText(f"{self.names} ({len(names)})" if names else self.names)

    def place(self) -> int:
        return self.view.currentIndex().row()

    def mark(self, place: int) -> None:
        index = self.model.index(place)
        self.view.selectionModel().setCurrentIndex(index, QItemSelectionModel.ClearAndSelect)
        self.view.scrollTo(index)


class DatasetBrowser(QWidget):
    """Args: folders: to look into at the start; use: called when a voice is being made, to show its page."""

    def __init__(
        self, session: Session, folders: list[Path], use: Callable[[], object], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._use = session, use
        names: list[str] = session.preferences.get("dataset_folders", [])
        remembered = [Path(name) for name in names]
        self.folders = list(dict.fromkeys([*folders, *(folder for folder in remembered if folder.is_dir())]))
        self.datasets: list[Dataset] = []
        self.shown: list[Utterance] = []
        self._wanted: Utterance | None = None  # to be marked as soon as its list is there
        self._listing: Job | None = None
        self.columns = (
            Column("Datasets", lambda: self.random(0)),
            Column("Speakers", lambda: self.random(1)),
            Column("Utterances", lambda: self.random(2)),
        )
        self.columns[2].view.setSelectionMode(QAbstractItemView.ExtendedSelection)
        self.columns[0].view.selectionModel().currentChanged.connect(lambda *_: self._list_speakers())
        self.columns[1].view.selectionModel().currentChanged.connect(lambda *_: self._list_utterances())
        self.columns[2].view.selectionModel().selectionChanged.connect(lambda *_: self._enable())
        self.columns[2].view.activated.connect(lambda _index: self.load())
        self.add_button = button("Add &folder...", "A corpus, a folder of corpora, or a folder of recordings",
                                 self.ask_for_folder, "folder")  # fmt: skip
        self.rescan_button = button("Look &again", "Read the folders anew", self.scan)
        self.listen_button = button("&Listen", "Hear the marked utterance", self.listen, "play")
        self.load_button = button(
            "Use as &voice", "Clone the voice in the marked utterances; several are averaged", self.load, "", True
        )
        self.map_button = button("Add to the &map", "Place the marked utterances on the map of voices", self.add_to_map)
        self.speaker_button = button("Speaker to the map", "Place all utterances of this speaker on the map",
                                     lambda: self.add_to_map(whole=True))  # fmt: skip
        self.auto_next = QCheckBox("Then mark the ne&xt")
        self.auto_next.setToolTip("After an utterance was used, mark the one that follows it")
        self.auto_next.setChecked(session.preferences.get("auto_next", True))
        self.said = faint()
        self._lay_out()
        self._enable()

    def _lay_out(self) -> None:
        self.splitter = QSplitter(Qt.Horizontal)
        self.splitter.setChildrenCollapsible(False)
        for column, share in zip(self.columns, (2, 1, 3), strict=True):
            self.splitter.addWidget(column)
            self.splitter.setStretchFactor(self.splitter.count() - 1, share)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 8, 0, 0)
        head = row(self.add_button, self.rescan_button)
        head.addWidget(self.said, 1)
        whole.addLayout(head)
        whole.addWidget(self.splitter, 1)
        whole.addLayout(
            row(self.listen_button, self.load_button, self.auto_next, None, self.map_button, self.speaker_button)
        )

    # --- folders

    def ask_for_folder(self) -> None:
        ask_for_files(
            self, self._session.preferences, "A folder with recordings", "folder",
            lambda paths: self.add_folders(paths),
        )  # fmt: skip

    def add_folders(self, folders: list[Path]) -> None:
        self.folders = list(dict.fromkeys([*self.folders, *folders]))
        self._session.preferences.set("dataset_folders", [str(folder) for folder in self.folders])
        self.scan()

    def scan(self) -> None:
        """Look for datasets in the folders, elsewhere than on this thread."""
        folders = list(self.folders)
        if not folders:
            self.said.setText("Add a folder: any corpus that the toolkit reads, or one folder of recordings a speaker.")
            return
        self.said.setText("Looking for datasets...")
        job = self._session.submit(
            "Looking for datasets", lambda context: find_datasets(folders, context.check), self._found, "slow"
        )
        job.failed.connect(lambda sentence, _details: self.said.setText(sentence))

    def _found(self, datasets: list[Dataset]) -> None:
        self.datasets = datasets
        self.columns[0].show_names([dataset.name for dataset in datasets])
        self.said.setText(", ".join(str(folder) for folder in self.folders) if datasets else
                          "No recordings were found in these folders.")  # fmt: skip
        if datasets:
            self.columns[0].mark(0)
        self._enable()

    # --- lists

    def dataset(self) -> Dataset | None:
        place = self.columns[0].place()
        return self.datasets[place] if 0 <= place < len(self.datasets) else None

    def speaker(self) -> str | None:
        names, place = self.columns[1].model.stringList(), self.columns[1].place()
        return names[place] if 0 <= place < len(names) else None

    def _list_speakers(self) -> None:
        dataset = self.dataset()
        self.columns[1].show_names([])
        self._show_utterances([])
        if dataset is None:
            return
        self._list(f"Reading {dataset.name}", lambda context: dataset.speakers(context.check), self._show_speakers)

    def _show_speakers(self, names: list[str]) -> None:
        self.columns[1].show_names(names)
        wanted = self._wanted.speaker if self._wanted is not None else ""
        if names:
            self.columns[1].mark(names.index(wanted) if wanted in names else 0)
        self._enable()

    def _list_utterances(self) -> None:
        dataset, speaker = self.dataset(), self.speaker()
        self._show_utterances([])
        if dataset is None or speaker is None:
            return

        def read(context: JobContext) -> list[Utterance]:
            return dataset.utterances(speaker, context.check)

        self._list(f"Reading {speaker}", read, self._show_utterances)

    def _show_utterances(self, utterances: list[Utterance]) -> None:
        self.shown = utterances
        names = [f"{one.name}   {one.text}" if one.text else one.name for one in utterances]
        self.columns[2].show_names(names)
        if utterances:
            wanted, self._wanted = self._wanted, None
            place = utterances.index(wanted) if wanted in utterances else 0
            self.columns[2].mark(place)
            if wanted is not None:
                self.load()
        self._enable()

    def _list(self, title: str, read: Callable[[JobContext], list], show: Callable[[list], object]) -> None:
        """Read a list; one that is overtaken by another is given up."""
        if self._listing is not None:
            self._listing.cancel()
        self._listing = self._session.submit(title, read, show, "slow", False)

    def marked(self) -> list[Utterance]:
        """The utterances that are marked, in their order."""
        lines = sorted(index.row() for index in self.columns[2].view.selectionModel().selectedIndexes())
        return [self.shown[line] for line in lines if line < len(self.shown)]

    def _enable(self) -> None:
        for column in self.columns:
            column.random_button.setEnabled(bool(self.datasets))
        self.rescan_button.setEnabled(bool(self.folders))
        there = bool(self.marked())
        for one in (self.listen_button, self.load_button, self.map_button, self.speaker_button):
            one.setEnabled(there)

    # --- what can be done

    def load(self) -> None:
        """Make a voice of the marked utterances, and go on to the next one if that is wished for."""
        marked = self.marked()
        if not marked:
            return
        first = marked[0]
        self._session.voices.use_clips(marked[:MOST_AT_ONCE], f"{first.speaker}: {Path(first.name).name}" + (
            f" and {len(marked) - 1} more" if len(marked) > 1 else ""
        ), f"{first.dataset} {first.speaker}")  # fmt: skip
        last = self.shown.index(marked[-1])
        if self.auto_next.isChecked() and last + 1 < len(self.shown):
            self.columns[2].mark(last + 1)
        self._use()

    def random(self, level: int) -> None:
        """Load any utterance: of any dataset (0), of this dataset (1), of this speaker (2)."""
        datasets = self.datasets
        dataset, speaker = self.dataset(), self.speaker()
        if not datasets:
            return

        def choose(context: JobContext) -> Utterance:
            within = dataset if level > 0 else None
            return random_choice(datasets, within, speaker if level > 1 and within is not None else None, context.check)

        self._session.submit("Letting chance decide", choose, self._reveal, "slow", False)

    def _reveal(self, utterance: Utterance) -> None:
        """Mark an utterance in all three lists, and load it when its list is there."""
        names = [dataset.name for dataset in self.datasets]
        self._wanted = utterance
        if self.dataset() is None or self.dataset().name != utterance.dataset:  # type: ignore[union-attr]
            self.columns[0].mark(names.index(utterance.dataset))
        elif self.speaker() != utterance.speaker:
            self._show_speakers(self.columns[1].model.stringList())
        else:
            self._show_utterances(self.shown)

    def listen(self) -> None:
        marked, session = self.marked(), self._session
        if session.playing == "utterance":
            session.stop_playing()
        elif marked:
            session.submit(
                "Opening the sound", lambda _context: marked[0].read(),
                lambda wav: session.play("utterance", wav, 16_000), "files", False,
            )  # fmt: skip

    def add_to_map(self, whole: bool = False) -> None:
        """Listen to the marked utterances, or to all of the speaker, for the map alone."""
        utterances, session = (self.shown if whole else self.marked())[:MOST_AT_ONCE], self._session
        files = session.chain()
        if not utterances or files is None:
            return
        models = session.models

        def embed(context: JobContext) -> int:
            for number, one in enumerate(utterances):
                context.check()
                context.progress("Listening", number, len(utterances))
                context.chunk((jobs.embed(context, models, files, one), f"{one.dataset} {one.speaker}", one.name))
            return len(utterances)

        job = session.submit("Adding to the map", embed)
        job.chunk.connect(lambda point: session.point_heard.emit(*point))

    def remember(self) -> None:
        self._session.preferences.set("auto_next", self.auto_next.isChecked())
