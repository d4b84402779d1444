"""Models looked at and exchanged."""

import shutil

from tests.toolbox.fakes import never_stands_still
from tests.toy_models import toy_synthesizer


@never_stands_still
def test_another_vocoder_is_taken_and_remembered(house):
    window = house.open()
    window.models.scan()
    house.settle()
    panel = window.models
    assert "CC0" in panel.about["synthesizer"].text() and "needs no training" in panel.about["vocoder"].text()
    assert "in use" in panel.remark.text() and not panel.load_button.isEnabled()
    panel.boxes["vocoder"].setCurrentIndex(0)
    assert "wavernn" in panel.about["vocoder"].text() and panel.load_button.isEnabled()
    panel.load_button.click()
    house.settle()
    assert "vocoder.safetensors" in house.session.about["vocoder"] and "in use" in panel.remark.text()
    assert house.session.preferences.get("model_files", {})["vocoder"].endswith("vocoder.safetensors")
    assert not house.troubles


@never_stands_still
def test_models_that_do_not_fit_are_refused_and_the_old_ones_go_on(house):
    other, broken = house.folder / "other.safetensors", house.folder / "broken.safetensors"
    if not other.exists():
        toy_synthesizer(space="elsewhere").save(other)
        broken.write_bytes(b"not a model")
    window = house.open()
    window.models.scan()
    house.settle()
    before = house.session.files
    window.take_files([other])
    house.settle()
    assert "trained together" in window.models.remark.text() and not window.models.load_button.isEnabled()
    window.take_files([broken])
    house.until(lambda: house.troubles)
    assert "no model" in house.troubles[-1]
    assert house.session.files == before
    house.speak()


@never_stands_still
def test_another_encoder_hears_the_voice_again(house):
    window = house.open()
    window.models.scan()
    house.settle()
    other = house.folder / "encoder of mine.safetensors"
    shutil.copy(house.models / "encoder.safetensors", other)
    before = house.voices.chosen
    window.models.add_file(other)
    house.settle()
    window.models.load_button.click()
    house.until(lambda: house.voices.chosen is not before)
    house.settle()
    assert house.session.files.encoder == other and house.voices.chosen.key == before.key


def test_no_models_at_all_are_said(house, tmp_path):
    house.models = tmp_path / "nothing"
    window = house.open(wait=False)
    house.until(lambda: house.troubles)
    assert "There is no encoder model" in house.troubles[0]
    window.text_card.speak()
    assert not house.orders.busy and "page Models" in house.troubles[-1]
    assert window.voice_card.about.text() == "No voice yet."


def test_what_was_remembered_is_loaded_at_the_next_start(house):
    house.open()
    house.session.preferences.set("model_files", {"vocoder": str(house.models / "vocoder.safetensors")})
    house.session.preferences.set("models_folder", str(house.models))
    house.close()
    house.open()
    assert "vocoder.safetensors" in house.session.about["vocoder"]
