"""Whatever happens, the window goes on; and when it is closed, it is gone."""

import os
import signal
import sys
import threading
import time

import pytest

from tests.toolbox.fakes import never_stands_still
from toolbox.application import close_on_interrupt, install_excepthook


@never_stands_still
def test_closing_while_busy_is_quick_and_leaves_nothing_running(house, clips):
    window = house.open()
    window.text_card.text.setPlainText("A sentence that is being said.\n" * 30)
    window.text_card.speak()
    house.until(lambda: window.result_view.waveform.has_picture())
    house.voices.use_clips(clips)
    window.record()
    started = time.perf_counter()
    window.close()
    assert not window.isVisible() and time.perf_counter() - started < 2
    assert house.session.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("worker ")]


@pytest.mark.skipif(sys.platform == "win32", reason="signals are sent otherwise there")
def test_an_interrupt_in_the_terminal_closes_the_window_in_good_order(house):
    window = house.open()
    before = signal.getsignal(signal.SIGINT)
    try:
        close_on_interrupt(window)
        os.kill(os.getpid(), signal.SIGINT)
        house.until(lambda: not window.isVisible())
    finally:
        signal.signal(signal.SIGINT, before)
    assert (house.data / "toolbox.json").is_file()


@never_stands_still
def test_a_defect_is_told_and_does_not_end_the_program(house, monkeypatch, capsys):
    window = house.open()
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    install_excepthook(house.session)
    try:
        raise ZeroDivisionError("of ours")
    except ZeroDivisionError:
        sys.excepthook(*sys.exc_info())
    assert "defect" in house.troubles[-1] and "ZeroDivisionError: of ours" in window.messages.details
    assert "ZeroDivisionError" in capsys.readouterr().err
    house.speak()


@never_stands_still
def test_a_job_that_fails_or_ends_its_thread_is_told_and_the_next_one_works(house):
    house.open()

    def fail(_context):
        raise KeyError("models")

    def die(_context):
        raise SystemExit

    for work in (fail, die):
        house.troubles.clear()
        house.session.submit("Trying", work)
        house.until(lambda: house.troubles)
        house.settle()
    house.speak()


def test_damaged_settings_are_said_and_the_window_opens(house):
    house.data.mkdir(parents=True)
    (house.data / "toolbox.json").write_text("{")
    house.open()
    assert any("settings" in sentence for sentence, _ in house.notes)


@pytest.mark.parametrize(
    "settings", [{"geometry": "%%%", "splitter_columns": "AAAA", "page": 99, "voice_key": "gone.flac"}]
)
def test_settings_of_another_version_do_no_harm(house, settings):
    import json

    house.data.mkdir(parents=True)
    (house.data / "toolbox.json").write_text(json.dumps({"format": 1, "settings": settings}))
    window = house.open(wait=False)
    house.settle()
    assert window.isVisible()
