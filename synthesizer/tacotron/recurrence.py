"""Recurrent products with a cheap backward pass.

Plain autograd computes a weight gradient for each use of a weight in a loop over time. For a decoder of 512 that is a
small product and a megabyte-sized addition at every step, 60 % of the training time. Here each use stores its input
and the gradient of its output, and the weight gradient is one large product over all steps at the end of the backward
pass. The gradients are the same up to the order of summation.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from synthesizer.masks import keep_mask


def product_dtype(device: torch.device) -> torch.dtype:
    """Number type of large products: that of autocast if it is on, else float32."""
    if torch.is_autocast_enabled(device.type):
        return torch.get_autocast_dtype(device.type)
    return torch.float32


class _OverTime:
    """A tensor that a loop over time uses once per step, with one gradient for all uses.

    Create a new one in each forward pass; it must not outlive its graph.
    """

    def __init__(self, tensor: Tensor, dtype: torch.dtype) -> None:
        self._inputs: list[Tensor] = []
        self._gradients: list[Tensor] = []
        self._dtype = dtype
        self._tensor: Tensor = _Gather.apply(tensor, self)

    def _gradient(self) -> Tensor:
        """Gradient of the tensor from the inputs of all uses and the gradients of their outputs."""
        raise NotImplementedError


class _Gather(torch.autograd.Function):
    """Passes the tensor to the loop. Its backward pass runs last, when all uses have stored their parts."""

    @staticmethod
    def forward(ctx: Any, tensor: Tensor, owner: _OverTime) -> Tensor:
        ctx.owner = owner
        ctx.set_materialize_grads(False)
        return tensor.detach().to(owner._dtype, copy=True)

    @staticmethod
    def backward(ctx: Any, *_: Tensor | None) -> tuple[Tensor | None, None]:
        owner = ctx.owner
        if not owner._inputs:
            return None, None
        gradient = owner._gradient()
        owner._inputs.clear()
        owner._gradients.clear()
        return gradient.float(), None


class WeightOverTime(_OverTime):
    """A weight [outputs, inputs] that a loop applies once per step: `apply(x)` is `x @ weight.T`."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__(weight, product_dtype(weight.device))

    def apply(self, x: Tensor) -> Tensor:
        """x: [batch, inputs] -> float32 [batch, outputs]."""
        return _Product.apply(x, self._tensor, self)

    def _gradient(self) -> Tensor:
        return torch.cat(self._gradients).T @ torch.cat(self._inputs)


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


class MemoryOverTime(_OverTime):
    """A memory [batch, tokens, size] of which a loop takes a weighted mean per step: `weights @ memory`."""

    def __init__(self, memory: Tensor) -> None:
        super().__init__(memory, torch.float32)

    def average(self, weights: Tensor) -> Tensor:
        """weights: [batch, tokens] -> float32 [batch, size]."""
        return _Average.apply(weights, self._tensor, self)

    def _gradient(self) -> Tensor:
        return torch.bmm(torch.stack(self._inputs, 2), torch.stack(self._gradients, 1))


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
        ctx.owner._inputs.append(weights)
        ctx.owner._gradients.append(gradient)
        # Ten times as fast on a CPU as `memory @ gradient`.
        return torch.bmm(gradient[:, None], memory.transpose(1, 2)).squeeze(1).float(), None, None


def fast_tanh(x: Tensor) -> Tensor:
    """tanh computed from the sigmoid, whose vectorised kernel is several times faster on a CPU."""
    return 2 * torch.sigmoid(2 * x) - 1


def _update(gates: Tensor, cell: Tensor) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    """The element-wise part of an LSTM step: hidden, cell, and tensors for `_update_backward`."""
    size = cell.shape[-1]
    inputs_forget = torch.sigmoid(gates[..., : 2 * size])
    candidate = fast_tanh(gates[..., 2 * size : 3 * size])
    output = torch.sigmoid(gates[..., 3 * size :])
    new_cell = torch.addcmul(inputs_forget[..., size:] * cell, inputs_forget[..., :size], candidate)
    squashed = fast_tanh(new_cell)
    return output * squashed, new_cell, (inputs_forget, candidate, output, cell, squashed)


