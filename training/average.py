"""Exponential moving average of a model's weights (Polyak averaging)."""

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


class WeightAverage:
    """Float32 averages of the floating-point entries of a model's `state_dict`, without frozen parameters.

    The decay after n optimiser steps is min(decay, (1 + n) / (10 + n)), so that the random initial weights soon have
    little effect.
    """

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self._model = model
        # Averaging equal values would still change them by rounding.
        self._frozen = {name for name, value in model.named_parameters() if not value.requires_grad}
        self.tensors = {name: value.detach().float().clone() for name, value in self._live().items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move the average towards the weights after optimiser step `step`."""
        weight = 1 - min(self.decay, (1 + step) / (10 + step))
        live = self._live()
        torch._foreach_lerp_(list(self.tensors.values()), [live[name].float() for name in self.tensors], weight)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the model has the averaged weights."""
        kept = {name: value.detach().clone() for name, value in self._live().items()}
        self._write(self.tensors)
        try:
            yield
        finally:
            self._write(kept)

    def _live(self) -> dict[str, torch.Tensor]:
        return {
            name: value
            for name, value in self._model.state_dict().items()
            if value.is_floating_point() and name not in self._frozen
        }

    @torch.no_grad()
    def _write(self, values: dict[str, torch.Tensor]) -> None:
        for name, tensor in self._live().items():
            tensor.copy_(values[name])
