"""Nothing is cut, nothing overlaps, all has a name; light and dark, small and large."""

import itertools

import pytest
from PyQt5.QtCore import QPoint, QRect, Qt
from PyQt5.QtWidgets import QAbstractButton, QApplication, QCheckBox, QComboBox, QLabel, QPushButton, QWidget

from tests.toolbox.fakes import never_stands_still
from toolbox.window import style
from toolbox.window.widgets import ElidedLabel


def visible(window, kind):
    return [one for one in window.findChildren(kind) if one.isVisible() and not one.visibleRegion().isEmpty()]


def cut(window) -> list[str]:
    """Words that do not fit into their place."""
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
    """Pairs of things on a page that lie over each other."""
    leaves = [
        one for one in visible(window.centralWidget(), QWidget)
        if isinstance(one, QAbstractButton | QLabel | QComboBox) and type(one.parentWidget()).__name__ not in (
            "QComboBox", "QTabBar", "QSpinBox", "QTableView", "QTableWidget"
        )
    ]  # fmt: skip
    places = [(one, QRect(one.mapTo(window, QPoint(0, 0)), one.size())) for one in leaves]
    return [
        f"{a.text() if hasattr(a, 'text') else a} over {b.text() if hasattr(b, 'text') else b}"
        for (a, one), (b, other) in itertools.combinations(places, 2)
        if one.intersects(other) and not a.isAncestorOf(b) and not b.isAncestorOf(a)
    ]


@never_stands_still
def test_no_page_cuts_a_word_or_lays_one_over_another(house):
    window = house.open()
    house.speak("Hello there.")
    house.session.trouble.emit("Something is wrong, and this sentence says what to do about it.", "details")
    for size in ((1366, 700), (2560, 1400)):
        window.resize(*size)
        for name in window.pages:
            window.show_page(name)
            QApplication.processEvents()
            QApplication.processEvents()
            assert cut(window) == [], f"{name} at {size}"
            assert overlapping(window) == [], f"{name} at {size}"
            assert window.width() == size[0], f"{name} needs more width"


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_control_has_a_name_and_a_tip(house, theme):
    window = house.open(theme=theme)
    for one in window.findChildren(QAbstractButton):
        if isinstance(one, QPushButton | QCheckBox):
            assert one.text() or one is window.messages.offer_button, "a picture alone tells nobody anything"
            assert one.toolTip(), one.text()
    for box in window.findChildren(QComboBox):
        assert box.accessibleName(), box.parent()


@never_stands_still
def test_colours_and_size_of_text_change_at_once_and_are_remembered(house):
    window = house.open()
    house.speak()
    pictures = []
    for theme in ("dark", "light"):
        place = window.settings.theme.findData(theme)
        window.settings.theme.setCurrentIndex(place)
        window.settings.theme.activated.emit(place)
        assert style.current().dark == (theme == "dark") and house.session.preferences.get("theme", "") == theme
        house.qtbot.wait(5)
        pictures.append(window.grab().toImage().pixelColor(5, window.height() // 2).lightness())
        house.qtbot.wait(5)
    assert pictures[0] < 80 < 180 < pictures[1]
    before = QApplication.instance().font().pointSize()
    window.grow_text(2)
    house.qtbot.wait(5)
    assert QApplication.instance().font().pointSize() == before + 2
    window.grow_text(0)
    assert QApplication.instance().font().pointSize() == style.TEXT_POINTS


def test_the_tab_key_goes_through_the_three_steps(house):
    window = house.open()
    window.activateWindow()
    window.voice_card.box.setFocus()
    seen = []
    for _ in range(12):
        seen.append(QApplication.focusWidget())
        house.qtbot.keyClick(QApplication.focusWidget(), Qt.Key_Tab)
    wanted = [
        window.voice_card.box,
        window.voice_card.open_button,
        window.text_card.text,
        window.text_card.speak_button,
    ]
    places = [seen.index(one) for one in wanted]
    assert places == sorted(places)


@never_stands_still
def test_the_keys_are_told_and_open_the_pages(house):
    window = house.open()
    window.show_help()
    for number, name in enumerate(window.pages, start=1):
        house.qtbot.keyClick(window, getattr(Qt, f"Key_{number}"), Qt.ControlModifier)
        assert window.tabs.currentWidget() is window.pages[name]
    from toolbox.window.menus import help_text

    assert "Ctrl+Return" in help_text(window) and "Esc" in help_text(window)


@pytest.mark.parametrize("theme", [style.LIGHT, style.DARK])
def test_text_is_readable_on_its_ground(theme):
    """Contrast of at least 4.5 to 1, as WCAG 2.1 asks for."""

    def luminance(colour: str) -> float:
        parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    def contrast(one: str, other: str) -> float:
        low, high = sorted((luminance(one), luminance(other)))
        return (high + 0.05) / (low + 0.05)

    on_card = [(ink, theme.card) for ink in (theme.text, theme.faint, theme.good, theme.warning, theme.error)]
    elsewhere = [(theme.text, theme.window), (theme.faint, theme.window), (theme.on_accent, theme.accent)]
    pairs = [*on_card, *elsewhere, (theme.text, theme.error_ground), (theme.text, theme.note_ground)]
    assert [pair for pair in pairs if contrast(*pair) < 4.5] == []
