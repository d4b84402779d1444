"""The generator on a mel that comes in parts: every frame goes through every layer once, whatever the parts are."""

from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vocoder.spectral.model import ConvNeXtBlock, SpectralGenerator, as_spectrum

LEAST_CHANNELS = 128  # from which on products in bfloat16 win more than the way there and back costs
ROWS = 32  # the product is of a multiple of them


def has_bfloat16_products() -> bool:
    """Whether this processor multiplies bfloat16 in hardware; where that is emulated, it is slower than float32."""
    able = torch.cpu.get_capabilities() if torch.backends.mkldnn.is_available() else {}
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


class _Dense:
    """A linear layer, its product in bfloat16 if `low`: [frames, inputs] float32 -> [frames, outputs] of that type."""

    def __init__(self, layer: nn.Linear, low: bool) -> None:
        self._layer, self._low = layer, low

    def __call__(self, x: Tensor) -> Tensor:
        if not self._low:
            return self._layer(x)
        # every number of rows makes a program of its own for the product, of half a megabyte: let there be few numbers
        rows = F.pad(x.to(torch.bfloat16), (0, 0, 0, -len(x) % ROWS))
        # rounded anew each time: to keep the weights like that beside themselves takes half of their memory again
        weight, bias = (value.to(torch.bfloat16) for value in (self._layer.weight, self._layer.bias))
        return F.linear(rows, weight, bias)[: len(x)]


class _Block(NamedTuple):
    """A block's layers, ready for frames in rows; taps are [kernel, channels]."""

    taps: Tensor
    bias: Tensor
    norm: nn.LayerNorm
    widen: _Dense
    narrow: _Dense
    scale: Tensor


class FrameLayers:
    """A generator's layers as `GeneratorStream` runs them: frames in rows [frames, channels].

    Args:
        generator: in eval mode; its weights must not change afterwards.
        precision: "auto" multiplies in bfloat16 where the processor does that in hardware, in half the time and without
            harm that could be measured; "float32" never does.
    """

    def __init__(self, generator: SpectralGenerator, precision: str = "auto") -> None:
        wide = generator.config.channels >= LEAST_CHANNELS and generator.window.device.type == "cpu"
        low = precision == "auto" and wide and has_bfloat16_products()
        self.generator, self.blocks = generator, [_ready(block, low) for block in generator.blocks]  # type: ignore[arg-type]
        self.to_spectrum = _Dense(generator.to_spectrum, low)


def _ready(block: ConvNeXtBlock, low: bool) -> _Block:
    taps, bias = block.over_frames.weight[:, 0].t().contiguous(), block.over_frames.bias
    assert bias is not None
    return _Block(taps, bias, block.norm, _Dense(block.widen, low), _Dense(block.narrow, low), block.scale)


class GeneratorStream:
    """Spectrum of one mel, part by part; together the parts are what the generator makes of the whole.

    A convolution answers half a kernel behind its input and keeps the frames that it will need again; so what comes out
    is `config.reach` frames behind what went in, and costs no frame twice.

    Args:
        layers: of the generator.
        check: called before each layer; what it raises ends the work.
    """

    def __init__(self, layers: FrameLayers, check: Callable[[], None] = lambda: None) -> None:
        self._layers, self._check = layers, check
        self._enter = _LateConvolution(layers.generator.enter)
        self._blocks = [_LateBlock(block) for block in layers.blocks]

    def push(self, mel: Tensor, last: bool) -> Tensor:
        """The frames of the spectrum that the frames so far decide.

        Args:
            mel: [1, n_mels, frames] in [-1, 1], on the generator's device; the first part has more than
                `config.reach` frames unless it is the last.
            last: no frames follow.

        Returns:
            complex64 [1, n_fft // 2 + 1, frames], on the CPU.
        """
        generator = self._layers.generator
        with torch.inference_mode():
            self._check()
            x = generator.enter_norm(self._enter(mel, last)[0].t())
            for block in self._blocks:
                self._check()
                x = block(x, last)
            self._check()
            # complex numbers are left to the CPU: not every accelerator has them
            return as_spectrum(self._layers.to_spectrum(generator.leave_norm(x))[None].cpu())


class _LateConvolution:
    """A convolution over frames with zeros around the whole, on input that comes in parts."""

    def __init__(self, convolution: nn.Conv1d) -> None:
        self._convolution = convolution
        self._margin = convolution.kernel_size[0] // 2
        self._kept = convolution.weight.new_zeros(1, convolution.in_channels, self._margin)

    def __call__(self, x: Tensor, last: bool) -> Tensor:
        """[1, inputs, frames] -> the output of all frames that can be told: [1, channels, frames]."""
        x = torch.cat([self._kept, x], dim=2)
        if last:
            x = F.pad(x, (0, self._margin))
        self._kept = x[:, :, x.shape[2] - 2 * self._margin :]
        return F.conv1d(x, self._convolution.weight, self._convolution.bias)


class _LateBlock:
    """A block on frames [frames, channels] that come in parts; its convolution has zeros around the whole."""

    def __init__(self, block: _Block) -> None:
        self._block = block
        self._margin = len(block.taps) // 2
        self._kept = block.taps.new_zeros(self._margin, block.taps.shape[1])

    def __call__(self, x: Tensor, last: bool) -> Tensor:
        block, margin = self._block, self._margin
        x = torch.cat([self._kept, x])
        if last:
            x = F.pad(x, (0, 0, 0, margin))
        frames = len(x) - 2 * margin
        self._kept = x[frames:]
        y = torch.addcmul(block.bias, x[:frames], block.taps[0])
        for offset, tap in enumerate(block.taps[1:], start=1):
            y.addcmul_(x[offset : offset + frames], tap)
        y = block.narrow(F.gelu(block.widen(block.norm(y)), approximate="tanh"))
        return torch.addcmul(x[margin : margin + frames], y, block.scale)
