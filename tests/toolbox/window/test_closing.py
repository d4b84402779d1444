"""Errors do not end the window, and closing it ends everything."""

import os
import signal
import sys
import threading

import pytest

from toolbox.application import close_on_interrupt, install_excepthook


def test_closing_while_busy_leaves_nothing_running(app, clips):
    window = app.open()
    window.text_card.text.setPlainText("A sentence that is being spoken.\n" * 30)
    window.text_card.speak()
    app.until(lambda: window.result_view.waveform.has_picture())
    app.voices.use_clips(clips)
    window.beside.record()
    window.close()
    assert not window.isVisible()
    assert app.session.close()
    assert not [one for one in threading.enumerate() if one.name.startswith("worker ")]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGINT")
def test_an_interrupt_in_the_terminal_closes_the_window(app):
    window = app.open()
    before = signal.getsignal(signal.SIGINT)
    try:
        close_on_interrupt(window)
        os.kill(os.getpid(), signal.SIGINT)
        app.until(lambda: not window.isVisible())
    finally:
        signal.signal(signal.SIGINT, before)
    assert (app.data / "toolbox.json").is_file()


def test_an_internal_error_is_shown_and_does_not_end_the_program(app, monkeypatch, capsys):
    window = app.open()
    monkeypatch.setattr(sys, "excepthook", sys.excepthook)
    install_excepthook(app.session)
    try:
        raise ZeroDivisionError("in a slot")
    except ZeroDivisionError:
        sys.excepthook(*sys.exc_info())
    assert "bug" in app.errors[-1] and "ZeroDivisionError: in a slot" in window.messages.details
    assert "ZeroDivisionError" in capsys.readouterr().err
    app.speak()


def test_a_failed_job_is_reported_and_the_next_one_works(app):
    app.open()

    def fail(_context):
        raise KeyError("models")

    def die(_context):
        raise SystemExit

    for work in (fail, die):
        app.errors.clear()
        app.session.submit("Trying", work)
        app.until(lambda: app.errors)
        app.settle()
    app.speak()


def test_damaged_settings_are_reported_and_the_window_opens(app):
    app.data.mkdir(parents=True)
    (app.data / "toolbox.json").write_text("{")
    app.open()
    assert any("settings" in sentence for sentence, _ in app.notices)


@pytest.mark.parametrize(
    "settings", [{"geometry": "%%%", "splitter_columns": "AAAA", "page": 99, "voice_key": "gone.flac"}]
)
def test_incompatible_settings_are_ignored(app, settings):
    import json

    app.data.mkdir(parents=True)
    (app.data / "toolbox.json").write_text(json.dumps({"format": 1, "settings": settings}))
    window = app.open(wait=False)
    app.settle()
    assert window.isVisible()
