"""Voices from files, drops and the microphone: saved, changed, mixed."""

import numpy as np
import pytest
from PyQt5.QtCore import QMimeData, QPoint, QPointF, Qt, QUrl
from PyQt5.QtGui import QDragEnterEvent, QDropEvent
from PyQt5.QtWidgets import QDialog

from cloning import VoiceLibrary
from speech.audio import write_audio
from tests.toolbox.audio_devices import FakeDevices
from tests.toy_models import speech_like
from toolbox.state.voice_choice import FIRST_SAMPLE
from toolbox.storage.voice_store import NewReference


def drop(window, paths) -> None:
    """Drag and drop of files."""
    data = QMimeData()
    data.setUrls([QUrl.fromLocalFile(str(path)) for path in paths])
    options = Qt.CopyAction, data, Qt.LeftButton, Qt.NoModifier
    window.dragEnterEvent(QDragEnterEvent(QPoint(200, 200), *options))
    window.dropEvent(QDropEvent(QPointF(200, 200), *options))


def test_dropped_recordings_become_the_voice(app, clips):
    window = app.open()
    window.show_page("Map")
    drop(window, clips[:2])
    app.until(lambda: app.voices.chosen.kind == "clips")
    app.settle()
    card = window.voice_card
    assert len(app.voices.chosen.clips) == 2 and "not saved" in card.box.currentText()
    assert "2 recordings" in card.about.text() and card.embedding.has_picture()
    assert window.result_view.reference.seconds == pytest.approx(3.0, abs=0.1)
    assert window.tabs.currentWidget() is window.pages["Speak"]
    assert len(window.map.map) == 3, "two clips and the first sample"
    card.listen_button.click()
    assert app.session.playing == "reference"
    app.until(lambda: app.session.playing == "")


def test_unusable_files_are_reported_and_the_present_voice_stays(app):
    window = app.open()
    before = app.voices.chosen
    broken, silent, text = app.folder / "broken.wav", app.folder / "silent.wav", app.folder / "photo.jpg"
    broken.write_bytes(b"RIFF of nothing at all")
    text.write_bytes(b"\xff\xd8")
    from speech.audio import write_audio

    if not silent.exists():
        write_audio(silent, np.zeros(32_000, np.float32), 16_000)
    for path in (broken, silent, text, app.folder / "gone.wav"):
        app.errors.clear()
        drop(window, [path])
        app.until(lambda: app.errors)
        app.settle()
        assert "\n" not in app.errors[0] and app.voices.chosen is before
        assert window.messages.isVisible() and window.messages.sentence == app.errors[-1]
    assert window.voice_card.box.currentData() == ("sample", before.key)
    window.messages.details_button.click()
    details = next(dialog for dialog in window.findChildren(QDialog) if dialog.windowTitle() == "Details")
    details.copy_button.click()
    assert details.copy_button.text() == "Copied"
    window.messages.close_button.click()
    assert not window.messages.isVisible()


def test_record_pause_retake_and_use(app):
    window = app.open()
    window.voice_card.record_button.click()
    dialog = window.beside.recorder
    app.until(lambda: dialog.isVisible() and dialog.device.count() == 3)
    app.qtbot.mouseClick(dialog.record_button, Qt.LeftButton)
    app.until(lambda: app.session.recorder.seconds > 1 and dialog.meter._peak > -30)
    assert dialog.record_button.text() == "&Retake" and "Recording" in dialog.state.text()
    dialog.pause_button.click()
    assert "Paused" in dialog.state.text() and dialog.pause_button.text() == "&Resume"
    dialog.pause_button.click()
    dialog.record_button.click()
    app.until(lambda: app.session.recorder.seconds > 6)
    dialog.stop_button.click()
    app.until(lambda: "speech" in dialog.remark.text())
    assert dialog.waveform.has_picture() and "Recorded" in dialog.state.text()
    dialog.listen_button.click()
    app.until(lambda: app.session.playing == "recording")
    dialog.use_button.click()
    app.until(lambda: app.voices.chosen.kind == "clips")
    assert app.voices.chosen.title.startswith("Recording") and not app.errors and not dialog.isVisible()


def test_a_silent_and_a_missing_microphone_are_reported(app):
    app.audio = FakeDevices(np.zeros(16_000, np.float32))
    window = app.open()
    window.beside.record()
    window.beside.recorder.record_button.click()
    app.until(lambda: "no signal" in window.beside.recorder.remark.text())
    window.beside.recorder.stop_button.click()
    app.until(lambda: "silent" in window.beside.recorder.remark.text())
    app.audio.broken = True
    window.beside.recorder.record_button.click()
    app.until(lambda: "cannot be opened" in window.beside.recorder.remark.text())
    app.audio.devices = False
    window.beside.recorder.close()
    window.beside.record()
    app.until(lambda: "still be opened from files" in window.beside.recorder.remark.text())
    app.speak()
    assert not app.errors


