"""The network: 2-D convolutions, three dense blocks of TDNN layers with context-aware masking, statistics pooling.

Wang et al., "CAM++: A fast and efficient network for speaker verification using context-aware masking", arXiv
2303.00332. Frames are of 10 ms at the input and of 20 ms in the dense blocks, whose tensors are [batch, frames,
channels]: convolutions of kernel 1 are matrix products then, which PyTorch computes faster on the CPU.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.base import EncoderModel
from encoder.campplus.config import CAMPPlusConfig
from encoder.compression import log_mels

TINY_VARIANCE = 1e-5
DILATIONS = (1, 2, 2)  # of the three dense blocks


class CAMPPlusModel(EncoderModel):
    """Power mels -> embeddings; see `forward`. The embedding is normalised over the batch before its L2 norm."""

    config: CAMPPlusConfig

    def __init__(self, config: CAMPPlusConfig | None = None):
        super().__init__()
        self.config = config or CAMPPlusConfig()
        sizes = self.config
        self.head = ConvolutionHead(sizes.head_channels)
        channels = sizes.channels
        self.input = nn.Sequential(
            TimeConvolution(sizes.head_channels * (sizes.n_mels // 8), channels, 5, stride=2), Activation(channels)
        )
        stages: list[nn.Module] = []
        for count, dilation in zip(sizes.layers, DILATIONS, strict=True):
            stages.append(DenseBlock(sizes, channels, count, dilation))
            channels += count * sizes.growth_rate
            stages.append(Transition(channels, channels // 2))
            channels //= 2
        self.blocks = nn.Sequential(*stages)
        self.output = Activation(channels)
        self.linear = nn.Linear(2 * channels, sizes.embedding_size, bias=False)
        self.normalise = nn.BatchNorm1d(sizes.embedding_size, affine=False)
        for module in self.modules():
            if isinstance(module, nn.Linear):
                nn.init.kaiming_normal_(module.weight)
                if module.bias is not None:
                    nn.init.zeros_(module.bias)

    def forward(self, mels: Tensor) -> Tensor:
        """Embed a batch of windows.

        Args:
            mels: [batch, frames, n_mels], power mels (no log).

        Returns:
            [batch, embedding_size], float32, rows of L2 norm 1.
        """
        features = log_mels(mels)
        features = features - features.mean(dim=(1, 2) if self.config.band_means else 1, keepdim=True)
        hidden = self.blocks(self.input(self.head(features)))
        pooled = statistics(self.output(hidden).float())
        return functional.normalize(self.normalise(self.linear(pooled)).float(), dim=-1, eps=1e-5)


class ConvolutionHead(nn.Module):
    """2-D convolutions with residual connections, which shrink the frequency axis by 8.

    [batch, frames, n_mels] -> [batch, frames, channels * n_mels / 8].
    """

    def __init__(self, channels: int):
        super().__init__()
        self.layers = nn.Sequential(
            *convolution_2d(1, channels),
            nn.ReLU(),
            ResidualBlock(channels, stride=2),
            ResidualBlock(channels),
            ResidualBlock(channels, stride=2),
            ResidualBlock(channels),
            *convolution_2d(channels, channels, stride=2),
            nn.ReLU(),
        )

    def forward(self, features: Tensor) -> Tensor:
        # PyTorch trains these convolutions on a CPU a sixth faster with the channels last.
        images = features[:, None].contiguous(memory_format=torch.channels_last)
        return self.layers(images).transpose(1, 2).flatten(2)


class ResidualBlock(nn.Module):
    """Two convolutions beside a connection around them; `stride` is that of the frequency axis."""

    def __init__(self, channels: int, stride: int = 1):
        super().__init__()
        self.body = nn.Sequential(
            *convolution_2d(channels, channels, stride=stride), nn.ReLU(), *convolution_2d(channels, channels)
        )
        self.around = nn.Sequential(*convolution_2d(channels, channels, 1, stride)) if stride > 1 else nn.Identity()

    def forward(self, hidden: Tensor) -> Tensor:
        return functional.relu(self.body(hidden) + self.around(hidden))


class Activation(nn.Module):
    """Batch norm over [batch, frames, channels], then ReLU."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.BatchNorm1d(channels)

    def forward(self, hidden: Tensor) -> Tensor:
        return functional.relu(self.norm(hidden.flatten(0, 1)).unflatten(0, hidden.shape[:2]))


