"""One step of adversarial training: which losses reach which network."""

import math

import pytest
import torch

from speech.errors import ConfigError
from training.adversarial import adversarial_loss, discrimination_loss, feature_distance
from training.run_directory import RunDirectory
from vocoder.spectral.adversarial import AdversarialTask, start_discriminators
from vocoder.spectral.config import AdversarialConfig, DiscriminatorConfig, SpectralConfig
from vocoder.spectral.data import SpectralBatches
from vocoder.spectral.discriminators import FILE_NAME, Discriminators
from vocoder.spectral.model import SpectralGenerator
from vocoder.spectral.task import SpectralTask

TOY = SpectralConfig(channels=16, hidden=24, blocks=2, kernel=3)
SMALL = DiscriminatorConfig(periods=(2, 3), period_channels=4, resolutions=(128,), resolution_channels=4)
FRAMES = 16


def make_task(store, **settings) -> AdversarialTask:
    torch.manual_seed(0)
    config = AdversarialConfig(**{"discriminator_warmup_steps": 0, "discriminator_frames": 8, **settings})
    model, discriminators = SpectralGenerator(TOY), Discriminators(SMALL)
    return AdversarialTask(model, store, discriminators, config, frames=FRAMES, clips=2, clip_frames=24)


@pytest.fixture
def task(toy_store) -> AdversarialTask:
    return make_task(toy_store)


@pytest.fixture
def batch(toy_store):
    return SpectralBatches(toy_store, TOY, 2, FRAMES).batch_at(0)


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def gradients(module: torch.nn.Module) -> torch.Tensor:
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in module.parameters()]
    return torch.cat([part.reshape(-1) for part in parts])


def test_a_step_gives_losses(task, batch):
    losses = task.step(batch, 0, draws())
    parts = sum(losses[name].item() for name in ("magnitude", "log_magnitude", "mel"))
    assert losses["loss"].item() == pytest.approx(parts + 0.02 * losses["discrimination"].item(), rel=1e-5)
    assert {"adversarial", "features", "accuracy"} <= losses.keys() and int(losses["items"]) == 2 * FRAMES * 200


def test_training_changes_every_parameter(task, batch):
    """Except, perhaps, the bias of a score: while all hinges are active, its gradients cancel."""
    modules = {"model": task.model, "discriminators": task.discriminators}
    named = {f"{name}.{key}": p for name, module in modules.items() for key, p in module.named_parameters()}
    before = {name: parameter.detach().clone() for name, parameter in named.items()}
    optimizer = torch.optim.AdamW(task.param_groups(), lr=1e-3)
    task.step(batch, 0, draws())["loss"].backward()
    optimizer.step()
    unchanged = {name for name, parameter in named.items() if torch.equal(before[name], parameter)}
    assert all(name.endswith("score.bias") for name in unchanged)
    assert sum(len(group["params"]) for group in task.param_groups()) == len(named)


def test_generator_has_only_spectral_losses_in_the_discriminator_warm_up(toy_store, batch):
    task = make_task(toy_store, discriminator_warmup_steps=5)
    plain = SpectralTask(task._generator, toy_store, clips=2, clip_frames=24)
    plain.step(batch, 0, draws())["loss"].backward()
    expected = gradients(task.model)
    task.model.zero_grad()
    task.step(batch, 0, draws())["loss"].backward()
    torch.testing.assert_close(gradients(task.model), expected, rtol=1e-3, atol=1e-6)


def test_discriminators_are_trained_by_their_own_loss_only(task, batch):
    task.step(batch, 0, draws())["loss"].backward()
    got = gradients(task.discriminators)
    task.discriminators.zero_grad()
    with torch.no_grad():
        wave = task.model(batch["mel"])
    part = task._random_part(FRAMES, draws())
    outputs = task.discriminators(batch["wave"][:, part]), task.discriminators(wave[:, part])
    (0.02 * discrimination_loss(*outputs)).backward()
    torch.testing.assert_close(got, gradients(task.discriminators), rtol=1e-3, atol=1e-7)


def test_adversarial_gradient_has_the_given_relative_norm(toy_store, batch, monkeypatch):
    for fraction in (0.5, 1.0):
        seen: list[torch.Tensor] = []
        for warmup in (0, 9):
            task = make_task(toy_store, adversarial_weight=fraction, discriminator_warmup_steps=warmup)
            original = task._generator.parts

            def watched(mel, original=original, seen=seen):
                parts = original(mel)
                parts.register_hook(seen.append)
                return parts

            monkeypatch.setattr(task._generator, "parts", watched)
            task.step(batch, 0, draws())["loss"].backward()
        together, spectral = seen
        assert (together - spectral).norm() / spectral.norm() == pytest.approx(fraction, rel=1e-3)


