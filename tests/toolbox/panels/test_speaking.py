"""The page with the three steps: speak, cancel, export, compare, reuse settings."""

import errno
import json
import os
from pathlib import Path

import numpy as np
import pytest
from PyQt5.QtCore import QMimeData, Qt, QUrl
from PyQt5.QtWidgets import QFileDialog

from speech.audio import read_audio
from toolbox.state.voice_choice import FIRST_SAMPLE
from toolbox.storage import results


@pytest.fixture
def lexicon(app):
    path = app.folder / "words.csv"
    path.write_text("once,W AH1 N\n", encoding="utf-8")
    return path


def test_a_sample_is_ready_and_one_click_speaks(app):
    window = app.open()
    assert window.voice_card.box.currentData() == ("sample", FIRST_SAMPLE)
    assert window.result_view.pages.currentIndex() == 0 and window.text_card.text.toPlainText()
    app.qtbot.mouseClick(window.result_view.first_button, Qt.LeftButton)
    app.until(lambda: app.requests.result is not None)
    app.until(lambda: not app.session.player.playing)
    view = window.result_view
    assert view.pages.currentIndex() == 1 and view.mel.has_picture() and view.alignment.has_picture()
    assert view.reference.has_picture() and view.waveform.has_picture()
    played = np.concatenate(app.audio.played)
    assert len(played[played != 0]) > 8000, "played while it was generated"
    assert app.requests.first_audio_after is not None and not app.errors
    app.settle()
    assert window.history.model.rowCount() == 1 and app.requests.key


def test_a_request_before_the_voice_is_ready_waits_for_it(app):
    window = app.open(wait=False)
    app.qtbot.keyClick(window.text_card.text, Qt.Key_Return, Qt.ControlModifier)
    window.text_card.speak()
    assert app.requests.busy and window.text_card.speak_button.text() == "Stop"
    app.until(lambda: app.requests.result is not None)
    assert not app.errors


def test_cancel_stops_playback_and_keeps_what_was_spoken(app):
    window = app.open()
    window.text_card.text.setPlainText("This is a rather long sentence that takes a while.\n" * 20)
    window.text_card.speak_button.click()
    app.until(lambda: window.result_view.waveform.has_picture())
    assert app.session.player.playing
    app.qtbot.keyClick(window, Qt.Key_Escape)
    assert not app.session.player.playing
    app.until(lambda: window.text_card.speak_button.text() == "Speak")
    app.settle()
    result = app.requests.result
    assert window.result_view.pages.currentIndex() == 1 and window.result_view.play_button.isEnabled()
    assert result.seconds > 0 and len(result.lines) < 20 and "cancelled" in window.result_view.remarks.text()
    assert result.mel.shape[1] <= result.seconds * 80 + 1 and result.models["vocoder"]
    assert [entry.text for entry in app.requests.entries] == [result.text]
    assert window.activity.cancel_button.isEnabled() is False
    app.speak("And on.")
    assert not app.errors and len(app.requests.entries) == 2


def test_cancel_before_the_first_audio_restores_the_previous_display(app):
    window = app.open()
    app.speak("One.")
    before = app.requests.result
    window.text_card.text.setPlainText("Another sentence.")
    window.text_card.speak()
    window.cancel()
    app.settle()
    assert app.requests.result is before and window.result_view.waveform.has_picture()
    assert len(app.requests.entries) == 1


def test_a_result_shows_the_reference_that_it_was_made_from(app):
    window = app.open()
    view = window.result_view
    app.speak("One.")
    first = app.voices.chosen
    picture = view.reference._pixels.copy()
    assert "slt" in view.reference.name and view.reference.seconds == pytest.approx(first.mel.shape[1] / 80)
    app.voices.choose("sample", "rms.flac")
    app.settle()
    assert "slt" in view.reference.name, "of the result, not of the voice that is chosen now"
    app.speak("Two.")
    assert "rms" in view.reference.name and not np.array_equal(view.reference._pixels, picture)
    window.history.list.clicked.emit(window.history.model.index(1))
    app.settle()
    assert "slt" in view.reference.name and view.reference._pixels.shape == picture.shape
    assert np.abs(view.reference._pixels.astype(int) - picture).max() <= 1, "stored with 16 bits"
    view.reference.sought.emit(0.5)
    assert app.session.playing != "reference", "the recording of another voice is not played in its place"


def test_synthesize_only_then_vocode_only(app):
    window = app.open()
    window.text_card.synthesize()
    app.until(lambda: app.requests.result is not None and not app.requests.busy)
    assert not len(app.requests.result.wav) and window.result_view.mel.has_picture()
    assert not window.result_view.play_button.isEnabled()
    window.result_view.play_or_stop()
    assert "no audio yet" in app.notices[-1][0]
    window.text_card.vocode()
    app.until(lambda: len(app.requests.result.wav))
    app.settle()
    assert window.result_view.play_button.isEnabled() and len(app.requests.entries) == 2


