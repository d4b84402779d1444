"""The spectral generator: shapes, losses, crops and the inverse transform."""

import dataclasses
import warnings

import numpy as np
import pytest
import torch

from modelfile.checkpoint import load_into
from speech.errors import ConfigError, CorpusError
from speech.mel_config import MelConfig
from vocoder.spectral.config import SpectralConfig
from vocoder.spectral.data import SpectralBatches
from vocoder.spectral.losses import spectral_losses
from vocoder.spectral.model import SpectralGenerator
from waveform.transform import InverseTransform

TOY = SpectralConfig(channels=16, hidden=24, blocks=2, kernel=3)


def toy_generator(config: SpectralConfig = TOY, seed: int = 0) -> SpectralGenerator:
    torch.manual_seed(seed)
    return SpectralGenerator(config)


@pytest.mark.parametrize("frames", [1, 2, 9])
@pytest.mark.parametrize("kernel", [1, 3])
def test_shapes(frames, kernel):
    model = toy_generator(dataclasses.replace(TOY, kernel=kernel))
    mel = torch.rand(3, 80, frames) * 2 - 1
    assert model.spectrum(mel).shape == (3, 401, frames)
    wave = model(mel)
    assert wave.shape == (3, frames * 200) and wave.dtype == torch.float32 and wave.isfinite().all()


def test_default_size_and_lookahead():
    config = SpectralConfig()
    parameters = sum(parameter.numel() for parameter in SpectralGenerator(config).parameters())
    assert 3e6 < parameters < 6e6
    assert (config.reach, config.overlap, config.lookahead) == (27, 2, 29)


def test_receptive_field_is_that_of_the_config():
    model, mel = toy_generator(), torch.rand(1, 80, 41).requires_grad_()
    hop = TOY.hop_length
    model(mel)[0, 20 * hop : 21 * hop].square().sum().backward()
    assert mel.grad is not None
    touched = mel.grad[0].abs().sum(dim=0).nonzero()[:, 0]
    assert int(touched.max()) == 20 + TOY.lookahead
    assert int(touched.min()) >= 20 - TOY.lookahead


@pytest.mark.parametrize(("n_fft", "hop"), [(800, 200), (600, 200), (400, 200)])
def test_inverse_transform_whole_and_in_parts(n_fft, hop):
    window, wave = torch.hann_window(n_fft), torch.randn(2, 10 * hop)
    spectrum = torch.stft(wave, n_fft, hop, window=window, center=True, pad_mode="constant", return_complex=True)
    whole = InverseTransform(window, hop).push(spectrum, last=True)
    inner = wave.shape[1] - n_fft // 2  # only one window covers the second half of the last frame
    assert torch.allclose(whole[:, :inner], wave[:, :inner], atol=1e-5)
    stream = InverseTransform(window, hop)
    parts = [stream.push(spectrum[:, :, k : k + 1], last=False) for k in range(7)]
    parts += [stream.push(spectrum[:, :, 7:], last=True)]
    assert torch.allclose(torch.cat(parts, dim=1), whole, atol=1e-6)


def test_one_step_changes_every_parameter():
    model = toy_generator()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-2)
    loss = torch.stack(list(losses_of(model).values())).sum()
    loss.backward()
    optimizer.step()
    unchanged = [name for name, parameter in model.named_parameters() if torch.equal(before[name], parameter)]
    assert unchanged == []


def losses_of(model: SpectralGenerator) -> dict[str, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    mel = torch.rand(2, 80, 9, generator=rng) * 2 - 1
    return spectral_losses(model(mel), torch.randn(2, 1800, generator=rng) * 0.1, 16_000)


def test_one_batch_overfits(toy_store):
    model = toy_generator(dataclasses.replace(TOY, channels=32, hidden=64))
    batch = SpectralBatches(toy_store, model.config, 2, 20).batch_at(0)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-2, betas=(0.8, 0.99))
    seen = []
    for _ in range(60):
        losses = spectral_losses(model(batch["mel"]), batch["wave"], 16_000)
        loss = torch.stack(list(losses.values())).sum()
        seen.append(loss.item())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert min(seen[-5:]) < 0.5 * seen[0]


