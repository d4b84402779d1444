"""The three lists of the page Datasets: datasets, speakers, and utterances with their text and length."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from PyQt5.QtCore import (
    QAbstractTableModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QSize,
    QStringListModel,
    Qt,
    QTimer,
)
from PyQt5.QtWidgets import QAbstractItemView, QHeaderView, QTableView

from toolbox.state.session import Session
from toolbox.state.worker import Job, JobContext
from toolbox.storage.datasets import Utterance, seconds_of
from toolbox.widgets.parts import Card, ShortList, button, clock

NAME, TEXT, LENGTH = range(3)
HEADERS = ("Name", "Text", "Length")
BATCH = 200  # lengths that are read at a time
COLLECT_MILLISECONDS = 20  # for which the visible rows are collected
NAME_SHARE = 0.4  # of the width, at most, that the names first get


class Column(Card):
    """A list with a button that chooses at random.

    Args:
        title: plural.
        view, model: of the list.
    """

    def __init__(self, title: str, random: Callable[[], object], view: QAbstractItemView) -> None:
        super().__init__(title)
        self.names = title
        self.view = view
        self.view.setAccessibleName(title)
        self.view.setEditTriggers(QAbstractItemView.NoEditTriggers)
        what = title.lower().removesuffix("s")
        tip = "Use a random utterance" if what == "utterance" else f"Use a random utterance of a random {what}"
        self.random_button = button("Random", tip, random)
        self.random_button.setAccessibleName(f"Random {what}")
        self.column.addWidget(self.view, 1)
        self.column.addWidget(self.random_button)

    def show_count(self, count: int) -> None:
        self.title.setText(f"{self.names} ({count:,})" if count else self.names)

    def current_row(self) -> int:
        return self.view.currentIndex().row()

    def select(self, row: int) -> None:
        index = self.view.model().index(row, 0)
        self.view.selectionModel().setCurrentIndex(index, QItemSelectionModel.ClearAndSelect | QItemSelectionModel.Rows)
        self.view.scrollTo(index)


class NameColumn(Column):
    """A list of names."""

    def __init__(self, title: str, random: Callable[[], object]) -> None:
        view = ShortList()
        super().__init__(title, random, view)
        self.model = QStringListModel()
        view.setModel(self.model)
        view.setUniformItemSizes(True)
        view.setTextElideMode(Qt.ElideMiddle)

    def show_names(self, names: list[str]) -> None:
        self.model.setStringList(names)
        self.show_count(len(names))


class UtteranceColumn(Column):
    """The utterances of a speaker."""

    def __init__(self, session: Session, random: Callable[[], object]) -> None:
        self.model = UtteranceModel(session)
        view = UtteranceTable(self.model)
        super().__init__("Utterances", random, view)
        self._table = view

    def show_utterances(self, utterances: Sequence[Utterance]) -> None:
        self.model.show(utterances)
        self._table.fit_columns()
        self.show_count(len(utterances))

    def selected_rows(self) -> list[int]:
        return sorted(index.row() for index in self.view.selectionModel().selectedRows())


class UtteranceModel(QAbstractTableModel):
    """Name, text and length of utterances. A length is read in the background when its row is shown.

    Attributes:
        lengths: seconds of the utterances that were read so far; 0 for unreadable ones.
    """

    def __init__(self, session: Session) -> None:
        super().__init__()
        self._session = session
        self._rows: Sequence[Utterance] = ()
        self._whole_names = False  # because several files in different folders have the same name
        self.lengths: dict[Utterance, float] = {}
        self._wanted: dict[Utterance, None] = {}  # ordered; the latest is the most likely to be visible
        self._job: Job | None = None
        self._timer = QTimer(self)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._read)

    def show(self, utterances: Sequence[Utterance]) -> None:
        self.beginResetModel()
        self._rows = utterances
        self._whole_names = len({Path(one.name).name for one in utterances}) < len(utterances)
        self._wanted.clear()
        self.endResetModel()

    def has_texts(self) -> bool:
        return any(one.text for one in self._rows)

    def rowCount(self, parent: QModelIndex | None = None) -> int:
        return 0 if parent is not None and parent.isValid() else len(self._rows)

    def columnCount(self, parent: QModelIndex | None = None) -> int:
        return len(HEADERS)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.DisplayRole) -> Any:
        if role == Qt.TextAlignmentRole:
            return int((Qt.AlignRight if section == LENGTH else Qt.AlignLeft) | Qt.AlignVCenter)
        return HEADERS[section] if role == Qt.DisplayRole and orientation == Qt.Horizontal else None

    def data(self, index: QModelIndex, role: int = Qt.DisplayRole) -> Any:
        if not 0 <= index.row() < len(self._rows):
            return None
        one, column = self._rows[index.row()], index.column()
        if role == Qt.TextAlignmentRole and column == LENGTH:
            return int(Qt.AlignRight | Qt.AlignVCenter)
        if role == Qt.ToolTipRole:
            return f"{one.name}\n{one.text}".strip()
        if role not in (Qt.DisplayRole, Qt.AccessibleTextRole):
            return None
        if column == LENGTH:
            return self._length(one)
        if column == TEXT:
            return one.text
        return one.name if self._whole_names else Path(one.name).name

    def _length(self, one: Utterance) -> str:
        seconds = self.lengths.get(one)
        if seconds is None:
            self._wanted.pop(one, None)
            self._wanted[one] = None
            if not self._timer.isActive():
                self._timer.start(COLLECT_MILLISECONDS)
            return ""
        if not seconds:
            return "unreadable"
        return f"{seconds:.1f} s" if seconds < 60 else clock(seconds)

    def _read(self) -> None:
        if self._job is not None or not self._wanted:
            return
        batch = list(self._wanted)[-BATCH:]
        self._wanted.clear()

        def read(context: JobContext) -> list[float]:
            return seconds_of(batch, context.check)

        self._job = self._session.submit("Reading the lengths", read, lambda found: self._add(batch, found), "slow",
                                         False)  # fmt: skip
        self._job.ended.connect(self._ended)

    def _add(self, batch: list[Utterance], seconds: list[float]) -> None:
        self.lengths.update(zip(batch, seconds, strict=True))
        if self._rows:
            self.dataChanged.emit(self.index(0, LENGTH), self.index(len(self._rows) - 1, LENGTH))

    def _ended(self) -> None:
        self._job = None
        if self._wanted:
            self._timer.start(COLLECT_MILLISECONDS)


class UtteranceTable(QTableView):
    """The rows have one height, so that thousands of them are shown at once."""

    def __init__(self, model: UtteranceModel) -> None:
        super().__init__()
        self._model = model
        self.setModel(model)
        self.setSelectionBehavior(QAbstractItemView.SelectRows)
        self.setSelectionMode(QAbstractItemView.ExtendedSelection)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarAlwaysOff)
        rows, columns = self.verticalHeader(), self.horizontalHeader()
        rows.hide()
        rows.setSectionResizeMode(QHeaderView.Fixed)
        columns.setHighlightSections(False)
        columns.setSectionResizeMode(QHeaderView.Interactive)
        self._fit_rows()

    def fit_columns(self) -> None:
        """Hide the texts if there are none; give the names what they need, but not most of the width."""
        columns, texts = self.horizontalHeader(), self._model.has_texts()
        self.setColumnHidden(TEXT, not texts)
        columns.setSectionResizeMode(NAME, QHeaderView.Interactive if texts else QHeaderView.Stretch)
        columns.setSectionResizeMode(TEXT, QHeaderView.Stretch)
        columns.setSectionResizeMode(LENGTH, QHeaderView.Fixed)
        columns.resizeSection(LENGTH, self.fontMetrics().horizontalAdvance("unreadable") + 16)
        if texts:
            columns.setResizeContentsPrecision(50)  # rows
            width = min(self.sizeHintForColumn(NAME) + 8, round(NAME_SHARE * self.viewport().width()))
            columns.resizeSection(NAME, max(width, columns.minimumSectionSize()))

    def sizeHint(self) -> QSize:
        return QSize(super().sizeHint().width(), 4 * self.verticalHeader().defaultSectionSize())

    def _fit_rows(self) -> None:
        self.verticalHeader().setDefaultSectionSize(self.fontMetrics().height() + 6)

    def changeEvent(self, event: QEvent) -> None:
        super().changeEvent(event)
        if event.type() in (QEvent.FontChange, QEvent.StyleChange):
            self._fit_rows()
            self.fit_columns()