def test_a_voice_is_saved_renamed_deleted_and_restored(app, clips):
    window = app.open()
    app.voices.use_clips(clips[:1])
    app.settle()
    window.file_actions.save_voice()
    dialog = next(one for one in window.findChildren(QDialog) if one.windowTitle() == "Save this voice")
    dialog.name.setText("../ann")
    assert not dialog.ok_button.isEnabled() and "cannot name" in dialog.remark.text()
    dialog.name.setText("ann")
    dialog.consent.setPlainText("Ann, by letter")
    dialog.ok_button.click()
    app.until(lambda: app.voices.chosen.kind == "saved")
    app.settle()
    library = window.library
    assert app.voices.saved_names == ["ann"] and library.shown.consent == "Ann, by letter"
    expected = VoiceLibrary(app.data / "voices").load("ann")
    assert np.array_equal(app.voices.chosen.voice.embedding, expected.embedding)
    assert app.voices.chosen.voice.pitch == expected.pitch
    assert app.voices.chosen.mel.size and not window.voice_card.save_button.isEnabled()
    write_audio(app.data / "short.wav", speech_like(1.0))
    library.add_files([app.data / "short.wav", clips[1]])
    app.settle()
    assert library.table.rowCount() == 2 and library.remove_button.isEnabled()
    assert "short.wav" in app.notices[-1][0]
    library.listen_button.click()
    app.until(lambda: app.session.playing == "saved reference")
    library.remove_button.click()
    app.settle()
    assert library.table.rowCount() == 1
    app.notices[-1][1]()
    app.settle()
    assert library.table.rowCount() == 2
    library.consent.setPlainText("Ann, in person")
    library.consent_button.click()
    app.settle()
    assert app.voices.store.load("ann").consent == "Ann, in person"
    library.delete_button.click()
    app.settle()
    assert app.voices.saved_names == [] and library.table.rowCount() == 0
    app.notices[-1][1]()
    app.settle()
    library.rename()
    rename = next(one for one in library.findChildren(QDialog) if one.windowTitle() == "Rename ann")
    rename.name.setText("beth")
    rename.ok_button.click()
    app.settle()
    assert app.voices.saved_names == ["beth"] and app.voices.chosen.key == "beth" and not app.errors


def test_a_reference_of_a_different_speaker_is_marked(app):
    window = app.open()
    rng = np.random.default_rng(0)
    base = np.abs(rng.standard_normal(16)).astype(np.float32)
    for number in range(3):
        near = base + 0.01 * rng.random(16).astype(np.float32)
        app.voices.store.add_reference("ann", NewReference(near, "toy", f"{number}.wav", 3.0))
    other = np.eye(16, dtype=np.float32)[np.argmin(base)]
    app.voices.store.add_reference("ann", NewReference(other, "toy", "other.wav", 3.0))
    app.voices.refresh_library()
    app.settle()
    assert (
        window.library.table.item(3, 4).text() == "different speaker?" and "other.wav" in window.library.remarks.text()
    )
    assert window.library.table.item(0, 4).text() == ""


def test_voices_are_mixed_with_sliders(app):
    window = app.open()
    window.beside.mix()
    mixer = window.beside.mixer
    assert not mixer.use_button.isEnabled() and len(mixer.sliders) == 4
    mixer.sliders[("sample", "slt.flac")].setValue(75)
    mixer.sliders[("sample", "rms.flac")].setValue(25)
    mixer.use_button.click()
    app.until(lambda: app.voices.chosen.kind == "mix")
    assert "75%" in app.voices.chosen.title and "25%" in app.voices.chosen.title
    app.speak()
    app.voices.save_chosen("between", "two samples")
    app.settle()
    assert app.voices.saved_names == ["between"] and ("saved", "between") in mixer.sliders
    assert mixer.sliders[("sample", "slt.flac")].value() == 75


def test_the_last_choice_counts(app):
    window = app.open()
    for path in window.session.voices.samples():
        app.voices.choose("sample", path.name)
    app.settle()
    assert app.voices.chosen.key == window.session.voices.samples()[-1].name and not app.errors


@pytest.mark.parametrize("damage", ["deleted", "damaged"])
def test_a_sample_replaces_a_saved_voice_that_is_gone_at_the_start(app, damage):
    app.open()
    app.voices.save_chosen("ann", "")
    app.until(lambda: app.voices.chosen.kind == "saved")
    app.settle()
    app.close()
    path = app.data / "voices" / "ann.safetensors"
    path.unlink() if damage == "deleted" else path.write_bytes(b"nothing")
    window = app.open()
    assert app.voices.chosen.kind == "sample" and window.voice_card.box.currentData() == ("sample", FIRST_SAMPLE)
    assert "ann" in app.notices[0][0]
    assert damage == "damaged" or not app.errors
    app.speak()
    assert app.requests.result.voice.name == "slt"


def test_a_voice_that_was_deleted_elsewhere_leaves_the_list_when_it_is_chosen(app):
    window = app.open()
    for name in ("ann", "bob"):
        app.voices.save_chosen(name, "")
        app.until(lambda name=name: app.voices.chosen.key == name)
        app.settle()
    (app.data / "voices" / "ann.safetensors").unlink()
    box = window.voice_card.box
    box.activated.emit(box.findText("ann"))
    app.settle()
    assert "ann" in app.errors[-1] and app.voices.chosen.key == "bob"
    assert box.findText("ann") == -1 and box.currentText() == "bob" and app.voices.saved_names == ["bob"]


def test_a_deleted_voice_stays_in_use_and_is_marked(app):
    window = app.open()
    app.voices.save_chosen("ann", "")
    app.until(lambda: app.voices.chosen.kind == "saved")
    app.settle()
    box = window.voice_card.box
    assert box.currentText() == "ann"
    window.library.delete()
    app.settle()
    assert box.currentText() == "ann (deleted)"
    app.speak("Still here.")
    assert app.requests.result.voice.name == "ann" and not app.errors
    app.session.undo()
    app.settle()
    assert box.currentText() == "ann"
