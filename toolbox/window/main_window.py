"""The main window: one page with three steps, further pages, and a status bar with the progress of jobs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from PyQt5.QtCore import QRect, QSize, Qt, pyqtSignal
from PyQt5.QtGui import QCloseEvent, QDragEnterEvent, QDropEvent
from PyQt5.QtWidgets import (
    QApplication,
    QHBoxLayout,
    QMainWindow,
    QPushButton,
    QSplitter,
    QTabWidget,
    QVBoxLayout,
    QWidget,
)

from speech.errors import SpeechError, one_line
from toolbox.panels.activity import ActivityBar
from toolbox.panels.convert_page import ConvertPage
from toolbox.panels.dataset_browser import DatasetBrowser
from toolbox.panels.history import History
from toolbox.panels.library import LibraryPanel
from toolbox.panels.log_panel import LogPanel
from toolbox.panels.map_panel import MapPanel
from toolbox.panels.messages import MessageBar
from toolbox.panels.models_panel import ModelsPanel
from toolbox.panels.result_view import ResultView
from toolbox.panels.settings_panel import SettingsPanel
from toolbox.panels.text_card import TextCard
from toolbox.panels.voice_card import VoiceActions, VoiceCard
from toolbox.state.requests import Requests
from toolbox.state.session import Session
from toolbox.widgets import style
from toolbox.widgets.parts import paint_icon
from toolbox.widgets.scrolling import ScrollColumn, ScrollPage
from toolbox.widgets.time_canvas import TimeCanvas
from toolbox.window.dropped_files import DroppedFiles
from toolbox.window.file_actions import FileActions
from toolbox.window.layout_memory import remember_layout, restore_layout
from toolbox.window.menus import MenuEntry, Menus, fill_menus
from toolbox.window.side_windows import SideWindows

TITLE = "Voice cloning toolbox"
MIN_SIZE = (800, 480)
FIRST_SIZE = (1366, 740)
VOICE_PIXELS = 84  # least height of the voice card: its list stays in view
FRAME = (16, 48)  # pixels that the frame and the title bar of a window may need


def free_screen(window: QWidget) -> QRect:
    """The part of the window's screen without panels of the desktop."""
    screen = QApplication.screenAt(window.geometry().center()) or QApplication.primaryScreen()
    return screen.availableGeometry()


