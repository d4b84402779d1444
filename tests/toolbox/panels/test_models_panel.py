"""Choice of models."""

import shutil

from tests.toy_models import toy_synthesizer


def test_a_different_vocoder_is_loaded_and_remembered(app):
    window = app.open()
    window.models.scan()
    app.settle()
    panel = window.models
    assert "CC0" in panel.about["synthesizer"].text() and "needs no training" in panel.about["vocoder"].text()
    assert "in use" in panel.remark.text() and not panel.load_button.isEnabled()
    panel.boxes["vocoder"].setCurrentIndex(0)
    assert "wavernn" in panel.about["vocoder"].text() and panel.load_button.isEnabled()
    panel.load_button.click()
    app.settle()
    assert "vocoder.safetensors" in app.session.descriptions["vocoder"] and "in use" in panel.remark.text()
    assert app.session.preferences.get("model_files", {})["vocoder"].endswith("vocoder.safetensors")
    assert not app.errors


def test_incompatible_models_are_refused_and_the_present_ones_stay(app):
    other, broken = app.folder / "other.safetensors", app.folder / "broken.safetensors"
    if not other.exists():
        toy_synthesizer(space="elsewhere").save(other)
        broken.write_bytes(b"not a model")
    window = app.open()
    window.models.scan()
    app.settle()
    before = app.session.files
    window.dropped.use([other])
    app.settle()
    assert "trained together" in window.models.remark.text() and not window.models.load_button.isEnabled()
    window.dropped.use([broken])
    app.until(lambda: app.errors)
    assert "not a safetensors file" in app.errors[-1]
    assert app.session.files == before
    app.speak()


def test_a_different_encoder_enrols_the_voice_again(app):
    window = app.open()
    window.models.scan()
    app.settle()
    other = app.folder / "encoder of mine.safetensors"
    shutil.copy(app.models / "encoder.safetensors", other)
    before = app.voices.chosen
    window.models.add_file(other)
    app.settle()
    window.models.load_button.click()
    app.until(lambda: app.voices.chosen is not before)
    app.settle()
    assert app.session.files.encoder == other and app.voices.chosen.key == before.key


def test_missing_models_are_reported(app, tmp_path):
    app.models = tmp_path / "nothing"
    window = app.open(wait=False)
    app.until(lambda: app.errors)
    assert "There is no encoder model" in app.errors[0]
    window.text_card.speak()
    assert not app.requests.busy and "page Models" in app.errors[-1]
    assert window.voice_card.about.text() == "No voice is selected."


def test_remembered_models_are_loaded_at_the_next_start(app):
    app.open()
    app.session.preferences.set("model_files", {"vocoder": str(app.models / "vocoder.safetensors")})
    app.session.preferences.set("models_folder", str(app.models))
    app.close()
    app.open()
    assert "vocoder.safetensors" in app.session.descriptions["vocoder"]
