"""Speech to speech, with models of toy width."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from cloning import ModelFiles, SpeechOptions, Voice, VoiceCloner
from cloning.models import load_speech_model
from cloning.monitor import Monitor
from cloning.source_speech import SourceSpeech
from modelfile.locations import SAMPLES
from speech.audio import read_audio, write_audio
from speech.errors import AudioError, ConfigError, ModelFileError, WorkCancelled
from speech.loudness import integrated_loudness
from synthesizer.options import SpeechUnits
from tests.synthesizer.vits.toy import save_toy_conversion, toy_units, toy_vits
from tests.toy_models import EMBEDDING_SIZE, TOY_SPACE, save_toy_models, speech_like, toy_encoder

VOICE = Voice(np.full(EMBEDDING_SIZE, 0.25, np.float32), TOY_SPACE, name="ann", pitch=200.0)
PAUSE = np.zeros(20_000, np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Default models, and beside them those for conversion."""
    return save_toy_conversion(save_toy_models(tmp_path_factory.mktemp("models")))


@pytest.fixture(scope="module")
def cloner(folder) -> VoiceCloner:
    return VoiceCloner.load(ModelFiles.find_conversion(folder), device="cpu")


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return np.concatenate([PAUSE, speech_like(2.5, 110), PAUSE, speech_like(2.0, 110, 1), PAUSE[:777]])


def test_a_conversion_has_the_length_and_the_pauses_of_the_speech(cloner, speech):
    conversion = cloner.convert(speech, VOICE, seed=1)
    assert len(conversion.wav) == len(speech) and conversion.sample_rate == 16_000
    assert np.isfinite(conversion.wav).all() and np.abs(conversion.wav).max() <= 1
    assert not conversion.wav[:12_000].any() and conversion.wav[25_000:55_000].any()
    assert integrated_loudness(conversion.wav, 16_000) == pytest.approx(-23, abs=1.5)
    assert conversion.pitch == 200 and conversion.source_pitch == pytest.approx(110, rel=0.05)
    assert conversion.remarks == ()
    assert repr(conversion).startswith("Conversion('a recording', ")


def test_a_stream_has_the_samples_of_the_whole_and_begins_before_the_end(cloner, speech):
    progress: list[int] = []
    monitor = Monitor(progress=lambda stage, done, total: progress.append(done))
    stream = cloner.convert_stream(speech, VOICE, SpeechOptions(seed=1), monitor=monitor)
    first = next(stream)
    assert 0 < len(first) <= 1600 and progress[-1] < 0.7 * len(speech)
    rest = [*stream]
    whole = cloner.convert(speech, VOICE, seed=1)
    np.testing.assert_array_equal(np.concatenate([first, *rest]), whole.wav)
    np.testing.assert_array_equal(stream.conversion.wav, whole.wav)
    assert progress[-1] == len(speech)


def test_seed_and_voice_change_the_samples(cloner, speech):
    one = cloner.convert(speech, VOICE, seed=1).wav
    np.testing.assert_array_equal(one, cloner.convert(speech, VOICE, seed=1).wav)
    assert not np.array_equal(one, cloner.convert(speech, VOICE, seed=2).wav)
    other = Voice(-VOICE.embedding, TOY_SPACE, pitch=200.0)
    assert not np.array_equal(one, cloner.convert(speech, other, seed=1).wav)


@pytest.fixture
def given(cloner, monkeypatch) -> list[SpeechUnits]:
    """What the synthesizer is given."""
    calls: list[SpeechUnits] = []
    synthesizer = cloner.model.synthesizer

    def convert(units, voice, **others):
        calls.append(units)
        return type(synthesizer).convert(synthesizer, units, voice, **others)

    monkeypatch.setattr(synthesizer, "convert", convert, raising=False)
    return calls


def median_of(calls: list[SpeechUnits]) -> float:
    pitch = np.concatenate([np.asarray(call.pitch) for call in calls])
    return float(np.median(pitch[pitch > 0]))


def test_the_pitch_is_moved_to_the_median_of_the_voice(cloner, speech, given):
    cloner.convert(speech, VOICE, seed=1)
    assert median_of(given) == pytest.approx(200, rel=0.05)