def test_a_result_is_exported(app, monkeypatch):
    window = app.open()
    app.speak()
    monkeypatch.setattr(QFileDialog, "open", lambda dialog: dialog.filesSelected.emit([str(app.data / "a.flac")]))
    window.file_actions.export()
    app.settle()
    assert "written to" in app.notices[-1][0] and window.messages.sentence == app.notices[-1][0]
    assert len(read_audio(app.data / "a.flac")) == len(app.requests.result.wav)


def test_export_proposes_a_name_of_voice_and_text(app, monkeypatch):
    window = app.open()
    app.speak("Hello: what/is <this>? It is a long sentence.")
    asked: list[str] = []
    monkeypatch.setattr(QFileDialog, "open", lambda dialog: asked.extend(dialog.selectedFiles()))
    window.file_actions.export()
    assert [Path(path).name for path in asked] == ["slt - hello what is this it is a long sentence.wav"]


def test_a_dropped_text_file_goes_into_the_text_box(app, monkeypatch):
    window = app.open()
    before = window.text_card.text.toPlainText()
    notes, bad, long = (app.folder / name for name in ("notes.txt", "bad.txt", "long.txt"))
    notes.write_text("One line.\nÜber naïve façades.\n", encoding="utf-8")
    bad.write_bytes(b"\xff\xfe\x00\xd8\x00\xd8")
    long.write_text("A line.\n" * 5000, encoding="utf-8")
    window.show_page("Map")
    window.dropped.use([notes])
    app.settle()
    assert window.text_card.text.toPlainText() == notes.read_text(encoding="utf-8")
    assert window.tabs.currentWidget() is window.pages["Speak"] and "notes.txt" in app.notices[-1][0]
    window.text_card.text.undo()
    assert window.text_card.text.toPlainText() == before
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(notes))])
    data.setText(str(notes))
    assert not window.text_card.text.canInsertFromMimeData(data), "the path is not text to speak"
    asked: list[Path] = []
    monkeypatch.setattr(window.file_actions, "choose_output_folder", asked.append)
    app.notices[-1][1]()
    window.dropped.use([long])
    app.settle()
    assert asked == [notes, long] and window.text_card.text.toPlainText() == before
    window.dropped.use([bad])
    app.settle()
    assert "bad.txt" in app.errors[-1] and window.text_card.text.toPlainText() == before


