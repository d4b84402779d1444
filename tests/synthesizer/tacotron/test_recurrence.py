"""Products over time: the same values and gradients as plain autograd."""

import pytest
import torch
from torch import nn

from synthesizer.masks import keep_mask
from synthesizer.tacotron.recurrence import MemoryOverTime, WeightOverTime, dropout, lstm_over_time, lstm_step, zoneout


def test_lstm_step_equals_the_cell() -> None:
    torch.manual_seed(0)
    cell = nn.LSTMCell(5, 7)
    context, hidden, state = (torch.randn(3, size, requires_grad=True) for size in (5, 7, 7))
    keep = (torch.rand(3, 7) < 0.3).float()
    leaves = [context, hidden, state, *cell.parameters()]

    def ours() -> tuple[torch.Tensor, torch.Tensor]:
        known = (cell.bias_ih + cell.bias_hh).expand(3, -1)
        recurrent = WeightOverTime(torch.cat((cell.weight_ih, cell.weight_hh), 1))
        return lstm_step(known, recurrent, context, hidden, state, keep)

    def theirs() -> tuple[torch.Tensor, torch.Tensor]:
        new, after = cell(context, (hidden, state))
        return torch.where(keep > 0, hidden, new), after

    results = []
    for run in (ours, theirs):
        values = run()
        results.append((values, torch.autograd.grad((values[0] ** 2).sum() + (values[1] ** 2).sum(), leaves)))
    for mine, other in zip(results[0][0] + results[0][1], results[1][0] + results[1][1], strict=True):
        torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-5)


def plain_lstm(inputs: torch.Tensor, cell: nn.LSTMCell, keep: torch.Tensor | float) -> torch.Tensor:
    hidden = state = torch.zeros(inputs.shape[1], cell.hidden_size)
    outputs = []
    for step, x in enumerate(inputs):
        new, state = cell(x, (hidden, state))
        hidden = new + (keep[step] if isinstance(keep, torch.Tensor) else keep) * (hidden - new)
        outputs.append(hidden)
    return torch.stack(outputs)


@pytest.mark.parametrize("keep", [0.1, (torch.arange(9 * 4 * 8) % 3 == 0).float().view(9, 4, 8)])
def test_lstm_over_time_equals_a_plain_loop(keep) -> None:
    torch.manual_seed(0)
    cell = nn.LSTMCell(6, 8)
    inputs = torch.randn(9, 4, 6, requires_grad=True)
    weights = [inputs, *cell.parameters()]
    results = []
    for run in (lstm_over_time, plain_lstm):
        outputs = run(inputs, cell, keep)
        results.append((outputs, torch.autograd.grad((outputs**2).sum(), weights)))
    torch.testing.assert_close(results[0][0], results[1][0])
    for ours, theirs in zip(results[0][1], results[1][1], strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)


def test_gradients_of_weight_and_memory_over_time() -> None:
    torch.manual_seed(0)
    weight = torch.randn(4, 3, requires_grad=True)
    memory = torch.randn(2, 5, 3, requires_grad=True)
    averages = [torch.rand(2, 5, requires_grad=True) for _ in range(4)]

    def loop(apply, average):
        return sum((apply(average(a)) ** 2).sum() * k for k, a in enumerate(averages))

    over_time, gathered = WeightOverTime(weight), MemoryOverTime(memory)
    ours = torch.autograd.grad(loop(over_time.apply, gathered.average), [weight, memory, *averages])
    plain = loop(lambda x: x @ weight.T, lambda a: torch.bmm(a[:, None], memory).squeeze(1))
    for mine, theirs in zip(ours, torch.autograd.grad(plain, [weight, memory, *averages]), strict=True):
        torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-5)


def test_unused_weight_has_no_gradient() -> None:
    weight = torch.randn(4, 3, requires_grad=True)
    WeightOverTime(weight)
    assert weight.grad is None


@pytest.mark.parametrize("rate", [0.1, 0.5])
def test_keep_mask_rate(rate: float) -> None:
    torch.manual_seed(0)
    mask = keep_mask((1001, 99), rate, torch.device("cpu"))
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert mask.mean().item() == pytest.approx(1 - rate, abs=0.01)
    assert dropout(torch.ones(1001, 99), rate).mean().item() == pytest.approx(1, abs=0.02)


def test_zoneout_takes_masks_and_rates() -> None:
    old, new = torch.zeros(2, 2), torch.ones(2, 2)
    torch.testing.assert_close(zoneout(old, new, torch.eye(2)), 1 - torch.eye(2))
    torch.testing.assert_close(zoneout(old, new, 0.25), torch.full((2, 2), 0.75))
