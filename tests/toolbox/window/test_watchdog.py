"""Stalls are measured without waits for a processor."""

from types import SimpleNamespace

import pytest

from toolbox.window import watchdog as module
from toolbox.window.watchdog import Watchdog, processor_waits, waited


@pytest.fixture
def clock(monkeypatch):
    """A clock that the test sets, and no waits for a processor."""
    made = SimpleNamespace(now=100.0)
    made.perf_counter = lambda: made.now
    monkeypatch.setattr(module, "time", made)
    monkeypatch.setattr(module, "processor_waits", dict)
    return made


def test_a_stall_is_recorded_and_reported(qtbot, clock):
    reported: list[object] = []
    watchdog = Watchdog(0.05, reported.append)
    clock.now += 0.03
    watchdog.check()
    assert watchdog.stalls == []
    clock.now += 0.21
    watchdog.check()
    (stall,) = watchdog.stalls
    assert reported == [stall] and stall.seconds == stall.own_seconds == pytest.approx(0.2)
    watchdog.reset()
    assert watchdog.stalls == []


def test_waits_for_a_processor_are_subtracted(qtbot, clock, monkeypatch):
    waits = iter([{0: 0.0}, {0: 0.15}])
    monkeypatch.setattr(module, "processor_waits", lambda: next(waits))
    watchdog = Watchdog(0.02)
    clock.now += 0.21
    watchdog.check()
    assert watchdog.stalls[0].own_seconds == pytest.approx(0.05)


def test_the_wait_of_the_gui_thread_and_the_longest_other_one_count():
    before, after = {0: 1.0, 5: 2.0, 6: 0.0}, {0: 1.5, 5: 2.25, 6: 0.125, 7: 0.0625}
    assert waited(before, after) == 0.75
    assert waited({}, {}) == 0.0


def test_systems_that_do_not_count_waits_report_none(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "TASKS", tmp_path / "none")
    assert processor_waits() == {}
