"""State of a training session: model, optimiser, averages and counters; steps, validations and saves."""

import contextlib
import dataclasses
import logging
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import nn
from tqdm import tqdm

from modelfile.checkpoint import save_model
from modelfile.header import ModelHeader
from speech.errors import ModelFileError, StorageError, TrainingError
from training import processes
from training.average import WeightAverage
from training.config import FitConfig, Task
from training.report import Report, items_of
from training.run_directory import RunDirectory, SavedState
from training.schedule import cosine
from training.timing import Timing

if TYPE_CHECKING:
    from accelerate import Accelerator

logger = logging.getLogger(__name__)

MAX_BAD_STEPS = 3
VALIDATION_STREAM = 1  # random numbers of a validation differ from those of the step with the same number


class Session:
    """One training session. `done` is the number of steps of the run, including skipped ones."""

    def __init__(
        self,
        task: Task,
        config: FitConfig,
        run: RunDirectory,
        accelerator: "Accelerator",
        learning_rate: Callable[[int], float],
    ):
        if task.best_mode not in ("min", "max"):
            raise ValueError(f"best_mode must be 'min' or 'max', not {task.best_mode!r}")
        self.task, self.config, self.run, self.learning_rate = task, config, run, learning_rate
        self.accelerator = accelerator
        self.device, self.is_main = accelerator.device, accelerator.is_main_process
        self.world, self.rank = accelerator.num_processes, accelerator.process_index
        self.modules: dict[str, nn.Module] = {"model": task.model, **task.extra_modules}
        for module in self.modules.values():
            module.to(self.device).train()
        self.optimizer = accelerator.prepare(self._make_optimizer(task.param_groups()))
        self.parameters = [parameter for group in self.optimizer.param_groups for parameter in group["params"]]
        self.average = WeightAverage(task.model, config.ema_decay) if config.ema_decay else None
        self.done, self.bad_in_a_row = 0, 0
        self.best: float | None = None
        self.best_step: int | None = None
        self.saved_at, self.validated_at = -1, -1
        self._good_counters = self._counters()
        self.report = Report()
        self.timing = Timing(config)
        if self.world > 1:
            processes.share_from_first(list(self._module_tensors().values()))

    def _make_optimizer(self, param_groups: list[dict[str, Any]] | None) -> torch.optim.Optimizer:
        if param_groups is None:
            trainable = [p for module in self.modules.values() for p in module.parameters() if p.requires_grad]
            param_groups = [{"params": list(dict.fromkeys(trainable))}]
        groups = [{"lr_scale": 1.0, "decay_scale": 1.0, **group} for group in param_groups]
        config = self.config
        return torch.optim.AdamW(
            groups, lr=config.learning_rate, betas=config.betas, eps=config.eps, weight_decay=config.weight_decay
        )

    def _weight_decay(self, step: int) -> float:
        config = self.config
        if config.final_weight_decay is None:
            return config.weight_decay
        return cosine(step, start=config.weight_decay, end=config.final_weight_decay, steps=config.steps)

    # -- one step

    def train_step(self, batch: Any, step: int, stop_requests: Callable[[], tuple[bool, bool]]) -> tuple[bool, bool]:
        """Take optimiser step `step`. Skip it if loss or gradient is not finite.

        Args:
            stop_requests: whether this process received a signal, and whether its time is over. It is called after the
                backward pass, so that a signal during the step counts.

        Returns:
            The same two flags, true if they are so in any process.

        Raises:
            TrainingError: the third bad step in a row. The last good state is saved first.
        """
        rate = self.learning_rate(step)
        for group in self.optimizer.param_groups:
            group["lr"] = rate * group["lr_scale"]
            group["weight_decay"] = self._weight_decay(step) * group["decay_scale"]
        buffers = self._buffers()
        generator = processes.seed_everything(self.config.seed, self.rank, step)
        batch = processes.to_device(batch, self.device)
        with self.accelerator.autocast():
            losses = self.task.step(batch, step, generator)
        self.accelerator.backward(losses["loss"])
        signalled, late = stop_requests()
        flags = [float(signalled), float(late), float(not torch.isfinite(losses["loss"].detach()).item())]
        if self.world > 1:
            flags = processes.average_gradients(self.parameters, flags, self.device)
        norm = self._clip()
        self.done = step + 1
        if flags[2] or not math.isfinite(norm):
            self._skip(step, flags[2] > 0, buffers)
        else:
            self.optimizer.step()
            self.bad_in_a_row = 0
            if self.average:
                self.average.update(step)
            self.task.after_step(self.done, self.average.tensors if self.average else {})
            self.report.add(losses, norm, rate, items_of(losses, batch) * self.world)
        self.optimizer.zero_grad(set_to_none=True)
        return flags[0] > 0, flags[1] > 0

    def _clip(self) -> float:
        """Scale the gradient to at most `clip_norm`. Returns its norm before."""
        self.accelerator.unscale_gradients()
        limit = self.config.clip_norm or math.inf
        return float(nn.utils.clip_grad_norm_(self.parameters, limit))

    def _skip(self, step: int, loss_is_bad: bool, buffers: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        """Keep weights and moments, and restore the running statistics that the forward pass changed."""
        with torch.no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
        scaler = self.accelerator.scaler
        if scaler is not None:
            searching = not loss_is_bad and scaler.get_scale() > 1
            scaler.update()
            if searching:  # fp16 finds its loss scale by overflow
                return
        if self.bad_in_a_row == 0:
            self._good_counters = self._counters()
        self.bad_in_a_row += 1
        what = "loss" if loss_is_bad else "gradient"
        logger.warning("the %s of step %d is not finite: the step is skipped", what, step)
        if self.bad_in_a_row >= MAX_BAD_STEPS:
            self._give_up(what, step)

    def _give_up(self, what: str, step: int) -> NoReturn:
        good = self.done - MAX_BAD_STEPS
        kept = f"the state after step {good} is kept"
        if self.is_main:
            try:
                self.save(good, self._good_counters)
            except ModelFileError:  # the weights can overflow with a finite gradient
                kept = "the weights are not finite either, and the states saved before are kept"
        raise TrainingError(
            f"The {what} was not finite in steps {good} to {step}; {kept} in {self.run.path}: look at the data of "
            "these steps, or lower the learning rate in a new run."
        )

    def _buffers(self) -> list[tuple[torch.Tensor, torch.Tensor]]:
        """Running statistics and counters, each with a copy."""
        return [(buffer, buffer.clone()) for module in self.modules.values() for buffer in module.buffers()]

    # -- reports, validation, saves

    def report_if_due(self, bar: tqdm) -> None:
        """Report every `log_every` steps to log.jsonl, TensorBoard, the progress bar and the log."""
        if self.is_main and (self.done == self.config.steps or _due(self.done, self.config.log_every)):
            self.write_report(bar)

    def write_report(self, bar: tqdm | None = None) -> None:
        """Write the means since the last report."""
        figures = self.report.take()
        if not figures:
            return
        self._log(figures)
        shown = {name: f"{figures[name]:.4g}" for name in ("loss", "lr") if name in figures}
        if bar is not None:
            bar.set_postfix(shown)
        minutes = (self.timing.seconds_left(self.done) or 0) / 60
        text = ", ".join(f"{name} {value:.4g}" for name, value in figures.items())
        logger.info("step %d of %d: %s; about %.0f minutes left", self.done, self.config.steps, text, minutes)

    def validate_if_due(self, bar: tqdm) -> None:
        """Validate every `validate_every` steps, once early in the session, and after the last step."""
        every = self.config.validate_every
        due = self.done == self.config.steps or _due(self.done, every)
        if due or (every and self.timing.first_validation_is_due()):
            self._validate_now(bar)

    def validate_if_it_fits(self, bar: tqdm) -> None:
        """Validate the last weights of a session that ends by its time limit, if there is time for it."""
        if self.timing.validation_fits():
            self._validate_now(bar)

    def _validate_now(self, bar: tqdm) -> None:
        if not self.is_main or self.validated_at == self.done:
            return
        with self.report.paused(), self.timing.measured("validation"):
            self.validate()
        if self.best is not None:
            bar.set_description(f"best {self.task.best_metric} {self.best:.4g}")

    def validate(self) -> None:
        """Validate the (averaged) model in eval mode. Save it as best.safetensors if it is the best so far."""
        self.validated_at = self.done
        processes.seed_everything(self.config.seed, self.rank, self.done, VALIDATION_STREAM)
        for module in self.modules.values():
            module.eval()
        try:
            with self._saved_weights(), torch.no_grad():
                figures = {name: float(value) for name, value in self.task.validate(self.done, self.run).items()}
        finally:
            for module in self.modules.values():
                module.train()
        name = self.task.best_metric
        if name not in figures:
            raise KeyError(f"validate() returned {sorted(figures)} without the best_metric {name!r}")
        self._log({f"validation/{key}": value for key, value in figures.items()})
        logger.info(
            "step %d: %s", self.done, ", ".join(f"validation {key} {value:.4g}" for key, value in figures.items())
        )
        if self._is_better(figures[name]):
            self.best, self.best_step = figures[name], self.done
            self._save_model(self.run.best, self.done, {"best_metric": name, "best_value": repr(self.best)})

    def save_if_due(self) -> None:
        """Save every `save_every` steps, and once early in the session."""
        every = self.config.save_every
        if self.is_main and (_due(self.done, every) or (every and self.timing.first_save_is_due())):
            with self.report.paused(), self.timing.measured("save"):
                self.save(self.done)

    def finish(self) -> None:
        """Save the steps since the last save."""
        if self.is_main:
            self.write_report()
            saved = self.saved_at == self.done and self.run.model.exists() and self.run.best.exists()
            if not saved:
                self.save(self.done)
        self.accelerator.wait_for_everyone()

    def save(self, step: int, counters: dict[str, Any] | None = None) -> None:
        """Write the model file and the resumable state of `step`, with the current counters if none are given.

        Without a validation so far, best.safetensors gets the same weights, so that there is one at any time.
        """
        values = {
            **(self._counters() if counters is None else counters),
            "world_size": self.world,
            "scaler": self.accelerator.scaler.state_dict() if self.accelerator.scaler is not None else None,
        }
        # The model first: if the process is killed in between, a resumed run repeats the steps and writes it again.
        # save_model also refuses weights that are not finite, before such a state could replace a good one.
        self._save_model(self.run.model, step, {})
        if self.best is None:
            self._save_model(self.run.best, step, {})
        self.run.save_state(step, self._state_tensors(), values, self.config.keep_last)
        self.saved_at = step

    def _counters(self) -> dict[str, Any]:
        names = ("best", "best_step", "validated_at", "bad_in_a_row")
        return {name: getattr(self, name) for name in names}

    def _save_model(self, path: Path, step: int, extra: dict[str, str]) -> None:
        about = ModelHeader(**{**self.task.model_file(), "step": step})
        header = dataclasses.replace(about, extra={**about.extra, **extra})
        try:
            with self._saved_weights():
                save_model(path, self.task.stored_weights(), header)
        except StorageError as error:
            raise self.run.with_remedy(error) from error

    def _saved_weights(self) -> contextlib.AbstractContextManager[None]:
        return self.average.applied() if self.average else contextlib.nullcontext()

    def _is_better(self, value: float) -> bool:
        if math.isnan(value):
            return False
        return self.best is None or (value < self.best if self.task.best_mode == "min" else value > self.best)

    def _log(self, figures: dict[str, float]) -> None:
        self.run.append_log({"step": self.done, **figures})
        for name, value in figures.items():
            self.run.writer.add_scalar(name if "/" in name else f"train/{name}", value, self.done)

    # -- the state

    def _module_tensors(self) -> dict[str, torch.Tensor]:
        return {
            f"module/{name}/{key}": value
            for name, module in self.modules.items()
            for key, value in module.state_dict().items()
        }

    def _state_tensors(self) -> dict[str, torch.Tensor]:
        tensors = self._module_tensors()
        for index, moments in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{name}": torch.as_tensor(value) for name, value in moments.items()}
        if self.average:
            tensors |= {f"average/{name}": value for name, value in self.average.tensors.items()}
        return tensors

    def restore(self, state: SavedState) -> None:
        """Restore a saved state.

        Raises:
            TrainingError: the state is of a model or optimiser of a different shape.
        """
        own = self._module_tensors()
        moments: dict[int, dict[str, torch.Tensor]] = {}
        with torch.no_grad():
            for name, tensor in own.items():
                tensor.copy_(self._matching(state, name, tensor))
            for name, tensor in (self.average.tensors if self.average else {}).items():
                tensor.copy_(self._matching(state, f"average/{name}", tensor))
        for name, value in state.tensors.items():
            if name.startswith("optimizer/"):
                _, number, key = name.split("/", 2)
                moments.setdefault(int(number), {})[key] = value
        for index, entries in moments.items():
            shape = self.parameters[index].shape if index < len(self.parameters) else None
            if any(value.ndim and value.shape != shape for value in entries.values()):
                raise self._mismatch(f"optimizer/{index}")
        self.optimizer.load_state_dict({"state": moments, "param_groups": self.optimizer.state_dict()["param_groups"]})
        values = state.values
        self.done = self.saved_at = state.step
        for name in self._counters():
            setattr(self, name, values[name])
        if self.accelerator.scaler is not None and values.get("scaler"):
            self.accelerator.scaler.load_state_dict(values["scaler"])
        if values["world_size"] != self.world:
            logger.warning(
                "the run had %d processes and resumes with %d: its batches will differ",
                values["world_size"],
                self.world,
            )

    def _matching(self, state: SavedState, name: str, like: torch.Tensor) -> torch.Tensor:
        found = state.tensors.get(name)
        if found is None or found.shape != like.shape:
            raise self._mismatch(name)
        return found

    def _mismatch(self, name: str) -> TrainingError:
        return TrainingError(
            f"The state in {self.run.path} does not fit the model at {name}: resume with the same program version, or "
            "start a new run directory."
        )


def _due(step: int, every: int) -> bool:
    return every > 0 and step % every == 0