def test_the_pitch_can_be_kept_and_is_kept_for_a_voice_without_one(cloner, speech, given):
    kept = cloner.convert(speech, VOICE, keep_pitch=True, seed=1)
    assert kept.pitch == kept.source_pitch and kept.remarks == ()
    unknown = cloner.convert(speech, Voice(VOICE.embedding, TOY_SPACE), seed=1)
    assert "not known" in unknown.remarks[0]
    assert median_of(given) == pytest.approx(110, rel=0.05)


def test_the_pitch_range_scales_the_contour(cloner, speech, given):
    cloner.convert(speech, VOICE, pitch_range=0.0, seed=1)
    for call in given:
        pitch = np.asarray(call.pitch)
        np.testing.assert_allclose(pitch[pitch > 0], 200, rtol=1e-5)


def test_a_model_without_pitch_input_converts_and_refuses_to_keep_the_pitch(tmp_path, speech):
    save_toy_conversion(tmp_path, unit_pitch=False)
    toy_encoder().save(tmp_path / "encoder.safetensors")
    cloner = VoiceCloner.load(ModelFiles.find_conversion(tmp_path), device="cpu")
    assert cloner.convert(speech, VOICE, seed=1).pitch is None
    for changes in ({"keep_pitch": True}, {"pitch_range": 2.0}):
        with pytest.raises(ConfigError, match="--unit-pitch"):
            cloner.convert(speech, VOICE, **changes)


def test_a_model_that_keeps_the_residual_gets_the_recording_and_who_speaks(cloner, speech, given, monkeypatch):
    plain = cloner.convert(speech, VOICE, seed=1)
    assert all(call.source is None for call in given)
    config = cloner.model.synthesizer.config
    kept = replace(config, inference=replace(config.inference, source_residual=0.5))
    monkeypatch.setattr(cloner.model.synthesizer, "config", kept)
    given.clear()
    assert not np.array_equal(cloner.convert(speech, VOICE, seed=1).wav, plain.wav)
    phrases = SourceSpeech.read(speech).phrases
    embedding = cloner.encoder.embed(np.concatenate([speech[slice(*phrase)] for phrase in phrases]))
    for call, (start, stop) in zip(given, phrases, strict=True):
        assert call.source is not None
        np.testing.assert_array_equal(call.source.wav, speech[start:stop])
        np.testing.assert_allclose(call.source.embedding, embedding, atol=1e-5)
        spoken, moved = np.asarray(call.source.pitch), np.asarray(call.pitch)
        np.testing.assert_allclose(moved, spoken * np.float32(200 / plain.source_pitch), rtol=1e-3)


def test_a_file_is_saved_with_its_provenance(cloner, speech, tmp_path):
    write_audio(tmp_path / "said.wav", speech)
    from cloning import read_provenance

    cloner.convert(tmp_path / "said.wav", VOICE, seed=1).save(tmp_path / "out.wav")
    provenance = read_provenance(tmp_path / "out.wav")
    assert provenance is not None and provenance.source == "said.wav" and provenance.voice == "ann"
    assert provenance.models["synthesizer"].startswith("conversion.safetensors ")
    assert provenance.models["units"].startswith("units.safetensors ")


def test_each_phrase_gets_the_watermark_and_the_file_says_so(cloner, speech, monkeypatch):
    checked: list[int] = []

    class Fake:
        def apply(self, wav, sample_rate):
            return -wav

        def check(self, wav, sample_rate):
            checked.append(len(wav))

    monkeypatch.setattr("cloning.conversion.load_watermarker", Fake)
    marked = cloner.convert(speech, VOICE, seed=1, watermark=True)
    np.testing.assert_allclose(marked.wav, -cloner.convert(speech, VOICE, seed=1).wav, atol=1e-6)
    assert sum(checked) == len(speech) and marked.provenance.watermark


def test_the_default_models_load_the_model_for_conversion_when_it_is_needed(folder, speech):
    cloner = VoiceCloner.load(folder, device="cpu")
    assert not cloner.model.converts
    assert len(cloner.convert(speech, VOICE, seed=1).wav) == len(speech)


