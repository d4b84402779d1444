"""Standstills are seen, and waits for a processor are told apart."""

import time

from toolbox.window import watchdog as module
from toolbox.window.watchdog import Watchdog, deductible, waits_for_processor


def test_a_standstill_is_seen_and_told(qtbot):
    told: list[object] = []
    watchdog = Watchdog(0.05, told.append)
    watchdog.start()
    qtbot.wait(50)
    time.sleep(0.2)
    qtbot.wait(50)
    assert told and watchdog.longest.seconds > 0.15 and 0.1 < watchdog.longest.own_seconds <= watchdog.longest.seconds
    watchdog.reset()
    assert watchdog.stalls == []


def test_one_that_goes_on_is_seen_too(qtbot):
    watchdog = Watchdog(0.02)
    watchdog.start()
    time.sleep(0.15)
    assert watchdog.longest.own_seconds > 0.1
    watchdog.stop()


def test_the_gui_threads_wait_and_the_longest_other_one_are_deducted():
    before, after = {0: 1.0, 5: 2.0, 6: 0.0}, {0: 1.5, 5: 2.25, 6: 0.125, 7: 0.0625}
    assert deductible(before, after) == 0.75
    assert deductible({}, {}) == 0.0


def test_where_the_system_does_not_tell_nothing_is_deducted(monkeypatch, tmp_path):
    monkeypatch.setattr(module, "TASKS", tmp_path / "none")
    assert waits_for_processor() == {}
