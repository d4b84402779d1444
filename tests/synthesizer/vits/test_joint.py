"""Joint training of a VITS and a speaker encoder."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from encoder import SpeakerEncoder
from encoder.campplus.config import CAMPPlusConfig
from encoder.config import DinoConfig, PartialsConfig
from encoder.joint import JointEncoder
from encoder.lstm.config import LSTMConfig
from encoder.lstm.model import SpeakerEncoderModel
from modelfile.checkpoint import save_model
from modelfile.header import ModelHeader, read_header
from speech.errors import ConfigError, ModelFileError
from speech.mel import encoder_mel
from speech.mel_config import MelConfig
from synthesizer.training_flags import JointEncoderRequest, TrainingRun
from synthesizer.vits.flags import JointFlags
from synthesizer.vits.plan import plan_training
from synthesizer.vits.references import ReferenceMaker
from synthesizer.vits.spectrogram import PowerMels
from tests.synthesizer.vits.toy import toy_architecture, toy_audio_store, toy_flags
from training.script import train

JOINT = JointFlags(long_seconds=0.4, short_seconds=0.3, short_crops=1, prototypes=8, momentum=(0.9, 1.0))
SMALL = CAMPPlusConfig(
    n_mels=8, embedding_size=12, head_channels=2, channels=4, growth_rate=2, bottleneck=2, layers=(1, 1, 1),
    segment_frames=10, partials=PartialsConfig(partial_frames=40, partial_step=40),
)  # fmt: skip


def small_encoder(request: JointEncoderRequest) -> JointEncoder:
    dino = DinoConfig(
        prototypes=request.prototypes, momentum=request.momentum, head_size=16, bottleneck_size=8, frozen_steps=0.0
    )
    return JointEncoder(SMALL, dino, request.steps, request.start, request.licence, request.trained_on)


RUN = TrainingRun(Path("unused"), lambda _: pytest.fail("no other encoder"), None, small_encoder)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_audio_store(tmp_path_factory.mktemp("store"))


def joint_flags(store, run: Path = Path("unused"), **changes):
    given = {"dino": True, "joint": JOINT, "architecture": toy_architecture(speaker_embedding_size=256)}
    return toy_flags(store, run, **{**given, **changes})


def test_a_step_trains_both_networks_and_not_the_teacher(store):
    task_plan = plan_training(joint_flags(store, joint=replace(JOINT, dino_weight=0.0)), store, RUN)
    task = task_plan.task
    losses = task.step(task_plan.batches.batch_at(0), 5, torch.Generator().manual_seed(0))
    assert {"dino", "consistency", "kl", "mel", "spread"} <= set(losses)
    losses["loss"].backward()
    modules = task.encoder.modules  # type: ignore[attr-defined]
    student = modules["student"]
    assert all(value.grad is not None and value.grad.isfinite().all() for value in student.parameters())
    # Without the weight of DINO, the encoder still learns from the synthesizer's losses.
    assert any(value.grad.abs().sum() > 0 for value in student.parameters() if value.grad is not None)
    assert any(value.grad is not None and value.grad.any() for value in task.model.decoder.parameters())  # type: ignore[union-attr, operator]
    for name in ("teacher", "teacher_head"):
        assert all(value.grad is None and not value.requires_grad for value in modules[name].parameters())

    trained = {id(value) for group in task.param_groups() or () for value in group["params"]}
    assert {id(value) for value in student.parameters()} <= trained
    assert not {id(value) for value in modules["teacher"].parameters()} & trained


def test_the_consistency_loss_reaches_the_decoder_alone(store):
    gradients: list[Any] = []
    for weight in (0.0, 5.0):
        joint = replace(JOINT, consistency_weight=weight, noisy_share=0.0, reference_noise=0.0)
        plan = plan_training(joint_flags(store, joint=joint, adversarial_weight=0.0), store, RUN)
        plan.task.step(plan.batches.batch_at(0), 5, torch.Generator().manual_seed(0))["loss"].backward()
        gradients.append(plan.task.model.decoder.enter.weight.grad)  # type: ignore[union-attr]
    assert (gradients[0] - gradients[1]).abs().max() > 1e-6


def test_a_batch_has_two_recordings_at_least(store):
    plan = plan_training(joint_flags(store, batch_frames=1), store, RUN)
    batch = plan.batches.batch_at(0)
    assert len(batch.wav) == 2
    assert plan.task.step(batch, 0, torch.Generator().manual_seed(0))["loss"].isfinite()


def test_the_teacher_follows_after_a_step(store):
    task = plan_training(joint_flags(store), store, RUN).task
    modules = task.encoder.modules  # type: ignore[attr-defined]
    name, value = next(iter(modules["student"].named_parameters()))
    before = modules["teacher"].get_parameter(name).clone()
    with torch.no_grad():
        value.add_(1)
    task.after_step(1, {})
    torch.testing.assert_close(modules["teacher"].get_parameter(name), before + 0.1, atol=1e-5, rtol=0)


def test_model_and_encoder_are_saved_with_one_embedding_space(store, tmp_path, monkeypatch):
    run = tmp_path / "run"
    flags = joint_flags(store, run, licence="CC0")
    train("synthesizer", flags, replace(RUN, path=run))
    encoder = SpeakerEncoder.load(run / "encoder.safetensors")
    header = read_header(run / "best.safetensors")
    assert (encoder.kind, encoder.licence, header.step) == ("campplus", "CC0", 2)
    assert header.embedding_space == encoder.embedding_space != "toy"
    assert header.config["architecture"]["speaker_embedding_size"] == 12
    newest = read_header(run / "model-encoder.safetensors")
    assert newest.embedding_space == read_header(run / "model.safetensors").embedding_space

    joint = replace(JOINT, encoder=run / "encoder.safetensors")
    again = joint_flags(store, warm_start=run / "best.safetensors", joint=joint)
    assert plan_training(again, store, RUN).task.encoder.embedding_space == header.embedding_space  # type: ignore[attr-defined]
    with pytest.raises(ConfigError, match="speaker encoder"):
        plan_training(joint_flags(store, warm_start=run / "best.safetensors"), store, RUN)
    with pytest.raises(ModelFileError):
        plan_training(joint_flags(store, joint=replace(JOINT, encoder=run / "best.safetensors")), store, RUN)


def test_an_encoder_of_another_family_can_learn_too(store, tmp_path):
    small = SpeakerEncoderModel(LSTMConfig(n_mels=8, hidden_size=8, num_layers=1, embedding_size=12))
    path = tmp_path / "lstm.safetensors"
    save_model(path, small, ModelHeader("encoder", "lstm", small.config, embedding_space="shared"))
    task = plan_training(joint_flags(store, joint=replace(JOINT, encoder=path)), store, RUN).task
    assert task.encoder.embedding_space == "shared"  # type: ignore[attr-defined]
    task.encoder.modules["student"].linear.weight.data += 0.1  # type: ignore[attr-defined]
    task.encoder.save(tmp_path / "trained.safetensors", 1)  # type: ignore[attr-defined]
    trained = SpeakerEncoder.load(tmp_path / "trained.safetensors")
    assert trained.kind == "lstm" and trained.embedding_space != "shared"


def test_noise_is_added_to_a_share_of_the_recordings():
    rng = np.random.default_rng(0)
    wavs = [0.1 * rng.standard_normal(3000 + 100 * k).astype(np.float32) for k in range(40)]
    maker = ReferenceMaker(replace(JOINT, noisy_share=0.5, snr=(5.0, 5.0)), 8)
    noisy = maker.noisy_share(wavs, rng)
    changed = [not np.array_equal(a, b) for a, b in zip(wavs, noisy, strict=True)]
    assert 10 <= sum(changed) <= 30
    for wav, other in zip(wavs, noisy, strict=True):
        assert wav.shape == other.shape
        if not np.array_equal(wav, other):
            ratio = 10 * np.log10(np.mean(wav**2) / np.mean((other - wav) ** 2))
            assert abs(ratio - 5) < 0.1
    assert all(map(np.array_equal, ReferenceMaker(replace(JOINT, noisy_share=0.0), 8).noisy_share(wavs, rng), wavs))


def test_crops_have_the_given_lengths():
    wavs = [np.random.default_rng(k).standard_normal(n).astype(np.float32) for k, n in enumerate((3000, 20_000))]
    crops = ReferenceMaker(JOINT, 8).crops(wavs, wavs, np.random.default_rng(0))
    assert crops.long.shape == (2, 2, 40, 8) and crops.short.shape == (1, 2, 30, 8) and crops.clean.shape == (2, 40, 8)
    assert not torch.equal(crops.long[0], crops.long[1])
    plain = ReferenceMaker(JOINT, 8).crops(wavs, wavs, None)
    torch.testing.assert_close(plain.long[0], plain.clean)


def test_power_mels_are_those_of_the_front_end():
    wav = np.random.default_rng(0).normal(scale=0.1, size=3200).astype(np.float32)
    found = PowerMels(40)(torch.from_numpy(wav)[None])[0].numpy()
    np.testing.assert_allclose(found, encoder_mel(wav), rtol=1e-3, atol=1e-6)


def test_other_sample_rates_are_refused(tmp_path):
    store = toy_audio_store(tmp_path)
    store.info["mel_config"] = {**MelConfig().to_json(), "sample_rate": 24_000}
    with pytest.raises(ConfigError, match="16000 Hz"):
        plan_training(joint_flags(store), store, RUN)


@pytest.mark.parametrize(
    "change",
    [{"noisy_share": 1.5}, {"snr": (10.0, 0.0)}, {"short_seconds": 3.0}, {"prototypes": 0}, {"dino_weight": -1.0}],
)
def test_settings_out_of_range_are_refused(change):
    with pytest.raises(ConfigError, match="--joint"):
        JointFlags(**change)


def test_a_distilled_encoder_starts_in_the_space_of_its_teacher(tmp_path):
    first = small_encoder(JointEncoderRequest(2, None, 8, (0.9, 1.0)))
    saved = tmp_path / "distilled.safetensors"
    first.save(saved, 1)
    student = SpeakerEncoder.load(saved)
    student.embedding_space = "public"
    student.save(saved)
    encoder = small_encoder(JointEncoderRequest(2, saved, 8, (0.9, 1.0)))
    assert encoder.embedding_space == "public"
    with torch.no_grad():
        next(encoder.learner.student.parameters()).add_(0.1)
    assert encoder.embedding_space.startswith("encoder-")
