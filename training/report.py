"""Collects the figures between two lines of the training log."""

import contextlib
import time
from collections.abc import Iterator
from typing import Any

import torch

from training.processes import first_tensor


class Report:
    """Mean losses since the last report. Sums stay on the device, so that steps do not wait for them."""

    def __init__(self) -> None:
        self._reset()

    def add(self, losses: dict[str, torch.Tensor], norm: float, rate: float, items: float) -> None:
        for name, value in losses.items():
            if name != "items":
                total, count = self._sums.get(name, (0.0, 0))
                self._sums[name] = (total + torch.as_tensor(value).detach().float(), count + 1)
        self._norms.append(norm)
        self._rate = rate
        self._items += items

    def take(self) -> dict[str, float]:
        """The figures since the last call; empty if no step was taken."""
        if not self._norms:
            return {}
        seconds = max(1e-9, time.monotonic() - self._since - self._away)
        figures = {name: float(total / count) for name, (total, count) in self._sums.items()}
        figures |= {
            "lr": self._rate,
            "grad_norm": sum(self._norms) / len(self._norms),
            "items_per_s": self._items / seconds,
            "steps_per_s": len(self._norms) / seconds,
        }
        self._reset()
        return figures

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Time within the block does not count as training."""
        started = time.monotonic()
        try:
            yield
        finally:
            self._away += time.monotonic() - started

    def _reset(self) -> None:
        self._sums: dict[str, tuple[Any, int]] = {}
        self._norms: list[float] = []
        self._rate, self._items, self._away = 0.0, 0.0, 0.0
        self._since = time.monotonic()


def items_of(losses: dict[str, torch.Tensor], batch: Any) -> float:
    """Examples in a batch: "items" of the losses, or the leading dimension."""
    if "items" in losses:
        return float(losses["items"])
    tensor = first_tensor(batch)
    return float(tensor.shape[0]) if tensor is not None and tensor.ndim else 1.0
