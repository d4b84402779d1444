"""A toy task: a model with dropout and batch normalisation that fits a random target in milliseconds.

Also a script, `python toy.py RUN [--resume] ...`, for tests that send signals to a training.
"""

import argparse
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from training.config import FitConfig, Task
from training.run_directory import RunDirectory


@dataclass(frozen=True)
class ToyConfig:
    width: int = 8


class ToyModel(nn.Module):
    def __init__(self, config: ToyConfig):
        super().__init__()
        self.first = nn.Linear(4, config.width)
        self.norm = nn.BatchNorm1d(config.width)
        self.dropout = nn.Dropout(0.3)
        self.last = nn.Linear(config.width, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.dropout(torch.relu(self.norm(self.first(x)))))


class ToyTask(Task):
    model: "ToyModel"
    best_metric = "error"
    best_mode = "min"

    def __init__(self, width: int = 8, bad_steps: tuple[int, ...] = (), wait: float = 0.0):
        torch.manual_seed(7)
        self.config = ToyConfig(width)
        self.model = ToyModel(self.config)
        self.extra_modules = {"scale": nn.Linear(1, 1)}
        self.bad_steps, self.wait = set(bad_steps), wait
        self.on_step: Callable[[int], None] = lambda step: None

    def step(self, batch: dict[str, torch.Tensor], step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        self.on_step(step)
        time.sleep(self.wait)
        noise = 0.01 * torch.rand(batch["x"].shape, generator=generator).to(batch["x"].device)
        if step in self.bad_steps:
            noise = noise * float("nan")  # reaches the loss, the gradients and the running statistics
        difference = self.model(batch["x"] + noise) - batch["y"]
        scale = self.extra_modules["scale"](torch.ones(1, device=noise.device))
        return {"loss": difference.square().mean() + 0.1 * scale.square().sum(), "distance": difference.abs().mean()}

    def validate(self, step: int, run: RunDirectory) -> dict[str, float]:
        torch.rand(3)  # uses the global random state, which must not affect training
        (run.samples / f"{step}.txt").write_text("sample")
        x = torch.ones(3, 4, device=next(self.model.parameters()).device)
        return {"error": float(self.model(x).square().mean()), "training_mode": float(self.model.training)}

    def model_file(self) -> dict:
        return {"stage": "toy", "kind": "small", "config": self.config, "licence": "CC0", "extra": {"note": "a toy"}}


class ToyBatches:
    def __init__(self, seed: int = 3, rank: int = 0):
        self.seed, self.rank = seed, rank

    def batch_at(self, step: int) -> dict[str, torch.Tensor]:
        generator = torch.Generator().manual_seed(self.seed * 1_000_003 + step * 101 + self.rank)
        x = torch.randn(6, 4, generator=generator)
        return {"x": x, "y": x[:, :2].flip(1)}


TOY_FIT = FitConfig(
    steps=10, learning_rate=1e-2, warmup_steps=3, decay="cosine", log_every=2, validate_every=4, save_every=5,
    device="cpu", threads=1, progress=False,
)  # fmt: skip


def write_line(*words: object) -> None:
    """Print a line in one write. With PYTHONUNBUFFERED, `print` writes single words, which two processes would mix."""
    sys.stdout.write(" ".join(map(str, words)) + "\n")
    sys.stdout.flush()


def main() -> int:
    import dataclasses
    import hashlib
    import os
    import signal

    from training.loop import fit

    parser = argparse.ArgumentParser()
    parser.add_argument("run", type=Path)
    parser.add_argument("--resume", action="store_true")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--save-every", type=int, default=5)
    parser.add_argument("--wait", type=float, default=0.0)
    parser.add_argument("--stop-rank", type=int, default=-1, help="process that receives a SIGTERM")
    parser.add_argument("--stop-step", type=int, default=-1, help="step in which it does")
    arguments = parser.parse_args()
    config = dataclasses.replace(TOY_FIT, steps=arguments.steps, save_every=arguments.save_every, ema_decay=0.9)
    task = ToyTask(wait=arguments.wait)
    rank = int(os.environ.get("RANK", "0"))

    def on_step(step: int) -> None:
        write_line("step", step)
        if (rank, step) == (arguments.stop_rank, arguments.stop_step):
            signal.raise_signal(signal.SIGTERM)

    task.on_step = on_step
    result = fit(task, ToyBatches(rank=rank), config, arguments.run, arguments.resume)
    weights = b"".join(p.detach().cpu().numpy().tobytes() for p in task.model.parameters())
    write_line("result", result.reason, result.step, hashlib.sha256(weights).hexdigest())
    return 0


if __name__ == "__main__":
    from speech.errors import exit_on_speech_error

    sys.exit(exit_on_speech_error(main)())
