"""The generator on a mel that arrives in parts: each layer computes each frame once, for any division into parts."""

import logging
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from speech.errors import one_line
from vocoder.spectral.fast_layers import FastBlock, FastHead, NotQuantised, Workspace
from vocoder.spectral.model import ConvNeXtBlock, SpectralGenerator, as_spectrum

logger = logging.getLogger(__name__)

MIN_CHANNELS = 128  # below that, converting to bfloat16 and back takes longer than its faster products save
ROWS = 32  # the number of rows of a product is a multiple of this


def has_bfloat16_products() -> bool:
    """Whether this processor multiplies bfloat16 in hardware. Emulated products are slower than float32 ones."""
    able = torch.cpu.get_capabilities() if torch.backends.mkldnn.is_available() else {}
    return bool(able.get("avx512_bf16") or able.get("amx_bf16"))


class _Dense:
    """Linear layer with a bfloat16 product if `low`: [frames, inputs] float32 -> [frames, outputs] of that type."""

    def __init__(self, layer: nn.Linear, low: bool) -> None:
        self._layer, self._low = layer, low

    def __call__(self, x: Tensor) -> Tensor:
        if not self._low:
            return self._layer(x)
        # The library keeps half a megabyte for each number of rows that it was called with, so there should be few.
        rows = F.pad(x.to(torch.bfloat16), (0, 0, 0, -len(x) % ROWS))
        # Converted for each call: a bfloat16 copy would take half as much memory again as the weights.
        weight, bias = (value.to(torch.bfloat16) for value in (self._layer.weight, self._layer.bias))
        return F.linear(rows, weight, bias)[: len(x)]


class _Block:
    """A ConvNeXt block: [frames + kernel - 1, channels] -> [frames, channels]."""

    def __init__(self, block: ConvNeXtBlock, low: bool) -> None:
        taps, bias = block.over_frames.weight[:, 0].t().contiguous(), block.over_frames.bias
        assert bias is not None
        self.kernel, self.channels = taps.shape
        self._taps, self._bias, self._norm, self._scale = taps, bias, block.norm, block.scale
        self._widen, self._narrow = _Dense(block.widen, low), _Dense(block.narrow, low)

    def __call__(self, x: Tensor, workspace: Workspace | None) -> Tensor:
        frames, margin = len(x) - self.kernel + 1, self.kernel // 2
        y = torch.addcmul(self._bias, x[:frames], self._taps[0])
        for offset, tap in enumerate(self._taps[1:], start=1):
            y.addcmul_(x[offset : offset + frames], tap)
        y = self._narrow(F.gelu(self._widen(self._norm(y)), approximate="tanh"))
        return torch.addcmul(x[margin : margin + frames], y, self._scale)


class _Head:
    """The last two layers: [frames, channels] -> log magnitudes and phases [frames, 2 * bins]."""

    def __init__(self, generator: SpectralGenerator, low: bool) -> None:
        self._norm, self._dense = generator.leave_norm, _Dense(generator.to_spectrum, low)

    def __call__(self, x: Tensor, workspace: Workspace | None) -> Tensor:
        return self._dense(self._norm(x))


class FrameLayers:
    """The layers of a generator for `GeneratorStream`, on frames as rows [frames, channels].

    Args:
        generator: in eval mode; its weights must not change afterwards.
        precision: "auto" multiplies in bfloat16 if the processor does that in hardware. Otherwise it uses int8 products
            if the weights were stored as int8; these are as exact as float32. Both take half the time of float32, and
            no loss of quality was measured. "float32" uses neither.
    """

    def __init__(self, generator: SpectralGenerator, precision: str = "auto") -> None:
        wide = generator.config.channels >= MIN_CHANNELS and generator.window.device.type == "cpu"
        low = precision == "auto" and wide and has_bfloat16_products()
        self.generator = generator
        self.blocks: list[_Block] | list[FastBlock] = [_Block(block, low) for block in generator.blocks]  # type: ignore[arg-type]
        self.head: _Head | FastHead = _Head(generator, low)
        self.compiled = precision == "auto" and wide and not low and self._compile()

    def _compile(self) -> bool:
        try:
            self.head = FastHead(self.generator)
            self.blocks = [FastBlock(block) for block in self.generator.blocks]  # type: ignore[arg-type]
        except NotQuantised:
            return False
        except Exception as error:  # no numba, or no code for this processor; PyTorch always works
            logger.warning(
                "The vocoder's network cannot be compiled (%s). It runs in PyTorch, slower.", one_line(error)
            )
            return False
        return True

    def workspace(self) -> Workspace | None:
        """The scratch buffers of a stream."""
        return Workspace(self.generator) if self.compiled else None


class GeneratorStream:
    """Spectrum of one mel, part by part; the parts together are the generator's output for the whole mel.

    Each convolution keeps the input frames that it needs again, and its output lags half a kernel behind. So the
    spectrum lags `config.reach` frames behind the mel, and no frame is computed twice.

    Args:
        layers: of the generator.
        check: called before each layer; an exception that it raises ends the work.
    """

    def __init__(self, layers: FrameLayers, check: Callable[[], None] = lambda: None) -> None:
        self._layers, self._check = layers, check
        self._enter = _StreamedConvolution(layers.generator.enter)
        self._workspace = layers.workspace()
        self._blocks = [_StreamedBlock(block, self._workspace) for block in layers.blocks]

    def push(self, mel: Tensor, last: bool) -> Tensor:
        """The frames of the spectrum that no later mel frame changes.

        Args:
            mel: [1, n_mels, frames] in [-1, 1], on the generator's device. The first part needs more than
                `config.reach` frames unless it is the last.
            last: whether this is the last part.

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
            # On the CPU, because not every accelerator supports complex numbers.
            return as_spectrum(self._layers.head(x, self._workspace)[None].cpu())


class _StreamedConvolution:
    """A convolution over frames, zero-padded at the ends of the mel, on input that arrives in parts."""

    def __init__(self, convolution: nn.Conv1d) -> None:
        self._convolution = convolution
        self._margin = convolution.kernel_size[0] // 2
        self._kept = convolution.weight.new_zeros(1, convolution.in_channels, self._margin)

    def __call__(self, x: Tensor, last: bool) -> Tensor:
        """[1, inputs, frames] -> the output frames whose input is complete: [1, channels, frames]."""
        x = torch.cat([self._kept, x], dim=2)
        if last:
            x = F.pad(x, (0, self._margin))
        self._kept = x[:, :, x.shape[2] - 2 * self._margin :]
        return F.conv1d(x, self._convolution.weight, self._convolution.bias)


class _StreamedBlock:
    """A block on frames [frames, channels] that arrive in parts, zero-padded at the ends of the mel."""

    def __init__(self, block: _Block | FastBlock, workspace: Workspace | None) -> None:
        self._block, self._workspace = block, workspace
        self._margin = block.kernel // 2
        self._kept: Tensor | None = None

    def __call__(self, x: Tensor, last: bool) -> Tensor:
        margin = self._margin
        kept = x.new_zeros(margin, x.shape[1]) if self._kept is None else self._kept
        x = torch.cat([kept, x, x.new_zeros(margin if last else 0, x.shape[1])])
        self._kept = x[len(x) - 2 * margin :]
        return self._block(x, self._workspace)
