"""The generator on a mel that comes in parts: every frame goes through every layer once, whatever the parts are."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoder.spectral.model import ConvNeXtBlock, SpectralGenerator, as_spectrum


class GeneratorStream:
    """Spectrum of one mel, part by part; together the parts are what the generator makes of the whole.

    A convolution answers half a kernel behind its input and keeps the frames that it will need again; so what comes out
    is `config.reach` frames behind what went in, and costs no frame twice.

    Args:
        generator: in eval mode.
        check: called before each layer; what it raises ends the work.
    """

    def __init__(self, generator: SpectralGenerator, check: Callable[[], None] = lambda: None) -> None:
        self._generator, self._check = generator, check
        self._enter = _LateConvolution(generator.enter)
        self._blocks = [_LateBlock(block) for block in generator.blocks]  # type: ignore[arg-type]

    def push(self, mel: Tensor, last: bool) -> Tensor:
        """The frames of the spectrum that the frames so far decide.

        Args:
            mel: [1, n_mels, frames] in [-1, 1], on the generator's device; the first part has more than
                `config.reach` frames unless it is the last.
            last: no frames follow.

        Returns:
            complex64 [1, n_fft // 2 + 1, frames], on the CPU.
        """
        with torch.inference_mode():
            self._check()
            x = self._generator.normalise_entry(self._enter(mel, last)[0])
            for block in self._blocks:
                self._check()
                x = block(x, last)
            self._check()
            # complex numbers are left to the CPU: not every accelerator has them
            return as_spectrum(self._generator.polar_parts(x).cpu())


class _LateConvolution:
    """A convolution over frames with zeros around the whole, on input that comes in parts."""

    def __init__(self, convolution: nn.Conv1d) -> None:
        self._convolution = convolution
        self._margin = convolution.kernel_size[0] // 2
        weight = convolution.weight
        self._kept = weight.new_zeros(1, convolution.in_channels, self._margin)

    def __call__(self, x: Tensor, last: bool) -> tuple[Tensor, Tensor]:
        """[1, channels, frames] -> the output of all frames that can be told, and those frames as they came in."""
        layer, margin = self._convolution, self._margin
        x = torch.cat([self._kept, x], dim=2)
        if last:
            x = F.pad(x, (0, margin))
        frames = x.shape[2] - 2 * margin
        self._kept = x[:, :, frames:]
        return F.conv1d(x, layer.weight, layer.bias, groups=layer.groups), x[:, :, margin : margin + frames]


class _LateBlock:
    def __init__(self, block: ConvNeXtBlock) -> None:
        self._block, self._over_frames = block, _LateConvolution(block.over_frames)

    def __call__(self, x: Tensor, last: bool) -> Tensor:
        y, x = self._over_frames(x, last)
        return x + self._block.within_frames(y)
