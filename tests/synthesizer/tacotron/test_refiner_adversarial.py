"""The second stage of a refiner's training: one step against discriminators."""

from typing import Any

import pytest
import torch

from encoder.commands import load_encoder
from speech.errors import ConfigError, ModelFileError
from speech.mel_config import MelConfig
from synthesizer.refiner.adversarial import AdversarialRefinerTask
from synthesizer.refiner.data import RefinerBatches, RefinerItems
from synthesizer.refiner.discriminators import MelDiscriminators
from synthesizer.refiner.flags import RefinerFlags
from synthesizer.refiner.one_step import exchanged, one_step_losses
from synthesizer.refiner.plan import RefinedModel, plan_of, voice_measure
from synthesizer.tacotron.config import InferenceSettings, TacotronConfig
from synthesizer.tacotron.flags import TacotronFlags
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.refiner_mels import decode_recordings
from synthesizer.tacotron.refiner_plan import phone_measures
from synthesizer.training_flags import TrainingRun
from tests.synthesizer.toy import HEADER, toy_config, toy_run, toy_store
from tests.toy_models import toy_encoder


def make(tmp_path, **changes) -> tuple[AdversarialRefinerTask, RefinerBatches]:
    torch.manual_seed(0)
    store = toy_store(tmp_path / "store")
    sizes = {"postfilter_size": 8, "postfilter_layers": 1, "refiner_size": 16, "refiner_layers": 2}
    sizes |= {"phone_classifier_size": 8, "phone_classifier_layers": 1}
    model = Tacotron2(toy_config(**sizes, refiner_discriminators=True)).eval().requires_grad_(False)
    every = list(range(len(store)))
    inference = InferenceSettings(reduction_factor=2)
    generated = decode_recordings(model, store, every, inference, tmp_path / "made", "a", lambda items, label: items)
    for part in (model.refiner, model.discriminators):
        assert part is not None
        part.requires_grad_(True)
    assert model.refiner is not None
    for name, weights in model.refiner.named_parameters():
        if name.endswith(("leave.weight", "modulation.weight")):  # they start at 0
            torch.nn.init.normal_(weights, std=0.1)
    settings = {"adversarial": True, "discriminator_warmup_steps": 2, "rows": 3, "frames": 32, "reference_frames": 32}
    flags = TacotronFlags(
        tmp_path / "store", refine=RefinerFlags(**{**settings, **changes}), encoder=tmp_path / "encoder.safetensors"
    )
    toy_encoder().save(flags.encoder)
    items = RefinerItems(store, generated, every, flags.refine)
    refined = RefinedModel(model, model.refiner, model.discriminators, TacotronConfig(model.config), HEADER)
    measures, run = phone_measures(model, flags.refine.phone_weight), TrainingRun(tmp_path, load_encoder)
    plan: Any = plan_of(refined, items, items, flags, flags.refine, run, measures)
    return plan.task, plan.batches


def gradients(task: AdversarialRefinerTask, batch, step: int) -> list[torch.Tensor]:
    for parameter in (*task.refiner.parameters(), *task.discriminators.parameters()):
        parameter.grad = None
    task.step(batch, step, torch.Generator().manual_seed(0))["loss"].backward()
    return [value.grad.clone() for value in task.refiner.parameters() if value.grad is not None]


def remaining(task: AdversarialRefinerTask, batches: RefinerBatches, name: str) -> float:
    """A part of the loss after 40 steps on one batch, relative to the first step."""
    batch = batches.batch_at(0)
    optimizer = torch.optim.Adam(task.refiner.parameters(), 3e-3)
    figures = []
    for _ in range(40):
        losses = task.step(batch, 0, torch.Generator().manual_seed(0))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        figures.append(float(losses[name]))
    return figures[-1] / figures[0]


def test_both_networks_are_trained(tmp_path):
    task, batches = make(tmp_path)
    gradients(task, batches.batch_at(0), step=10)
    for network in (task.refiner, task.discriminators):
        missing = [name for name, value in network.named_parameters() if value.grad is None or not value.grad.any()]
        # The hinge losses of recorded and generated mels cancel at the bias of scores within [-1, 1].
        assert [name for name in missing if not name.endswith("leave.bias")] == []
    groups = task.param_groups()
    assert sum(len(group["params"]) for group in groups) == len(list(task.refiner.parameters())) + len(
        list(task.discriminators.parameters())
    )


