"""The GRU of the compact and the excitation shape over a whole training crop, faster on a CPU than a general GRU layer.

- The input of a step is the sum of table rows (of the last sample's label, for example), of a conditioning vector that
  many steps share, and of a product with a few signals, so there is no wide input projection per sample.
- The recurrent weights are transposed, and cast to bfloat16 if requested, once for all steps.
- The backward pass combines all derivatives of the gates into coefficients, computed for many steps at once. Each step
  is then one elementwise product and one matrix product, and the weight's gradient is one product over many steps.
- The steps that share a conditioning vector are processed as a block, so that temporary arrays fit into the cache.

The gates are PyTorch's, in its order r, z, n (Cho et al. 2014 with the reset gate after the recurrent product):

    r = sigmoid(i_r + h_r)    z = sigmoid(i_z + h_z)    n = tanh(i_n + r * h_n)    h' = n + z * (h - n)
"""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn


class GRUWeights(NamedTuple):
    """The weights of a one-layer GRU: [3 * hidden, inputs], [3 * hidden, hidden], and two biases [3 * hidden]."""

    input: Tensor
    recurrent: Tensor
    input_bias: Tensor
    recurrent_bias: Tensor


def gru_weights(gru: nn.GRU) -> GRUWeights:
    """The weights of a one-layer `nn.GRU`, by name."""
    return GRUWeights(*gru.all_weights[0])


class StepInputs(NamedTuple):
    """What changes with every step of a GRU.

    rows: int64 [steps, batch, tables], the table rows of each step.
    table: [rows, 3 * hidden], contribution of each row to the gate inputs.
    signals: float32 [steps, batch, signals]; there may be none. They get no gradient.
    signal_weight: [signals, 3 * hidden], contribution of the signals to the gate inputs.
    """

    rows: Tensor
    table: Tensor
    signals: Tensor
    signal_weight: Tensor


def label_gru(
    inputs: StepInputs, condition: Tensor, weight: Tensor, bias: Tensor, start: Tensor, *, low: bool = False
) -> Tensor:
    """Run a GRU whose input at each step is `sum(table[rows]) + signals @ signal_weight + condition`.

    Args:
        inputs: of the steps.
        condition: [blocks, batch, 3 * hidden], added to all steps // blocks steps of a block; blocks divides steps.
        weight: [3 * hidden, hidden], recurrent weights in PyTorch's gate order.
        bias: [3 * hidden], added to the recurrent product (so the n part is inside the reset gate).
        start: [batch, hidden], the state before the first step.
        low: compute the matrix products in bfloat16; the state stays in float32.

    Returns:
        [steps, batch, hidden] states after each step; bfloat16 where `low`, else float32.
    """
    return _LabelGRU.apply(*inputs, condition, weight, bias, start, low)


