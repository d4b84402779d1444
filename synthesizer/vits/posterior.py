"""The posterior encoder: from the spectrogram of a recording to its latent variable. Only training uses it."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn

from synthesizer.vits.config import Architecture
from synthesizer.vits.layers import GatedConvolutions


class Posterior(NamedTuple):
    """A sample of the latent variable and its distribution, [batch, latent_size, frames] each."""

    sample: Tensor
    mean: Tensor
    log_deviation: Tensor


class PosteriorEncoder(nn.Module):
    """Gated convolutions over a linear spectrogram, conditioned on the speaker."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        size = config.hidden_size
        self.enter = nn.Conv1d(config.mel.n_frequencies, size, 1)
        self.layers = GatedConvolutions(size, config.posterior_layers, config.gated_kernel, config.speaker_size)
        self.leave = nn.Conv1d(size, 2 * config.latent_size, 1)

    def forward(
        self, spectrogram: Tensor, mask: Tensor, speaker: Tensor, generator: torch.Generator | None = None
    ) -> Posterior:
        """spectrogram: [batch, n_frequencies, frames].

        Args:
            generator: on the CPU, of the sample's noise; None for the global one.
        """
        x = self.layers(self.enter(spectrogram) * mask, mask, speaker)
        mean, log_deviation = (self.leave(x).float() * mask).chunk(2, 1)
        noise = torch.randn(mean.shape, generator=generator).to(mean.device)
        return Posterior((mean + noise * log_deviation.exp()) * mask, mean, log_deviation)
