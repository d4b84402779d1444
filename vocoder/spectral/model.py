"""The generator: mel -> complex short-time spectrum -> waveform. All layers run at frame rate."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoder.spectral.config import SpectralConfig
from waveform.transform import InverseTransform

MAX_LOG_MAGNITUDE = 7.0  # e^7 is above the largest magnitude of a full-scale signal with a window of 800


class ConvNeXtBlock(nn.Module):
    """Depthwise convolution over frames, then two linear layers per frame (Liu et al., arXiv 2201.03545)."""

    def __init__(self, config: SpectralConfig) -> None:
        super().__init__()
        channels = config.channels
        self.over_frames = nn.Conv1d(channels, channels, config.kernel, padding=config.kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, config.hidden)
        self.narrow = nn.Linear(config.hidden, channels)
        self.scale = nn.Parameter(torch.full((channels,), 1 / config.blocks))

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, frames] -> the same."""
        y = self.norm(self.over_frames(x).transpose(1, 2))
        y = self.narrow(F.gelu(self.widen(y), approximate="tanh"))
        return x + (y * self.scale).transpose(1, 2)


class SpectralGenerator(nn.Module):
    """Generator of the sizes in `SpectralConfig`."""

    window: Tensor

    def __init__(self, config: SpectralConfig) -> None:
        super().__init__()
        self.config = config
        channels, n_fft = config.channels, config.mel.n_fft
        self.enter = nn.Conv1d(config.mel.n_mels, channels, config.kernel, padding=config.kernel // 2)
        self.enter_norm = nn.LayerNorm(channels)
        self.blocks = nn.ModuleList(ConvNeXtBlock(config) for _ in range(config.blocks))
        self.leave_norm = nn.LayerNorm(channels)
        self.to_spectrum = nn.Linear(channels, 2 * (n_fft // 2 + 1))
        self.register_buffer("window", _synthesis_window(config), persistent=False)
        for module in self.modules():
            # Not on the meta device: there are no values, and the attempt imports eighty megabytes of modules.
            if isinstance(module, nn.Linear | nn.Conv1d) and not module.weight.is_meta:
                nn.init.trunc_normal_(module.weight, std=0.02)
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    @classmethod
    def without_weights(cls, config: SpectralConfig) -> "SpectralGenerator":
        """A model on the meta device, which takes no memory until `load_state_dict(..., assign=True)`."""
        with torch.device("meta"):
            return cls(config)

    def forward(self, mel: Tensor) -> Tensor:
        """Generate the pre-emphasised waveform of a mel.

        Args:
            mel: [batch, n_mels, frames] in [-1, 1].

        Returns:
            [batch, frames * hop_length]; sample k belongs to frame k // hop_length.
        """
        return self.to_wave(self.spectrum(mel))

    def spectrum(self, mel: Tensor) -> Tensor:
        """[batch, n_mels, frames] -> complex64 [batch, n_fft // 2 + 1, frames], frame k centred on sample k * hop."""
        return as_spectrum(self.parts(mel))

    def parts(self, mel: Tensor) -> Tensor:
        """[batch, n_mels, frames] -> log magnitudes, then phases: [batch, frames, 2 * (n_fft // 2 + 1)]."""
        x = self.enter_norm(self.enter(mel).transpose(1, 2)).transpose(1, 2)
        for block in self.blocks:
            x = block(x)
        return self.to_spectrum(self.leave_norm(x.transpose(1, 2)))

    def to_wave(self, spectrum: Tensor) -> Tensor:
        """Inverse short-time transform: complex [batch, n_fft // 2 + 1, frames] -> [batch, frames * hop_length]."""
        return InverseTransform(self.window, self.config.hop_length).push(spectrum, last=True)


def _synthesis_window(config: SpectralConfig) -> Tensor:
    """Centred Hann window [n_fft], on the CPU also for a model on the meta device."""
    margin = config.mel.n_fft - config.mel.win_length
    return F.pad(torch.hann_window(config.mel.win_length, device="cpu"), (margin // 2, margin - margin // 2))


def as_spectrum(parts: Tensor) -> Tensor:
    """Log magnitudes and phases [batch, frames, 2 * bins] -> complex64 [batch, bins, frames]."""
    log_magnitude, phase = parts.float().chunk(2, dim=2)
    return torch.polar(log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp(), phase).transpose(1, 2)