def test_adversarial_gradient_rises_after_the_warm_up(toy_store):
    task = make_task(toy_store, adversarial_weight=2.0, discriminator_warmup_steps=10)
    assert [task.fraction_at(step) for step in (0, 9, 14, 19, 500)] == pytest.approx([0, 0, 1, 2, 2])
    assert make_task(toy_store, adversarial_weight=0.7).fraction_at(0) == 0.7


def test_half_precision_is_close(task, batch):
    exact = task.step(batch, 0, draws())
    with torch.autocast("cpu", torch.bfloat16):
        rough = task.step(batch, 0, draws())
    assert all(rough[name].dtype == torch.float32 for name in ("loss", "features", "discrimination"))
    assert rough["discrimination"].item() == pytest.approx(exact["discrimination"].item(), rel=0.05)


def test_each_step_uses_a_random_part_of_the_crops(task):
    parts = {task._random_part(40, draws(seed)).start for seed in range(20)}
    assert len(parts) > 5 and min(parts) >= 4 * 200 and max(parts) <= (40 - 8 - 4) * 200


def test_overfits_a_batch(toy_store, batch):
    """The discriminators learn to separate a fixed pair. Against fixed discriminators the generator improves."""
    task = make_task(toy_store, discriminator_warmup_steps=100)
    optimizer = torch.optim.AdamW(task.discriminators.parameters(), lr=3e-3)
    for _ in range(25):
        losses = task.step(batch, 0, draws())
        losses["loss"].backward()
        optimizer.step()
        task.model.zero_grad()
        optimizer.zero_grad()
    assert losses["accuracy"] > 0.9 and losses["discrimination"] < 1.0
    task.settings = AdversarialConfig(discriminator_warmup_steps=0, discriminator_frames=8, adversarial_weight=5.0)
    optimizer = torch.optim.AdamW(task.model.parameters(), lr=3e-3)
    figures = []
    for _ in range(25):
        losses = task.step(batch, 0, draws())
        losses["loss"].backward()
        optimizer.step()
        optimizer.zero_grad()
        figures.append((losses["adversarial"] + losses["features"]).item())
    assert figures[-1] < 0.9 * figures[0]


def test_validation_adds_figures_and_saves_the_discriminators(task, tmp_path):
    run = RunDirectory(tmp_path / "run")
    run.start({})
    with torch.no_grad():
        figures = task.validate(7, run)
    run.close()
    assert {"spectral_distance", "mel_error", "accuracy", "features"} <= figures.keys()
    assert task.best_metric in figures and all(math.isfinite(value) for value in figures.values())
    assert Discriminators.load(run.path / FILE_NAME).config == SMALL


def test_feature_distance_is_relative_and_gives_the_recordings_no_gradient():
    real, fake = torch.rand(2, 3, requires_grad=True), torch.rand(2, 3, requires_grad=True)
    score = torch.zeros(2)
    distance = feature_distance([[real, score]], [[fake, score]])
    distance.backward()
    assert real.grad is None and fake.grad is not None
    louder = feature_distance([[10 * real, score]], [[10 * fake, score]])
    assert louder.item() == pytest.approx(distance.item(), rel=1e-5)
    assert feature_distance([[real, score]], [[real, score]]) == 0


def test_hinge_losses():
    high, low = [[torch.full((4,), 2.0)]], [[torch.full((4,), -2.0)]]
    assert discrimination_loss(high, low) == 0 and adversarial_loss(high) == 0
    assert discrimination_loss(low, high) == 6 and adversarial_loss(low) == 3


def test_too_short_crops_and_bad_settings_are_refused(toy_store):
    for frames in (5, 9):
        with pytest.raises(ConfigError, match="--discriminator-frames"):
            make_task(toy_store, discriminator_frames=frames)
    for wrong in (
        {"adversarial_weight": 0.0},
        {"discriminator_warmup_steps": -1},
        {"discriminator_lr_scale": math.nan},
    ):
        with pytest.raises(ConfigError):
            AdversarialConfig(**wrong)


def test_discriminators_are_loaded_from_a_file_or_beside_the_model(tmp_path):
    default, model = DiscriminatorConfig(), tmp_path / "model.safetensors"
    assert start_discriminators(SMALL, None, None).config == SMALL
    assert start_discriminators(SMALL, None, model).config == SMALL
    saved = Discriminators(SMALL)
    saved.save(tmp_path / FILE_NAME, 3)
    for path, beside in ((None, model), (tmp_path / FILE_NAME, None)):
        for sizes in (default, SMALL):
            found = start_discriminators(sizes, path, beside)
            assert found.config == SMALL
            assert all(torch.equal(v, found.state_dict()[name]) for name, v in saved.state_dict().items())
    with pytest.raises(ConfigError, match="different sizes"):
        start_discriminators(DiscriminatorConfig(period_channels=5), None, model)
