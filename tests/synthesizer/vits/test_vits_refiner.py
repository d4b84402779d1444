"""The refiner of a VITS: its training on conversions, and its use for conversions and texts."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from corpora.store import FeatureStore
from speech.errors import ConfigError, CorpusError, ModelFileError, StorageError
from speech.mel import decode_mel
from speech.mel_config import MelConfig
from speech.reference_mel import ReferenceMel
from synthesizer import Synthesizer
from synthesizer.options import EmbeddedVoice, SourceAudio, SpeechUnits
from synthesizer.phone_classifier import phones_of
from synthesizer.refiner.flags import RefinerFlags
from synthesizer.training_flags import TrainingRun
from synthesizer.vits.config import Architecture, InferenceSettings, VitsConfig
from synthesizer.vits.decoding import of_frames
from synthesizer.vits.family import plan
from synthesizer.vits.flags import VitsFlags
from synthesizer.vits.refiner_mels import convert_recordings
from tests.synthesizer.vits.toy import toy_architecture, toy_audio_store, toy_flags, toy_vits
from train_synth import load_encoder, main

SIZES: dict[str, Any] = {
    "units": 10, "unit_pitch": True, "decoder": "spectral", "spectral_size": 8, "spectral_hidden": 8
}  # fmt: skip
REFINER: dict[str, Any] = {"refiner_size": 16, "refiner_layers": 2}
REFINE = RefinerFlags(adversarial=True, rows=3, frames=32, reference_frames=32, discriminator_warmup_steps=0)
UNITS = np.arange(60) % 10
VOICE = EmbeddedVoice(np.eye(16, dtype=np.float32)[0])


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_audio_store(tmp_path_factory.mktemp("store") / "store")


@pytest.fixture(scope="module")
def finished(store, tmp_path_factory) -> Path:
    """A VITS that predicts mels, with the units of the store, and without a refiner."""
    path = tmp_path_factory.mktemp("finished") / "vits.safetensors"
    vits = toy_vits(**SIZES)
    vits.config = replace(vits.config, unit_file="toy")
    vits.save(path)
    return path


def refiner_flags(store, finished: Path, run: Path, **changes: Any):
    return toy_flags(
        store,
        run,
        **{"architecture": Architecture(), "warm_start": finished, "refiner": True, "refine": REFINE} | changes,
    )


def planned(flags: VitsFlags, store: FeatureStore) -> Any:
    return plan(flags, store, TrainingRun(flags.run, load_encoder))


def test_recordings_are_converted_once_to_the_voices_of_others(store, tmp_path):
    vits = toy_vits(**SIZES)
    every = list(range(len(store)))

    def convert(origin: str = "a"):
        return convert_recordings(vits.model, vits.config, store, every, tmp_path, origin, lambda items, label: items)

    made = convert()
    assert made.keys == store.keys
    for index in every:
        own, recorded = made.find(store.keys[index]), store.array(index, "mel")
        assert made.array(own, "generated").shape == recorded.shape
        assert not made.array(own, "symbols").any() and made.array(own, "f0").shape == recorded.shape[:1]
        assert np.abs(decode_mel(made.array(own, "generated"), 4.0)).max() <= 4
    before = np.array(made.array(0, "generated"))
    np.testing.assert_array_equal(convert().array(0, "generated"), before)
    with pytest.raises(StorageError):
        convert("another model")
    one = [index for index in every if store.meta(index)["speaker"] == "s0"]
    with pytest.raises(CorpusError, match="one speaker"):
        convert_recordings(vits.model, vits.config, store, one, tmp_path / "one", "a", lambda items, label: items)


def test_only_the_refiner_is_trained_and_then_used(store, finished, tmp_path):
    main(refiner_flags(store, finished, tmp_path / "run"))
    before, after = (Synthesizer.load(path) for path in (finished, tmp_path / "run" / "model.safetensors"))
    assert after.config.inference.refiner_steps == 1 and after.config.unit_file == "toy"  # type: ignore[attr-defined]
    kept, trained = before.model.state_dict(), after.model.state_dict()  # type: ignore[attr-defined]
    assert all(torch.equal(trained[name], value) for name, value in kept.items())
    assert {name.split(".")[0] for name in trained if name not in kept} == {"refiner", "discriminators"}
    again: Any = planned(refiner_flags(store, tmp_path / "run" / "model.safetensors", tmp_path / "again"), store)
    assert torch.equal(again.task.refiner.leave.weight, trained["refiner.leave.weight"])  # trained further
    assert again.task.refiner.leave.weight.requires_grad and not again.task.model.speaker.weight.requires_grad


def test_a_refiner_of_another_model_can_be_the_start(store, finished, tmp_path):
    other = toy_vits(seed=5, **SIZES, **REFINER)
    other.save(tmp_path / "other.safetensors")
    refine = replace(REFINE, start=tmp_path / "other.safetensors")
    made: Any = planned(refiner_flags(store, finished, tmp_path / "run", refine=refine), store)
    assert other.model.refiner is not None
    torch.testing.assert_close(made.task.refiner.of_embedding.weight, other.model.refiner.of_embedding.weight)
    assert made.task.model.config.refiner_size == 16
    with pytest.raises(ModelFileError, match="has no refiner"):
        planned(refiner_flags(store, finished, tmp_path / "run", refine=replace(REFINE, start=finished)), store)


def test_what_a_refiner_needs_is_named(store, finished, tmp_path):
    with pytest.raises(ConfigError, match="--warm-start"):
        planned(refiner_flags(store, finished, tmp_path, warm_start=None), store)
    toy_vits().save(tmp_path / "text.safetensors")
    with pytest.raises(ConfigError, match="reads text only"):
        planned(refiner_flags(store, tmp_path / "text.safetensors", tmp_path), store)
    with pytest.raises(ConfigError, match="--vocoder"):
        toy_architecture(**REFINER)
    with pytest.raises(ConfigError, match="--unit-encoder"):
        refiner_flags(store, finished, tmp_path, refine=replace(REFINE, phone_weight=0.5))
    with pytest.raises(ConfigError, match="exclude"):
        refiner_flags(store, finished, tmp_path, dino=True)


def refined_vits(refiner_steps: int = 1, **sizes: Any):
    vits = toy_vits(**SIZES, **REFINER, **sizes)
    torch.manual_seed(0)
    assert vits.model.refiner is not None
    torch.nn.init.normal_(vits.model.refiner.leave.weight, std=0.3)
    settings = InferenceSettings(refiner_steps=refiner_steps, refiner_temperature=0.3)
    vits.config = VitsConfig(vits.config.architecture, settings)
    return vits


def test_conversions_and_texts_go_through_the_refiner():
    pitch = np.full(60, 150, np.float32)
    mel = ReferenceMel(np.random.default_rng(0).integers(0, 255, (100, 80)).astype(np.uint8), MelConfig())

    def converted(vits, voice=VOICE, f0=pitch, seed=1):
        return np.concatenate([*vits.convert(SpeechUnits(UNITS, f0), voice, seed=seed)])

    vits, plain = refined_vits(), refined_vits(refiner_steps=0)
    found = converted(vits)
    assert found.shape == (96 * 200,) and np.isfinite(found).all()
    np.testing.assert_array_equal(converted(vits), found)
    others = (converted(plain), converted(vits, replace(VOICE, reference=mel)), converted(vits, f0=0 * pitch))
    assert all(not np.allclose(other, found, atol=1e-3) for other in others)
    spoken, unrefined = (one.synthesize("Yes.", VOICE).wav for one in (vits, plain))
    assert spoken.shape == unrefined.shape and not np.allclose(spoken, unrefined, atol=1e-3)
    # with less of it, conversions lie between, and texts are the same
    partly = {}
    for share in (0.0, 0.1, 0.3):
        vits.config = replace(vits.config, inference=replace(vits.config.inference, conversion_refinement=share))
        partly[share] = converted(vits)
        np.testing.assert_array_equal(vits.synthesize("Yes.", VOICE).wav, spoken)
    np.testing.assert_array_equal(partly[0.0], converted(plain))
    changes = [np.abs(made - partly[0.0]).mean() for made in (partly[0.1], partly[0.3], found)]
    assert 0 < changes[0] < changes[1] < changes[2]


def test_a_phone_classifier_gives_the_refiner_symbols(store, tmp_path):
    """In training those of the recordings, in use those of the recording to convert, or of the text."""
    vits = refined_vits(phone_classifier_size=8, phone_classifier_layers=1)
    classifier, refiner = vits.model.phone_classifier, vits.model.refiner
    assert classifier is not None and refiner is not None and vits.unit_settings.source
    made = convert_recordings(
        vits.model, vits.config, store, [0, 1, 2], tmp_path, "a", lambda items, label: items
    )  # fmt: skip
    recorded = decode_mel(store.array(1, "mel"), 4.0).T
    np.testing.assert_array_equal(made.array(made.find(store.keys[1]), "symbols"), phones_of(classifier, recorded))
    wav = 0.1 * np.random.default_rng(0).normal(size=96 * 200).astype(np.float32)
    speech = SpeechUnits(UNITS, np.full(60, 150, np.float32), SourceAudio(wav, VOICE.embedding))
    with pytest.raises(ConfigError, match="recording"):
        [*vits.convert(replace(speech, source=None), VOICE)]

    def outputs() -> list[np.ndarray]:
        spoken = vits.synthesize("Yes.", VOICE).wav
        return [np.concatenate([*vits.convert(speech, VOICE, seed=1)]), spoken]

    before = outputs()
    assert all(np.isfinite(wav).all() for wav in before)
    torch.nn.init.normal_(refiner.symbols.weight, std=5)
    assert all(not np.allclose(one, other, atol=1e-3) for one, other in zip(before, outputs(), strict=True))


def test_the_phone_classifier_of_another_model_is_taken_over(store, finished, tmp_path):
    other = toy_vits(seed=5, **SIZES, **REFINER, phone_classifier_size=8, phone_classifier_layers=1)
    other.save(tmp_path / "other.safetensors")
    refine = replace(REFINE, start=tmp_path / "other.safetensors")
    made: Any = planned(refiner_flags(store, finished, tmp_path / "plan", refine=refine), store)
    assert other.model.phone_classifier is not None
    torch.testing.assert_close(made.task.model.phone_classifier.last.weight, other.model.phone_classifier.last.weight)
    assert not made.task.model.phone_classifier.last.weight.requires_grad
    main(refiner_flags(store, finished, tmp_path / "run", refine=refine))
    trained = Synthesizer.load(tmp_path / "run" / "model.safetensors")
    assert trained.model.phone_classifier is not None  # type: ignore[attr-defined]


def test_a_frame_has_the_pitch_of_the_unit_at_its_middle():
    pitch = np.array([100.0, 0, 120], np.float32)
    np.testing.assert_array_equal(of_frames(toy_vits(**SIZES).model, pitch, 5), [100, 100, 0, 120, 120])
