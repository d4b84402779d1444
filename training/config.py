"""Interfaces of the training loop: its settings and result, and what a model family provides. Imports no torch."""

from __future__ import annotations

import dataclasses
import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal, Protocol

from speech.errors import ConfigError

if TYPE_CHECKING:
    import torch
    from torch import nn

    from training.run_directory import RunDirectory


@dataclass(frozen=True)
class FitConfig:
    """Settings of the training loop.

    Attributes:
        steps: optimiser steps in total, over all sessions of a run.
        max_minutes: end a session within this time, including the last validation and save; 0 for no limit.
        learning_rate: peak.
        final_learning_rate: end of the decay.
        warmup_steps: steps of linear increase to the peak.
        decay: shape of the decay from the peak.
        decay_start, decay_steps: first step and length of the decay; decay_steps 0 means up to `steps`.
        weight_decay, betas, eps: of AdamW (Loshchilov & Hutter 2019); without decay it is Adam.
        final_weight_decay: the weight decay goes to it along a cosine over `steps`; None for a constant one.
        clip_norm: largest L2 norm of the gradient over all parameters; 0 for no clipping.
        log_every, validate_every, save_every: in steps; 0 means only at the end. Otherwise the first validation of a
            session comes after 3 minutes at the latest, and the first save after 5.
        keep_last: number of resumable states to keep.
        seed: of all randomness in the steps (dropout, masks, noise).
        precision: "auto" is bf16 on a GPU or CPU that is faster with it, fp16 on an older GPU, fp32 elsewhere.
        matmul_precision: of fp32 matrix products. "medium" allows bf16 products on a CPU with bf16 instructions (about
            three times faster) and on a GPU; "auto" is "medium" on such a CPU and TF32 on a GPU.
        device: "auto", "cpu", "cuda" or "mps".
        threads: CPU threads of one process; 0 leaves the choice to torch.
        ema_decay: decay of an exponential moving average of the weights, which are then validated and saved; 0 for
            none.
        prefetch: batches prepared ahead by a background thread; 0 prepares them in the training thread.
        progress: show a progress bar on a terminal.
    """

    steps: int = 100_000
    max_minutes: float = 0.0
    learning_rate: float = 1e-3
    final_learning_rate: float = 1e-5
    warmup_steps: int = 0
    decay: Literal["constant", "exponential", "cosine"] = "constant"
    decay_start: int = 0
    decay_steps: int = 0
    weight_decay: float = 0.0
    final_weight_decay: float | None = None
    betas: tuple[float, float] = (0.9, 0.999)
    eps: float = 1e-8
    clip_norm: float = 1.0
    log_every: int = 50
    validate_every: int = 1000
    save_every: int = 1000
    keep_last: int = 3
    seed: int = 0
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    matmul_precision: Literal["highest", "medium", "auto"] = "auto"
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    threads: int = 0
    ema_decay: float = 0.0
    prefetch: int = 4
    progress: bool = True

    def __post_init__(self) -> None:
        for name in ("steps", "keep_last"):
            _require(getattr(self, name) >= 1, name, getattr(self, name), "at least 1")
        for name in ("warmup_steps", "decay_start", "decay_steps", "log_every", "validate_every", "save_every"):
            _require(getattr(self, name) >= 0, name, getattr(self, name), "0 or more")
        for name in ("max_minutes", "weight_decay", "clip_norm", "threads", "prefetch", "seed"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value >= 0, name, value, "0 or more")
        if self.final_weight_decay is not None:
            value = self.final_weight_decay
            _require(math.isfinite(value) and value >= 0, "final_weight_decay", value, "0 or more")
        for name in ("learning_rate", "final_learning_rate", "eps"):
            value = getattr(self, name)
            _require(math.isfinite(value) and value > 0, name, value, "above 0")
        _require(0 <= self.ema_decay < 1, "ema_decay", self.ema_decay, "in [0, 1)")
        _require(all(0 <= beta < 1 for beta in self.betas), "betas", self.betas, "in [0, 1)")
        _require(
            self.decay in ("constant", "exponential", "cosine"), "decay", self.decay, "constant, exponential or cosine"
        )
        _require(
            self.precision in ("auto", "fp32", "bf16", "fp16"), "precision", self.precision, "auto, fp32, bf16 or fp16"
        )
        _require(
            self.matmul_precision in ("highest", "medium", "auto"),
            "matmul_precision",
            self.matmul_precision,
            "highest, medium or auto",
        )
        _require(self.device in ("auto", "cpu", "cuda", "mps"), "device", self.device, "auto, cpu, cuda or mps")


