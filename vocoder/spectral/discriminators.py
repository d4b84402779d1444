"""Networks that tell recordings from what a vocoder makes: the opponents of a generator, and a detector's seed.

Two families, which hear different faults: those of a period look at every p-th sample together (Kong et al. 2020,
HiFi-GAN, arXiv 2010.05646), those of a resolution at a spectrogram as at a picture (Jang et al. 2021, UnivNet,
arXiv 2106.07889). Both are a fraction of the published sizes, for processors.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from vocoder.spectral.config import DiscriminatorConfig

STAGE, KIND = "vocoder", "discriminators"
FILE_NAME = "discriminators.safetensors"
LOUDNESS = 10.0  # brings pre-emphasised speech to about the size of one
FLOOR = 1e-3  # of a magnitude
SLOPE = 0.1


class Discriminators(nn.Module):
    """All of them; they listen to the pre-emphasised waveform."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.judges = nn.ModuleDict(
            {f"period_{period}": PeriodDiscriminator(period, config.period_channels) for period in config.periods}
            | {
                f"window_{size}": ResolutionDiscriminator(size, config.resolution_channels)
                for size in config.resolutions
            }
        )

    def forward(self, wave: Tensor) -> list[list[Tensor]]:
        """What each thinks of the waveforms, layer by layer.

        Args:
            wave: [batch, samples], at least `vocoder.spectral.config.MIN_DISCRIMINATED`.

        Returns:
            For each discriminator its feature maps, [batch, ...] each, and last its scores: above zero where it takes
            the sound for a recording.
        """
        wave = wave * LOUDNESS
        return [judge(wave) for judge in self.judges.values()]

    def save(self, path: str | Path, step: int, licence: str = "", trained_on: str = "") -> None:
        """Write a model file, atomically."""
        from modelfile.checkpoint import save_model
        from modelfile.header import ModelHeader

        save_model(path, self, ModelHeader(STAGE, KIND, self.config, step, licence, trained_on))

    @classmethod
    def load(cls, path: str | Path) -> "Discriminators":
        """Read discriminators and their sizes from a file.

        Raises:
            ModelFileError: missing, damaged, or no file of discriminators.
        """
        from modelfile.checkpoint import load_into, load_model_file
        from modelfile.header import config_from_header

        header, weights = load_model_file(path, STAGE, KIND)
        discriminators = cls(config_from_header(DiscriminatorConfig, header))
        load_into(discriminators, weights)
        return discriminators


class PeriodDiscriminator(nn.Module):
    """Every `period`-th sample is a signal of its own; strided convolutions along it, the same for all of them."""

    def __init__(self, period: int, channels: int) -> None:
        super().__init__()
        self.period = period
        widths = [1, channels, 2 * channels, 4 * channels, 4 * channels]
        layers = [nn.Conv1d(i, o, 5, stride=3, padding=2) for i, o in zip(widths, widths[1:], strict=False)]
        layers.append(nn.Conv1d(widths[-1], widths[-1], 5, padding=2))
        self.layers = nn.ModuleList(_ready(layer) for layer in layers)
        self.score = _ready(nn.Conv1d(widths[-1], 1, 3, padding=1))

    def forward(self, wave: Tensor) -> list[Tensor]:
        """[batch, samples] -> maps and scores, [batch, period * channels, steps] each."""
        batch, samples = wave.shape
        lacking = -samples % self.period
        x = F.pad(wave[:, None], (0, lacking), mode="reflect")[:, 0] if lacking else wave
        # one-dimensional convolutions with the phases as a batch: much quicker than thin pictures
        x = x.unflatten(1, (-1, self.period)).transpose(1, 2).reshape(batch * self.period, 1, -1)
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            maps.append(x)
        maps.append(self.score(x))
        return [x.reshape(batch, -1, x.shape[-1]) for x in maps]


class ResolutionDiscriminator(nn.Module):
    """Convolutions over the log magnitudes of a spectrogram, strided along the frequencies."""

    window: Tensor

    def __init__(self, size: int, channels: int) -> None:
        super().__init__()
        self.size = size
        self.register_buffer("window", torch.hann_window(size), persistent=False)
        widths = [1, channels, channels, 2 * channels, 2 * channels]
        layers = [
            nn.Conv2d(i, o, (3, 5), stride=(1, 2), padding=(1, 2)) for i, o in zip(widths, widths[1:], strict=False)
        ]
        layers.append(nn.Conv2d(widths[-1], widths[-1], 3, padding=1))
        self.layers = nn.ModuleList(_ready(layer) for layer in layers)
        self.score = _ready(nn.Conv2d(widths[-1], 1, 3, padding=1))

    def forward(self, wave: Tensor) -> list[Tensor]:
        """[batch, samples] -> maps and scores, [batch, channels, frames, bands] each."""
        x = self.spectrogram(wave)[:, None]
        maps = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            maps.append(x)
        return [*maps, self.score(x)]

    def spectrogram(self, wave: Tensor) -> Tensor:
        """Log magnitudes, around zero for speech: [batch, samples] -> float32 [batch, frames, bins]."""
        with torch.autocast(wave.device.type, enabled=False):
            spectrum = torch.stft(wave.float(), self.size, self.size // 4, window=self.window, return_complex=True)
            power = (spectrum.real.square() + spectrum.imag.square()) / self.size
            return (power + FLOOR**2).log().mul(0.25).add(1.0).transpose(1, 2)


def _ready(layer: nn.Conv1d | nn.Conv2d) -> nn.Module:
    """Weights that keep a signal's size from layer to layer, so that there is something to learn from at once."""
    nn.init.kaiming_normal_(layer.weight, a=SLOPE)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return weight_norm(layer)


def accuracy(natural: list[list[Tensor]], made: list[list[Tensor]]) -> Tensor:
    """Share of the scores that are right, over all discriminators alike: 0.5 is guessing. See `Discriminators`."""
    right = [
        ((ours[-1] < 0).float().mean() + (theirs[-1] > 0).float().mean()) / 2
        for theirs, ours in zip(natural, made, strict=True)
    ]
    return torch.stack(right).mean()
