"""Discriminators of mels, against which a refiner is trained. They are stored with it, since adaptation needs them."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import weight_norm

from training.adversarial import Outputs

CHANNELS = (32, 64, 64, 96)
STRIDES = ((1, 2), (2, 2), (1, 2), (2, 2))  # over frames and bands
PATCHES = (1, 2)  # mel frames and bands that are averaged before a discriminator
SLOPE = 0.1  # of the leaky ReLU
VOICE_SIZE = 128


class Convolutions(nn.Module):
    """Strided convolutions over a mel as an image. One more channel holds the position on the frequency axis.

    Args:
        channels: mels in the image.
        patch: frames and bands that are averaged first.
    """

    def __init__(self, channels: int, patch: int) -> None:
        super().__init__()
        self.patch = patch
        sizes = [channels + 1, *CHANNELS]
        self.layers = nn.ModuleList(
            weight_norm(nn.Conv2d(before, after, (3, 5), stride, (1, 2)))
            for before, after, stride in zip(sizes, sizes[1:], STRIDES, strict=False)
        )

    def forward(self, mels: Tensor) -> list[Tensor]:
        """mels: [batch, channels, frames, n_mels], standardised -> the feature maps of the layers."""
        x = F.avg_pool2d(mels, self.patch) if self.patch > 1 else mels
        x = torch.cat((x, torch.linspace(-1, 1, x.shape[-1], device=x.device).expand_as(x[:, :1])), 1)
        outputs = []
        for layer in self.layers:
            x = F.leaky_relu(layer(x), SLOPE)
            outputs.append(x)
        return outputs


class MelDiscriminator(nn.Module):
    """Classifies parts of a mel as recorded or generated, given the mel of the decoder.

    Both mels are channels of an image (Isola et al. 2017, pix2pix, arXiv 1611.07004).
    """

    def __init__(self, patch: int) -> None:
        super().__init__()
        self.convolutions = Convolutions(2, patch)
        self.leave = nn.Conv2d(CHANNELS[-1], 1, 3, padding=1)

    def forward(self, mels: Tensor) -> list[Tensor]:
        """mels: [batch, 2, frames, n_mels], standardised -> feature maps, and scores as the last element."""
        outputs = self.convolutions(mels)
        return [*outputs, self.leave(outputs[-1])]


class VoiceDiscriminator(nn.Module):
    """Classifies a mel as a recording of the speaker of a reference, or not.

    A projection discriminator (Miyato and Koyama, arXiv 1802.05637): the score is a product of vectors of both. It is
    trained to reject generated mels, and recordings of other speakers (as in Reed et al., arXiv 1605.05396).
    """

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        patch = 2
        self.of_mel, self.of_reference = Convolutions(1, patch), Convolutions(1, patch)
        bands = -(-(n_mels // patch) // 2 ** len(STRIDES))
        self.vector = nn.Linear(2 * CHANNELS[-1] * bands, VOICE_SIZE)
        self.reference_vector = nn.Linear(2 * CHANNELS[-1] * bands, VOICE_SIZE)

    def forward(self, mel: Tensor) -> tuple[list[Tensor], Tensor]:
        """mel: [batch, frames, n_mels], standardised -> feature maps, and the vector [batch, VOICE_SIZE]."""
        outputs = self.of_mel(mel[:, None])
        return outputs, self.vector(_pooled(outputs[-1]))

    def reference(self, mel: Tensor) -> Tensor:
        """The same vector of a reference: [batch, VOICE_SIZE]."""
        return self.reference_vector(_pooled(self.of_reference(mel[:, None])[-1]))

    @staticmethod
    def score(vector: Tensor, reference: Tensor) -> Tensor:
        """[batch]: positive if the mel is classified as recorded, and of the speaker of the reference."""
        return (vector * reference).sum(1).float() / VOICE_SIZE**0.5


def _pooled(x: Tensor) -> Tensor:
    """Mean and standard deviation over frames: [batch, channels, frames, bands] -> [batch, 2 * channels * bands]."""
    x = x.transpose(2, 3).flatten(1, 2).float()
    return torch.cat((x.mean(2), (x.var(2, unbiased=False) + 1e-4).sqrt()), 1)


class MelDiscriminators(nn.Module):
    """Discriminators at several resolutions, and one of the voice."""

    def __init__(self, n_mels: int) -> None:
        super().__init__()
        self.parts = nn.ModuleList(MelDiscriminator(patch) for patch in PATCHES)
        self.voice = VoiceDiscriminator(n_mels)

    def forward(self, mel: Tensor, coarse: Tensor) -> Outputs:
        """mel, coarse: [batch, frames, n_mels], standardised."""
        mels = torch.stack((mel, coarse), 1)
        return [part(mels) for part in self.parts]