def _update_backward(
    kept: tuple[Tensor, ...], to_hidden: Tensor, to_cell: Tensor, to_gates: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """Gradients of the gates, written to `to_gates` if given, and of the previous cell."""
    inputs_forget, candidate, output, cell, squashed = kept
    size = cell.shape[-1]
    input_gate, forget_gate = inputs_forget[..., :size], inputs_forget[..., size:]
    to_cell = torch.addcmul(to_cell, to_hidden, torch.addcmul(output, output * squashed, squashed, value=-1))
    if to_gates is None:
        to_gates = torch.empty(*cell.shape[:-1], 4 * size, dtype=cell.dtype, device=cell.device)
    both = to_gates[..., : 2 * size]
    torch.mul(to_cell, candidate, out=both[..., :size])
    torch.mul(to_cell, cell, out=both[..., size:])
    both.mul_(torch.addcmul(inputs_forget, inputs_forget, inputs_forget, value=-1))
    of_candidate = torch.addcmul(input_gate, input_gate * candidate, candidate, value=-1)
    torch.mul(to_cell, of_candidate, out=to_gates[..., 2 * size : 3 * size])
    of_output = torch.addcmul(output, output, output, value=-1).mul_(squashed)
    torch.mul(to_hidden, of_output, out=to_gates[..., 3 * size :])
    return to_gates, to_cell * forget_gate


class _LSTMStep(torch.autograd.Function):
    """An LSTM step with zoneout as one autograd node."""

    @staticmethod
    def forward(
        ctx: Any, known: Tensor, context: Tensor, hidden: Tensor, cell: Tensor, keep: Tensor | float,
        weight: Tensor, owner: WeightOverTime,
    ) -> tuple[Tensor, Tensor]:  # fmt: skip
        x = torch.cat((context, hidden), 1).to(owner._dtype)
        new, new_cell, kept = _update(known + (x @ weight.T).float(), cell)
        ctx.mask = isinstance(keep, Tensor)
        ctx.save_for_backward(x, weight, *kept, *([keep] if isinstance(keep, Tensor) else []))
        ctx.owner, ctx.rate, ctx.width = owner, keep, context.shape[1]
        return zoneout(hidden, new, keep), new_cell

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, *kept = ctx.saved_tensors
        keep = kept.pop() if ctx.mask else ctx.rate
        to_hidden, to_cell = gradients
        stays = to_hidden * keep
        to_gates, to_cell = _update_backward(tuple(kept), to_hidden - stays, to_cell)
        gradient = to_gates.to(weight.dtype)
        ctx.owner._inputs.append(x)
        ctx.owner._gradients.append(gradient)
        to_x = (gradient @ weight).float()
        return to_gates, to_x[:, : ctx.width], stays.add_(to_x[:, ctx.width :]), to_cell, None, None, None


def lstm_step(
    known: Tensor, recurrent: WeightOverTime, context: Tensor, hidden: Tensor, cell: Tensor, keep: Tensor | float
) -> tuple[Tensor, Tensor]:
    """One LSTM step with zoneout.

    Args:
        known: part of the gates that does not depend on the loop, [batch, 4 * size]: input, forget, candidate, output.
        recurrent: weight of [context, hidden].
        context: [batch, inputs]; hidden, cell: [batch, size].
        keep: zoneout mask [batch, size], or the rate.

    Returns:
        hidden and cell, [batch, size] each.
    """
    hidden, cell = _LSTMStep.apply(known, context, hidden, cell, keep, recurrent._tensor, recurrent)
    return hidden, cell


def dropout(x: Tensor, rate: float) -> Tensor:
    """Dropout that is always on."""
    return x * keep_mask(tuple(x.shape), rate, x.device).mul_(1 / (1 - round(rate * 256) / 256)) if rate else x


def zoneout(previous: Tensor, new: Tensor, keep: Tensor | float) -> Tensor:
    """Zoneout (arXiv 1606.01305): the previous value stays where `keep` is 1. At inference `keep` is the rate."""
    return torch.lerp(new, previous, keep) if isinstance(keep, Tensor) else new + keep * (previous - new)


class _LSTMOverTime(torch.autograd.Function):
    """All steps of an LSTM whose inputs are known in advance, as one autograd node."""

    @staticmethod
    def forward(ctx: Any, gates: Tensor, weight: Tensor, keep: Tensor | float) -> Tensor:
        steps, batch, size = gates.shape[0], gates.shape[1], weight.shape[1]
        dtype = product_dtype(weight.device)
        weight = weight.detach().to(dtype)
        hiddens = gates.new_zeros(steps + 1, batch, size)
        hidden, cell = hiddens[0], gates.new_zeros(batch, size)
        kept = []
        with torch.autocast(gates.device.type, enabled=False):
            for step in range(steps):
                sums = gates[step] + (hidden.to(dtype) @ weight.T).float()
                new, cell, parts = _update(sums, cell)
                kept.append(parts)
                hiddens[step + 1] = zoneout(hidden, new, keep[step] if isinstance(keep, Tensor) else keep)
                hidden = hiddens[step + 1]
        ctx.save_for_backward(hiddens, weight)
        ctx.kept, ctx.keep = kept, keep
        return hiddens[1:].clone()

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor, None]:
        hiddens, weight = ctx.saved_tensors
        to_gates = hiddens.new_empty(*gradients[0].shape[:2], weight.shape[0])
        to_hidden = to_cell = torch.zeros_like(hiddens[0])
        for step in range(len(to_gates) - 1, -1, -1):
            to_hidden = to_hidden + gradients[0][step]
            stays = to_hidden * (ctx.keep[step] if isinstance(ctx.keep, Tensor) else ctx.keep)
            _, to_cell = _update_backward(ctx.kept.pop(), to_hidden - stays, to_cell, to_gates[step])
            to_hidden = stays.add_((to_gates[step].to(weight.dtype) @ weight).float())
        of_weight = to_gates.flatten(0, 1).to(weight.dtype).T @ hiddens[:-1].flatten(0, 1).to(weight.dtype)
        return to_gates, of_weight.float(), None


def lstm_over_time(inputs: Tensor, cell: torch.nn.LSTMCell, keep: Tensor | float) -> Tensor:
    """Run an LSTM cell over a sequence that is known in advance.

    Args:
        inputs: [steps, batch, inputs].
        cell: the weights.
        keep: zoneout masks [steps, batch, size], or the rate.

    Returns:
        hidden states [steps, batch, size].
    """
    gates = torch.nn.functional.linear(inputs, cell.weight_ih, cell.bias_ih + cell.bias_hh).float()
    states: Tensor = _LSTMOverTime.apply(gates, cell.weight_hh, keep)
    return states