class MainWindow(QMainWindow):
    """Creates the panels and connects them.

    Args:
        folders: searched for datasets.
        dark_system: whether the desktop's colours are dark.

    Signals:
        closed: the user closed the window.
    """

    closed = pyqtSignal()

    def __init__(self, session: Session, folders: list[Path] | None = None, dark_system: bool = False) -> None:
        super().__init__()
        self.session = session
        self._dark_system = dark_system
        self._closing = False
        self.setWindowTitle(TITLE)
        self.setMinimumSize(*MIN_SIZE)
        self.setAcceptDrops(True)
        self.requests = Requests(session, self)
        self.file_actions = actions = FileActions(self, session, self.requests)
        self.beside = SideWindows(self, session, self.requests)
        self.messages = MessageBar(self)
        self.activity = ActivityBar("Starting")
        self.log = LogPanel(session)
        self.voice_card = VoiceCard(
            session, VoiceActions(actions.open_recordings, self.beside.record, self.beside.mix, actions.save_voice)
        )
        self.text_card = actions.text_card = TextCard(session, self.requests, actions.speak_text_file)
        self.result_view = ResultView(session, self.requests, actions.export, self.text_card.speak)
        self.convert = ConvertPage(session, self.text_card.request, self.beside.record_speech)
        self.history = History(session, self.requests)
        self.library = LibraryPanel(session, self.show_first_page)
        self.datasets = DatasetBrowser(session, folders or [], self.show_first_page)
        self.map = MapPanel(session)
        self.models = ModelsPanel(session)
        self.settings = SettingsPanel(session, self.restyle)
        self.dropped = DroppedFiles(
            session,
            self.show_page,
            actions,
            self.models,
            self.text_card.options,
            self.datasets,
            self.library,
            self.convert,
        )
        self.tabs = QTabWidget()
        self.tabs.setDocumentMode(True)
        self.tabs.tabBar().setDrawBase(False)
        self._lay_out()
        self._connect()
        fill_menus(self, self._menus())
        self._set_tab_order()
        self.resize(*FIRST_SIZE)
        restore_layout(session.preferences, self, self._splitters(), self.tabs)
        self._fit_screen()

    # --- construction

    def _lay_out(self) -> None:
        left = QWidget()
        column = QVBoxLayout(left)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(ScrollColumn(self.voice_card, VOICE_PIXELS))
        column.addWidget(self.text_card, 1)
        self.columns = QSplitter(Qt.Horizontal)
        self.columns.setChildrenCollapsible(False)
        self.columns.setHandleWidth(8)
        for part, stretch in ((left, 4), (ScrollColumn(self.result_view), 6), (ScrollColumn(self.history), 3)):
            self.columns.addWidget(part)
            self.columns.setStretchFactor(self.columns.count() - 1, stretch)
        first = QWidget()
        line = QHBoxLayout(first)
        line.setContentsMargins(0, 8, 0, 0)
        line.addWidget(self.columns)
        pages = {
            "Speak": first, "Convert": self.convert, "Voices": self.library, "Datasets": self.datasets, "Map": self.map,
            "Models": self.models, "Settings": self.settings, "Log": self.log,
        }  # fmt: skip
        self.pages = {name: ScrollPage(page) for name, page in pages.items()}
        for name, page in self.pages.items():
            self.tabs.addTab(page, name)
        middle = QWidget()
        column = QVBoxLayout(middle)
        column.setContentsMargins(10, 4, 10, 2)
        column.setSpacing(4)
        column.addWidget(self.tabs, 1)
        column.addWidget(self.activity)
        self.setCentralWidget(middle)

    def _fit_screen(self) -> None:
        """Shrink and move the window so that it fits the screen."""
        free = free_screen(self)
        self.resize(self.size().boundedTo(free.size() - QSize(*FRAME)))
        if not free.contains(self.frameGeometry()):
            self.move(free.topLeft())

    def _connect(self) -> None:
        session = self.session
        session.error.connect(self.messages.show_error)
        session.notice.connect(self.messages.show_notice)
        session.job_submitted.connect(lambda job, _by_user: self.activity.follow(job))
        session.models_changed.connect(self._show_models)
        session.voices.changed.connect(self._show_models)
        self.requests.idle_changed.connect(self._show_models)

    def _menus(self) -> Menus:
        voice, text, actions, beside = self.voice_card, self.text_card, self.file_actions, self.beside
        entry = MenuEntry
        pages = [entry(f"&{number} {name}", f"Ctrl+{number}", partial(self.show_page, name))
                 for number, name in enumerate(self.pages, start=1)]  # fmt: skip
        themes = [entry(f"Colours: {name}", "", partial(self.settings.choose_theme, name)) for name in style.THEMES]
        return {
            "&File": [
                entry("&Open recordings...", "Ctrl+O", actions.open_recordings),
                entry("&Record a voice...", "Ctrl+R", beside.record),
                entry("Add a &dataset folder...", "Ctrl+Shift+O", self.datasets.ask_for_folder),
                None,
                entry("Speak a &text file...", "Ctrl+T", actions.speak_text_file),
                entry("&Export the result...", "Ctrl+E", actions.export),
                None,
                entry("&Quit", "Ctrl+Q", self.close),
            ],
            "&Edit": [
                entry("&Undo", "Ctrl+Z", self.session.undo),
                entry("&Trash...", "Ctrl+Shift+T", beside.open_trash),
            ],
            "&Voice": [
                entry("&Listen to the reference", "Ctrl+L", voice.listen),
                entry("&Save this voice...", "Ctrl+K", actions.save_voice),
                entry("&Trim to the selected part", "Ctrl+Shift+X", voice.trim),
                entry("&Adapt to the recordings", "Ctrl+Shift+A", voice.adapt),
                entry("&Mix voices...", "Ctrl+M", beside.mix),
                None,
                entry("Random &utterance from the datasets", "Ctrl+U", lambda: self.datasets.random(0)),
            ],
            "&Speak": [
                entry("&Speak", "Ctrl+Return", text.speak),
                entry("S&ynthesize only", "Ctrl+Shift+S", text.synthesize),
                entry("&Vocode the mel spectrogram on display", "Ctrl+Shift+V", text.vocode),
                None,
                entry("&Play or stop the result", "Ctrl+P", self.result_view.play_or_stop),
                entry("&Compare A and B", "Ctrl+B", self.history.compare),
                entry("&Reuse the settings of the result", "Ctrl+Shift+R", self.requests.restore_settings),
                None,
                entry("C&ancel, stop playback, clear the selection", "Esc", self.cancel),
            ],
            "&Window": [
                *pages,
                None,
                entry("&Larger text", "Ctrl++", partial(self.grow_text, 1)),
                entry("S&maller text", "Ctrl+-", partial(self.grow_text, -1)),
                entry("&Default text size", "Ctrl+0", partial(self.grow_text, 0)),
                *themes,
                None,
                entry("D&ismiss the message", "Ctrl+W", self.messages.clear),
            ],
            "&Help": [entry("&Keyboard shortcuts", "F1", beside.show_help)],
        }

    def _set_tab_order(self) -> None:
        """The Tab key follows the three steps."""
        voice, text, result, history = self.voice_card, self.text_card, self.result_view, self.history
        options = text.options
        chain = [
            self.tabs.tabBar(), voice.box, voice.listen_button, voice.waveform, voice.open_button,
            voice.record_button, voice.mix_button, voice.save_button, voice.trim_button, voice.adapt_button, text.text,
            text.fold.button, *options.sliders.values(), options.lexicon_button, options.clear_button, options.trim,
            options.fixed, options.seed, text.speak_button, text.more_button, result.first_button, result.play_button,
            result.export_button, result.waveform, history.list, history.replay_button, history.delete_button,
            history.reuse_button, *history.set_buttons, history.compare_button, self.activity.cancel_button,
        ]  # fmt: skip
        for one, following in zip(chain[:-1], chain[1:], strict=True):
            QWidget.setTabOrder(one, following)
        text.speak_button.setFocus()

    def start(self, prepare: Callable[..., object] | None = None) -> None:
        """Load models and voice in the background of the visible window."""
        starting = self.session.start(prepare)
        starting.ended.connect(self._after_start)
        self.requests.refresh()
        self.map.load()
        if self.session.preferences.remark:
            self.session.notify(self.session.preferences.remark)

    def _after_start(self) -> None:
        """Work that must wait until the libraries are imported."""
        if self._closing:
            return
        self.settings.find_devices()
        self.text_card.options.check_lexicon()
        if self.datasets.folders:
            self.datasets.scan()

    # --- layout and style

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
        for save in (preferences.save, self.map.remember):
            try:
                save()
            except SpeechError as error:
                self.session.logged.emit(f"error: {one_line(error)}")

    def restyle(self) -> None:
        """Apply the colours and the text size of the preferences."""
        preferences = self.session.preferences
        theme = style.choose(preferences.get("theme", "auto"), self._dark_system)
        style.apply(QApplication.instance(), theme, preferences.get("text_points", style.TEXT_POINTS))
        for one in self.findChildren(QPushButton):
            paint_icon(one)
        self.voice_card.refresh()
        if self.requests.result is not None and not self.requests.busy:
            self.result_view.show_result()
        self.map.repaint_all()
        self.convert.refresh()

    def grow_text(self, by: int) -> None:
        """Change the text size by some points; 0 restores the default."""
        points = self.settings.points
        points.setValue(points.value() + by if by else style.TEXT_POINTS)

    def _show_models(self, *_changed: object) -> None:
        descriptions = self.session.descriptions
        if not descriptions:
            self.activity.set_idle_text("No models are loaded.")
            return
        named = [text.replace(".safetensors", "").replace(", ", " (") + ")" * (", " in text)
                 for text in descriptions.values()]  # fmt: skip
        self.activity.set_idle_text(f"Ready: {', '.join(named)}")

    # --- pages and actions

    def show_page(self, name: str) -> None:
        self.tabs.setCurrentWidget(self.pages[name])

    def show_first_page(self) -> None:
        self.show_page("Speak")

    def cancel(self) -> None:
        """Stop playback and cancel all jobs; if nothing is playing, also clear the selected parts of waveforms."""
        if not self.session.playing:
            for waveform in self.findChildren(TimeCanvas):
                waveform.axis.clear_selection()
        self.session.stop_playing()
        self.requests.cancel()
        self.convert.conversions.cancel()
        self.activity.cancel()

    # --- drag and drop

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        if event.source() is None and any(url.isLocalFile() for url in event.mimeData().urls()):
            event.acceptProposedAction()
            self._show_drop(True)

    def dragLeaveEvent(self, event: object) -> None:
        self._show_drop(False)

    def dropEvent(self, event: QDropEvent) -> None:
        self._show_drop(False)
        self.dropped.use([Path(url.toLocalFile()) for url in event.mimeData().urls() if url.isLocalFile()])
        event.acceptProposedAction()

    def _show_drop(self, over: bool) -> None:
        self.voice_card.setProperty("drop", "true" if over else "false")
        self.voice_card.style().unpolish(self.voice_card)
        self.voice_card.style().polish(self.voice_card)

    def closeEvent(self, event: QCloseEvent) -> None:
        """Hide at once; jobs are cancelled and end invisibly."""
        if self._closing:
            event.accept()
            return
        self._closing = True
        self.hide()
        self.beside.close_recorders()
        self.convert.conversions.cancel()
        self.session.stop_playing()
        self.requests.abandon()
        self.session.cancel_all()
        self._remember()
        event.accept()
        self.closed.emit()
