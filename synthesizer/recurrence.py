"""Recurrent products that are cheap to train.

Under plain autograd each use of a weight in a loop over time adds a weight gradient of its own: for a decoder of 512
that is a product with few rows and a megabyte-sized addition at every frame, 60 % of a training step. Here a use only
remembers its input and its output's gradient; the weight's gradient is one large product over all time when the
backward pass has come back through the whole loop. The gradients are the same, only summed in another order.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def product_dtype(device: torch.device) -> torch.dtype:
    """The type in which large products run: autocast's where it is on, else float32."""
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return torch.float32


class WeightOverTime:
    """A weight [outputs, inputs] that a loop applies once per step: `apply(x)` is `x @ weight.T`.

    Make a new one in each forward pass; it must not outlive its graph.
    """

    def __init__(self, weight: Tensor) -> None:
        self._inputs: list[Tensor] = []
        self._gradients: list[Tensor] = []
        self._dtype = product_dtype(weight.device)
        self._weight = _Gather.apply(weight, self)

    def apply(self, x: Tensor) -> Tensor:
        """x: [batch, inputs] -> float32 [batch, outputs]."""
        return _Product.apply(x, self._weight, self)


class _Gather(torch.autograd.Function):
    """Hands the weight to the loop; in the backward pass it is reached last, when all uses have left their parts."""

    @staticmethod
    def forward(ctx: Any, weight: Tensor, owner: WeightOverTime) -> Tensor:
        ctx.owner = owner
        ctx.set_materialize_grads(False)
        return weight.detach().to(owner._dtype, copy=True)

    @staticmethod
    def backward(ctx: Any, *_: Tensor | None) -> tuple[Tensor | None, None]:
        owner = ctx.owner
        if not owner._inputs:
            return None, None
        gradient = torch.cat(owner._gradients).T @ torch.cat(owner._inputs)
        owner._inputs.clear()
        owner._gradients.clear()
        return gradient.float(), None


class _Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, owner: WeightOverTime) -> Tensor:
        x = x.detach().to(owner._dtype)
        ctx.save_for_backward(x, weight)
        ctx.owner = owner
        return (x @ weight.T).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        x, weight = ctx.saved_tensors
        gradient = gradients[0].to(weight.dtype)
        ctx.owner._inputs.append(x)
        ctx.owner._gradients.append(gradient)
        return (gradient @ weight).float(), None, None


class MemoryOverTime:
    """A memory [batch, tokens, size] that a loop averages once per step: `average(weights)` is `weights @ memory`."""

    def __init__(self, memory: Tensor) -> None:
        self._weights: list[Tensor] = []
        self._gradients: list[Tensor] = []
        self._dtype = torch.float32
        self._memory = _GatherMemory.apply(memory, self)

    def average(self, weights: Tensor) -> Tensor:
        """weights: [batch, tokens] -> float32 [batch, size]."""
        return _Average.apply(weights, self._memory, self)


class _GatherMemory(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, memory: Tensor, owner: MemoryOverTime) -> Tensor:
        ctx.owner = owner
        ctx.set_materialize_grads(False)
        return memory.detach().to(owner._dtype, copy=True)

    @staticmethod
    def backward(ctx: Any, *_: Tensor | None) -> tuple[Tensor | None, None]:
        owner = ctx.owner
        if not owner._weights:
            return None, None
        gradient = torch.bmm(torch.stack(owner._weights, 2), torch.stack(owner._gradients, 1))
        owner._weights.clear()
        owner._gradients.clear()
        return gradient.float(), None


class _Average(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, weights: Tensor, memory: Tensor, owner: MemoryOverTime) -> Tensor:
        weights = weights.detach().to(memory.dtype)
        ctx.save_for_backward(weights, memory)
        ctx.owner = owner
        return torch.bmm(weights[:, None], memory).squeeze(1).float()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        weights, memory = ctx.saved_tensors
        gradient = gradients[0].to(memory.dtype)
        ctx.owner._weights.append(weights)
        ctx.owner._gradients.append(gradient)
        return torch.bmm(memory, gradient[:, :, None]).squeeze(2).float(), None, None


