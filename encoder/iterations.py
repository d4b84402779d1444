"""Training without speaker names from start to end: cluster-aware DINO, then iterations on pseudo labels.

runs/<name>/config.json         family and command lines, from which the sequence is resumed
            cluster-dino/       run directory of each training
            pseudo-labels-1/    labels from the encoder of cluster-dino
            pseudo-labels-2/    labels from that of pseudo-labels-1, and so on

Each training is a run of its own, which `train_encoder.py --run runs/<name>/cluster-dino --resume` continues alone.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from encoder.flags import EncoderFlags
from speech.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from training.config import FitResult

logger = logging.getLogger(__name__)

MINUTE = 60.0
SHORTEST = 1e-9  # minutes of a training, which takes one step


def stages_of(flags: EncoderFlags) -> list[EncoderFlags]:
    """The flags of each training of `--objective iterations`, in order."""
    stages = [stage_of(flags, "cluster-dino", objective="cluster-dino")]
    steps = flags.pseudo.steps or flags.steps
    for number in range(flags.pseudo.iterations):
        before = stages[-1].run / "best.safetensors"
        name = f"pseudo-labels-{number + 1}"
        stages.append(stage_of(flags, name, objective="pseudo-labels", init=before, steps=steps))
    return stages


def stage_of(flags: EncoderFlags, name: str, **differences: Any) -> EncoderFlags:
    """The flags of one training. Its command lines are those of the sequence and one with the differences."""
    differences = {"run": flags.run / name, **differences}
    words = [word for key, value in differences.items() for word in (f"--{key}", str(value))]
    return replace(flags, **differences, command_lines=(*flags.command_lines, tuple(words)))


def train_iterations(flags: EncoderFlags, train: "Callable[[EncoderFlags], FitResult]") -> None:
    """Run the trainings in order, from the newest one that was started if the sequence is resumed.

    `--max-minutes` is the time of all. A training that does not finish ends the run.

    Args:
        train: runs one of them.

    Raises:
        ConfigError: a teacher, or an encoder to start from.
        TrainingError: the run directory holds a run already, or, if it is to be resumed, none.
    """
    from training.loop import resume_command
    from training.run_directory import RunDirectory

    if flags.teacher is not None or flags.init is not None:
        raise ConfigError("--objective iterations starts from random weights: leave out --teacher, --init and --from.")
    started = time.monotonic()
    write_sequence(flags)
    stages = stages_of(flags)
    begun = [number for number, stage in enumerate(stages) if flags.resume and RunDirectory(stage.run).exists()]
    first = max(begun, default=0)
    for number in range(first, len(stages)):
        left = flags.max_minutes - (time.monotonic() - started) / MINUTE
        minutes = max(left, SHORTEST) if flags.max_minutes else 0.0
        if flags.max_minutes and left <= 0 and number > first:
            logger.info("The time is over. Resume with: %s", resume_command(flags.run))
            return
        stage = stages[number]
        logger.info("training %d of %d: %s", number + 1, len(stages), stage.run)
        result = train(replace(stage, resume=number in begun, max_minutes=minutes))
        if result.reason != "finished":
            logger.info("Resume all trainings with: %s", resume_command(flags.run))
            return
    logger.info("All %d trainings are finished; the encoder is %s.", len(stages), stages[-1].run / "best.safetensors")


def write_sequence(flags: EncoderFlags) -> None:
    """Keep the command lines, so that the sequence is resumed by its run directory alone.

    Raises:
        TrainingError: the run directory holds a run already, or, if it is to be resumed, none of this kind.
    """
    from modelfile.files import write_json
    from training.processes import process_rank
    from training.run_directory import RunDirectory

    if process_rank() > 0:
        return
    run = RunDirectory(flags.run)
    if flags.resume and (not run.exists() or run.description().get("objective") != flags.objective):
        raise TrainingError(f"{flags.run} holds no --objective iterations to resume: start it without --resume.")
    if not flags.resume and run.exists():
        raise TrainingError(
            f"{flags.run} already holds a training run: resume it with --resume, or choose a different folder."
        )
    lines = [list(line) for line in flags.command_lines]
    flags.run.mkdir(parents=True, exist_ok=True)
    write_json(run.config, {"kind": flags.kind, "objective": flags.objective, "command_lines": lines})
