"""Zoom, selection and seeking by mouse and keyboard."""

import numpy as np
import pytest
from PyQt5.QtCore import QEvent, QPoint, QPointF, Qt
from PyQt5.QtGui import QMouseEvent, QWheelEvent
from PyQt5.QtWidgets import QApplication, QToolButton

from tests.toolbox.widgets.pictures import pixels
from toolbox.widgets.heat_map import HeatMap
from toolbox.widgets.time_canvas import round_step
from toolbox.widgets.waveform import Waveform

SECONDS = 4.0


@pytest.fixture
def canvas(show):
    made = show(Waveform("Audio"), 600, 120)
    made.show_audio(np.sin(np.arange(64_000) / 7).astype(np.float32), 16_000)
    return made


def point(canvas, seconds) -> QPoint:
    return QPoint(round(canvas.x_of(seconds)), 60)


def drag(qtbot, canvas, start, end) -> None:
    qtbot.mousePress(canvas, Qt.LeftButton, pos=point(canvas, start))
    for seconds in np.linspace(start, end, 5):
        QApplication.sendEvent(canvas, QMouseEvent(
            QEvent.MouseMove, QPointF(point(canvas, seconds)), Qt.NoButton, Qt.LeftButton, Qt.NoModifier
        ))  # fmt: skip
    qtbot.mouseRelease(canvas, Qt.LeftButton, pos=point(canvas, end))


def wheel(canvas, position, steps, modifiers=Qt.NoModifier) -> bool:
    """Returns: whether the canvas used the event."""
    event = QWheelEvent(
        QPointF(position), QPointF(canvas.mapToGlobal(position)), QPoint(), QPoint(0, 120 * steps), Qt.NoButton,
        modifiers, Qt.NoScrollPhase, False,
    )  # fmt: skip
    QApplication.sendEvent(canvas, event)
    return event.isAccepted()


def test_a_click_seeks_and_the_playhead_is_drawn(canvas, qtbot):
    before = pixels(canvas)
    canvas.set_playhead(1.0)
    assert not np.array_equal(before, pixels(canvas))
    with qtbot.waitSignal(canvas.sought) as sought:
        qtbot.mouseClick(canvas, Qt.LeftButton, pos=canvas.plot().center().toPoint())
    assert sought.args[0] == pytest.approx(SECONDS / 2, abs=0.02) and canvas.axis.selection is None