# A resumed run may change these: they set duration, speed and logging, not the result of a step. (Families derive the
# warm-up from the steps.)
FREE_TO_CHANGE = frozenset(
    (
        "command_lines",
        *(
            f"fit.{name}"
            for name in (
                "steps", "warmup_steps", "max_minutes", "log_every", "validate_every", "save_every", "keep_last",
                "precision", "matmul_precision", "device", "threads", "prefetch", "progress",
            )
        ),
    )
)  # fmt: skip


@dataclass(frozen=True)
class FitResult:
    """Result of a training session.

    Attributes:
        step: optimiser steps of the run so far.
        reason: all steps done, stopped by a signal, or out of time.
        best: best value of the task's metric, None before the first validation.
        best_step: step of that validation.
        minutes: length of this session.
        sentence: the result as a sentence, with the command to resume.
    """

    step: int
    reason: Literal["finished", "signal", "max_minutes"]
    best: float | None
    best_step: int | None
    minutes: float
    sentence: str


class Task(ABC):
    """What differs between models: the losses of a batch, the validation figures and the model file.

    Attributes:
        model: the module that is trained and saved.
        best_metric: the figure of `validate` that chooses the best checkpoint.
        best_mode: "min" or "max", the better direction of `best_metric`.
        extra_modules: modules that only training needs (discriminators, the scale of a loss), by name. They are trained
            and resumed, and are not part of the model file.
    """

    model: nn.Module
    best_metric: str
    best_mode: Literal["min", "max"] = "min"
    extra_modules: Mapping[str, nn.Module] = MappingProxyType({})

    @abstractmethod
    def step(self, batch: Any, step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        """The losses of one batch, scalars; "loss" is minimised. "items", if given, is the number of examples.

        Args:
            generator: a CPU generator seeded with (seed, rank, step), as are the global random states of torch, numpy
                and Python during the call. A repeated step has the same randomness.
        """

    @abstractmethod
    def validate(self, step: int, run: RunDirectory) -> dict[str, float]:
        """Validation figures of the model in eval mode, without gradients. Runs in the first process only.

        Args:
            run: `run.samples` is a folder for files, `run.writer` a TensorBoard writer.
        """

    @abstractmethod
    def model_file(self) -> dict[str, Any]:
        """Fields of the `modelfile.header.ModelHeader`, without the step: stage, kind, config and others."""

    def param_groups(self) -> list[dict[str, Any]] | None:
        """Parameter groups as for a torch optimiser. None: one group.

        "lr_scale" multiplies the learning rate of a group, and "decay_scale" its weight decay.
        """
        return None

    def after_step(self, done: int, averages: Mapping[str, torch.Tensor]) -> None:  # noqa: B027 - optional hook
        """Called after each optimiser step that was taken. Weights and averages may be changed in place (pruning).

        Args:
            done: optimiser steps so far.
            averages: moving averages of the weights by name; empty where the run keeps none.
        """

    def stored_weights(self) -> Mapping[str, torch.Tensor]:
        """The tensors of the model file."""
        return self.model.state_dict()

    def finish(self, run: RunDirectory, step: int) -> None:  # noqa: B027 - optional hook
        """Called once in the first process at the end of a session, after the last save."""


class Batches(Protocol):
    """Training batches by step: the step is the position in the data."""

    def batch_at(self, step: int) -> Any:
        """The batch of one step, a pure function of (seed, step, rank). It does not use global random states.

        Called from a background thread. Tensors, in any nesting of dict, list, tuple and dataclass.
        """
        ...


@dataclass(frozen=True)
class TrainingPlan:
    """The result of a family's `plan`, for `training.loop.fit`.

    Attributes:
        task: model, losses and validation.
        batches: training data by step.
        fit: settings of the loop.
        settings: further settings that a resumed run must not change (store, batch size, ...), as JSON values.
    """

    task: Task
    batches: Batches
    fit: FitConfig
    settings: Mapping[str, Any]


def as_json(config: Any) -> Any:
    """A config dataclass as JSON values; other values pass."""
    return dataclasses.asdict(config) if dataclasses.is_dataclass(config) and not isinstance(config, type) else config


def _require(holds: bool, name: str, value: Any, range_: str) -> None:
    if not holds:
        raise ConfigError(f"The training setting {name} is {value}: it must be {range_}.")