def test_losses_are_zero_for_equal_waveforms_and_finite_for_silence():
    wave = torch.randn(2, 2000) * 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        same = spectral_losses(wave, wave.clone(), 16_000)
    assert set(same) == {"magnitude", "log_magnitude", "mel"} and all(float(loss) == 0 for loss in same.values())
    silent = torch.zeros(2, 2000, requires_grad=True)
    torch.stack(list(spectral_losses(silent, wave, 16_000).values())).sum().backward()
    assert silent.grad is not None and silent.grad.isfinite().all()
    to_silence = spectral_losses(wave, torch.zeros(2, 2000), 16_000)
    assert all(float(loss) > 0 and loss.isfinite() for loss in to_silence.values())


# --- data


def test_shapes_and_randomness_of_crops(toy_store):
    batches = SpectralBatches(toy_store, TOY, 3, 12, seed=5)
    batch, again = batches.batch_at(4), batches.batch_at(4)
    assert batch["mel"].shape == (3, 80, 12) and batch["wave"].shape == (3, 2400)
    assert float(batch["mel"].abs().max()) <= 1
    assert torch.equal(batch["wave"], again["wave"]) and not torch.equal(batch["wave"], batches.batch_at(5)["wave"])
    elsewhere = SpectralBatches(toy_store, TOY, 3, 12, seed=5, rank=1).batch_at(4)
    assert not torch.equal(batch["wave"], elsewhere["wave"])


def test_mel_and_waveform_of_a_crop_are_aligned(toy_store):
    """Loud frames of the mel are loud in the waveform."""
    batch = SpectralBatches(toy_store, TOY, 8, 24).batch_at(0)
    loudness = batch["wave"].reshape(8, 24, 200).square().mean(dim=2).add(1e-7).log()
    level = batch["mel"].mean(dim=1)
    # The mean of two hops, because a mel frame is centred on the first sample of its hop.
    correlation = np.corrcoef(level[:, 1:].flatten(), ((loudness[:, 1:] + loudness[:, :-1]) / 2).flatten())[0, 1]
    assert correlation > 0.8


def test_stores_and_sizes_that_do_not_fit_are_refused(toy_store):
    for sizes in ((0, 12), (2, 7)):
        with pytest.raises(ConfigError):
            SpectralBatches(toy_store, TOY, *sizes)
    with pytest.raises(CorpusError, match="No utterance"):
        SpectralBatches(toy_store, TOY, 2, 5000)
    with pytest.raises(ConfigError, match="mel settings"):
        SpectralBatches(toy_store, dataclasses.replace(TOY, mel=MelConfig(fmin=20.0)), 2, 12)


@pytest.mark.parametrize(
    "changes",
    [
        {"channels": 0},
        {"hidden": 10**6},
        {"blocks": 65},
        {"kernel": 4},
        {"kernel": 33},
        {"mel": MelConfig(n_fft=900, win_length=800)},
        {"mel": MelConfig(n_fft=200, win_length=200)},
    ],
)
def test_configs_out_of_range_are_refused(changes):
    with pytest.raises(ConfigError):
        SpectralConfig(**changes)


def test_model_without_weights_adopts_loaded_ones():
    """They are not copied, and the window does not need them."""
    given = SpectralGenerator(TOY)
    weights = {name: value.clone() for name, value in given.state_dict().items()}
    model = SpectralGenerator.without_weights(TOY)
    assert all(value.is_meta for value in model.parameters()) and torch.equal(model.window, given.window)
    load_into(model, weights)
    assert all(value.data_ptr() == weights[name].data_ptr() for name, value in model.state_dict().items())
    mel = torch.rand(1, 80, 12)
    assert torch.equal(model(mel), given(mel))
