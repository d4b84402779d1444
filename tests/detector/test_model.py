"""The network of the detector."""

from typing import Any

import pytest
import torch

from detector.config import DetectorConfig
from detector.model import DetectorNetwork, loss_of
from speech.errors import ConfigError

TOY = DetectorConfig(windows=(128, 64), channels=(4, 6), hidden=8)


def waves(clips: int = 6, samples: int = 8000) -> torch.Tensor:
    """Noise, and in every second clip a tone."""
    generator = torch.Generator().manual_seed(0)
    noise = 0.1 * torch.randn(clips, samples, generator=generator)
    noise[::2] += torch.sin(0.2 * torch.arange(samples) * (1 + 0.2 * torch.sin(torch.arange(samples) / 900)))
    return noise


def network(config: DetectorConfig = TOY) -> DetectorNetwork:
    torch.manual_seed(0)
    return DetectorNetwork(config)


def test_one_score_for_each_clip_of_any_length() -> None:
    model = network().eval()
    assert model(waves(3)).shape == (3,)
    assert model(waves(2, 12_345)).shape == (2,)


def test_the_level_has_no_influence() -> None:
    model = network().eval()
    with torch.inference_mode():
        assert torch.allclose(model(waves()), model(waves() * 0.01), atol=1e-3)


def test_spectrograms_have_no_mean_over_time_and_no_frequencies_above_the_limit() -> None:
    branch: Any = network().branches[0]
    image = branch.spectrogram(waves())
    assert image.shape[1] == branch.bins == 56  # 7 kHz of 8 kHz in 64 steps
    assert image.mean(dim=2).abs().max() < 1e-4


def test_digital_silence_is_hidden_by_the_floor() -> None:
    branch: Any = network().branches[0]
    wave = waves(1)
    silent = wave.clone()
    silent[:, 2000:4000] = 0
    assert (branch.spectrogram(silent) - branch.spectrogram(wave)).abs().max() < 10


def test_one_step_changes_every_parameter() -> None:
    model = network()
    before = {name: value.clone() for name, value in model.named_parameters()}
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    loss_of(model(waves()), torch.tensor([1.0, 0, 1, 0, 1, 0])).backward()
    optimiser.step()
    assert [name for name, value in model.named_parameters() if torch.equal(value, before[name])] == []


def test_one_batch_overfits() -> None:
    model = network()
    optimiser = torch.optim.Adam(model.parameters(), 1e-2)
    labels = torch.tensor([1.0, 0, 1, 0, 1, 0])
    losses = []
    for _ in range(30):
        optimiser.zero_grad()
        loss = loss_of(model(waves()), labels)
        loss.backward()
        optimiser.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.1 * losses[0]


@pytest.mark.parametrize(
    "settings",
    [{"windows": ()}, {"windows": (66,)}, {"channels": ()}, {"hidden": 0}, {"highest_hz": 9000.0}, {"floor_db": 1.0}],
)
def test_impossible_settings_are_refused(settings: dict) -> None:
    with pytest.raises(ConfigError):
        DetectorConfig(**settings)


def test_a_window_that_is_too_small_for_the_convolutions_is_refused() -> None:
    with pytest.raises(ConfigError, match="too few frequencies"):
        DetectorConfig(windows=(64,), channels=(4,) * 6)
