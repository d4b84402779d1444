"""The page Convert."""

import numpy as np
import pytest
import soundfile

from cloning import read_provenance
from tests.synthesizer.vits.toy import save_toy_conversion
from tests.toolbox.fakes import AppDriver
from tests.toy_models import save_toy_models


@pytest.fixture(scope="module")
def converting(tmp_path_factory, toy_folder):
    """Toy models, and beside them those for speech to speech."""
    return save_toy_conversion(save_toy_models(tmp_path_factory.mktemp("converting")))


@pytest.fixture
def driver(qtbot, converting, tmp_path):
    driver = AppDriver(qtbot, converting, tmp_path)
    yield driver
    driver.close()


def test_a_recording_is_opened_converted_played_and_saved(driver, clips, tmp_path):
    window = driver.open()
    page = window.convert
    window.show_page("Convert")
    assert page.trouble.isHidden() and page.open_button.isEnabled() and not page.convert_button.isEnabled()
    page.conversions.open(clips[0])
    driver.settle()
    assert "clip 0.wav, 3.0 s, median pitch" in page.about_source.text()
    page.listen_button.click()
    driver.until(lambda: not driver.session.playing)
    driver.audio.clear() if hasattr(driver.audio, "clear") else None
    window.text_card.options.fixed.setChecked(True)
    page.convert_button.click()
    assert page.convert_button.text() == "Stop"
    driver.settle()
    assert not driver.errors and page.convert_button.text() == "&Convert"
    made = page.conversions.result.conversion
    assert len(made.wav) == 48_000 and f"seed {made.seed}" in page.about_result.text()
    page.conversions.save(tmp_path / "out.wav")
    driver.settle()
    assert len(soundfile.read(tmp_path / "out.wav")[0]) == 48_000
    provenance = read_provenance(tmp_path / "out.wav")
    assert provenance is not None and provenance.source == "clip 0.wav"
    again = made.wav
    page.convert_button.click()
    driver.settle()
    np.testing.assert_array_equal(page.conversions.result.conversion.wav, again)  # the seed is fixed


def test_speech_is_recorded_and_another_voice_chosen(driver):
    window = driver.open()
    page = window.convert
    window.show_page("Convert")
    page.record_button.click()
    recorder = window.beside.speech_recorder
    driver.settle()
    recorder.record_button.click()
    driver.until(lambda: recorder._recorder.seconds > 2)
    recorder.stop_button.click()
    recorder.use_button.click()
    driver.settle()
    assert page.conversions.speech is not None and not recorder.isVisible()
    before = driver.voices.chosen
    page.box.setCurrentIndex(page.box.count() - 1)
    page.box.activated.emit(page.box.count() - 1)
    driver.settle()
    assert driver.voices.chosen is not before
    assert page.box.currentText() == window.voice_card.box.currentText()


def test_without_a_model_the_page_is_disabled_with_one_sentence(app):
    window = app.open()
    page = window.convert
    window.show_page("Convert")
    assert "has no model for speech to speech: train one" in page.trouble.text() and not page.trouble.isHidden()
    assert not any(one.isEnabled() for one in (page.open_button, page.record_button, page.convert_button, page.box))


def test_silence_and_a_stopped_conversion_leave_the_page_usable(driver, clips, tmp_path):
    window = driver.open()
    page = window.convert
    soundfile.write(tmp_path / "silent.wav", np.zeros(16_000), 16_000)
    page.conversions.open(tmp_path / "silent.wav")
    driver.settle()
    assert "No speech" in driver.errors[-1] and page.conversions.speech is None
    page.conversions.open(clips[1])
    driver.settle()
    page.convert_button.click()
    window.cancel()
    driver.settle()
    assert page.conversions.result is None and page.convert_button.isEnabled() and not page.save_button.isEnabled()
