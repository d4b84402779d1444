"""Adapting the synthesizer to the voice in use."""

import numpy as np
import pytest
import torch

from cloning.voices import Voice
from synthesizer.refiner import adaptation
from synthesizer.tacotron.inference import TacotronSynthesizer
from tests.toolbox.fakes import AppDriver, save_speech
from tests.toy_models import save_toy_models, toy_synthesizer

SIZES = {"postfilter_size": 8, "postfilter_layers": 1, "refiner_size": 16, "refiner_layers": 2}
TEXT = "Good morning."


@pytest.fixture(scope="module")
def refined(tmp_path_factory, toy_folder):
    """Toy models with a refiner."""
    folder = save_toy_models(tmp_path_factory.mktemp("refined"))
    synthesizer = toy_synthesizer(sizes=SIZES)
    assert isinstance(synthesizer, TacotronSynthesizer) and synthesizer.model.refiner is not None
    torch.nn.init.normal_(synthesizer.model.refiner.leave.weight, std=0.1)
    synthesizer.save(folder / "synthesizer.safetensors")
    return folder


@pytest.fixture(scope="module")
def long_clips(tmp_path_factory):
    """Two recordings of 21 s in all."""
    folder = tmp_path_factory.mktemp("long")
    return [save_speech(folder / f"{seconds}.wav", seconds, 120, seconds) for seconds in (12, 9)]


@pytest.fixture
def app(qtbot, refined, tmp_path, monkeypatch):
    monkeypatch.setattr(adaptation, "STEPS", 3)
    monkeypatch.setattr(adaptation, "CROP", 32)
    monkeypatch.setattr(adaptation, "REFERENCE", (16, 32))
    driver = AppDriver(qtbot, refined, tmp_path)
    yield driver
    driver.close()


def use(app, clips):
    app.voices.use_clips(clips)
    app.settle()
    assert app.window.voice_card.adapt_button.isEnabled(), app.window.voice_card.adapt_button.toolTip()


def adapt(app):
    app.window.voice_card.adapt_button.click()
    app.settle()
    assert not app.errors


def test_a_voice_is_adapted_used_saved_and_undone(app, long_clips):
    window = app.open()
    use(app, long_clips)
    before = app.voices.chosen
    app.window.text_card.options.fixed.setChecked(True)
    app.speak()
    plain = app.requests.result
    model = (app.models / "synthesizer.safetensors").read_bytes()
    adapt(app)
    assert "adapted" in window.voice_card.about.text() and "adapted" in app.notices[-1][0]
    adapted = app.voices.chosen
    adapter = adapted.voice.adapter
    assert adapter is not None and np.array_equal(app.voices.chosen.wav, before.wav)
    assert (app.models / "synthesizer.safetensors").read_bytes() == model
    app.speak()
    assert app.requests.result.lines[0].mel.shape == plain.lines[0].mel.shape
    assert not np.array_equal(app.requests.result.lines[0].mel, plain.lines[0].mel)
    app.requests.restore_settings()
    app.settle()
    restored = app.voices.chosen.voice
    assert restored.adapter is not None and np.array_equal(restored.reference.coded, before.voice.reference.coded)
    app.voices.use(adapted)
    app.voices.save_chosen("ann", "by letter")
    app.settle()
    kept = Voice.load(app.data / "voices" / "ann.safetensors")
    assert kept.adapter is not None and kept.adapter.model == adapter.model
    assert all(np.array_equal(kept.adapter.tensors[name], values) for name, values in adapter.tensors.items())
    assert kept.reference is not None and np.array_equal(kept.reference.coded, before.voice.reference.coded)
    assert "adapted" in window.voice_card.about.text() and app.voices.chosen.key == "ann"
    app.session.undo()
    assert app.voices.chosen is before and "adapted" not in window.voice_card.about.text()
    app.speak()
    assert np.array_equal(app.requests.result.lines[0].mel, plain.lines[0].mel)


def test_a_saved_voice_keeps_the_adapter_until_its_recordings_change(app, long_clips, clips):
    window = app.open()
    use(app, long_clips)
    app.voices.save_chosen("ann", "")
    app.settle()
    store = app.voices.store
    assert not store.is_adapted("ann")
    adapt(app)
    assert store.is_adapted("ann") and app.voices.chosen.voice.adapter is not None
    app.session.undo()
    app.settle()
    assert not store.is_adapted("ann") and app.voices.chosen.voice.adapter is None
    adapt(app)
    window.library.add_files(clips[:1])
    app.settle()
    assert not store.is_adapted("ann") and "adaptation was removed" in app.notices[-1][0]
    adapt(app)
    assert len(app.voices.chosen.recordings) == 3, "with the recording that was added"
    window.library.table.selectRow(2)
    window.library.remove()
    app.settle()
    assert not store.is_adapted("ann") and "adaptation was removed" in app.notices[-1][0]
    app.session.undo()
    app.settle()
    assert store.is_adapted("ann") and not app.errors


def test_too_few_recordings_are_refused_in_one_sentence(app, clips):
    app.open()
    use(app, clips[:2])
    app.window.voice_card.adapt_button.click()
    app.settle()
    (sentence,) = app.errors
    assert "only 6 s" in sentence and "20 s are needed" in sentence and "press Record" in sentence
    assert app.voices.chosen.voice.adapter is None


def test_adapting_shows_its_progress_and_can_be_cancelled(app, long_clips, monkeypatch):
    monkeypatch.setattr(adaptation, "STEPS", 100_000)
    window = app.open()
    use(app, long_clips)
    before = app.voices.chosen
    window.voice_card.adapt_button.click()
    app.until(lambda: "adapting" in window.activity.label.text() and window.activity.bar.value() > 0)
    assert not window.voice_card.adapt_button.isEnabled(), "while a voice is prepared"
    window.activity.cancel_button.click()
    app.settle()
    assert app.voices.chosen is before and window.voice_card.adapt_button.isEnabled() and not app.errors


def test_the_button_says_why_a_voice_cannot_be_adapted(app, toy_folder, clips):
    app.models = toy_folder
    window = app.open(wait=False)
    button = window.voice_card.adapt_button
    assert not button.isEnabled() and "not loaded" in button.toolTip()
    app.until(lambda: app.voices.chosen is not None and not app.session.busy)
    assert not button.isEnabled() and "no refiner" in button.toolTip()
    window.voice_card.adapt()
    assert "no refiner" in app.notices[-1][0]


def test_a_mix_has_no_recordings_to_adapt_to(app):
    window = app.open()
    app.voices.mix({("sample", "slt.flac"): 1.0, ("sample", "rms.flac"): 1.0})
    app.settle()
    assert not window.voice_card.adapt_button.isEnabled()
    assert "no recordings" in window.voice_card.adapt_button.toolTip()
