"""Nothing is cut or overlaps, and every control has a name: light and dark, small and large."""

import itertools

import pytest
from PyQt5.QtCore import QPoint, Qt
from PyQt5.QtWidgets import (
    QAbstractButton,
    QApplication,
    QCheckBox,
    QComboBox,
    QDialog,
    QLabel,
    QPushButton,
    QWidget,
)

from toolbox.widgets import style
from toolbox.widgets.parts import ElidedLabel
from toolbox.window.menus import shortcut_table


def visible(window, kind):
    return [one for one in window.findChildren(kind) if one.isVisible() and not one.visibleRegion().isEmpty()]


def cut(window) -> list[str]:
    """Texts that do not fit into their widget."""
    found = []
    for one in visible(window, QWidget):
        if isinstance(one, QPushButton | QCheckBox):
            fits = one.width() >= one.sizeHint().width() and one.height() >= one.minimumSizeHint().height()
        elif isinstance(one, QLabel) and not isinstance(one, ElidedLabel) and one.text():
            needed = one.heightForWidth(one.width()) if one.wordWrap() else one.sizeHint().height()
            fits = one.height() >= needed - 1 and (one.wordWrap() or one.width() >= one.sizeHint().width() - 1)
        else:
            continue
        if not fits:
            found.append(f"{type(one).__name__} {one.text()!r}: {one.size()} of {one.sizeHint()}")
    return found


def overlapping(window) -> list[str]:
    """Pairs of widgets that overlap."""
    leaves = [
        one for one in visible(window.centralWidget(), QWidget)
        if isinstance(one, QAbstractButton | QLabel | QComboBox) and type(one.parentWidget()).__name__ not in (
            "QComboBox", "QTabBar", "QSpinBox", "QTableView", "QTableWidget"
        )
    ]  # fmt: skip
    rectangles = [(one, one.visibleRegion().boundingRect().translated(one.mapTo(window, QPoint(0, 0))))
                  for one in leaves]  # fmt: skip
    return [
        f"{a.text() if hasattr(a, 'text') else a} over {b.text() if hasattr(b, 'text') else b}"
        for (a, one), (b, other) in itertools.combinations(rectangles, 2)
        if one.intersects(other) and not a.isAncestorOf(b) and not b.isAncestorOf(a)
    ]


def test_no_text_is_cut_and_nothing_overlaps(app):
    window = app.open()
    app.speak("Hello there.")
    app.session.error.emit("Something is wrong, and this sentence says what to do about it.", "details")
    for size, opened in (((1024, 640), False), ((1366, 700), True), ((2560, 1400), True)):
        window.text_card.fold.set_open(opened)
        window.resize(*size)
        for name in window.pages:
            window.show_page(name)
            QApplication.processEvents()
            QApplication.processEvents()
            assert cut(window) == [], f"{name} at {size}"
            assert overlapping(window) == [], f"{name} at {size}"
            assert window.width() == size[0], f"{name} needs more width"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_control_has_a_name_and_a_tooltip(app, theme):
    window = app.open(theme=theme)
    for one in window.findChildren(QAbstractButton):
        if isinstance(one, QPushButton | QCheckBox):
            assert one.text() or one is window.messages.offer_button, "a button needs a text"
            assert one.toolTip(), one.text()
    for box in window.findChildren(QComboBox):
        assert box.accessibleName(), box.parent()


def test_colours_and_text_size_change_at_once_and_are_remembered(app):
    window = app.open()
    app.speak()
    pictures = []
    for theme in ("dark", "light"):
        index = window.settings.theme.findData(theme)
        window.settings.theme.setCurrentIndex(index)
        window.settings.theme.activated.emit(index)
        assert style.current().dark == (theme == "dark") and app.session.preferences.get("theme", "") == theme
        app.qtbot.wait(5)
        pictures.append(window.grab().toImage().pixelColor(5, window.height() // 2).lightness())
        app.qtbot.wait(5)
    assert pictures[0] < 80 < 180 < pictures[1]
    before = QApplication.instance().font().pointSize()
    window.grow_text(2)
    app.qtbot.wait(5)
    assert QApplication.instance().font().pointSize() == before + 2
    window.grow_text(0)
    assert QApplication.instance().font().pointSize() == style.TEXT_POINTS


def test_the_tab_key_follows_the_three_steps(app):
    window = app.open()
    window.activateWindow()
    window.voice_card.box.setFocus()
    seen = []
    for _ in range(12):
        seen.append(QApplication.focusWidget())
        app.qtbot.keyClick(QApplication.focusWidget(), Qt.Key_Tab)
    wanted = [
        window.voice_card.box,
        window.voice_card.waveform,
        window.voice_card.open_button,
        window.text_card.text,
        window.text_card.speak_button,
    ]
    found = [seen.index(one) for one in wanted]
    assert found == sorted(found)


def test_shortcuts_open_the_pages_and_are_listed(app):
    window = app.open()
    window.beside.show_help()
    for number, name in enumerate(window.pages, start=1):
        app.qtbot.keyClick(window, getattr(Qt, f"Key_{number}"), Qt.ControlModifier)
        assert window.tabs.currentWidget() is window.pages[name]
    table = shortcut_table(window)
    for keys in ("Ctrl+Return", "Esc", "Ctrl+Z", "Ctrl+Shift+X", "Space", "Del", "+, -, 0"):
        assert f"<b>{keys}</b>" in table


@pytest.mark.parametrize("points", [10, 14, 20])
def test_the_windows_beside_the_main_window_fit_a_small_screen(app, points):
    window = app.open()
    app.session.preferences.set("text_points", points)
    window.restyle()
    window.resize(1008, 592)
    window.beside.record()
    window.beside.mix()
    window.beside.open_trash()
    window.beside.show_help()
    for _ in range(10):
        QApplication.processEvents()
    dialogs = [one for one in window.findChildren(QDialog) if one.isVisible()]
    assert len(dialogs) == 4
    for dialog in dialogs:
        assert dialog.width() <= 1008 and dialog.height() <= 592, dialog.windowTitle()
        assert cut(dialog) == [], dialog.windowTitle()
    style.apply(QApplication.instance(), style.LIGHT)


@pytest.mark.parametrize("theme", [style.LIGHT, style.DARK])
def test_text_has_enough_contrast(theme):
    """A contrast of at least 4.5 to 1, as WCAG 2.1 requires."""

    def luminance(colour: str) -> float:
        parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    on_card = [(ink, theme.card) for ink in (theme.text, theme.faint, theme.good, theme.warning, theme.error)]
    elsewhere = [(theme.text, theme.window), (theme.faint, theme.window), (theme.on_accent, theme.accent)]
    pairs = [*on_card, *elsewhere, (theme.text, theme.error_ground), (theme.text, theme.note_ground)]
    assert [pair for pair in pairs if contrast(*pair) < 4.5] == []