def test_a_full_disk_is_reported_and_the_result_stays_on_display(app, monkeypatch):
    window = app.open()

    def full(path, *_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    with monkeypatch.context() as patched:
        patched.setattr(results, "write_flushed", full)
        app.speak()
        assert "disk is full" in app.errors[-1] and window.messages.isVisible()
        assert window.result_view.mel.has_picture() and app.requests.entries == [] and app.requests.key == ""
    window.messages.details_button.click()
    app.requests.export(app.data / "b.wav")
    app.settle()
    assert (app.data / "b.wav").is_file()


def test_results_are_replayed_compared_deleted_and_restored(app):
    window = app.open()
    for text in ("First.", "Second one."):
        app.speak(text)
    history = window.history
    app.session.stop_playing()
    history.list.setCurrentIndex(history.model.index(1))
    history.replay_button.click()
    app.until(lambda: app.session.playing == "result" and app.requests.result.text == "First.")
    for index in (0, 1):
        history.list.setCurrentIndex(history.model.index(index))
        history.set_buttons[index].click()
        app.settle()
    assert history.compare_button.isEnabled() and "Second" in history.names[0].toolTip()
    history.compare_button.click()
    assert app.session.playing == "comparison" and "playing" in history.names[0].toolTip()
    history.compare_button.click()
    assert "playing" in history.names[1].toolTip()
    app.session.stop_playing()
    history.delete_button.click()
    app.settle()
    assert history.model.rowCount() == 1
    app.notices[-1][1]()
    app.settle()
    assert history.model.rowCount() == 2


def test_reused_settings_give_the_same_samples(app, lexicon):
    window = app.open()
    options = window.text_card.options
    options.fixed.setChecked(True)
    options.seed.setValue(77)
    for name, factor in (("speed", 1.3), ("pauses", 0.5), ("pitch_range", 2.0)):
        options.sliders[name].set_factor(factor)
    options.use_lexicon(lexicon)
    app.settle()
    app.speak("Once more.")
    first = app.requests.result
    assert "speed 1.3" in window.result_view.facts.text() and "lexicon words.csv" in window.result_view.facts.text()
    assert "pitch range 2" in window.history.model.data(window.history.model.index(0))
    options.fixed.setChecked(False)
    for slider in options.sliders.values():
        slider.set_factor(1.0)
    options.clear_button.click()
    app.voices.choose("sample", "rms.flac")
    app.settle()
    app.speak("Something else.")
    window.history.list.clicked.emit(window.history.model.index(1))
    app.settle()
    window.history.reuse_button.click()
    app.settle()
    request = window.text_card.request()
    assert (request.text, request.seed, request.settings) == ("Once more.", 77, first.settings)
    before = app.requests.result
    app.requests.speak(request)
    app.until(lambda: app.requests.result is not before and not app.requests.busy)
    np.testing.assert_array_equal(app.requests.result.wav, first.wav)
    assert not app.errors


def test_a_lexicon_is_chosen_cleared_and_checked(app, lexicon):
    window = app.open()
    options = window.text_card.options
    window.text_card.fold.set_open(True)
    app.qtbot.wait(5)
    assert options.lexicon_name.text() == "none" and not options.clear_button.isEnabled()
    window.dropped.use([lexicon])
    app.settle()
    assert options.settings().lexicon == str(lexicon) and options.lexicon_name.text() == "words.csv"
    assert "1 pronunciation in use" in app.notices[-1][0] and "words.csv" in window.text_card.fold.summary.toolTip()
    bad = app.folder / "bad.csv"
    bad.write_text("hello\n", encoding="utf-8")
    options.use_lexicon(bad)
    app.settle()
    assert "Line 1" in app.errors[-1] and window.messages.isVisible() and options.settings().lexicon == str(lexicon)
    lexicon.unlink()
    options.check_lexicon()
    app.settle()
    assert options.settings().lexicon == "" and "words.csv" in app.errors[-1]


def test_a_text_file_becomes_numbered_files(app):
    window = app.open()
    text = app.folder / "lines.txt"
    text.write_text("One.\n\nTwo.\n", encoding="utf-8")
    app.requests.speak_file(text, app.data / "out", window.text_card.request())
    assert app.requests.busy
    app.until(lambda: not app.requests.busy)
    assert sorted(path.name for path in (app.data / "out").iterdir()) == ["001.wav", "002.wav", "manifest.json"]
    app.requests.speak_file(text, app.data / "out", window.text_card.request())
    app.until(lambda: app.errors)
    assert "exists already" in app.errors[-1]


def test_an_empty_or_too_long_text_is_refused(app):
    window = app.open()
    for text in ("   \n", "...", "\n" * 3000):
        window.text_card.text.setPlainText(text)
        window.text_card.speak()
        app.settle()
    assert len(app.notices) + len(app.errors) >= 3 and not app.requests.busy


def test_a_missing_output_device_is_reported_once(app):
    app.audio.devices = False
    window = app.open()
    assert "no audio device for output" in app.notices[0][0] and "exported" in app.notices[0][0]
    for text in ("One.", "Two."):
        app.speak(text)
        app.until(lambda: not app.session.playing)
    assert not app.errors and len(app.requests.entries) == 2
    assert (
        not window.settings.output.isEnabled()
        and "still be opened from files" in window.settings.missing["input"].text()
    )


def test_a_missing_output_device_is_reported_at_each_press_of_play_and_listen(app):
    app.audio.devices = False
    window = app.open()
    app.speak("One.")
    app.until(lambda: not app.session.playing)
    shown = len(app.notices)
    buttons = [window.result_view.play_button, window.voice_card.listen_button, window.history.replay_button]
    for number, one in enumerate([*buttons, *buttons], start=1):
        window.messages.clear()
        one.click()
        app.until(lambda: not app.session.playing)
        assert len(app.notices) == shown + number, one.text()
        assert "cannot" in app.notices[-1][0], "what is missing"
        assert window.messages.sentence == app.notices[-1][0]


def test_text_options_voice_and_layout_are_restored_after_a_restart(app):
    window = app.open()
    window.text_card.text.setPlainText("Remember me.")
    window.text_card.options.trim.setChecked(True)
    window.text_card.options.sliders["speed"].set_factor(0.8)
    window.text_card.fold.set_open(True)
    app.voices.choose("sample", "awb.flac")
    app.settle()
    window.resize(1100, 700)
    window.columns.setSizes([500, 400, 200])
    sizes = window.columns.sizes()
    window.show_page("Map")
    app.close()
    kept = json.loads((app.data / "toolbox.json").read_text(encoding="utf-8"))["settings"]
    assert kept["text"] == "Remember me." and kept["voice_key"] == "awb.flac"
    again = app.open()
    again.show_page("Speak")
    assert again.text_card.text.toPlainText() == "Remember me." and again.text_card.options.trim.isChecked()
    assert app.voices.chosen.key == "awb.flac"
    assert again.text_card.fold.is_open() and again.text_card.request().settings.speed == 0.8
    assert again.columns.sizes() == pytest.approx(sizes, abs=200)