class TimeConvolution(nn.Module):
    """A 1-D convolution without bias: [batch, frames, inputs] -> [batch, ceil(frames / stride), outputs].

    It is one matrix product with the neighbouring frames.
    """

    def __init__(self, inputs: int, outputs: int, kernel_size: int, dilation: int = 1, stride: int = 1):
        super().__init__()
        self.stride = stride
        self.offsets = [dilation * index for index in range(kernel_size)]
        self.linear = nn.Linear(kernel_size * inputs, outputs, bias=False)

    def forward(self, hidden: Tensor) -> Tensor:
        frames, span = hidden.shape[1], self.offsets[-1]
        padded = functional.pad(hidden, (0, 0, span // 2, span // 2))
        neighbours = [padded[:, offset : offset + frames : self.stride] for offset in self.offsets]
        return self.linear(torch.cat(neighbours, dim=-1))


class DenseBlock(nn.Module):
    """Layers that each take the outputs of all layers before: [batch, frames, channels] -> [batch, frames, more]."""

    def __init__(self, sizes: CAMPPlusConfig, channels: int, count: int, dilation: int):
        super().__init__()
        self.layers = nn.ModuleList(
            DenseLayer(sizes, channels + index * sizes.growth_rate, dilation) for index in range(count)
        )

    def forward(self, hidden: Tensor) -> Tensor:
        for layer in self.layers:
            hidden = torch.cat([hidden, layer(hidden)], dim=-1)
        return hidden


class DenseLayer(nn.Module):
    """Bottleneck of kernel 1, then a dilated convolution with context-aware masking."""

    def __init__(self, sizes: CAMPPlusConfig, inputs: int, dilation: int):
        super().__init__()
        width = sizes.bottleneck * sizes.growth_rate
        self.reduce = nn.Sequential(Activation(inputs), nn.Linear(inputs, width, bias=False), Activation(width))
        self.masked = MaskedConvolution(width, sizes.growth_rate, dilation, sizes.segment_frames)

    def forward(self, hidden: Tensor) -> Tensor:
        return self.masked(self.reduce(hidden))


class MaskedConvolution(nn.Module):
    """Context-aware masking (paper, section 2.2): each output channel is multiplied by a mask in [0, 1].

    The mask depends on the mean over all frames plus the mean over the segment, so it is the same in a segment.
    """

    def __init__(self, inputs: int, outputs: int, dilation: int, segment_frames: int):
        super().__init__()
        self.segment_frames = segment_frames
        self.local = TimeConvolution(inputs, outputs, 3, dilation)
        self.mask = nn.Sequential(
            nn.Linear(inputs, inputs // 2), nn.ReLU(), nn.Linear(inputs // 2, outputs), nn.Sigmoid()
        )

    def forward(self, hidden: Tensor) -> Tensor:
        """[batch, frames, inputs] -> [batch, frames, outputs]."""
        length, frames = self.segment_frames, hidden.shape[1]
        # the last segment may be shorter
        segments = functional.avg_pool1d(hidden.transpose(1, 2), length, length, ceil_mode=True).transpose(1, 2)
        mask = self.mask(hidden.mean(dim=1, keepdim=True) + segments)
        return self.local(hidden) * mask.repeat_interleave(length, dim=1)[:, :frames]


class Transition(nn.Sequential):
    """Fewer channels after a dense block: [batch, frames, inputs] -> [batch, frames, outputs]."""

    def __init__(self, inputs: int, outputs: int):
        super().__init__(Activation(inputs), nn.Linear(inputs, outputs, bias=False))


def convolution_2d(inputs: int, outputs: int, kernel_size: int = 3, stride: int = 1) -> tuple[nn.Module, nn.Module]:
    """A 2-D convolution with its batch norm; `stride` is that of the frequency axis."""
    padding = kernel_size // 2
    convolution = nn.Conv2d(inputs, outputs, kernel_size, (1, stride), padding, bias=False)
    return convolution, nn.BatchNorm2d(outputs)


def statistics(hidden: Tensor) -> Tensor:
    """Means and standard deviations over time: [batch, frames, channels] -> [batch, 2 * channels]."""
    mean = hidden.mean(dim=1)
    variance = (hidden - mean[:, None]).square().mean(dim=1)
    return torch.cat([mean, (variance + TINY_VARIANCE).sqrt()], dim=-1)
