"""Browse datasets, speakers and utterances: listen, use as a voice, choose at random."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QCheckBox, QLineEdit, QSplitter, QVBoxLayout, QWidget

from toolbox import jobs
from toolbox.panels.dataset_lists import NameColumn, UtteranceColumn
from toolbox.panels.dialogs import ask_for_files
from toolbox.panels.utterance_preview import UtterancePreview
from toolbox.state.session import Session
from toolbox.state.worker import Job, JobContext
from toolbox.storage.datasets import Dataset, Utterance, find_datasets, random_choice
from toolbox.widgets.parts import Card, button, faint, list_keys, row, selectable
from toolbox.widgets.scrolling import FlowLayout

MAX_UTTERANCES = 200  # for one voice, or for the map
EMPTY = """Press 'Add folder' and choose one of these, or drop it into this window:

\u2022  a corpus, for example LibriSpeech, VCTK, LJ Speech or VoxCeleb, or a folder that contains several of them
\u2022  a folder of recordings with one folder per speaker
\u2022  a folder with a metadata.csv

Then you can search the texts, listen to utterances, use them as a voice, and put them on the map."""


class DatasetBrowser(QWidget):
    """Args: folders: searched at the start; use: called when a voice is being made, to show its page."""

    def __init__(
        self, session: Session, folders: list[Path], use: Callable[[], object], parent: QWidget | None = None
    ) -> None:
        super().__init__(parent)
        self._session, self._use = session, use
        names: list[str] = session.preferences.get("dataset_folders", [])
        remembered = [Path(name) for name in names]
        self.folders = list(dict.fromkeys([*folders, *(folder for folder in remembered if folder.is_dir())]))
        self.datasets: list[Dataset] = []
        self._utterances: list[Utterance] = []  # of the speaker
        self.shown: list[Utterance] = []  # those that match the search
        self._wanted: Utterance | None = None  # to be selected as soon as its list is loaded
        self._listing: Job | None = None
        self.columns = (
            NameColumn("Datasets", lambda: self.random(0)),
            NameColumn("Speakers", lambda: self.random(1)),
            UtteranceColumn(session, lambda: self.random(2)),
        )
        self.columns[0].view.selectionModel().currentChanged.connect(lambda *_: self._list_speakers())
        self.columns[1].view.selectionModel().currentChanged.connect(lambda *_: self._list_utterances())
        self.columns[2].view.selectionModel().selectionChanged.connect(lambda *_: self._selection_changed())
        self.columns[2].view.activated.connect(lambda _index: self.load())
        list_keys(self.columns[2].view, {"Space": self.listen})
        self.add_button = button("Add &folder...", "Add a corpus, a folder of corpora, or a folder of recordings",
                                 self.ask_for_folder, "folder")  # fmt: skip
        self.rescan_button = button("&Rescan", "Search the folders again", self.scan)
        self.listen_button = button("&Listen", "Play or stop the selected utterance", self.listen, "play")
        self.load_button = button(
            "Use as &voice", "Clone the voice of the selected utterances; several are averaged", self.load, "", True
        )
        self.map_button = button("Add to the &map", "Show the selected utterances on the voice map", self.add_to_map)
        self.speaker_button = button("Add speaker to the map", "Show all utterances of this speaker on the voice map",
                                     lambda: self.add_to_map(whole=True))  # fmt: skip
        self.auto_next = QCheckBox("Select the ne&xt one afterwards")
        self.auto_next.setToolTip("After an utterance was used, select the following one")
        self.auto_next.setChecked(session.preferences.get("auto_next", True))
        self.status = faint()
        self.search = QLineEdit()
        self.search.setAccessibleName("Search")
        self.search.setPlaceholderText("Search names and texts")
        self.search.setClearButtonEnabled(True)
        self.search.textChanged.connect(lambda _text: self._filter())
        self.preview = UtterancePreview(session)
        self._lay_out()
        self._enable()

    def _lay_out(self) -> None:
        self.splitter = QSplitter(Qt.Horizontal)
        self.splitter.setChildrenCollapsible(False)
        for column, stretch in zip(self.columns, (2, 1, 5), strict=True):
            self.splitter.addWidget(column)
            self.splitter.setStretchFactor(self.splitter.count() - 1, stretch)
        whole = QVBoxLayout(self)
        whole.setContentsMargins(0, 8, 0, 0)
        self.columns[2].column.insertWidget(1, self.search)
        self.empty = Card("No datasets yet")
        text = selectable(EMPTY)
        text.setAlignment(Qt.AlignTop)
        self.empty.column.addWidget(text, 1)
        head = row(self.add_button, self.rescan_button)
        head.addWidget(self.status, 1)
        whole.addLayout(head)
        whole.addWidget(self.empty, 1)
        whole.addWidget(self.splitter, 1)
        whole.addWidget(self.preview)
        for one in (self.listen_button, self.load_button):
            self.preview.head.addWidget(one)
        whole.addLayout(FlowLayout(self.auto_next, self.map_button, self.speaker_button))

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
        """Search the folders for datasets in the background."""
        folders = list(self.folders)
        if not folders:
            return
        self.status.setText("Searching for datasets...")
        job = self._session.submit(
            "Searching for datasets", lambda context: find_datasets(folders, context.check), self._found, "slow"
        )
        job.failed.connect(lambda sentence, _details: self.status.setText(sentence))

    def _found(self, datasets: list[Dataset]) -> None:
        self.datasets = datasets
        self.columns[0].show_names([dataset.name for dataset in datasets])
        self.status.setText(", ".join(str(folder) for folder in self.folders) if datasets else
                            "No recordings were found in these folders.")  # fmt: skip
        if datasets:
            self.columns[0].select(0)
        self._enable()

    # --- lists

    def dataset(self) -> Dataset | None:
        row = self.columns[0].current_row()
        return self.datasets[row] if 0 <= row < len(self.datasets) else None

    def speaker(self) -> str | None:
        names, row = self.columns[1].model.stringList(), self.columns[1].current_row()
        return names[row] if 0 <= row < len(names) else None

    def _list_speakers(self) -> None:
        dataset = self.dataset()
        self.columns[1].show_names([])
        self._show_utterances([])
        if dataset is None:
            return
        self._list(f"Reading {dataset.name}", lambda context: dataset.speakers(context.check), self._show_speakers)

    def _show_speakers(self, names: list[str]) -> None:
        self.columns[1].show_names(names)
        dataset = self.dataset()
        remarks = {} if dataset is None else dataset.remarks
        for reason, count in remarks.items():
            self._session.logged.emit(f"{count} utterances skipped: {reason}")
        wanted = self._wanted.speaker if self._wanted is not None else ""
        if names:
            self.columns[1].select(names.index(wanted) if wanted in names else 0)
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
        self._utterances = utterances
        self._filter()

    def _filter(self) -> None:
        """List the utterances whose name or text contains all words of the search."""
        words = self.search.text().lower().split()
        found = [one for one in self._utterances if all(word in f"{one.name} {one.text}".lower() for word in words)]
        if self._wanted in self._utterances and self._wanted not in found:
            self.search.clear()  # which calls this again
            return
        self.shown = found
        self.columns[2].show_utterances(found)
        if found:
            wanted, self._wanted = self._wanted, None
            row = found.index(wanted) if wanted in found else 0
            self.columns[2].select(row)
            if wanted is not None:
                self.load()
        self._selection_changed()

    def _selection_changed(self) -> None:
        selected = self.selected()
        self.preview.show_utterance(selected[0] if selected else None)
        self._enable()

    def _list(self, title: str, read: Callable[[JobContext], list], show: Callable[[list], object]) -> None:
        """Read a list in the background; a newer request cancels an older one."""
        if self._listing is not None:
            self._listing.cancel()
        self._listing = self._session.submit(title, read, show, "slow", False)

    def selected(self) -> list[Utterance]:
        """The selected utterances, in order."""
        return [self.shown[row] for row in self.columns[2].selected_rows()]

    def _enable(self) -> None:
        for column in self.columns:
            column.random_button.setEnabled(bool(self.datasets))
        self.rescan_button.setEnabled(bool(self.folders))
        self.empty.setVisible(not self.datasets)
        self.splitter.setVisible(bool(self.datasets))
        self.preview.setVisible(bool(self.datasets))
        there = bool(self.selected())
        for one in (self.listen_button, self.load_button, self.map_button, self.speaker_button):
            one.setEnabled(there)

    # --- actions

    def load(self) -> None:
        """Make a voice of the selected utterances, and select the next one if that is ticked."""
        selected = self.selected()
        if not selected:
            return
        first = selected[0]
        title = f"{first.speaker}: {Path(first.name).name}"
        if len(selected) > 1:
            title += f" and {len(selected) - 1} more"
        self._session.voices.use_clips(selected[:MAX_UTTERANCES], title, f"{first.dataset} {first.speaker}")
        last = self.shown.index(selected[-1])
        if self.auto_next.isChecked() and last + 1 < len(self.shown):
            self.columns[2].select(last + 1)
        self._use()

    def random(self, level: int) -> None:
        """Use a random utterance: of any dataset (0), of this dataset (1), of this speaker (2)."""
        datasets = self.datasets
        dataset, speaker = self.dataset(), self.speaker()
        if not datasets:
            return

        def choose(context: JobContext) -> Utterance:
            within = dataset if level > 0 else None
            return random_choice(datasets, within, speaker if level > 1 and within is not None else None, context.check)

        self._session.submit("Choosing an utterance", choose, self._reveal, "slow", False)

    def _reveal(self, utterance: Utterance) -> None:
        """Select an utterance in all three lists, and use it when its list is loaded."""
        names = [dataset.name for dataset in self.datasets]
        self._wanted = utterance
        if self.dataset() is None or self.dataset().name != utterance.dataset:  # type: ignore[union-attr]
            self.columns[0].select(names.index(utterance.dataset))
        elif self.speaker() != utterance.speaker:
            self._show_speakers(self.columns[1].model.stringList())
        else:
            self._show_utterances(self._utterances)

    def listen(self) -> None:
        self.preview.play_or_stop()

    def add_to_map(self, whole: bool = False) -> None:
        """Put the selected utterances, or all of the speaker, on the voice map."""
        utterances, session = (self._utterances if whole else self.selected())[:MAX_UTTERANCES], self._session
        files = session.models_in_use()
        if not utterances or files is None:
            return
        models = session.models

        def embed(context: JobContext) -> int:
            space = models.encoder(context, files).embedding_space
            for number, one in enumerate(utterances):
                context.check()
                context.progress("Analysing", number, len(utterances))
                embedding = jobs.embed(context, models, files, one)
                context.chunk((embedding, f"{one.dataset} {one.speaker}", one.name, space))
            return len(utterances)

        job = session.submit("Adding to the map", embed)
        job.chunk.connect(lambda point: session.point_added.emit(*point))

    def remember(self) -> None:
        self._session.preferences.set("auto_next", self.auto_next.isChecked())
