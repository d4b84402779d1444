"""Playing and trimming the selected part of a waveform, in the window."""

import numpy as np
import pytest
from PyQt5.QtCore import Qt

from speech.audio import read_audio
from tests.toolbox.fakes import save_speech
from toolbox.panels.played_waveform import PlayedWaveform


def played(app) -> float:
    """Seconds of the present audio, once all of it was passed to the player."""
    return app.session.player.duration() - app.session.player._playback.start


def test_play_plays_the_selected_part_and_esc_clears_it(app):
    window = app.open()
    app.speak("A sentence that takes a while to play.")
    view, axis = window.result_view, window.result_view.axis
    app.session.stop_playing()
    assert axis.seconds == pytest.approx(app.requests.result.seconds)
    axis.select(0.25, 0.75)
    view.play_button.click()
    assert app.session.playing == "result" and app.session.player.position() >= 0.25
    assert played(app) == pytest.approx(0.5, abs=0.001)
    app.qtbot.keyClick(window, Qt.Key_Escape)
    assert app.session.playing == "" and axis.selection is not None, "Esc first stops playback"
    app.qtbot.keyClick(window, Qt.Key_Escape)
    assert axis.selection is None
    view.play_button.click()
    assert played(app) == pytest.approx(axis.seconds, abs=0.001)
    app.session.stop_playing()
    view.mel.setFocus()
    axis.set_cursor(0.5)
    app.qtbot.keyClick(view.mel, Qt.Key_Space)
    assert app.session.player.position() >= 0.5, "Space plays from the cursor"


def test_zoom_and_selection_stay_when_the_colours_change(app):
    window = app.open()
    app.speak("One.")
    axis = window.result_view.axis
    axis.zoom(3)
    axis.select(0.1, 0.2)
    span = axis.end - axis.start
    window.restyle()
    app.session.voices.changed.emit()
    assert axis.selection == (0.1, 0.2) and axis.end - axis.start == span
    app.speak("Two words.")
    assert axis.is_whole() and axis.selection is None and axis.seconds == pytest.approx(app.requests.result.seconds)


def test_the_voice_is_made_of_the_selected_part_only(app, clips):
    window = app.open()
    card = window.voice_card
    before = clips[0].read_bytes()
    app.voices.use_clips([clips[0]])
    app.settle()
    whole = app.voices.chosen
    assert not card.trim_button.isEnabled() and card.waveform.seconds == pytest.approx(3.0)
    card.waveform.axis.select(0.5, 2.25)
    assert card.trim_button.isEnabled()
    app.qtbot.keyClick(window, Qt.Key_X, Qt.ControlModifier | Qt.ShiftModifier)
    app.settle()
    part = app.voices.chosen
    wav = read_audio(clips[0])[8000:36_000]
    np.testing.assert_array_equal(part.wav, wav)
    encoder = app.session.models.encoder(None, app.session.files)
    np.testing.assert_allclose(part.voice.embedding, encoder.embed(wav), atol=1e-5)
    assert part.title == "Part of clip 0.wav" and card.waveform.seconds == pytest.approx(1.75)
    assert clips[0].read_bytes() == before, "the recording stays as it is"
    app.qtbot.keyClick(window, Qt.Key_Z, Qt.ControlModifier)
    assert app.voices.chosen is whole and card.waveform.seconds == pytest.approx(3.0)
    assert "selected 1.8 s" in app.notices[-2][0] and not app.errors
    assert window.messages.sentence == "The change was undone." and not window.messages.offer_button.isVisible()


def test_a_part_of_several_recordings_can_be_selected(app, clips):
    window = app.open()
    app.voices.use_clips(clips[:2])
    app.settle()
    assert window.voice_card.waveform.seconds == pytest.approx(6.0)
    window.voice_card.waveform.axis.select(1.0, 5.0)
    window.voice_card.trim()
    app.settle()
    assert [(name, len(wav)) for name, wav in app.voices.chosen.recordings] == [
        ("clip 0.wav", 32_000), ("clip 1.wav", 32_000),
    ]  # fmt: skip


def test_a_saved_voice_is_trimmed_without_a_change_of_its_file(app, clips):
    window = app.open()
    app.voices.use_clips(clips[:2])
    app.settle()
    app.voices.save_chosen("ann", "Ann, by letter")
    app.until(lambda: app.voices.chosen.kind == "saved")
    app.settle()
    path = app.data / "voices" / "ann.safetensors"
    before = path.read_bytes()
    assert [name for name, _ in app.voices.chosen.recordings] == ["clip 0.wav", "clip 1.wav"]
    window.voice_card.waveform.axis.select(3.0, 6.0)
    window.voice_card.trim_button.click()
    app.settle()
    chosen = app.voices.chosen
    assert chosen.kind == "clips" and chosen.voice.consent == "Ann, by letter" and chosen.person == "ann"
    assert path.read_bytes() == before and window.voice_card.save_button.isEnabled()
    app.voices.save_chosen("ann 2", chosen.voice.consent)
    app.settle()
    assert len(app.voices.store.load("ann 2").references) == 1


def test_a_part_with_too_little_speech_changes_nothing(app, clips):
    window = app.open()
    app.voices.use_clips([clips[0]])
    app.settle()
    before = app.voices.chosen
    window.voice_card.trim()
    assert "Nothing is selected" in app.notices[-1][0]
    window.voice_card.waveform.axis.select(1.0, 1.3)
    window.voice_card.trim()
    app.settle()
    assert app.voices.chosen is before and "clip 0.wav" in app.errors[-1]


def test_listen_plays_the_selected_part_of_every_waveform(app, clips):
    save_speech(app.folder / "corpus" / "ann" / "a.wav", 3.0)
    window = app.open([app.folder / "corpus"])
    app.until(lambda: window.datasets.preview.waveform.has_picture())
    recorder = window.beside.recorder
    recorder.record()
    app.until(lambda: app.session.recorder.seconds > 3.0)
    recorder.stop()
    page = window.convert
    page.conversions.open(clips[0])
    app.settle()
    page.result.show_audio(page.conversions.speech.wav, 16_000)
    page.play_button.setEnabled(True)
    for waveform, listen in (
        (window.voice_card.waveform, window.voice_card.listen_button),
        (window.datasets.preview.waveform, window.datasets.listen_button),
        (recorder.waveform, recorder.listen_button),
        (page.source, page.listen_button),
        (page.result, page.play_button),
    ):
        waveform.axis.select(1.0, 2.9)
        listen.click()
        assert played(app) == pytest.approx(1.9, abs=0.001) and app.session.player.position() >= 1.0
        listen.click()
        assert app.session.playing == ""
    assert len(window.findChildren(PlayedWaveform)) == 5
    recorder.use()
    app.settle()
    assert len(app.voices.chosen.wav) == 30_400