def test_discriminators_do_not_change_the_refiner_in_the_warmup(tmp_path):
    task, batches = make(tmp_path)
    batch = batches.batch_at(0)
    warm, plain = gradients(task, batch, step=0), None
    task.flags = RefinerFlags(adversarial=True, adversarial_weight=0.0)
    plain = gradients(task, batch, step=100)
    assert all(torch.allclose(one, other, atol=1e-7) for one, other in zip(warm, plain, strict=True))
    task.flags = RefinerFlags(adversarial=True, discriminator_warmup_steps=0)
    changed = gradients(task, batch, step=100)
    assert any(not torch.allclose(one, other, atol=1e-5) for one, other in zip(plain, changed, strict=True))


def test_the_model_is_sampled_in_one_step(tmp_path):
    task, _ = make(tmp_path)
    figures = task.validate(0, toy_run())
    assert task.model_file()["config"].inference.refiner_steps == 1
    assert figures["texture"] >= 0
    assert task.best_metric == "texture"


def test_the_discriminators_use_both_mels():
    networks = MelDiscriminators(80)
    mel, coarse = torch.randn(2, 32, 80), torch.randn(2, 32, 80)
    scores = [part[-1] for part in networks(mel, coarse)]
    assert all(not torch.equal(one, other[-1]) for one, other in zip(scores, networks(mel, -coarse), strict=True))
    assert all(not torch.equal(one, other[-1]) for one, other in zip(scores, networks(-mel, coarse), strict=True))


@pytest.mark.parametrize(
    "changes",
    [
        {"adversarial_weight": -1.0},
        {"adversarial_weight": 11.0},
        {"discriminator_warmup_steps": -1},
        {"voice_weight": -1.0},
        {"exchanged_weight": 0.5},
        {"exchanged_weight": -1.0, "adversarial": True},
    ],
)
def test_impossible_settings_are_refused(changes):
    with pytest.raises(ConfigError, match="--refine"):
        RefinerFlags(**changes)


def test_the_voice_comes_closer_to_that_of_the_recording(tmp_path):
    task, batches = make(tmp_path, adversarial_weight=0.0, voice_weight=10.0)
    assert remaining(task, batches, "voice") < 0.5


def test_the_voice_needs_discriminators(tmp_path):
    flags = TacotronFlags(refine=RefinerFlags(voice_weight=1.0))
    with pytest.raises(ConfigError, match=r"--refine\.adversarial"):
        voice_measure(flags, flags.refine, TrainingRun(tmp_path, load_encoder), MelConfig())
    flags = TacotronFlags(refine=RefinerFlags(voice_weight=1.0, adversarial=True), encoder=tmp_path / "none")
    with pytest.raises(ModelFileError):
        voice_measure(flags, flags.refine, TrainingRun(tmp_path, load_encoder), MelConfig())


def test_the_phone_classifier_makes_phones_clear(tmp_path):
    task, batches = make(tmp_path, adversarial_weight=0.0, phone_weight=10.0)
    assert remaining(task, batches, "phones") < 0.9
    classifier = task.model.get_submodule("phone_classifier")
    assert all(value.grad is None for value in classifier.parameters())


def test_conditions_take_the_voice_of_the_next_row(tmp_path):
    _, batches = make(tmp_path)
    given = batches.batch_at(0).given
    f0 = torch.zeros_like(given.f0)
    f0[0, :3], f0[1, 4:9] = torch.tensor([90.0, 100, 110]), 200.0  # the third row is unvoiced
    other = exchanged(given._replace(f0=f0))
    assert torch.equal(other.coarse, given.coarse) and torch.equal(other.symbols, given.symbols)
    for name in ("embedding", "reference", "reference_lengths"):
        assert torch.equal(getattr(other, name), getattr(given, name).roll(-1, 0))
    torch.testing.assert_close(other.f0[0, :3], torch.tensor([180.0, 200, 220]))
    assert torch.equal(other.f0[1:], f0[1:])


def test_mels_in_another_voice_are_trained_without_a_recording(tmp_path):
    """By the words, from the first step, and by the discriminators, which learn to reject them."""
    task, batches = make(tmp_path, phone_weight=1.0, exchanged_weight=3.0)
    assert remaining(task, batches, "exchanged_phones") < 0.95
    batch, noise = batches.batch_at(0), torch.zeros_like(batches.batch_at(0).recorded)
    norms = []
    for weight in (0.0, 1.0):
        losses = one_step_losses(
            task.refiner, task.discriminators, batch.given, batch.recorded, noise, 1.0, 0.5, task.measures, weight
        )
        assert ("exchanged_adversarial" in losses) == bool(weight)
        task.discriminators.zero_grad()
        losses["loss"].backward()
        grads = [value.grad for value in task.discriminators.parameters() if value.grad is not None]
        norms.append(float(torch.cat([value.flatten() for value in grads]).norm()))
    assert abs(norms[1] - norms[0]) > 1e-6
