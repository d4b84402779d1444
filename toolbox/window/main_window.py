"""The window: one page with three steps, further pages for who wants more, and a foot that tells what is being done."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PyQt5.QtCore import Qt, pyqtSignal
from PyQt5.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PyQt5.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QMessageBox,
    QPushButton,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from speech.errors import SpeechError, one_line
from toolbox.panels.activity import ActivityBar
from toolbox.panels.dataset_browser import DatasetBrowser
from toolbox.panels.history import History
from toolbox.panels.library import LibraryPanel
from toolbox.panels.log_panel import LogPanel
from toolbox.panels.map_panel import MapPanel
from toolbox.panels.messages import MessageBar
from toolbox.panels.mixer_dialog import MixerDialog
from toolbox.panels.models_panel import ModelsPanel
from toolbox.panels.questions import RESULTS, SOUNDS, TEXTS, NameDialog, ask_for_files
from toolbox.panels.recorder_dialog import RecorderDialog
from toolbox.panels.result_view import ResultView
from toolbox.panels.settings_panel import SettingsPanel
from toolbox.panels.text_card import TextCard
from toolbox.panels.voice_card import VoiceCard
from toolbox.state.requests import Orders
from toolbox.state.session import Session
from toolbox.storage.datasets import sound_files
from toolbox.window import style
from toolbox.window.layout_memory import remember_layout, restore_layout
from toolbox.window.menus import fill_menus
from toolbox.window.widgets import paint_icon

TITLE = "Voice cloning toolbox"
LEAST_SIZE = (1024, 640)
FIRST_SIZE = (1366, 740)
MOST_DROPPED = 20  # recordings at once; a folder with more is a dataset


class MainWindow(QMainWindow):
    """Puts the panels together.

    Args:
        folders: with datasets, to be looked into.
        dark_system: whether the desktop's colours are dark.

    Signals:
        closed: the person is done.
    """

    closed = pyqtSignal()

    def __init__(self, session: Session, folders: list[Path] | None = None, dark_system: bool = False) -> None:
        super().__init__()
        self.session = session
        self._dark_system = dark_system
        self._closing = False
        self.setWindowTitle(TITLE)
        self.setMinimumSize(*LEAST_SIZE)
        self.setAcceptDrops(True)
        self.orders = Orders(session, self)
        self.messages = MessageBar()
        self.activity = ActivityBar("Starting")
        self.log = LogPanel(session)
        self.voice_card = VoiceCard(session, self.ask_for_recordings, self.record, self.mix, self.keep_voice)
        self.text_card = TextCard(session, self.orders, self.ask_for_text_file)
        self.result_view = ResultView(session, self.orders, self.ask_to_export, self.text_card.speak)
        self.history = History(session, self.orders)
        self.library = LibraryPanel(session, self.show_first_page)
        self.datasets = DatasetBrowser(session, folders or [], self.show_first_page)
        self.map = MapPanel(session)
        self.models = ModelsPanel(session)
        self.settings = SettingsPanel(session, self.restyle)
        self.recorder = RecorderDialog(session, self)
        self.mixer: MixerDialog | None = None
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        self._lay_out()
        self._connect()
        fill_menus(self)
        self._order_tabs()
        self.resize(*FIRST_SIZE)
        restore_layout(session.preferences, self, self._splitters(), self.tabs)

    # --- how it is put together

    def _lay_out(self) -> None:
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.voice_card)
        column.addWidget(self.text_card, 1)
        self.columns = QSplitter(Qt.Horizontal)
        self.columns.setChildrenCollapsible(False)
        self.columns.setHandleWidth(8)
        for part, share in ((left, 4), (self.result_view, 6), (self.history, 3)):
            self.columns.addWidget(part)
            self.columns.setStretchFactor(self.columns.count() - 1, share)
        first = QWidget()
        line = QHBoxLayout(first)
        line.setContentsMargins(0, 8, 0, 0)
        line.addWidget(self.columns)
        self.pages = {
            "Speak": first, "Voices": self.library, "Datasets": self.datasets, "Map": self.map, "Models": self.models,
            "Settings": self.settings, "Log": self.log,
        }  # fmt: skip
        for name, page in self.pages.items():
            self.tabs.addTab(page, name)
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(10, 4, 10, 2)
        column.setSpacing(4)
        column.addWidget(self.messages)
        column.addWidget(self.tabs, 1)
        column.addWidget(self.activity)
        self.setCentralWidget(middle)

    def _connect(self) -> None:
        session = self.session
        session.trouble.connect(self.messages.show_error)
        session.note.connect(self.messages.show_note)
        session.job_submitted.connect(lambda job, _asked_for: self.activity.follow(job))
        session.models_changed.connect(self._tell_models)
        session.voices.changed.connect(self._tell_models)
        self.orders.idle_changed.connect(self._tell_models)

    def _order_tabs(self) -> None:
        """The three steps one after another with the Tab key."""
        voice, text, result, history = self.voice_card, self.text_card, self.result_view, self.history
        chain = [
            self.tabs.tabBar(), voice.box, voice.listen_button, voice.open_button, voice.record_button,
            voice.mix_button, voice.keep_button, text.text, text.trim, text.fixed, text.seed, text.speak_button,
            text.more_button, result.first_button, result.play_button, result.export_button, result.again_button,
            history.list, history.replay_button, history.delete_button, *history.set_buttons, history.compare_button,
            self.activity.cancel_button,
        ]  # fmt: skip
        for one, following in zip(chain[:-1], chain[1:], strict=True):
            QWidget.setTabOrder(one, following)
        text.speak_button.setFocus()

    def start(self, prepare: Callable[..., object] | None = None) -> None:
        """Begin to load, behind the window that is there already."""
        starting = self.session.start(prepare)
        starting.ended.connect(self._look_around)
        self.orders.refresh()
        if self.session.preferences.remark:
            self.session.tell(self.session.preferences.remark)

    def _look_around(self) -> None:
        """What can wait until the libraries are loaded."""
        if self._closing:
            return
        self.settings.find_devices()
        if self.datasets.folders:
            self.datasets.scan()

    # --- layout and looks

    def _splitters(self) -> dict[str, QSplitter]:
        return {
            "columns": self.columns, "pictures": self.result_view.splitter, "library": self.library.splitter,
            "datasets": self.datasets.splitter, "map": self.map.splitter,
        }  # fmt: skip

    def _remember(self) -> None:
        preferences = self.session.preferences
        self.text_card.remember()
        self.datasets.remember()
        remember_layout(preferences, self, self._splitters(), self.tabs)
        try:
            preferences.save()
        except SpeechError as error:
            self.session.logged.emit(f"error: {one_line(error)}")

    def restyle(self) -> None:
        """Take the colours and the size of text from the settings."""
        preferences = self.session.preferences
        theme = style.choose(preferences.get("theme", "auto"), self._dark_system)
        style.apply(QApplication.instance(), theme, preferences.get("text_points", style.TEXT_POINTS))
        for one in self.findChildren(QPushButton):
            paint_icon(one)
        self.voice_card.refresh()
        if self.orders.result is not None and not self.orders.busy:
            self.result_view.show_result()
        self.map.repaint_all()

    def grow_text(self, by: int) -> None:
        """Larger or smaller text; 0 for the usual size."""
        points = self.settings.points
        points.setValue(points.value() + by if by else style.TEXT_POINTS)

    def _tell_models(self, *_changed: object) -> None:
        about = self.session.about
        if not about:
            self.activity.set_idle_text("No models are loaded.")
            return
        named = ", ".join(text.replace(".safetensors", "") for text in about.values())
        self.activity.set_idle_text(f"Ready: {named}")

    # --- pages

    def show_page(self, name: str) -> None:
        self.tabs.setCurrentWidget(self.pages[name])

    def show_first_page(self) -> None:
        self.show_page("Speak")

    # --- what needs a question first

    def ask_for_recordings(self) -> None:
        ask_for_files(
            self, self.session.preferences, "Recordings of one voice", "open many",
            lambda paths: self.session.voices.use_clips(paths), SOUNDS,
        )  # fmt: skip

    def record(self) -> None:
        self.recorder.open_beside()

    def mix(self) -> None:
        if self.mixer is None:
            self.mixer = MixerDialog(self.session, self)
        self.mixer.show()
        self.mixer.raise_()

    def keep_voice(self) -> None:
        voices = self.session.voices
        chosen = voices.chosen
        if chosen is None or chosen.kind == "saved":
            return
        joins = "There is a voice of this name: these recordings will join it." if chosen.clips else ""
        dialog = NameDialog(self, "Keep this voice", voices.keep_chosen, (voices.saved_names, joins), "",
                            chosen.voice.consent)  # fmt: skip
        dialog.finished.connect(dialog.deleteLater)
        dialog.open()

    def ask_to_export(self) -> None:
        ask_for_files(
            self, self.session.preferences, "Export the sound", "save",
            lambda paths: self.orders.export(paths[0], overwrite=True), RESULTS, "result.wav",
        )  # fmt: skip

    def ask_for_text_file(self) -> None:
        ask_for_files(
            self, self.session.preferences, "A text file, one utterance a line", "open",
            lambda paths: self.ask_where_to(paths[0]), TEXTS,
        )  # fmt: skip

    def ask_where_to(self, text_file: Path) -> None:
        """A folder for the sounds of a text file."""
        ask_for_files(
            self, self.session.preferences, f"A folder for the sounds of {text_file.name}", "folder",
            lambda paths: self.orders.speak_file(text_file, paths[0], self.text_card.wish()),
        )  # fmt: skip

    def cancel(self) -> None:
        """Esc: silence, and an end to what was ordered."""
        self.session.stop_playing()
        self.orders.cancel()
        self.activity.cancel()

    # --- drag and drop

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.mimeData().hasUrls() and any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()
            self._show_drop(True)

    def dragLeaveEvent(self, event: object) -> None:
        self._show_drop(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._show_drop(False)
        self.take_files([Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()])
        event.acceptProposedAction()

    def take_files(self, paths: list[Path]) -> None:
        """What to do with files that were dropped: texts, models, recordings, folders of recordings."""
        texts = [path for path in paths if path.suffix.lower() == ".txt"]
        models = [path for path in paths if path.suffix.lower() == ".safetensors"]
        if texts:
            self.ask_where_to(texts[0])
        elif models:
            self.show_page("Models")
            self.models.add_file(models[0])
        elif paths:
            self.session.submit("Looking at what was dropped", lambda _context: sound_files(paths),
                                lambda found: self._take_sounds(paths, found), "slow")  # fmt: skip

    def _take_sounds(self, paths: list[Path], found: list[Path]) -> None:
        folders = [path for path in paths if path.is_dir()]
        if folders and len(found) > MOST_DROPPED:
            self.show_page("Datasets")
            self.datasets.add_folders(folders)
        elif self.tabs.currentWidget() is self.library and self.library.shown is not None:
            self.library.add_files(found)
        else:
            self.show_first_page()
            self.session.voices.use_clips(found)

    def _show_drop(self, over: bool) -> None:
        self.voice_card.setProperty("drop", "true" if over else "false")
        self.voice_card.style().unpolish(self.voice_card)
        self.voice_card.style().polish(self.voice_card)

    # --- help and the end

    def show_help(self) -> None:
        """The keys, in a window that does not stop this one."""
        from toolbox.window.menus import help_text

        box = QMessageBox(QMessageBox.NoIcon, "Keys", help_text(self), QMessageBox.Close, self)
        box.setAttribute(Qt.WA_DeleteOnClose)
        box.setModal(False)
        box.show()

    def closeEvent(self, event: QCloseEvent) -> None:
        """Gone at once; what still works is told to stop, and waited for out of sight."""
        if self._closing:
            event.accept()
            return
        self._closing = True
        self.hide()
        self.recorder.reject()
        self.session.stop_playing()
        self.session.cancel_all()
        self._remember()
        event.accept()
        self.closed.emit()
