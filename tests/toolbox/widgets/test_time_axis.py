"""The visible and the selected part of audio."""

import pytest

from toolbox.widgets.time_axis import MIN_VISIBLE, TimeAxis


@pytest.fixture
def axis():
    made = TimeAxis()
    made.reset(10.0)
    return made


def test_a_zoom_keeps_a_time_in_place(axis):
    axis.zoom(2, around=4.0)
    assert axis.end - axis.start == pytest.approx(10 / 1.25**2)
    assert (4.0 - axis.start) / (axis.end - axis.start) == pytest.approx(0.4)
    axis.zoom(-1, around=4.0)
    assert (4.0 - axis.start) / (axis.end - axis.start) == pytest.approx(0.4)
    axis.zoom(-50)
    assert (axis.start, axis.end) == (0.0, 10.0) and axis.is_whole()
    axis.zoom(100, around=10.0)
    assert axis.end == 10.0 and axis.end - axis.start == pytest.approx(MIN_VISIBLE)
    axis.show_all()
    assert axis.is_whole()


def test_scrolling_stays_within_the_audio(axis):
    axis.zoom(3, around=5.0)
    span = axis.end - axis.start
    axis.pan(0.1)
    assert axis.end - axis.start == pytest.approx(span)
    for spans, expected in ((100, (10 - span, 10.0)), (-100, (0.0, span))):
        axis.pan(spans)
        assert (axis.start, axis.end) == pytest.approx(expected)


def test_without_a_mouse_a_zoom_keeps_the_selection_or_the_cursor_in_place(axis):
    axis.set_cursor(8.0)
    axis.zoom(4)
    assert (8.0 - axis.start) / (axis.end - axis.start) == pytest.approx(0.8)
    axis.show_all()
    axis.select(1.0, 3.0)
    axis.zoom(4)
    assert (2.0 - axis.start) / (axis.end - axis.start) == pytest.approx(0.2)


def test_a_selection_is_ordered_within_the_audio_and_not_tiny(axis):
    heard = []
    axis.selection_changed.connect(lambda: heard.append(axis.selection))
    axis.select(5.0, 2.0)
    axis.select(-3.0, 20.0)
    axis.select(4.0, 4.001)
    axis.clear_selection()
    assert heard == [(2.0, 5.0), (0.0, 10.0), None]


def test_the_cursor_selects_its_way_and_stays_in_view(axis):
    axis.set_cursor(4.0)
    for seconds in (4.5, 5.0, 6.0):
        axis.set_cursor(seconds, select=True)
    assert axis.selection == (4.0, 6.0)
    axis.set_cursor(3.0, select=True)
    assert axis.selection == (3.0, 4.0), "the other end stays"
    axis.zoom(8, around=0.0)
    assert axis.end < 2.0
    axis.set_cursor(9.0)
    assert axis.start < 9.0 < axis.end and axis.cursor == 9.0
    axis.set_cursor(99.0)
    assert axis.cursor == 10.0


def test_growing_audio_stays_in_view_until_it_is_zoomed(axis):
    axis.set_length(12.0)
    assert axis.end == 12.0
    axis.zoom(5, around=0.0)
    end = axis.end
    axis.include(20.0)
    axis.include(15.0)
    assert axis.end == end and axis.seconds == 20.0
    axis.select(11.0, 19.0)
    axis.set_length(12.0)
    assert axis.selection == (11.0, 12.0)
    axis.reset(3.0)
    assert axis.is_whole() and axis.selection is None and axis.end == 3.0
