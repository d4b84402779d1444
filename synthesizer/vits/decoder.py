"""The decoder: from the latent variable to audio, whole or in chunks. `spectral_decoder` has another one.

HiFi-GAN (Kong et al. 2020, arXiv 2010.05646). Its last upsamplings may be replaced by an inverse short-time Fourier
transform (Kaneko et al. 2022, iSTFTNet, arXiv 2203.02395), which is several times faster.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthesizer.vits.config import Architecture

SLOPE = 0.1  # of the leaky ReLU
EDGE_KERNEL = 7
OVERLAP = 4  # hops of a window of the inverse transform
MAX_LOG_MAGNITUDE = 7.0  # above that of a full-scale signal with the widest window


class ResidualBlock(nn.Module):
    """Pairs of a dilated and a plain convolution, each pair with a residual connection."""

    def __init__(self, channels: int, kernel: int, dilations: tuple[int, ...]) -> None:
        super().__init__()
        self.dilated = nn.ModuleList(
            nn.Conv1d(channels, channels, kernel, dilation=dilation, padding=kernel // 2 * dilation)
            for dilation in dilations
        )
        self.plain = nn.ModuleList(nn.Conv1d(channels, channels, kernel, padding=kernel // 2) for _ in dilations)

    def forward(self, x: Tensor) -> Tensor:
        for dilated, plain in zip(self.dilated, self.plain, strict=True):
            x = x + plain(F.leaky_relu(dilated(F.leaky_relu(x, SLOPE)), SLOPE))
        return x


class ToSamples(nn.Module):
    """The last layer: one convolution, whose outputs are samples, or log magnitudes and phases of short spectra.

    Args:
        channels: of the input.
        hop: samples of a step of the input.
    """

    window: Tensor

    def __init__(self, channels: int, hop: int) -> None:
        super().__init__()
        self.hop = hop
        outputs = 1 if hop == 1 else OVERLAP * hop + 2
        self.convolution = nn.Conv1d(channels, outputs, EDGE_KERNEL, padding=EDGE_KERNEL // 2, bias=hop > 1)
        self.register_buffer("window", torch.hann_window(OVERLAP * hop), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """[batch, channels, steps] -> [batch, steps * hop] in [-1, 1]."""
        y = self.convolution(x).float()
        if self.hop == 1:
            return torch.tanh(y)[:, 0]
        with torch.autocast(y.device.type, enabled=False):
            log_magnitude, phase = F.pad(y, (0, 1), mode="replicate").chunk(2, dim=1)
            spectrum = torch.polar(log_magnitude.clamp(max=MAX_LOG_MAGNITUDE).exp(), phase)
            samples = torch.istft(spectrum, OVERLAP * self.hop, self.hop, window=self.window)
        return torch.tanh(samples)

    @property
    def reach(self) -> int:
        """Steps before and after a step that its samples depend on."""
        return EDGE_KERNEL // 2 + (OVERLAP // 2 if self.hop > 1 else 0)


class Decoder(nn.Module):
    """Latent variable -> audio. Subclasses have `forward(z, speaker)` and `margin`."""

    config: Architecture

    @property
    def margin(self) -> int:
        """Frames before and after a frame that its samples depend on."""
        raise NotImplementedError

    def stream(
        self, z: Tensor, speaker: Tensor, frames: int, check: Callable[[], None] = lambda: None
    ) -> Iterator[Tensor]:
        """The audio of one row in chunks, each with the frames around it that its samples depend on.

        Together they are the output of `forward` up to rounding.

        Args:
            z: [1, latent_size, frames].
            frames: of a chunk.
            check: called before each chunk; an exception that it raises ends the work.

        Returns:
            [samples] each.
        """
        for part in parts_of(z, frames, self.margin):
            check()
            yield part.cut(self(part.frames, speaker)[0], self.config.mel.hop_length)


@dataclass(frozen=True, eq=False)
class Part:
    """Frames that are decoded at once: `count` of them from `start` on are wanted, the others are their context."""

    frames: Tensor
    start: int
    count: int

    def cut(self, wav: Tensor, hop: int) -> Tensor:
        """The wanted samples of the audio of all frames."""
        return wav[self.start * hop : (self.start + self.count) * hop]


def parts_of(x: Tensor, frames: int, margin: int) -> Iterator[Part]:
    """A sequence [1, channels, frames] in parts of so many frames, each with the frames that its samples depend on."""
    for start in range(0, x.shape[2], frames):
        first, stop = max(0, start - margin), min(x.shape[2], start + frames)
        yield Part(x[:, :, first : stop + margin], start - first, stop - start)


class HifiGanDecoder(Decoder):
    """Transposed convolutions, each followed by residual blocks of several kernels, whose outputs are averaged."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        self.config = config
        channels = config.decoder_size
        self.enter = nn.Conv1d(config.latent_size, channels, EDGE_KERNEL, padding=EDGE_KERNEL // 2)
        self.condition = nn.Conv1d(config.speaker_size, channels, 1)
        self.upsamplings, self.blocks = nn.ModuleList(), nn.ModuleList()
        for rate in config.upsample_rates:
            kernel = _upsampling_kernel(rate)
            self.upsamplings.append(
                nn.ConvTranspose1d(channels, channels // 2, kernel, rate, padding=(kernel - rate) // 2)
            )
            channels //= 2
            for size in config.block_kernels:
                self.blocks.append(ResidualBlock(channels, size, config.block_dilations))
        self.leave = ToSamples(channels, config.istft_hop)

    def forward(self, z: Tensor, speaker: Tensor) -> Tensor:
        """z: [batch, latent_size, frames]; speaker: [batch, speaker_size, 1] -> [batch, frames * hop] in [-1, 1]."""
        x = self.enter(z) + self.condition(speaker)
        count = len(self.config.block_kernels)
        for number, upsampling in enumerate(self.upsamplings):
            x = upsampling(F.leaky_relu(x, SLOPE))
            blocks = self.blocks[number * count : (number + 1) * count]
            x = torch.stack([block(x) for block in blocks]).sum(0) / count
        wav: Tensor = self.leave(F.leaky_relu(x, SLOPE))
        return wav

    @property
    def margin(self) -> int:
        config = self.config
        samples = self.leave.reach  # steps of the layer at hand, from the output backwards
        widest = max(config.block_kernels) // 2
        for factor in reversed(config.upsample_rates):
            samples += sum(widest * (dilation + 1) for dilation in config.block_dilations)
            samples = -(-(samples + _upsampling_kernel(factor)) // factor)
        return samples + EDGE_KERNEL // 2


def _upsampling_kernel(rate: int) -> int:
    """About two input samples reach an output sample; of the rate's parity, so that the padding is a whole number."""
    return 2 * rate + rate % 2