def test_the_included_model_converts_a_sample_to_the_voice_of_another():
    cloner = VoiceCloner.load(device="cpu")
    voice, source = cloner.enroll(SAMPLES / "slt.flac"), cloner.enroll(SAMPLES / "awb.flac")
    speech = read_audio(SAMPLES / "awb.flac")[: 5 * 16_000]
    conversion = cloner.convert(speech, voice, seed=1)
    assert len(conversion.wav) == len(speech)
    assert (cloner.similarity(conversion, voice) or 0) > 0.2 + (cloner.similarity(conversion, source) or 1)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("speech", "words"),
    [
        (np.zeros(32_000, np.float32), "No speech"),
        (np.zeros(0, np.float32), "No speech"),
        (np.full(32_000, np.nan, np.float32), "NaN"),
        (np.zeros((2, 16_000), np.float32), "one channel"),
        ("missing.wav", "missing.wav"),
    ],
    ids=["silent", "empty", "not finite", "stereo", "missing"],
)
def test_unusable_speech_is_refused(cloner, speech, words):
    with pytest.raises(AudioError, match=words):
        cloner.convert(speech, VOICE)


def test_too_long_speech_is_refused(monkeypatch):
    monkeypatch.setattr("cloning.source_speech.MAX_SECONDS", 1.0)
    with pytest.raises(AudioError, match="longer"):
        SourceSpeech.read(speech_like(1.5))


def test_wrong_types_options_and_voices_are_refused(cloner, speech):
    with pytest.raises(TypeError, match="path or an array"):
        cloner.convert(3, VOICE)
    for changes in ({"speed": 0.9}, {"pauses": 2.0}):
        with pytest.raises(ConfigError, match="is for texts"):
            cloner.convert(speech, VOICE, **changes)
    with pytest.raises(ConfigError, match="embedding space"):
        cloner.convert(speech, Voice(VOICE.embedding, "other"))
    with pytest.raises(WorkCancelled):
        cloner.convert(speech, VOICE, monitor=Monitor(cancelled=lambda: True))


def test_a_folder_without_a_model_for_conversion_is_named(tmp_path, folder, speech):
    plain = save_toy_models(tmp_path / "plain")
    with pytest.raises(ModelFileError, match=r"train one \(train_synth.py .*conversion.safetensors"):
        VoiceCloner.load(plain, device="cpu").convert(speech, VOICE)
    with pytest.raises(ModelFileError, match="reads text only"):
        ModelFiles.find_conversion(folder, synthesizer=plain / "synthesizer.safetensors")
    (lacking := tmp_path / "lacking").mkdir()
    for name in ("encoder", "conversion"):
        shutil.copy(folder / f"{name}.safetensors", lacking)
    with pytest.raises(ModelFileError, match="no unit encoder"):
        ModelFiles.find_conversion(lacking)


def test_a_synthesizer_with_units_is_the_model_for_conversion_too(tmp_path):
    save_toy_conversion(tmp_path)
    (tmp_path / "conversion.safetensors").rename(tmp_path / "synthesizer.safetensors")
    toy_encoder().save(tmp_path / "encoder.safetensors")
    assert ModelFiles.find_conversion(tmp_path).synthesizer.name == "synthesizer.safetensors"
    cloner = VoiceCloner.load(tmp_path, device="cpu")
    cloner.convert(speech_like(2.0), VOICE, seed=1)
    model: Any = cloner.model
    converting: Any = cloner._converting_model()
    assert converting.synthesizer is model.synthesizer  # loaded once


def test_units_of_another_encoder_are_refused(tmp_path, folder):
    toy_units(12).save(tmp_path / "units.safetensors")
    files = ModelFiles.find_conversion(folder, units=tmp_path / "units.safetensors")
    with pytest.raises(ConfigError, match="not trained with the units"):
        load_speech_model(files, "cpu")
    toy_vits(units=10).save(tmp_path / "unnamed.safetensors")
    files = ModelFiles.find_conversion(folder, synthesizer=tmp_path / "unnamed.safetensors")
    with pytest.raises(ConfigError, match="different units"):
        load_speech_model(files, "cpu")
