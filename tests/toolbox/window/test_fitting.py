"""The window fits small screens at any text size, and what does not fit can be scrolled to."""

import pytest
from PyQt5.QtCore import QPoint, QRect, QSize
from PyQt5.QtGui import QCursor
from PyQt5.QtWidgets import QApplication, QPushButton, QVBoxLayout, QWidget

from tests.toolbox.window.test_looks import cut, overlapping
from toolbox.widgets import style
from toolbox.widgets.scrolling import FlowLayout, ScrollColumn
from toolbox.window import main_window


def settle() -> None:
    """Let nested layouts exchange their sizes; each pass takes one round of events."""
    for _ in range(30):
        QApplication.processEvents()


@pytest.fixture
def sized(app):
    """Opens the window at a text size."""

    def open_at(points):
        window = app.open()
        app.session.preferences.set("text_points", points)
        window.restyle()
        app.qtbot.wait(5)
        return window

    yield open_at
    style.apply(QApplication.instance(), style.LIGHT)


@pytest.mark.parametrize("points", [8, 10, 14, 20])
def test_the_smallest_size_fits_a_small_screen_at_any_text_size(sized, points):
    window = sized(points)
    window.text_card.fold.set_open(True)
    window.result_view.pages.setCurrentIndex(1)
    app_size = window.minimumSizeHint().expandedTo(window.minimumSize())
    assert app_size.width() <= 1000 and app_size.height() <= 580, app_size


@pytest.mark.parametrize("points", [10, 14])
def test_no_text_is_cut_on_usual_screens(app, sized, points):
    window = sized(points)
    app.speak("Hello there.")
    for size in ((1008, 590), (1008, 650), (1264, 750), (1904, 1030)):
        for opened in (False, True):
            window.text_card.fold.set_open(opened)
            window.resize(*size)
            for name in window.pages:
                window.show_page(name)
                settle()
                assert cut(window) == [], f"{name} at {size}, {points} pt"
                assert overlapping(window) == [], f"{name} at {size}, {points} pt"
                assert (window.width(), window.height()) == size, f"{name} needs more than {size}"


@pytest.mark.parametrize("points", [10, 14])
@pytest.mark.parametrize("opened", [False, True])
def test_the_important_controls_are_in_view(app, sized, points, opened):
    window = sized(points)
    app.speak("Hello there.")
    window.text_card.fold.set_open(opened)
    for height in (592, 650):
        window.resize(1008, height)
        window.show_page("Speak")
        settle()
        wanted = [window.text_card.speak_button, window.result_view.export_button]
        wanted += [window.history.compare_button] * (height == 650) + [window.voice_card.waveform] * (not opened)
        assert [one.accessibleName() for one in wanted if not in_view(one)] == [], height
        window.show_page("Models")
        settle()
        assert in_view(window.models.load_button)


def in_view(one):
    return one.visibleRegion().boundingRect() == QRect(0, 0, one.width(), one.height())


@pytest.mark.parametrize("width", [1008, 1264, 1300])
def test_a_column_does_not_keep_a_scroll_bar_that_it_no_longer_needs(app, width):
    window = app.open()
    window.resize(width, 750)
    settle()
    column = window.voice_card.parentWidget().parentWidget()
    for lines in (8, 1, 8, 1):
        window.voice_card.about.setText("\n".join(["A line."] * lines))
        settle()
        assert not column.verticalScrollBar().isVisible(), f"{lines} lines"
        assert column.height() >= window.voice_card.heightForWidth(column.viewport().width())


@pytest.mark.parametrize("screen", [(1024, 640), (1280, 800), (1920, 1080)])
def test_the_first_window_fits_the_screen(app, monkeypatch, screen):
    monkeypatch.setattr(main_window, "free_screen", lambda _window: QRect(0, 0, *screen))
    window = main_window.MainWindow
    app.open()
    made = window(app.session)
    width, height = main_window.FRAME
    assert made.width() + width <= screen[0] and made.height() + height <= screen[1]
    made.resize(3000, 2000)
    made._remember()
    again = window(app.session)
    assert again.width() + width <= screen[0] and again.height() + height <= screen[1], "a remembered size as well"
    made.deleteLater()
    again.deleteLater()


def test_a_message_moves_nothing_and_does_not_appear_under_the_mouse(app, monkeypatch):
    window = app.open()
    button = window.text_card.speak_button
    before = button.mapTo(window, QPoint(0, 0)), button.size()
    app.session.error.emit("Something is wrong, and this sentence says what to do about it. " * 3, "details")
    QApplication.processEvents()
    message = window.messages
    assert message.isVisible() and (button.mapTo(window, QPoint(0, 0)), button.size()) == before
    assert window.rect().contains(message.geometry()) and cut(message) == []
    for point in (message.geometry().center(), message.geometry().topLeft() + QPoint(3, 3)):
        mouse = window.mapToGlobal(point)
        monkeypatch.setattr(QCursor, "pos", lambda mouse=mouse: mouse)
        app.session.notify("Something else.", "&Undo", lambda: None)
        assert not message.geometry().contains(point) and window.rect().contains(message.geometry())
    window.resize(900, 600)
    QApplication.processEvents()
    assert window.rect().contains(message.geometry())


def test_buttons_wrap_into_lines(qtbot):
    whole = QWidget()
    qtbot.addWidget(whole)
    buttons = [QPushButton("A button") for _ in range(4)]
    for one in buttons:
        one.setFixedSize(100, 30)
    layout = FlowLayout(*buttons, spacing=10)
    whole.setLayout(layout)
    assert layout.sizeHint() == QSize(430, 30) and layout.heightForWidth(430) == 30
    assert layout.heightForWidth(429) == layout.heightForWidth(210) == 70 and layout.heightForWidth(50) == 150
    layout.setGeometry(QRect(0, 0, 210, 70))
    assert [(one.x(), one.y()) for one in buttons] == [(0, 0), (110, 0), (0, 40), (110, 40)]
    buttons[0].setParent(None)
    assert layout.count() == 3


def test_a_scroll_bar_that_is_needed_only_beside_itself_stays_hidden(qtbot):
    content = QWidget()
    buttons = [QPushButton("A button") for _ in range(4)]
    for one in buttons:
        one.setFixedSize(100, 30)
    column = QVBoxLayout(content)
    column.setContentsMargins(0, 0, 0, 0)
    column.addLayout(FlowLayout(*buttons, spacing=10))
    column.addStretch(1)
    area = ScrollColumn(content, min_height=20)
    qtbot.addWidget(area)
    area.show()
    for size, visible in (((432, 40), False), ((426, 40), True), ((432, 40), False), ((432, 28), True)):
        area.resize(*size)
        settle()
        assert area.verticalScrollBar().isVisible() == visible, size
