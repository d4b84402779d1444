"""The training loop of all stages.

    from training.loop import fit
    result = fit(task, batches, FitConfig(steps=20_000), "runs/encoder", resume=False)

A run can be stopped at any moment, even by `kill -9`, and resumes exactly: all inputs of a step either depend on its
number (batch, learning rate, random numbers) or are saved (weights, optimiser moments, averages).
"""

import contextlib
import logging
import os
import shlex
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import torch
from tqdm import tqdm

from training import processes, schedule
from training.config import FREE_TO_CHANGE, Batches, FitConfig, FitResult, Task, as_json
from training.prefetch import Prefetcher
from training.run_directory import RunDirectory, SavedState
from training.session import Session
from training.stopping import StopRequest
from training.timing import ProgressBar

__all__ = ["Batches", "FitConfig", "FitResult", "RunDirectory", "Task", "fit"]

logger = logging.getLogger(__name__)


def fit(
    task: Task,
    batches: Batches,
    config: FitConfig,
    run_dir: str | Path,
    resume: bool = False,
    settings: Mapping[str, Any] | None = None,
    command_lines: Sequence[Sequence[str]] = (),
    former_names: Mapping[str, str] = MappingProxyType({}),
) -> FitResult:
    """Train until all steps are done, the time is over, or Ctrl-C or SIGTERM arrives. Always save at the end.

    Under torchrun, each process calls this with its own `batches`. The first one writes the run directory, and all
    read it from a shared file system.

    Args:
        task: the model, its losses and its validation.
        batches: the training data by step.
        run_dir: run directory; it must not hold a run yet unless `resume` is set.
        resume: resume from the newest state in `run_dir`.
        settings: further settings that a resumed run must not change, kept in config.json.
        command_lines: kept in config.json too, so that a resumed run knows its flags (`training.flags.read_flags`).
        former_names: names of settings that an older version wrote to config.json -> present names.

    Raises:
        TrainingError: the run directory cannot be used, or three losses in a row were not finite.
        StorageError: the disk is full. Earlier states stay usable.
    """
    run = RunDirectory(run_dir)
    accelerator = processes.make_accelerator(config)
    try:
        description = {**describe_run(task, config, settings), "command_lines": [*map(list, command_lines)]}

        def open_run() -> SavedState | None:
            if resume:
                return run.resume(description, FREE_TO_CHANGE, former_names)
            run.start(description)
            return None

        state = processes.in_first_process(accelerator, open_run)
        if resume and not accelerator.is_main_process:
            state = run.latest_state()
        with numerics(config, accelerator.device.type):
            session = Session(task, config, run, accelerator, learning_rate_of(config))
            if state is not None:
                session.restore(state)
            result = _train(session, batches)
        accelerator.end_training()  # after an error the launcher ends the other processes
        return result
    finally:
        run.close()


def learning_rate_of(config: FitConfig) -> Callable[[int], float]:
    """The learning rate of `config` as a function of the step."""
    if config.decay == "constant":
        return lambda step: schedule.warmup_constant(step, peak=config.learning_rate, warmup_steps=config.warmup_steps)
    shape = schedule.warmup_exponential if config.decay == "exponential" else schedule.warmup_cosine
    start = max(config.decay_start, config.warmup_steps)
    return lambda step: shape(
        step,
        peak=config.learning_rate,
        final=config.final_learning_rate,
        warmup_steps=config.warmup_steps,
        decay_start=start,
        decay_steps=config.decay_steps or max(1, config.steps - start),
    )


def describe_run(task: Task, config: FitConfig, settings: Mapping[str, Any] | None) -> dict[str, Any]:
    """Contents of config.json: the config of the model, that of the loop, and further settings."""
    about = task.model_file()
    return {
        "stage": about.get("stage", ""),
        "kind": about.get("kind", ""),
        "model": as_json(about.get("config", {})),
        "fit": as_json(config),
        "settings": as_json(settings or {}),
    }


def resume_command(run: Path, script: str | None = None) -> str:
    """The command that resumes a run; its flags are kept in the run directory.

    Args:
        script: the training script, by default that of this process.
    """
    launched = os.environ.get("LOCAL_WORLD_SIZE") if int(os.environ.get("WORLD_SIZE", "1")) > 1 else None
    launcher = ["torchrun", "--nproc-per-node", launched, "--"] if launched else ["python"]
    return shlex.join([*launcher, sys.argv[0] if script is None else script, "--run", str(run), "--resume"])


@contextlib.contextmanager
def numerics(config: FitConfig, device: str) -> Iterator[None]:
    """Use the threads and the matrix precision of `config` within the block."""
    precision, threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    torch.set_float32_matmul_precision(processes.chosen_matmul_precision(config, device))
    if config.threads:
        torch.set_num_threads(config.threads)
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.set_num_threads(threads)


def _train(session: Session, batches: Batches) -> FitResult:
    """Take the steps, with reports, validations and saves when they are due."""
    config, run, main = session.config, session.run, session.is_main
    if main:
        run.open_events(purge_step=session.done + 1 if session.done else None)
        logger.info("training in %s from step %d to %d on %s", run.path, session.done, config.steps, session.device)
    timing = session.timing
    reason: Literal["finished", "signal", "max_minutes"] = "finished"
    bar = ProgressBar(timing, config, session.done, shown=config.progress and main)
    prefetcher = Prefetcher(batches.batch_at, range(session.done, config.steps), config.prefetch)
    with StopRequest() as stop, contextlib.closing(bar), contextlib.closing(prefetcher):
        for step, batch in prefetcher:
            signalled, late = session.train_step(batch, step, lambda: (stop.requested, main and timing.is_over()))
            timing.step_taken()
            bar.update()
            session.report_if_due(bar)
            if (signalled or late) and session.done < config.steps:
                reason = "signal" if signalled else "max_minutes"
                break
            session.validate_if_due(bar)
            session.save_if_due()
        if reason == "max_minutes":
            session.validate_if_it_fits(bar)
        session.finish()
    if main:
        session.task.finish(run, session.done)
    sentence = _closing_sentence(session, reason)
    if main:
        tqdm.write(sentence, file=sys.stderr)
    return FitResult(session.done, reason, session.best, session.best_step, timing.seconds() / 60, sentence)


def _closing_sentence(session: Session, reason: str) -> str:
    step, path = session.done, session.run.path
    if reason == "finished":
        best = (
            ""
            if session.best is None
            else f" Best {session.task.best_metric} {session.best:.4g} at step {session.best_step}."
        )
        return f"Finished all {step} steps; the model is {session.run.model}.{best}"
    why = "Stopped by a signal" if reason == "signal" else "The time is over"
    unvalidated = (
        "" if session.best is not None else f" There was no validation yet: {session.run.best.name} is this step, too."
    )
    return f"{why}: step {step} is saved in {path}.{unvalidated} Resume with: {resume_command(path)}"