class _LSTMUpdate(torch.autograd.Function):
    """The element-wise half of an LSTM step, as one node of the graph."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
        size = cell.shape[-1]
        inputs_forget = torch.sigmoid(gates[..., : 2 * size])
        candidate = torch.tanh(gates[..., 2 * size : 3 * size])
        output = torch.sigmoid(gates[..., 3 * size :])
        new_cell = torch.addcmul(inputs_forget[..., size:] * cell, inputs_forget[..., :size], candidate)
        squashed = torch.tanh(new_cell)
        ctx.save_for_backward(inputs_forget, candidate, output, cell, squashed)
        return output * squashed, new_cell

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        inputs_forget, candidate, output, cell, squashed = ctx.saved_tensors
        size = cell.shape[-1]
        input_gate, forget_gate = inputs_forget[..., :size], inputs_forget[..., size:]
        to_hidden, to_cell = gradients
        to_cell = to_cell + to_hidden * output * (1 - squashed * squashed)
        to_gates = torch.empty(*cell.shape[:-1], 4 * size, dtype=cell.dtype, device=cell.device)
        to_gates[..., :size] = to_cell * candidate * input_gate * (1 - input_gate)
        to_gates[..., size : 2 * size] = to_cell * cell * forget_gate * (1 - forget_gate)
        to_gates[..., 2 * size : 3 * size] = to_cell * input_gate * (1 - candidate * candidate)
        to_gates[..., 3 * size :] = to_hidden * squashed * output * (1 - output)
        return to_gates, to_cell * forget_gate


def lstm_update(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor]:
    """One LSTM step after its products.

    Args:
        gates: [batch, 4 * size], pre-activations in the order input, forget, candidate, output.
        cell: [batch, size].

    Returns:
        hidden and cell, [batch, size] each.
    """
    hidden, cell = _LSTMUpdate.apply(gates, cell)
    return hidden, cell


def keep_mask(shape: tuple[int, ...], rate: float, device: torch.device) -> Tensor:
    """Bernoulli mask, float32: 1 with probability 1 - rate, to the nearest 256th.

    Eight bytes of each random integer are eight draws: on a CPU an eighth of the time of `torch.bernoulli`.
    """
    count = 1
    for size in shape:
        count *= size
    draws = torch.empty((count + 7) // 8, dtype=torch.int64, device=device).random_(-(2**63), None)
    return (draws.view(torch.uint8)[:count] >= round(rate * 256)).float().view(shape)


def dropout(x: Tensor, rate: float) -> Tensor:
    """Dropout of any tensor, always on."""
    return x * keep_mask(tuple(x.shape), rate, x.device).mul_(1 / (1 - round(rate * 256) / 256)) if rate else x


def zoneout(previous: Tensor, new: Tensor, keep: Tensor | float) -> Tensor:
    """Zoneout (arXiv 1606.01305): where `keep` is 1 the old value stays. At inference `keep` is the rate itself."""
    return torch.lerp(new, previous, keep) if isinstance(keep, Tensor) else new + keep * (previous - new)


def lstm_over_time(inputs: Tensor, cell: torch.nn.LSTMCell, keep: Tensor | float) -> Tensor:
    """Run an LSTM cell over a whole sequence that is known beforehand.

    Args:
        inputs: [steps, batch, inputs].
        cell: its weights.
        keep: zoneout masks [steps, batch, size], or the rate.

    Returns:
        hidden states [steps, batch, size].
    """
    gates = torch.nn.functional.linear(inputs, cell.weight_ih, cell.bias_ih + cell.bias_hh).float()
    recurrent = WeightOverTime(cell.weight_hh)
    hidden = state = gates.new_zeros(inputs.shape[1], cell.hidden_size)
    outputs = []
    for step, gates_now in enumerate(gates.unbind(0)):
        new, state = lstm_update(gates_now + recurrent.apply(hidden), state)
        hidden = zoneout(hidden, new, keep[step] if isinstance(keep, Tensor) else keep)
        outputs.append(hidden)
    return torch.stack(outputs)
