"""Clone, hear, cancel, export, compare, keep: the page with the three steps."""

import errno
import json
import os
import time

import numpy as np
import pytest
from PyQt5.QtCore import Qt
from PyQt5.QtWidgets import QFileDialog

from speech.audio import read_audio
from tests.toolbox.fakes import never_stands_still
from toolbox.state.voice_choice import FIRST_SAMPLE
from toolbox.storage import results


@never_stands_still
def test_a_sample_voice_is_ready_and_one_click_makes_a_sound(house):
    window = house.open()
    assert window.voice_card.box.currentData() == ("sample", FIRST_SAMPLE)
    assert window.result_view.pages.currentIndex() == 0 and window.text_card.text.toPlainText()
    house.qtbot.mouseClick(window.result_view.first_button, Qt.LeftButton)
    house.until(lambda: house.orders.result is not None)
    house.until(lambda: not house.session.player.playing)
    view = window.result_view
    assert view.pages.currentIndex() == 1 and view.mel.has_picture() and view.alignment.has_picture()
    assert view.reference.has_picture() and view.waveform.has_picture()
    heard = np.concatenate(house.sound.played)
    assert len(heard[heard != 0]) > 8000, "it was played while it was made"
    assert house.orders.first_sound_after is not None and not house.troubles
    house.settle()
    assert window.history.model.rowCount() == 1 and house.orders.key


@never_stands_still
def test_an_order_that_comes_before_the_voice_waits_for_it(house):
    window = house.open(wait=False)
    house.qtbot.keyClick(window.text_card.text, Qt.Key_Return, Qt.ControlModifier)
    window.text_card.speak()
    assert house.orders.busy and window.text_card.speak_button.text() == "Stop"
    house.until(lambda: house.orders.result is not None)
    assert not house.troubles


@never_stands_still
def test_cancel_answers_within_a_tenth_of_a_second(house):
    window = house.open()
    window.text_card.text.setPlainText("This is a rather long sentence that takes a while.\n" * 20)
    window.text_card.speak_button.click()
    house.until(lambda: window.result_view.waveform.has_picture())
    assert house.session.player.playing
    waits = []
    started = time.perf_counter()
    house.orders.idle_changed.connect(lambda _idle: waits.append(time.perf_counter() - started))
    house.qtbot.keyClick(window, Qt.Key_Escape)
    house.until(lambda: waits)
    assert not house.session.player.playing and window.text_card.speak_button.text() == "Speak"
    assert waits[0] - house.watchdog.longest.seconds < 0.1
    house.settle()
    assert house.orders.result is None and window.result_view.pages.currentIndex() == 0
    assert window.activity.cancel_button.isEnabled() is False
    house.speak("And on.")
    assert not house.troubles


@never_stands_still
def test_synthesize_only_then_vocode_only(house):
    window = house.open()
    window.text_card.synthesize()
    house.until(lambda: house.orders.result is not None and not house.orders.busy)
    assert not len(house.orders.result.wav) and window.result_view.mel.has_picture()
    assert not window.result_view.play_button.isEnabled()
    window.result_view.play_or_stop()
    assert "no sound yet" in house.notes[-1][0]
    window.text_card.vocode()
    house.until(lambda: len(house.orders.result.wav))
    house.settle()
    assert window.result_view.play_button.isEnabled() and len(house.orders.entries) == 2


@never_stands_still
def test_a_result_is_exported(house, monkeypatch):
    window = house.open()
    house.speak()
    monkeypatch.setattr(QFileDialog, "open", lambda dialog: dialog.filesSelected.emit([str(house.data / "a.flac")]))
    window.ask_to_export()
    house.settle()
    assert "written to" in house.notes[-1][0] and window.messages.sentence == house.notes[-1][0]
    assert len(read_audio(house.data / "a.flac")) == len(house.orders.result.wav)


