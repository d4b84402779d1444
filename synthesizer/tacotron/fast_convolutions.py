"""Convolutions for inference on one sequence: batch normalisation folded in, computed in segments, cancellable."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthesizer.stopping import Cancelled, stop_if
from synthesizer.tacotron.model import MaskedConvolution

POSITIONS_AT_ONCE = 256


class FoldedConvolutions:
    """A stack of `MaskedConvolution`s in eval mode, with copies of their weights.

    Batch normalisation is then a factor and a constant per channel, which become part of the convolution.
    """

    def __init__(self, layers: nn.ModuleList) -> None:
        self._layers = []
        self._margin = 0
        for layer in layers:
            assert isinstance(layer, MaskedConvolution)
            normalisation, convolution = layer.normalisation, layer.convolution
            mean, variance = normalisation.running_mean, normalisation.running_var
            assert mean is not None and variance is not None and convolution.bias is not None
            factor = (normalisation.weight / torch.sqrt(variance + normalisation.eps)).detach()
            weight = convolution.weight.detach() * factor[:, None, None]
            bias = (convolution.bias.detach() - mean) * factor + normalisation.bias.detach()
            self._layers.append((weight, bias, layer.activation))
            self._margin += weight.shape[2] // 2

    def __call__(self, x: Tensor, cancelled: Cancelled | None = None) -> Tensor:
        """x: [channels, positions] -> [channels, positions].

        Long sequences are computed in segments, each with as much context as the stack's receptive field.

        Raises:
            WorkCancelled: `cancelled`, called before each segment, returned True.
        """
        length, segments = x.shape[1], []
        for first in range(0, length, POSITIONS_AT_ONCE):
            stop_if(cancelled)
            begin, end = max(0, first - self._margin), min(length, first + POSITIONS_AT_ONCE + self._margin)
            segment = self._convolve(x[None, :, begin:end])[0]
            segments.append(segment[:, first - begin : first - begin + POSITIONS_AT_ONCE])
        return torch.cat(segments, 1)

    def _convolve(self, x: Tensor) -> Tensor:
        for weight, bias, activation in self._layers:
            x = F.conv1d(x, weight, bias, padding=weight.shape[2] // 2)
            if activation == "relu":
                x = torch.relu_(x)
            elif activation == "tanh":
                x = torch.tanh_(x)
        return x
