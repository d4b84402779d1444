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
    """All shortcuts of a window, as a table in rich text."""
    lines = []
    for action in window.findChildren(QAction):
        if not action.shortcut().isEmpty():
            keys = action.shortcut().toString(QKeySequence.NativeText)
            name = action.text().replace("&", "").rstrip(".")
            lines.append(f"<tr><td><b>{keys}</b>&nbsp;&nbsp;&nbsp;</td><td>{name}</td></tr>")
    return f"<table>{''.join(lines)}</table>"
