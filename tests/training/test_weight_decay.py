"""The weight decay follows its schedule, and a group can have less of it."""

from typing import Any

import pytest
import torch
from torch import nn

from training.config import FitConfig, Task
from training.loop import fit
from training.schedule import cosine

LEARNING_RATE = 0.1


class WithoutGradient(Task):
    """Its loss does not depend on the weights, which start at 1: only the weight decay changes them."""

    model: nn.Linear
    best_metric = "weight"

    def __init__(self) -> None:
        self.model = nn.Linear(1, 1)
        for parameter in self.model.parameters():
            nn.init.ones_(parameter)

    def param_groups(self) -> list[dict[str, Any]]:
        return [{"params": [self.model.weight]}, {"params": [self.model.bias], "decay_scale": 0.0}]

    def step(self, batch: Any, step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        return {"loss": sum((0 * parameter.sum() for parameter in self.model.parameters()), torch.zeros(()))}

    def validate(self, step: int, run: Any) -> dict[str, float]:
        return {"weight": self.model.weight.item()}

    def model_file(self) -> dict[str, Any]:
        return {"stage": "encoder"}


class NoBatches:
    def batch_at(self, step: int) -> int:
        return 0


@pytest.mark.parametrize("final", [None, 0.0, 0.5])
def test_the_weight_decay_follows_a_cosine(tmp_path, final: float | None) -> None:
    task = WithoutGradient()
    config = FitConfig(
        steps=4, learning_rate=LEARNING_RATE, weight_decay=0.2, final_weight_decay=final, device="cpu", progress=False
    )
    fit(task, NoBatches(), config, tmp_path)
    expected = 1.0
    for step in range(4):
        decay = 0.2 if final is None else cosine(step, start=0.2, end=final, steps=4)
        expected *= 1 - LEARNING_RATE * decay
    assert task.model.weight.item() == pytest.approx(expected)
    assert task.model.bias.item() == 1
