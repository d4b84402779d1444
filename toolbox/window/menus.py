"""Menus and keyboard shortcuts of a window, built from a table."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from PyQt5.QtCore import Qt
from PyQt5.QtGui import QKeySequence
from PyQt5.QtWidgets import QAction, QMainWindow


@dataclass(frozen=True)
class MenuEntry:
    """An entry of a menu. Attributes: keys: its shortcut, "" for none."""

    name: str
    keys: str
    action: Callable[[], object]


OTHERS = (
    ("Space", "In a list or a waveform: play, pause or stop"),
    ("Return", "In a list: play the result, use the voice"),
    ("Del", "In a list: delete"),
    ("Left, Right, Home, End", "In a waveform: move the cursor; with Shift, select"),
    ("Ctrl+A", "In a waveform: select all"),
    ("+, -, 0", "In a waveform: zoom in, zoom out, show all"),
)  # keys that belong to no menu
Menus = Mapping[str, Sequence[MenuEntry | None]]  # by title; None is a separator


def fill_menus(window: QMainWindow, menus: Menus) -> None:
    """Add menus to the menu bar of a window."""
    for title, entries in menus.items():
        menu = window.menuBar().addMenu(title)
        for entry in entries:
            if entry is None:
                menu.addSeparator()
                continue
            action = QAction(entry.name, window)
            if entry.keys:
                action.setShortcut(QKeySequence(entry.keys))
            action.setShortcutContext(Qt.WindowShortcut)
            action.triggered.connect(lambda _checked=False, act=entry.action: act())
            menu.addAction(action)


def shortcut_table(window: QMainWindow) -> str:
    """All keys of a window, as a table in rich text: those of the menus, of lists and of waveforms."""
    menus = [
        (action.shortcut().toString(QKeySequence.NativeText), action.text().replace("&", "").rstrip("."))
        for action in window.findChildren(QAction)
        if not action.shortcut().isEmpty()
    ]
    lines = [f"<tr><td><b>{keys}</b>&nbsp;&nbsp;&nbsp;</td><td>{name}</td></tr>" for keys, name in (*menus, *OTHERS)]
    return f"<table>{''.join(lines)}</table>"
