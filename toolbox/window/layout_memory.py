"""Window geometry, splitter positions and the open page, stored as text in the preferences."""

from __future__ import annotations

import base64

from PyQt5.QtCore import QByteArray
from PyQt5.QtWidgets import QMainWindow, QSplitter, QTabWidget

from toolbox.storage.preferences import Preferences


def remember_layout(
    preferences: Preferences, window: QMainWindow, splitters: dict[str, QSplitter], tabs: QTabWidget
) -> None:
    preferences.set("geometry", _text(window.saveGeometry()))
    for name, splitter in splitters.items():
        preferences.set(f"splitter_{name}", _text(splitter.saveState()))
    preferences.set("page", tabs.currentIndex())


def restore_layout(
    preferences: Preferences, window: QMainWindow, splitters: dict[str, QSplitter], tabs: QTabWidget
) -> None:
    """Missing or incompatible values change nothing."""
    geometry = _bytes(preferences.get("geometry", ""))
    if geometry:
        window.restoreGeometry(geometry)
    for name, splitter in splitters.items():
        state = _bytes(preferences.get(f"splitter_{name}", ""))
        if state:
            splitter.restoreState(state)
    tabs.setCurrentIndex(min(preferences.get("page", 0), tabs.count() - 1))


def _text(data: QByteArray) -> str:
    return base64.b64encode(bytes(data)).decode("ascii")


def _bytes(text: str) -> QByteArray:
    return QByteArray.fromBase64(text.encode("ascii", "ignore"))