def test_a_drag_selects_and_a_click_clears(canvas, qtbot):
    sought: list[float] = []
    canvas.sought.connect(sought.append)
    plain = pixels(canvas)
    drag(qtbot, canvas, 3.0, 1.0)
    assert canvas.axis.selection == pytest.approx((1.0, 3.0), abs=0.02) and sought == []
    changed = (pixels(canvas) != plain)[5:35].mean(axis=0)
    at = [round(canvas.x_of(seconds)) // 2 for seconds in (0.2, 0.8, 1.2, 2.8, 3.2, 3.8)]
    assert changed[at[2] : at[3]].min() > 0.5, "the selected part is marked"
    assert changed[at[0] : at[1]].max() == changed[at[4] : at[5]].max() == 0, "and nothing else"
    drag(qtbot, canvas, 1.0, 0.5)
    assert canvas.axis.selection == pytest.approx((0.5, 3.0), abs=0.02), "an end of the selection is moved"
    qtbot.mouseClick(canvas, Qt.LeftButton, Qt.ShiftModifier, point(canvas, 2.0))
    assert canvas.axis.selection == pytest.approx((0.5, 2.0), abs=0.02), "Shift and a click select from the cursor"
    qtbot.mouseClick(canvas, Qt.LeftButton, pos=point(canvas, 1.0))
    assert canvas.axis.selection is None and sought == pytest.approx([1.0], abs=0.02)


def test_the_wheel_zooms_around_the_mouse_and_scrolls_with_shift(canvas):
    axis, mouse = canvas.axis, point(canvas, 3.0)
    under = canvas.time_at(mouse.x())
    assert not wheel(canvas, mouse, -1), "all is visible already: the page scrolls"
    assert wheel(canvas, mouse, 4)
    assert axis.end - axis.start == pytest.approx(SECONDS / 1.25**4)
    assert canvas.time_at(mouse.x()) == pytest.approx(under)
    start = axis.start
    assert wheel(canvas, mouse, 1, Qt.ShiftModifier)
    assert axis.start == pytest.approx(start - 0.1 * (axis.end - axis.start))
    assert wheel(canvas, mouse, -9) and axis.is_whole()


def test_the_buttons_zoom(canvas, qtbot):
    buttons = {one.accessibleName(): one for one in canvas.buttons.findChildren(QToolButton)}
    assert list(buttons) == ["Zoom in", "Zoom out", "Show all"] and all(one.toolTip() for one in buttons.values())
    assert canvas.rect().contains(canvas.buttons.geometry())
    for name, span in (("Zoom in", 3.2), ("Zoom in", 2.56), ("Zoom out", 3.2), ("Show all", 4.0)):
        qtbot.mouseClick(buttons[name], Qt.LeftButton)
        assert canvas.axis.end - canvas.axis.start == pytest.approx(span)


def test_the_keyboard_zooms_selects_and_plays(canvas, qtbot):
    axis, pressed = canvas.axis, []
    canvas.play_pressed.connect(lambda: pressed.append(axis.cursor))
    canvas.setFocus()
    for _ in range(10):
        qtbot.keyClick(canvas, Qt.Key_Right, Qt.ControlModifier)
    assert axis.cursor == pytest.approx(4.0)
    qtbot.keyClick(canvas, Qt.Key_Home)
    qtbot.keyClick(canvas, Qt.Key_Right, Qt.ControlModifier)
    for _ in range(5):
        qtbot.keyClick(canvas, Qt.Key_Right, Qt.ShiftModifier)
    assert axis.selection == pytest.approx((0.4, 0.6))
    qtbot.keyClick(canvas, Qt.Key_Plus)
    assert axis.end - axis.start == pytest.approx(3.2)
    qtbot.keyClick(canvas, Qt.Key_Minus)
    qtbot.keyClick(canvas, Qt.Key_Equal)
    qtbot.keyClick(canvas, Qt.Key_0)
    assert axis.is_whole()
    qtbot.keyClick(canvas, Qt.Key_A, Qt.ControlModifier)
    assert axis.selection == (0.0, SECONDS)
    qtbot.keyClick(canvas, Qt.Key_Space)
    assert pressed == pytest.approx([0.6])


def test_pictures_of_the_same_audio_share_the_axis(show, canvas):
    mel = show(HeatMap("Mel", "mel", axis=canvas.axis), 600, 120)
    mel.show_values(np.repeat([[-4.0, 4.0]], 50, axis=1), SECONDS, (-4, 4))
    first = pixels(mel)
    wheel(canvas, point(canvas, 1.0), 6)
    assert mel.time_at(300) == pytest.approx(canvas.time_at(300)) and not np.array_equal(first, pixels(mel))
    canvas.axis.select(0.9, 1.1)
    assert np.abs(pixels(mel) - first).mean() > 1


def test_an_empty_canvas_ignores_mouse_and_keys(show, qtbot):
    canvas = show(Waveform("Audio"))
    canvas.sought.connect(lambda _seconds: pytest.fail("there is no audio"))
    canvas.play_pressed.connect(lambda: pytest.fail("there is no audio"))
    qtbot.mouseClick(canvas, Qt.LeftButton, pos=QPoint(100, 60))
    for key in (Qt.Key_Space, Qt.Key_Plus, Qt.Key_End):
        qtbot.keyClick(canvas, key)
    assert not wheel(canvas, QPoint(100, 60), 3) and canvas.axis.is_whole() and not canvas.buttons.isVisible()


@pytest.mark.parametrize(
    ("span", "limit", "step"), [(3.6, 5, 1.0), (0.06, 6, 0.01), (0.02, 4, 0.005), (600, 7, 100), (10.0, 2, 5.0)]
)
def test_the_labels_of_the_axis_have_round_steps(span, limit, step):
    assert round_step(span, limit) == pytest.approx(step)
