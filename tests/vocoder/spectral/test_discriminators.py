"""Discriminators of the spectral vocoder: shapes, scores and their file."""

import numpy as np
import pytest
import torch

from modelfile.header import read_header
from speech.errors import ConfigError, ModelFileError
from training.discriminators import ResolutionDiscriminator, accuracy
from vocoder import Vocoder
from vocoder.spectral.config import MIN_DISCRIMINATED, DiscriminatorConfig, SpectralConfig
from vocoder.spectral.discriminators import Discriminators
from vocoder.spectral.inference import SpectralVocoder
from vocoder.spectral.model import SpectralGenerator

SMALL = DiscriminatorConfig(periods=(2, 5), period_channels=4, resolutions=(128, 256), resolution_channels=4)


@pytest.fixture
def discriminators() -> Discriminators:
    torch.manual_seed(0)
    return Discriminators(SMALL)


def test_shapes_of_maps_and_scores(discriminators):
    outputs = discriminators(0.03 * torch.randn(3, 1601))
    assert len(outputs) == 4
    for maps in outputs:
        assert len(maps) == 6 and all(len(each) == 3 and each.isfinite().all() for each in maps)
    period, resolution = outputs[1], outputs[2]
    # 1601 samples are 321 per phase of period 5, and each layer has a stride of 3
    assert [each.shape[2] for each in period] == [107, 36, 12, 4, 4, 4]
    assert period[0].shape[1] == 5 * 4 and period[-1].shape[1] == 5
    assert resolution[0].shape[1:] == (4, 1601 // 32 + 1, 33) and resolution[-1].shape[1] == 1


def test_waveforms_of_a_batch_are_independent(discriminators):
    waves = 0.03 * torch.randn(2, 1600)
    both, alone = discriminators(waves), discriminators(waves[1:])
    for together, single in zip(both, alone, strict=True):
        for one, other in zip(together, single, strict=True):
            torch.testing.assert_close(one[1:], other, rtol=1e-3, atol=1e-4)


def test_period_discriminator_separates_the_phases(discriminators):
    wave = torch.zeros(1, 1600)
    wave[:, ::5] = torch.randn(320)
    seen = discriminators.judges["period_5"].layers[0](wave[:, ::5][:, None])
    first = discriminators(wave)[1][0].unflatten(1, (5, -1))
    torch.testing.assert_close(first[0, 0], torch.nn.functional.leaky_relu(discriminators_gain(seen), 0.1)[0])
    assert first[0, 1:].abs().max() == 0  # zero input gives zero, as all biases are zero


def discriminators_gain(x: torch.Tensor) -> torch.Tensor:
    return 10 * x


def test_shortest_waveform_is_processed():
    outputs = Discriminators(DiscriminatorConfig(period_channels=2, resolution_channels=2))(
        torch.zeros(1, MIN_DISCRIMINATED)
    )
    assert len(outputs) == 8 and all(each.isfinite().all() for maps in outputs for each in maps)


def test_spectrogram_has_a_moderate_range_also_for_silence():
    spectrogram = ResolutionDiscriminator(256, 4).spectrogram
    loud, silent = (
        spectrogram(0.3 * torch.randn(1, 1600)),
        spectrogram(torch.zeros(1, 1600)),
    )
    assert loud.shape == (1, 26, 129) and loud.abs().max() < 3
    assert silent.isfinite().all() and silent.max() < loud.min()


def test_accuracy_counts_both_sides():
    def scores(*values: float) -> list[list[torch.Tensor]]:
        return [[torch.zeros(1), torch.tensor(values)]]

    assert accuracy(scores(1, 2), scores(-1, -2)) == 1
    assert accuracy(scores(1, 2), scores(1, 2)) == 0.5
    assert accuracy(scores(-1, 2), scores(1, 2)) == 0.25


def test_file_is_read_back(discriminators, tmp_path):
    path = tmp_path / "discriminators.safetensors"
    discriminators.save(path, 7, licence="CC0", trained_on="toy")
    header = read_header(path)
    assert (header.stage, header.kind, header.step, header.licence) == ("vocoder", "discriminators", 7, "CC0")
    again = Discriminators.load(path)
    assert again.config == SMALL
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in discriminators.state_dict().items())
    with pytest.raises(ModelFileError, match="unknown vocoder family 'discriminators'"):
        Vocoder.load(path)


def test_wrong_file_is_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    toy = SpectralConfig(channels=8, hidden=8, blocks=1, kernel=3)
    SpectralVocoder(SpectralGenerator(toy)).save(path)
    with pytest.raises(ModelFileError, match="give one of kind 'discriminators'"):
        Discriminators.load(path)
    path.write_bytes(np.arange(100).tobytes())
    with pytest.raises(ModelFileError):
        Discriminators.load(path)


@pytest.mark.parametrize(
    "changes",
    [
        {"periods": (2, 2)},
        {"periods": (0,)},
        {"resolutions": (100, 4096)},
        {"resolutions": (254,)},
        {"periods": (), "resolutions": ()},
        {"period_channels": 0},
    ],
)
def test_bad_sizes_are_refused(changes):
    with pytest.raises(ConfigError):
        DiscriminatorConfig(**changes)