@never_stands_still
def test_a_full_disk_is_said_and_the_result_stays_on_show(house, monkeypatch):
    window = house.open()

    def full(path, *_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(results, "write_flushed", full)
        house.speak()
        assert "disk is full" in house.troubles[-1] and window.messages.isVisible()
        assert window.result_view.mel.has_picture() and house.orders.entries == [] and house.orders.key == ""
    window.messages.details_button.click()
    house.orders.export(house.data / "b.wav")
    house.settle()
    assert (house.data / "b.wav").is_file()


@never_stands_still
def test_results_are_replayed_compared_deleted_and_taken_back(house):
    window = house.open()
    for text in ("First.", "Second one."):
        house.speak(text)
    history = window.history
    house.session.stop_playing()
    history.list.setCurrentIndex(history.model.index(1))
    history.replay_button.click()
    house.until(lambda: house.session.playing == "result" and house.orders.result.text == "First.")
    for place in (0, 1):
        history.list.setCurrentIndex(history.model.index(place))
        history.set_buttons[place].click()
        house.settle()
    assert history.compare_button.isEnabled() and "Second" in history.names[0].whole_text()
    history.compare_button.click()
    assert house.session.playing == "comparison" and "heard now" in history.names[0].whole_text()
    history.compare_button.click()
    assert "heard now" in history.names[1].whole_text()
    house.session.stop_playing()
    history.delete_button.click()
    house.settle()
    assert history.model.rowCount() == 1
    house.notes[-1][1]()
    house.settle()
    assert history.model.rowCount() == 2


@never_stands_still
def test_the_settings_of_a_result_come_back_and_give_the_same_sound(house):
    window = house.open()
    window.text_card.fixed.setChecked(True)
    window.text_card.seed.setValue(77)
    house.speak("Once more.")
    first = house.orders.result
    window.text_card.fixed.setChecked(False)
    house.voices.choose("sample", "rms.flac")
    house.settle()
    window.text_card.text.setPlainText("Else.")
    window.result_view.again_button.click()
    house.settle()
    assert window.text_card.wish().seed == 77 and window.text_card.wish().text == "Once more."
    house.orders.speak(window.text_card.wish())
    house.until(lambda: house.orders.result is not first and not house.orders.busy)
    np.testing.assert_array_equal(house.orders.result.wav, first.wav)


@never_stands_still
def test_a_text_file_becomes_numbered_sounds(house):
    window = house.open()
    text = house.folder / "lines.txt"
    text.write_text("One.\n\nTwo.\n", encoding="utf-8")
    house.orders.speak_file(text, house.data / "out", window.text_card.wish())
    assert house.orders.busy
    house.until(lambda: not house.orders.busy)
    assert sorted(path.name for path in (house.data / "out").iterdir()) == ["001.wav", "002.wav", "manifest.json"]
    house.orders.speak_file(text, house.data / "out", window.text_card.wish())
    house.until(lambda: house.troubles)
    assert "exists already" in house.troubles[-1]


@never_stands_still
def test_nothing_to_say_is_said(house):
    window = house.open()
    for text in ("   \n", "...", "\n" * 3000):
        window.text_card.text.setPlainText(text)
        window.text_card.speak()
        house.settle()
    assert len(house.notes) + len(house.troubles) >= 3 and not house.orders.busy


@never_stands_still
def test_no_sound_device_is_said_once_and_all_else_goes_on(house):
    house.sound.devices = False
    window = house.open()
    assert "no sound device for output" in house.notes[0][0] and "exported" in house.notes[0][0]
    for text in ("One.", "Two."):
        house.speak(text)
        house.until(lambda: not house.session.playing)
    assert not house.troubles and len(house.orders.entries) == 2
    assert (
        not window.settings.output.isEnabled()
        and "still be opened from files" in window.settings.missing["input"].text()
    )


def test_what_was_set_is_there_again_after_a_restart(house):
    window = house.open()
    window.text_card.text.setPlainText("Remember me.")
    window.text_card.trim.setChecked(True)
    house.voices.choose("sample", "awb.flac")
    house.settle()
    window.resize(1100, 700)
    window.columns.setSizes([500, 400, 200])
    sizes = window.columns.sizes()
    window.show_page("Map")
    house.speak_count = len(house.orders.entries)
    house.close()
    kept = json.loads((house.data / "toolbox.json").read_text(encoding="utf-8"))["settings"]
    assert kept["text"] == "Remember me." and kept["voice_key"] == "awb.flac"
    preferences_only = house.open()
    preferences_only.show_page("Speak")
    assert (
        preferences_only.text_card.text.toPlainText() == "Remember me." and preferences_only.text_card.trim.isChecked()
    )
    assert house.voices.chosen.key == "awb.flac"
    assert preferences_only.columns.sizes() == pytest.approx(sizes, abs=200)