class _LabelGRU(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        labels: Tensor,
        table: Tensor,
        signals: Tensor,
        signal_weight: Tensor,
        condition: Tensor,
        weight: Tensor,
        bias: Tensor,
        start: Tensor,
        low: bool,
    ) -> Tensor:
        steps, batch, tables = labels.shape
        hidden = start.shape[1]
        dtype = torch.bfloat16 if low else torch.float32
        transposed, bias = weight.t().to(dtype).contiguous(), bias.to(dtype)
        states = torch.empty(steps + 1, batch, hidden, dtype=dtype)
        states[0] = start
        product, scratch = torch.empty(batch, 3 * hidden, dtype=dtype), torch.empty(batch, 3 * hidden)
        scratch_rz, scratch_n = scratch.split((2 * hidden, hidden), 1)
        state = start.float().clone()
        saved = []
        per_block = steps // condition.shape[0]
        for block, (rows, extra) in enumerate(zip(labels.split(per_block), signals.split(per_block), strict=True)):
            flat = rows.reshape(-1, tables)
            gates = table.index_select(0, flat[:, 0]).view(per_block, batch, 3 * hidden)
            for more in range(1, tables):
                gates += table.index_select(0, flat[:, more]).view_as(gates)
            if len(signal_weight):
                gates += extra @ signal_weight
            gates += condition[block]
            recurrent = torch.empty(per_block, batch, hidden)
            first = block * per_block
            old, new = states[first : first + per_block], states[first + 1 : first + per_block + 1]
            rz, n = gates.split((2 * hidden, hidden), 2)
            views = (old, new, rz, *gates.split(hidden, 2)[:2], n, recurrent)
            for old_t, new_t, rz_t, r_t, z_t, n_t, recurrent_t in zip(*(v.unbind(0) for v in views), strict=True):
                torch.addmm(bias, old_t, transposed, out=product)
                scratch.copy_(product)
                rz_t.add_(scratch_rz).sigmoid_()
                recurrent_t.copy_(scratch_n)
                # tanh(x) = 2 sigmoid(2 x) - 1, because the sigmoid is vectorised better
                n_t.addcmul_(r_t, scratch_n).mul_(2).sigmoid_().mul_(2).sub_(1)
                torch.lerp(n_t, state, z_t, out=state)
                new_t.copy_(state)
            saved += [gates, recurrent]
        ctx.save_for_backward(labels, signals, weight, states, *saved)
        ctx.rows = table.shape[0]
        return states[1:]

    @staticmethod
    def backward(ctx: Any, *grad_outputs: Tensor) -> tuple[Tensor | None, ...]:
        labels, signals, weight, states, *saved = ctx.saved_tensors
        (grad_states,) = grad_outputs
        (steps, batch, tables), hidden, dtype = labels.shape, weight.shape[1], states.dtype
        blocks = len(saved) // 2
        per_block = steps // blocks
        weight = weight.to(dtype).contiguous()
        grad_weight, grad_bias = torch.zeros(3 * hidden, hidden), torch.zeros(3 * hidden)
        grad_table, grad_condition = torch.zeros(ctx.rows, 3 * hidden), torch.empty(blocks, batch, 3 * hidden)
        grad_signals = torch.zeros(signals.shape[2], 3 * hidden)
        low_gates = torch.empty(per_block, batch, 3 * hidden, dtype=dtype)
        flow, product = torch.empty(per_block, batch, hidden), torch.empty(batch, hidden, dtype=dtype)
        carried = torch.zeros(batch, hidden)
        for block in reversed(range(blocks)):
            span = slice(block * per_block, (block + 1) * per_block)
            old = states[span]
            gates, recurrent = saved[2 * block], saved[2 * block + 1]
            grad_gates, to_n = _coefficients(gates, recurrent, old)
            keep = gates[:, :, hidden : 2 * hidden]
            flow.copy_(grad_states[span])
            views = (flow, grad_gates.unflatten(2, (3, hidden)), grad_gates, low_gates, keep)
            for flow_t, wide_t, gates_t, low_t, keep_t in reversed([*zip(*(v.unbind(0) for v in views), strict=True)]):
                flow_t.add_(carried)
                wide_t.mul_(flow_t.unsqueeze(1))
                low_t.copy_(gates_t)
                torch.mm(low_t, weight, out=product)
                carried.copy_(product).addcmul_(flow_t, keep_t)
            flat = low_gates.view(per_block * batch, 3 * hidden)
            grad_weight += flat.t() @ old.reshape(per_block * batch, hidden)
            grad_bias += grad_gates.sum((0, 1))
            # Until here the n part was the gradient of the recurrent product. The input does not pass the reset gate.
            torch.mul(flow, to_n, out=grad_gates[:, :, 2 * hidden :])
            torch.sum(grad_gates, 0, out=grad_condition[block])
            flat = grad_gates.view(per_block * batch, 3 * hidden)
            for each in range(tables):
                grad_table.index_add_(0, labels[span, :, each].reshape(-1), flat)
            if len(grad_signals):
                grad_signals += signals[span].reshape(len(flat), -1).t() @ flat
        return None, grad_table, None, grad_signals, grad_condition, grad_weight, grad_bias, carried, None


def _coefficients(gates: Tensor, recurrent: Tensor, old: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives of the next state with respect to the recurrent product [steps, batch, 3 * hidden] and to i_n."""
    r, z, n = gates.chunk(3, 2)
    result = torch.empty_like(gates)
    by_r, by_z, by_n = result.chunk(3, 2)
    to_n = torch.addcmul(torch.ones((), dtype=n.dtype), n, n, value=-1)
    to_n.addcmul_(to_n, z, value=-1)  # (1 - z) (1 - n^2)
    torch.mul(to_n, r, out=by_n)
    torch.addcmul(by_n, by_n, r, value=-1, out=by_r).mul_(recurrent)
    torch.sub(old.float(), n, out=by_z)
    by_z.mul_(z).addcmul_(by_z, z, value=-1)
    return result, to_n
