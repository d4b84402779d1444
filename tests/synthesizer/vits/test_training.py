"""Batches, losses, a training step, training from start to model file, and fine-tuning."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from modelfile.header import read_header
from speech.errors import ConfigError, CorpusError, ModelFileError
from synthesizer import Synthesizer
from synthesizer.training_flags import TrainingRun
from synthesizer.vits.config import Architecture
from synthesizer.vits.data import FRAME_STEP, TOKEN_STEP
from synthesizer.vits.flags import DiscriminatorFlags
from synthesizer.vits.flow import Coupling
from synthesizer.vits.inference import VitsSynthesizer
from synthesizer.vits.losses import cut, random_segments
from synthesizer.vits.plan import plan_training
from synthesizer.vits.task import VitsTask
from tests.synthesizer.toy import toy_store
from tests.synthesizer.vits.toy import toy_architecture, toy_audio_store, toy_flags, toy_vits
from train_synth import load_encoder, main
from vocoder.spectral.config import SpectralConfig
from vocoder.spectral.inference import SpectralVocoder
from vocoder.spectral.model import SpectralGenerator

RUN = TrainingRun(Path("unused"), load_encoder)


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_audio_store(tmp_path_factory.mktemp("store"))


def test_a_batch_holds_the_audio_of_its_recordings(store):
    batch = plan_training(toy_flags(store), store, RUN).batches.batch_at(3)
    assert batch.wav.shape[1] == 200 * FRAME_STEP > 200 * int(batch.frame_lengths.max())
    assert batch.symbols.shape[1] == TOKEN_STEP > int(batch.symbol_lengths.max())
    index = next(
        index
        for index in range(len(store))
        if np.array_equal(store.array(index, "embedding"), batch.embedding[0].numpy())
    )
    wav = store.array(index, "wav") / np.float32(32768)
    np.testing.assert_array_equal(batch.wav[0, : len(wav)], wav)
    assert len(wav) == 200 * int(batch.frame_lengths[0])
    again = plan_training(toy_flags(store), store, RUN).batches.batch_at(3)
    torch.testing.assert_close(vars(again), vars(batch))


def test_few_shapes_occur(store):
    """A budget of frames holds as many recordings of a padded length in every batch but the last of that length."""
    batches = plan_training(toy_flags(store, batch_frames=3 * FRAME_STEP), store, RUN).batches
    shapes = {tuple(batches.batch_at(step).wav.shape) for step in range(20)}
    assert all(rows * columns <= 200 * 3 * FRAME_STEP and columns % (200 * FRAME_STEP) == 0 for rows, columns in shapes)


def test_segments_lie_within_their_recordings():
    lengths = torch.tensor([30, 12, 50])
    for seed in range(20):
        starts, frames = random_segments(lengths, 20, torch.Generator().manual_seed(seed))
        assert frames == 12 and (starts >= 0).all() and (starts + frames <= lengths).all()
    x = torch.arange(60).repeat(3, 1)
    assert cut(x, torch.tensor([0, 5, 7]), 2).tolist() == [[0, 1], [5, 6], [7, 8]]


def test_one_step_gives_every_parameter_a_gradient(store):
    plan = plan_training(toy_flags(store), store, RUN)
    task = plan.task
    assert isinstance(task, VitsTask)
    for seed in range(2):  # at the start the flow is the identity, whose inner layers get no gradient
        losses = task.step(plan.batches.batch_at(seed), 5, torch.Generator().manual_seed(seed))
        losses["loss"].backward()
        for coupling in task.network.flow.couplings:
            assert isinstance(coupling, Coupling)
            torch.nn.init.normal_(coupling.leave.weight, std=0.1)
    modules = {"network": task.network, **task.extra_modules}
    without = [
        f"{name}.{key}"
        for name, module in modules.items()
        for key, value in module.named_parameters()
        if (value.grad is None or not value.grad.any()) and not key.endswith("score.bias")  # the hinge loss cancels it
    ]
    assert without == []
    assert {"kl", "duration", "mel", "adversarial", "features", "discrimination", "accuracy"} <= set(losses)


def test_discriminators_have_no_effect_while_they_warm_up(store):
    gradients = []
    for weight in (0.0, 1.0):
        plan = plan_training(toy_flags(store, adversarial_weight=weight, discriminator_warmup_steps=9), store, RUN)
        plan.task.step(plan.batches.batch_at(0), 5, torch.Generator().manual_seed(0))["loss"].backward()
        gradients.append(plan.task.network.decoder.enter.weight.grad)  # type: ignore[attr-defined]
    torch.testing.assert_close(*gradients)


def test_discriminators_start_later(store):
    plan = plan_training(toy_flags(store, discriminator_start=6, discriminator_warmup_steps=1), store, RUN)
    discriminators = plan.task.discriminators  # type: ignore[attr-defined]
    for step, started in ((5, False), (6, True)):
        losses = plan.task.step(plan.batches.batch_at(step), step, torch.Generator().manual_seed(0))
        assert ("discrimination" in losses) == started
        losses["loss"].backward()
        assert all((value.grad is not None) == started for value in discriminators.parameters())


def trained_on(batch, plan) -> list[dict[str, float]]:
    """The losses of forty steps on one batch."""
    optimizer = torch.optim.Adam(plan.task.model.parameters(), 8e-3)
    history = []
    for step in range(40):
        losses = plan.task.step(batch, step, torch.Generator().manual_seed(step % 4))
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
        history.append({name: losses[name].item() for name in ("mel", "kl", "duration", "loss")})
    return history


def test_one_batch_overfits(store):
    one = DiscriminatorFlags(periods=(2,), period_channels=1, scales=())
    flags = toy_flags(store, discriminator_warmup_steps=1000, disc=one, segment_frames=8)
    plan = plan_training(flags, store, RUN)
    history = trained_on(plan.batches.batch_at(0), plan)
    for name, fraction in (("mel", 0.6), ("loss", 0.6), ("duration", 0.8)):
        first, last = (np.mean([losses[name] for losses in part]) for part in (history[:4], history[-4:]))
        assert last < fraction * first, name


def test_a_spectral_decoder_starts_from_a_vocoder_and_learns_mels_first(store, tmp_path):
    torch.manual_seed(0)
    vocoder = SpectralGenerator(SpectralConfig(channels=8, hidden=12, blocks=2, kernel=3))
    SpectralVocoder(vocoder).save(tmp_path / "vocoder.safetensors")
    flags = toy_flags(store, vocoder=tmp_path / "vocoder.safetensors", discriminator_start=40)
    plan = plan_training(flags, store, RUN)
    decoder = plan.task.network.decoder  # type: ignore[attr-defined]
    weights = {name: value.clone() for name, value in decoder.vocoder.state_dict().items()}
    torch.testing.assert_close(weights, dict(vocoder.state_dict()))
    mel = torch.rand(1, 80, 50) * 2 - 1
    torch.testing.assert_close(decoder.vocoder(mel).transpose(1, 2), vocoder.parts(mel))

    batch = plan.batches.batch_at(0)
    distances = [losses["mel"] for losses in trained_on(batch, plan)]
    assert np.mean(distances[-4:]) < 0.6 * np.mean(distances[:4])
    torch.testing.assert_close(dict(decoder.vocoder.state_dict()), weights)
    losses = plan.task.step(batch, 40, torch.Generator().manual_seed(0))
    losses["loss"].backward()
    assert "discrimination" in losses and all(value.grad is not None for value in decoder.vocoder.parameters())


def test_a_vocoder_to_start_from_must_be_a_spectral_one(store, tmp_path):
    toy_vits().save(tmp_path / "vits.safetensors")
    with pytest.raises(ModelFileError, match="synthesizer"):
        plan_training(toy_flags(store, vocoder=tmp_path / "vits.safetensors"), store, RUN)
    with pytest.raises(ConfigError, match="not both"):
        toy_flags(store, vocoder=tmp_path / "vits.safetensors", warm_start=tmp_path / "vits.safetensors")


def test_validation_reports_losses_and_speaks(store):
    written: list[str] = []
    writer = SimpleNamespace(
        add_image=lambda name, *_, **__: written.append(name), add_audio=lambda name, *_, **__: written.append(name)
    )
    task = plan_training(toy_flags(store), store, RUN).task
    task.model.eval()
    figures = task.validate(0, SimpleNamespace(writer=writer))  # type: ignore[arg-type]
    assert set(figures) == {"validation_loss", "validation_mel", "validation_kl", "validation_duration"}
    assert all(np.isfinite(list(figures.values()))) and written.count("spoken/0") == 2


def test_a_trained_model_is_saved_and_can_be_fine_tuned(store, tmp_path):
    main(toy_flags(store, tmp_path / "first", licence="CC0"))
    path = tmp_path / "first/best.safetensors"
    header = read_header(path)
    assert (header.kind, header.embedding_space, header.licence, header.step) == ("vits", "toy", "CC0", 2)
    synthesizer = Synthesizer.load(path)
    assert isinstance(synthesizer, VitsSynthesizer) and synthesizer.end_to_end

    plan = plan_training(toy_flags(store, warm_start=path, architecture=Architecture()), store, RUN)
    assert plan.task.config == synthesizer.config  # type: ignore[attr-defined]
    torch.testing.assert_close(plan.task.model.state_dict(), synthesizer.model.state_dict())


def test_what_does_not_fit_is_refused(store, tmp_path):
    toy_vits(space="other").save(tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match="embedding space"):
        plan_training(toy_flags(store, warm_start=tmp_path / "other.safetensors"), store, RUN)
    with pytest.raises(ModelFileError):
        plan_training(toy_flags(store, warm_start=tmp_path / "missing.safetensors"), store, RUN)
    with pytest.raises(ConfigError, match="--speaker-embedding-size 16"):
        plan_training(toy_flags(store, architecture=toy_architecture(speaker_embedding_size=12)), store, RUN)
    with pytest.raises(ConfigError, match="--keep-audio"):
        toy_flags(store, adapt=tmp_path).resolved()
    silent = toy_store(tmp_path / "silent")
    with pytest.raises(CorpusError, match="--keep-audio"):
        plan_training(toy_flags(silent, architecture=toy_architecture(speaker_embedding_size=256)), silent, RUN)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"upsample_rates": (5, 5, 4)}, "hop"),
        ({"latent_size": 7}, "even"),
        ({"hidden_size": 14, "encoder_heads": 4}, "multiple"),
        ({"gated_kernel": 4}, "odd"),
        ({"n_symbols": 3}, "symbols"),
        ({"decoder_size": 26}, "multiple"),
        ({"units": -1}, "units"),
    ],
)
def test_settings_out_of_range_are_refused(change, match):
    with pytest.raises(ConfigError, match=match):
        toy_architecture(**change)
