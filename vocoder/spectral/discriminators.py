"""Discriminators: networks that classify waveforms as recorded or generated.

Multi-period and multi-resolution discriminators detect different artefacts.
"""

from pathlib import Path

from torch import Tensor, nn

from training.discriminators import PeriodDiscriminator, ResolutionDiscriminator
from vocoder.spectral.config import DiscriminatorConfig

STAGE, KIND = "vocoder", "discriminators"
FILE_NAME = "discriminators.safetensors"
GAIN = 10.0  # scales pre-emphasised speech to a magnitude of about 1


class Discriminators(nn.Module):
    """All discriminators of a config, for pre-emphasised waveforms."""

    def __init__(self, config: DiscriminatorConfig) -> None:
        super().__init__()
        self.config = config
        self.judges = nn.ModuleDict(  # the name is stored in files
            {f"period_{period}": PeriodDiscriminator(period, config.period_channels) for period in config.periods}
            | {
                f"window_{size}": ResolutionDiscriminator(size, config.resolution_channels)
                for size in config.resolutions
            }
        )

    def forward(self, wave: Tensor) -> list[list[Tensor]]:
        """Feature maps and scores.

        Args:
            wave: [batch, samples], at least `vocoder.spectral.config.MIN_DISCRIMINATED`.

        Returns:
            For each discriminator its feature maps [batch, ...] and, as the last element, its scores: above zero where
            it classifies the waveform as recorded.
        """
        wave = wave * GAIN
        return [discriminator(wave) for discriminator in self.judges.values()]

    def save(self, path: str | Path, step: int, licence: str = "", trained_on: str = "") -> None:
        """Write a model file atomically."""
        from modelfile.checkpoint import save_model
        from modelfile.header import ModelHeader

        save_model(path, self, ModelHeader(STAGE, KIND, self.config, step, licence, trained_on))

    @classmethod
    def load(cls, path: str | Path) -> "Discriminators":
        """Load discriminators from a file.

        Raises:
            ModelFileError: missing, damaged, or not a file of discriminators.
        """
        from modelfile.checkpoint import load_into, load_model_file, no_larger_than
        from modelfile.header import config_from_header

        header, weights = load_model_file(path, STAGE, KIND)
        config = config_from_header(DiscriminatorConfig, header)
        with no_larger_than(weights):
            discriminators = cls(config)
        load_into(discriminators, weights)
        return discriminators
