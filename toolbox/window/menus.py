"""The menus, and with them the keys: all that can be done is to be found here."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import QAction

from toolbox.window import style

if TYPE_CHECKING:
    from toolbox.window.main_window import MainWindow

Entry = tuple[str, str, Callable[[], object]]


def fill_menus(window: MainWindow) -> None:
    """Give the window its menus. Each entry: what it says, its keys, what it does; "" for a line between."""
    voice, text, orders, history = window.voice_card, window.text_card, window.orders, window.history
    menus: dict[str, list[Entry | None]] = {
        "&File": [
            ("&Open a recording...", "Ctrl+O", window.ask_for_recordings),
            ("&Record a voice...", "Ctrl+R", window.record),
            ("Add a &folder of recordings...", "Ctrl+Shift+O", window.datasets.ask_for_folder),
            None,
            ("&Text file to numbered sounds...", "Ctrl+T", window.ask_for_text_file),
            ("&Export the result...", "Ctrl+E", window.ask_to_export),
            None,
            ("&Quit", "Ctrl+Q", window.close),
        ],
        "&Voice": [
            ("&Listen to the reference", "Ctrl+L", voice.listen),
            ("&Keep this voice...", "Ctrl+K", window.keep_voice),
            ("&Mix voices...", "Ctrl+M", window.mix),
            None,
            ("Random &utterance of the datasets", "Ctrl+U", lambda: window.datasets.random(0)),
        ],
        "&Speak": [
            ("&Speak", "Ctrl+Return", text.speak),
            ("S&ynthesize only", "Ctrl+Shift+S", text.synthesize),
            ("&Vocode the mel that is shown", "Ctrl+Shift+V", text.vocode),
            None,
            ("&Play or stop", "Ctrl+P", window.result_view.play_or_stop),
            ("&Compare A and B", "Ctrl+B", history.compare),
            ("Use the result's se&ttings", "Ctrl+Shift+R", orders.restore_settings),
            None,
            ("&Cancel and be silent", "Esc", window.cancel),
        ],
        "&Window": [
            *(
                (f"&{number} {name}", f"Ctrl+{number}", lambda name=name: window.show_page(name))
                for number, name in enumerate(window.pages, start=1)
            ),
            None,
            ("&Larger text", "Ctrl++", lambda: window.grow_text(1)),
            ("S&maller text", "Ctrl+-", lambda: window.grow_text(-1)),
            ("&Usual text", "Ctrl+0", lambda: window.grow_text(0)),
            *(
                (f"Colours: {name}", "", lambda name=name: _set_theme(window, name))
                for name in style.THEMES
            ),
            None,
            ("&Dismiss the message", "Ctrl+W", window.messages.clear),
        ],
        "&Help": [("&Keys", "F1", window.show_help)],
    }  # fmt: skip
    bar = window.menuBar()
    for title, entries in menus.items():
        menu = bar.addMenu(title)
        for entry in entries:
            if entry is None:
                menu.addSeparator()
                continue
            name, keys, act = entry
            action = QAction(name, window)
            if keys:
                action.setShortcut(QKeySequence(keys))
            action.setShortcutContext(Qt.WindowShortcut)
            action.triggered.connect(lambda _checked=False, act=act: act())
            menu.addAction(action)


def _set_theme(window: MainWindow, name: str) -> None:
    box = window.settings.theme
    box.setCurrentIndex(box.findData(name))
    box.activated.emit(box.currentIndex())


def help_text(window: MainWindow) -> str:
    """The keys of all entries, as a table in rich text."""
    lines = []
    for action in window.findChildren(QAction):
        if not action.shortcut().isEmpty():
            keys = action.shortcut().toString(QKeySequence.NativeText)
            name = action.text().replace("&", "").rstrip(".")
            lines.append(f"<tr><td><b>{keys}</b>&nbsp;&nbsp;&nbsp;</td><td>{name}</td></tr>")
    return f"<table>{''.join(lines)}</table>"
