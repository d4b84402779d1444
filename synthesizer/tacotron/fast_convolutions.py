"""Convolutions for inference: one sequence without padding, normalisation folded in, in parts that can be cancelled."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech.errors import WorkCancelled
from synthesizer.tacotron.model import MaskedConvolution

Cancelled = Callable[[], bool]

POSITIONS_AT_ONCE = 256


class DecodingCancelled(WorkCancelled):
    """The caller's `cancelled` said to stop; there is no result."""


def stop_if(cancelled: Cancelled | None) -> None:
    """Raises: DecodingCancelled if the caller says so."""
    if cancelled is not None and cancelled():
        raise DecodingCancelled


class FoldedConvolutions:
    """What a stack of `MaskedConvolution`s does in eval mode, with copies of their weights.

    Batch normalisation is then one factor and one summand for each channel, which the convolution takes over.
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

        Long sequences go in parts, each with as much of its neighbours as the stack can see.

        Raises:
            DecodingCancelled: `cancelled`, asked before each part, returned True.
        """
        length, parts = x.shape[1], []
        for first in range(0, length, POSITIONS_AT_ONCE):
            stop_if(cancelled)
            begin, end = max(0, first - self._margin), min(length, first + POSITIONS_AT_ONCE + self._margin)
            part = self._part(x[None, :, begin:end])[0]
            parts.append(part[:, first - begin : first - begin + POSITIONS_AT_ONCE])
        return torch.cat(parts, 1)

    def _part(self, x: Tensor) -> Tensor:
        for weight, bias, activation in self._layers:
            x = F.conv1d(x, weight, bias, padding=weight.shape[2] // 2)
            if activation == "relu":
                x = torch.relu_(x)
            elif activation == "tanh":
                x = torch.tanh_(x)
        return x
