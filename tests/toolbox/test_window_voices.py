"""Voices from files, drops and the microphone; kept, changed, mixed."""

import numpy as np
import pytest
from PyQt5.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt5.QtGui import QDragEnterEvent, QDropEvent
from PyQt5.QtWidgets import QDialog

from tests.toolbox.fakes import never_stands_still
from tests.toolbox.sounds import FakeDevices


def drop(window, paths) -> None:
    """As a person drops files into the window."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    options = Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier
    window.dragEnterEvent(QDragEnterEvent(QPoint(200, 200), *options))
    window.dropEvent(QDropEvent(QPointF(200, 200), *options))


@never_stands_still
def test_a_recording_that_is_dropped_becomes_the_voice(house, clips):
    window = house.open()
    window.show_page("Map")
    drop(window, clips[:2])
    house.until(lambda: house.voices.chosen.kind == "clips")
    house.settle()
    card = window.voice_card
    assert len(house.voices.chosen.clips) == 2 and "not kept yet" in card.box.currentText()
    assert "2 recordings" in card.about.text() and card.embedding.has_picture()
    assert window.result_view.reference.seconds == pytest.approx(3.0, abs=0.1)
    assert window.tabs.currentWidget() is window.pages["Speak"]
    assert len(window.map.map) == 3, "two clips, and the sample of the start"
    card.listen_button.click()
    assert house.session.playing == "reference"
    house.until(lambda: house.session.playing == "")


@never_stands_still
def test_files_that_are_no_voice_are_said_and_the_old_voice_stays(house):
    window = house.open()
    before = house.voices.chosen
    broken, silent, text = house.folder / "broken.wav", house.folder / "silent.wav", house.folder / "photo.jpg"
    broken.write_bytes(b"RIFF of nothing at all")
    text.write_bytes(b"\xff\xd8")
    from speech.audio import write_audio

    if not silent.exists():
        write_audio(silent, np.zeros(32_000, np.float32), 16_000)
    for path in (broken, silent, text, house.folder / "gone.wav"):
        house.troubles.clear()
        drop(window, [path])
        house.until(lambda: house.troubles)
        house.settle()
        assert "\n" not in house.troubles[0] and house.voices.chosen is before
        assert window.messages.isVisible() and window.messages.sentence == house.troubles[-1]
    assert window.voice_card.box.currentData() == ("sample", before.key)
    window.messages.details_button.click()
    details = next(dialog for dialog in window.findChildren(QDialog) if dialog.windowTitle() == "Details")
    details.copy_button.click()
    assert details.copy_button.text() == "Copied"
    window.messages.close_button.click()
    assert not window.messages.isVisible()


@never_stands_still
def test_record_pause_retake_and_use(house):
    window = house.open()
    window.voice_card.record_button.click()
    dialog = window.recorder
    house.until(lambda: dialog.isVisible() and dialog.device.count() == 3)
    house.qtbot.mouseClick(dialog.record_button, Qt.LeftButton)
    house.until(lambda: house.session.recorder.seconds > 1 and dialog.meter._peak > -30)
    assert dialog.record_button.text() == "&Retake" and "Recording" in dialog.state.text()
    dialog.pause_button.click()
    assert "Paused" in dialog.state.text() and dialog.pause_button.text() == "&Go on"
    dialog.pause_button.click()
    dialog.record_button.click()
    house.until(lambda: house.session.recorder.seconds > 6)
    dialog.stop_button.click()
    house.until(lambda: "speech" in dialog.remark.text())
    assert dialog.waveform.has_picture() and "Recorded" in dialog.state.text()
    dialog.listen_button.click()
    house.until(lambda: house.session.playing == "recording")
    dialog.use_button.click()
    house.until(lambda: house.voices.chosen.kind == "clips")
    assert house.voices.chosen.title.startswith("Recording") and not house.troubles and not dialog.isVisible()


@never_stands_still
def test_a_silent_and_an_absent_microphone_are_said(house):
    house.sound = FakeDevices(np.zeros(16_000, np.float32))
    window = house.open()
    window.record()
    window.recorder.record_button.click()
    house.until(lambda: "no signal" in window.recorder.remark.text())
    window.recorder.stop_button.click()
    house.until(lambda: "silent" in window.recorder.remark.text())
    house.sound.broken = True
    window.recorder.record_button.click()
    house.until(lambda: "cannot be opened" in window.recorder.remark.text())
    house.sound.devices = False
    window.recorder.close()
    window.record()
    house.until(lambda: "still be opened from files" in window.recorder.remark.text())
    house.speak()
    assert not house.troubles


@never_stands_still
def test_a_voice_is_kept_used_renamed_deleted_and_taken_back(house, clips):
    window = house.open()
    house.voices.use_clips(clips[:1])
    house.settle()
    window.keep_voice()
    dialog = next(one for one in window.findChildren(QDialog) if one.windowTitle() == "Keep this voice")
    dialog.name.setText("../ann")
    assert not dialog.ok_button.isEnabled() and "cannot name" in dialog.remark.text()
    dialog.name.setText("ann")
    dialog.consent.setPlainText("Ann, by letter")
    dialog.ok_button.click()
    house.until(lambda: house.voices.chosen.kind == "saved")
    house.settle()
    library = window.library
    assert house.voices.saved_names == ["ann"] and library.shown.consent == "Ann, by letter"
    assert house.voices.chosen.mel.size and not window.voice_card.keep_button.isEnabled()
    library.add_files([clips[1]])
    house.settle()
    assert library.table.rowCount() == 2 and library.remove_button.isEnabled()
    library.listen_button.click()
    house.until(lambda: house.session.playing == "saved reference")
    library.remove_button.click()
    house.settle()
    assert library.table.rowCount() == 1
    house.notes[-1][1]()
    house.settle()
    assert library.table.rowCount() == 2
    library.consent.setPlainText("Ann, in person")
    library.consent_button.click()
    house.settle()
    assert house.voices.shelf.load("ann").consent == "Ann, in person"
    library.delete_button.click()
    house.settle()
    assert house.voices.saved_names == [] and library.table.rowCount() == 0
    house.notes[-1][1]()
    house.settle()
    library.rename()
    rename = next(one for one in library.findChildren(QDialog) if one.windowTitle() == "Rename ann")
    rename.name.setText("beth")
    rename.ok_button.click()
    house.settle()
    assert house.voices.saved_names == ["beth"] and house.voices.chosen.key == "beth" and not house.troubles


@never_stands_still
def test_a_reference_of_somebody_else_is_marked(house):
    window = house.open()
    rng = np.random.default_rng(0)
    base = np.abs(rng.standard_normal(16)).astype(np.float32)
    for number in range(3):
        near = base + 0.01 * rng.random(16).astype(np.float32)
        house.voices.shelf.add_reference("ann", near, "toy", f"{number}.wav", 3.0)
    house.voices.shelf.add_reference("ann", np.eye(16, dtype=np.float32)[np.argmin(base)], "toy", "other.wav", 3.0)
    house.voices.refresh_library()
    house.settle()
    assert window.library.table.item(3, 4).text() == "does not belong?" and "other.wav" in window.library.remarks.text()
    assert window.library.table.item(0, 4).text() == ""


@never_stands_still
def test_voices_are_mixed_with_sliders(house):
    window = house.open()
    window.mix()
    mixer = window.mixer
    assert not mixer.use_button.isEnabled() and len(mixer.sliders) == 4
    mixer.sliders[("sample", "slt.flac")].setValue(75)
    mixer.sliders[("sample", "rms.flac")].setValue(25)
    mixer.use_button.click()
    house.until(lambda: house.voices.chosen.kind == "mix")
    assert "75%" in house.voices.chosen.title and "25%" in house.voices.chosen.title
    house.speak()
    house.voices.keep_chosen("between", "two samples")
    house.settle()
    assert house.voices.saved_names == ["between"] and ("saved", "between") in mixer.sliders
    assert mixer.sliders[("sample", "slt.flac")].value() == 75


@never_stands_still
def test_the_choice_that_comes_last_counts(house):
    window = house.open()
    for path in window.session.voices.samples():
        house.voices.choose("sample", path.name)
    house.settle()
    assert house.voices.chosen.key == window.session.voices.samples()[-1].name and not house.troubles
