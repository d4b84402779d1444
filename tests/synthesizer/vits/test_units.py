"""The prior from units: training beside text, and conversion."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from modelfile.checkpoint import save_model
from modelfile.header import ModelHeader
from speech.errors import ConfigError, CorpusError, WorkCancelled
from speech.mel_config import MelConfig
from synthesizer import Synthesizer
from synthesizer.options import EmbeddedVoice, SourceAudio, SpeechUnits, UnitSettings
from synthesizer.refiner.one_step import pitch_of_next
from synthesizer.training_flags import TrainingRun
from synthesizer.units.config import NetworkConfig, UnitConfig
from synthesizer.units.encoders import NetworkUnits
from synthesizer.units.loading import file_digest, load_unit_encoder
from synthesizer.units.model import UnitNetwork
from synthesizer.vits.config import InferenceSettings, VitsConfig
from synthesizer.vits.conversion_loss import ContentDistance
from synthesizer.vits.data import collate
from synthesizer.vits.decoding import condition
from synthesizer.vits.flags import VitsFlags
from synthesizer.vits.inference import VitsSynthesizer
from synthesizer.vits.losses import divergence, duration_error
from synthesizer.vits.model import TrainingOutput
from synthesizer.vits.plan import plan_training
from synthesizer.vits.posterior import Posterior
from tests.synthesizer.vits.toy import toy_architecture, toy_audio_store, toy_flags, toy_network, toy_units, toy_vits
from tests.toy_models import toy_encoder
from train_synth import load_encoder, main

RUN = TrainingRun(Path("unused"), load_encoder)
VOICE = EmbeddedVoice(np.full(16, 0.25, np.float32))
UNITS = SpeechUnits(np.random.default_rng(0).integers(0, 10, 60))
PITCHED = SpeechUnits(UNITS.units, np.where(np.arange(60) % 3, 150, 0).astype(np.float32))


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_audio_store(tmp_path_factory.mktemp("store"))


def test_units_are_interpolated_to_frames():
    network = toy_network(units=4)
    x = torch.tensor([[[0.0, 1.0, 2.0, 3.0, 4.0]]])
    found = network.at_frames(x, 8)[0, 0]  # 50 units a second, 80 frames a second
    torch.testing.assert_close(found, torch.tensor([0.0, 0.4375, 1.0625, 1.6875, 2.3125, 2.9375, 3.5625, 4.0]))


def test_a_step_trains_the_prior_of_units_too(store):
    plan = plan_training(toy_flags(store, architecture=toy_architecture(units=10)), store, RUN)
    losses = plan.task.step(plan.batches.batch_at(0), 0, torch.Generator().manual_seed(0))
    losses["loss"].backward()
    assert "unit_kl" in losses
    encoder = plan.task.model.unit_encoder
    assert all(value.grad is not None and value.grad.any() for value in encoder.leave.parameters())  # type: ignore[union-attr, operator]


def test_a_store_without_units_is_refused(store, monkeypatch):
    has = store.has
    monkeypatch.setattr(store, "has", lambda index, name: name != "units" and has(index, name))
    with pytest.raises(CorpusError, match="units"):
        plan_training(toy_flags(store, architecture=toy_architecture(units=10)), store, RUN)


def test_conversion_keeps_the_timing_and_streams(tmp_path):
    vits = toy_vits(units=10)
    chunks = [*vits.convert(UNITS, VOICE, seed=1)]
    assert sum(map(len, chunks)) == 60 * 16_000 // 50 and len(chunks) > 1
    vits.save(tmp_path / "vits.safetensors")
    loaded = Synthesizer.load(tmp_path / "vits.safetensors")
    assert isinstance(loaded, VitsSynthesizer)
    np.testing.assert_array_equal(np.concatenate([*loaded.convert(UNITS, VOICE, seed=1)]), np.concatenate(chunks))
    other = EmbeddedVoice(-VOICE.embedding)
    assert np.abs(np.concatenate([*vits.convert(UNITS, other, seed=1)]) - np.concatenate(chunks)).max() > 1e-4


def test_a_trained_model_speaks_and_converts(store, tmp_path):
    main(toy_flags(store, tmp_path / "run", architecture=toy_architecture(units=10)))
    vits = Synthesizer.load(tmp_path / "run/best.safetensors")
    assert isinstance(vits, VitsSynthesizer)
    assert vits.synthesize("Yes.", VOICE).wav is not None
    assert np.isfinite(np.concatenate([*vits.convert(UNITS, VOICE)])).all()


@pytest.mark.parametrize(
    "units", [np.array([3, 10]), np.array([-1]), np.zeros(0, np.int64), np.zeros((2, 2), np.int64)]
)
def test_units_that_do_not_fit_are_refused(units):
    with pytest.raises(ConfigError, match="from 0 to 9"):
        [*toy_vits(units=10).convert(SpeechUnits(units), VOICE)]


def test_the_pitch_of_units_changes_the_audio_and_is_needed(tmp_path):
    vits = toy_vits(units=10, unit_pitch=True)
    assert vits.unit_settings == UnitSettings(10, 50, True)
    audio = np.concatenate([*vits.convert(PITCHED, VOICE, seed=1)])
    higher = SpeechUnits(PITCHED.units, 2 * np.asarray(PITCHED.pitch))
    assert np.abs(np.concatenate([*vits.convert(higher, VOICE, seed=1)]) - audio).max() > 1e-4
    with pytest.raises(ConfigError, match="needs the pitch"):
        [*vits.convert(UNITS, VOICE)]
    for pitch in (np.full(59, 100.0), np.full(60, np.nan), np.full(60, -1.0)):
        with pytest.raises(ConfigError, match="one frequency for each unit"):
            [*vits.convert(SpeechUnits(UNITS.units, pitch.astype(np.float32)), VOICE)]


def test_a_model_file_without_the_settings_of_pitch_loads(tmp_path):
    vits = toy_vits(units=10)
    header = ModelHeader("synthesizer", "vits", vits.config, embedding_space="toy")
    del header.config["architecture"]["unit_pitch"], header.config["unit_file"]
    save_model(tmp_path / "old.safetensors", vits.model, header)
    loaded = Synthesizer.load(tmp_path / "old.safetensors")
    np.testing.assert_array_equal(
        np.concatenate([*loaded.convert(UNITS, VOICE)]), np.concatenate([*vits.convert(UNITS, VOICE)])
    )


def test_recordings_without_a_text_train_the_prior_of_units_only(tmp_path):
    architecture = toy_architecture(units=10, unit_pitch=True)
    store = toy_audio_store(tmp_path, silent=range(8))
    plan = plan_training(toy_flags(store, architecture=architecture), store, RUN)
    batch = plan.batches.batch_at(0)
    assert not batch.has_text.any() and batch.unit_pitch is not None
    losses = plan.task.step(batch, 0, torch.Generator().manual_seed(0))
    losses["loss"].backward()
    network = plan.task.model
    assert not losses["duration"] and torch.isfinite(losses["loss"])
    for part, used in ((network.text_encoder, False), (network.unit_encoder, True), (network.flow, True)):
        assert any(value.grad is not None and bool(value.grad.any()) for value in part.parameters()) == used  # type: ignore[union-attr, operator]
    with pytest.raises(CorpusError, match="transcripts"):
        plan_training(toy_flags(store), store, RUN)


def test_batches_mix_recordings_with_and_without_a_text(tmp_path):
    store = toy_audio_store(tmp_path, silent=(0, 3))
    mixed: Any = plan_training(toy_flags(store, architecture=toy_architecture(units=10)), store, RUN)
    text_only: Any = plan_training(toy_flags(store), store, RUN)
    assert len(mixed.batches.indices) == 6 and len(text_only.batches.indices) == 5
    batch = collate(store, [0, 1], toy_architecture(units=10), None)
    assert batch.has_text.tolist() == [False, True] and batch.symbol_lengths[0] == 1
    task = mixed.task
    output = task._encode(batch, task.network.condition(batch.embedding), torch.Generator().manual_seed(0))
    alone = collate(store, [1], toy_architecture(units=10), None)
    row = TrainingOutput(
        Posterior(*(value[1:] for value in output.posterior)),
        *(value[1:] if isinstance(value, torch.Tensor) else value for value in output[1:]),
    )
    both, one = divergence(output, batch.frame_lengths, batch.has_text), divergence(row, alone.frame_lengths)
    torch.testing.assert_close(both, one)
    torch.testing.assert_close(duration_error(output, batch.has_text), duration_error(row))


def test_a_model_names_its_unit_file_and_refuses_another(store, tmp_path):
    plan: Any = plan_training(toy_flags(store, architecture=toy_architecture(units=10)), store, RUN)
    assert plan.task.config.unit_file == "toy"
    save_model(
        tmp_path / "start.safetensors", plan.task.model,
        ModelHeader("synthesizer", "vits", replace(plan.task.config, unit_file="other"), embedding_space="toy"),
    )  # fmt: skip
    with pytest.raises(ConfigError, match="another file"):
        plan_training(toy_flags(store, warm_start=tmp_path / "start.safetensors"), store, RUN)


def test_a_conversion_that_keeps_the_residual_returns_the_recording():
    """With all of it, the same speaker and the same pitch, the latent variable is that of the posterior encoder."""
    vits = toy_vits(units=10, unit_pitch=True)
    vits.config = replace(vits.config, inference=replace(vits.config.inference, source_residual=1.0))
    assert vits.unit_settings.source
    with pytest.raises(ConfigError, match="source_residual"):
        [*vits.convert(PITCHED, VOICE)]
    wav = 0.1 * np.random.default_rng(0).normal(size=96 * 200 - 50).astype(np.float32)
    source = SourceAudio(wav, VOICE.embedding, PITCHED.pitch)
    found = np.concatenate([*vits.convert(replace(PITCHED, source=source), VOICE)])
    model, padded = vits.model, torch.from_numpy(np.pad(wav, (0, 50)))[None]
    with torch.no_grad():
        speaker = condition(model, VOICE.embedding)
        linear = model.spectrograms.linear(padded)
        z = model.posterior_encoder(linear, torch.ones(1, 1, 96), speaker).mean
        np.testing.assert_allclose(found, model.decoder(z, speaker)[0].numpy(), atol=1e-4)


@pytest.fixture(scope="module")
def measured(store, tmp_path_factory) -> Iterator[VitsFlags]:
    """Flags of a training with losses of conversions, by a speaker and a unit encoder of toy width."""
    folder = tmp_path_factory.mktemp("measured")
    toy_encoder(space="toy").save(folder / "encoder.safetensors")
    torch.manual_seed(0)
    network = UnitNetwork(NetworkConfig(width=8, layers=1, heads=2, feed_forward=16, position_kernel=3))
    centroids = np.random.default_rng(0).normal(size=(10, 8)).astype(np.float32)
    NetworkUnits(network, UnitConfig(units=10, network=network.config), centroids).save(folder / "units.safetensors")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "info", {**store.info, "units": file_digest(folder / "units.safetensors")})
        yield toy_flags(
            store,
            architecture=toy_architecture(
                units=10, unit_pitch=True, decoder="spectral", spectral_size=8, spectral_hidden=8
            ),
            encoder=folder / "encoder.safetensors",
            unit_encoder=folder / "units.safetensors",
            voice_weight=20.0,
            content_weight=2.0,
            discriminator_start=99,
        )


def test_conversions_within_a_batch_are_trained_to_their_voices_and_words(store, measured):
    plan: Any = plan_training(measured, store, RUN)
    task, batch = plan.task, collate(store, [0, 1, 2], measured.architecture, None)
    first = task.step(batch, 0, torch.Generator().manual_seed(0))
    assert 0 < float(first["voice"]) <= 2 and float(first["content"]) > 0
    without: Any = plan_training(replace(measured, voice_weight=0.0, content_weight=0.0), store, RUN)
    plain = without.task.step(batch, 0, torch.Generator().manual_seed(0))["loss"]
    torch.testing.assert_close(first["loss"] - 20 * first["voice"] - 2 * first["content"], plain)
    optimizer = torch.optim.Adam(task.network.parameters(), 3e-3)
    losses = first
    for _ in range(15):
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        losses = task.step(batch, 0, torch.Generator().manual_seed(0))
    assert float(losses["voice"]) < float(first["voice"])
    assert all(value.grad is None for value in task.conversions.parameters())


def test_a_training_converts_with_the_settings_of_use(store, measured):
    """With all of the residual, conversions to the own voice are reconstructions; guidance then changes nothing."""
    batch = collate(store, [0, 1, 2], measured.architecture, None)
    assert batch.unit_pitch is not None
    batch = replace(batch, embedding=batch.embedding[:1].expand(3, -1), unit_pitch=batch.unit_pitch[:1].expand(3, -1))

    def losses(**settings: Any) -> dict[str, torch.Tensor]:
        flags = replace(measured, inference=InferenceSettings(**settings))
        plan: Any = plan_training(flags, store, RUN)
        return plan.task.step(batch, 0, torch.Generator().manual_seed(0))

    kept, units = losses(source_residual=1.0), losses()
    assert float((kept["content"] - units["content"]).abs()) > 1e-3
    guided = losses(source_residual=1.0, speaker_guidance=1.0)
    torch.testing.assert_close(guided["content"], kept["content"])


def test_the_content_of_a_recording_is_at_no_distance_from_itself(measured):
    units = load_unit_encoder(measured.unit_encoder)
    assert isinstance(units, NetworkUnits)
    distance, mel = ContentDistance(units, MelConfig()).train(), 8 * torch.rand(2, 40, 80) - 4  # as the loop calls it
    assert float(distance(mel, mel)) == pytest.approx(0, abs=1e-5)
    other = (mel + torch.rand(2, 40, 80)).clamp(-4, 4).requires_grad_()
    distance(other, mel).backward()
    assert other.grad is not None and other.grad.any()


def test_what_losses_of_conversions_need_is_named(store, measured, tmp_path):
    toy_units().save(tmp_path / "units.safetensors")
    for changes, words in (
        ({"architecture": toy_architecture()}, "--vocoder"),
        ({"unit_encoder": tmp_path / "units.safetensors"}, "not the unit file"),
    ):
        with pytest.raises(ConfigError, match=words):
            plan_training(replace(measured, **changes), store, RUN)
    for changes, words in (({"dino": True}, "of its own"), ({"unit_encoder": None}, "--unit-encoder")):
        with pytest.raises(ConfigError, match=words):
            replace(measured, **changes)


def test_the_pitch_is_moved_to_the_median_of_the_next_recording():
    pitch = torch.tensor([[100.0, 0, 110, 90], [200.0, 200, 0, 220], [0.0, 0, 0, 0]])
    moved = pitch_of_next(pitch)
    torch.testing.assert_close(moved[0], torch.tensor([200.0, 0, 220, 180]))
    torch.testing.assert_close(moved[1:], pitch[1:])  # the next one is unvoiced; it has nothing to move


def test_guidance_moves_away_from_the_speaker_of_the_recording():
    vits = toy_vits(units=10, decoder="spectral", spectral_size=8, spectral_hidden=8)
    plain = np.concatenate([*vits.convert(UNITS, VOICE, seed=1)])
    guided = replace(vits.config, inference=replace(vits.config.inference, speaker_guidance=1.0))
    vits.config = guided
    assert vits.unit_settings.source
    wav = np.zeros(96 * 200, np.float32)

    def converted(speaker: np.ndarray) -> np.ndarray:
        source = SourceAudio(wav, speaker)
        return np.concatenate([*vits.convert(replace(UNITS, source=source), VOICE, seed=1)])

    np.testing.assert_allclose(converted(VOICE.embedding), plain, atol=1e-6)  # nothing to move away from
    assert not np.allclose(converted(-VOICE.embedding), plain, atol=1e-3)
    with pytest.raises(ConfigError, match="speaker_guidance"):
        [*vits.convert(UNITS, VOICE)]
    with pytest.raises(ConfigError, match="--vocoder"):
        VitsConfig(toy_architecture(), guided.inference)


def test_a_model_of_text_cannot_convert_and_conversion_can_be_cancelled():
    with pytest.raises(ConfigError, match="--units"):
        [*toy_vits().convert(UNITS, VOICE)]
    with pytest.raises(WorkCancelled):
        [*toy_vits(units=10).convert(UNITS, VOICE, cancelled=lambda: True)]
