"""Choice of models."""

import shutil

import pytest

from encoder.convert import find_resemblyzer_weights
from modelfile.public import PUBLIC_SPACE
from tests.synthesizer.tacotron1.toy import toy_synthesizer as small_tacotron1
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
    window.models.add_files([other])
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


def test_checkpoints_are_converted_at_the_press_of_a_button_and_selected(app, golden_dir):
    window = app.open()
    checkpoints = [app.folder / name for name in ("vocoder_small_raw.pt", "synthesizer_small.pt")]
    for checkpoint in checkpoints:
        shutil.copy(golden_dir / checkpoint.name, checkpoint)
    window.dropped.use(checkpoints)
    sentence, convert = app.notices[-1]
    assert "vocoder_small_raw.pt and synthesizer_small.pt are PyTorch checkpoints" in sentence
    assert not list(app.folder.glob("*.safetensors"))  # nothing happens without the button
    convert()
    app.settle()
    assert not app.errors and "Converted to vocoder_small_raw.safetensors" in app.notices[-1][0]
    for stage, checkpoint in zip(("vocoder", "synthesizer"), checkpoints, strict=True):
        assert window.models.selected(stage).path == checkpoint.with_suffix(".safetensors")
        assert f"converted from {checkpoint.name}" in window.models.about[stage].text()
    window.models.convert(checkpoints)  # again: each is listed once
    app.settle()
    assert len({model.path for model in window.models.models["vocoder"]}) == len(window.models.models["vocoder"])


@pytest.mark.parametrize(("content", "reason"), [(b"some text", "not a PyTorch file"), (b"PK\3\4 cut", "damaged")])
def test_a_file_that_is_no_checkpoint_is_refused_in_one_sentence(app, content, reason):
    window = app.open()
    path = app.folder / "model.pt"
    path.write_bytes(content)
    window.models.add_files([path])
    app.notices[-1][1]()
    app.settle()
    assert reason in app.errors[-1] and app.errors[-1].count(". ") == 0
    assert not path.with_suffix(".safetensors").exists()


@pytest.mark.slow
def test_the_public_encoder_is_converted_and_used(app):
    weights = find_resemblyzer_weights()
    if weights is None:
        pytest.skip("the package resemblyzer, which carries the public weights, is not installed")
    assert weights.stat().st_size == 17_090_379
    window = app.open()
    window.models.scan()
    app.settle()
    synthesizer = small_tacotron1()
    synthesizer.embedding_space = PUBLIC_SPACE
    synthesizer.save(app.folder / "public synthesizer.safetensors")
    shutil.copy(weights, app.folder / "encoder.pt")
    window.models.add_files([app.folder / "public synthesizer.safetensors", app.folder / "encoder.pt"])
    app.notices[-1][1]()
    app.settle()
    assert window.models.selected("encoder").header.embedding_space == PUBLIC_SPACE
    before = app.voices.chosen
    window.models.load_button.click()
    app.until(lambda: app.voices.chosen is not before)
    app.settle()
    assert not app.errors and app.session.files.encoder == app.folder / "encoder.safetensors"
    assert app.voices.chosen.voice.embedding.shape == (256,)
