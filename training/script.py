"""The common part of the training scripts: open the store, make the family's plan, fit."""

import logging
import os
from typing import TYPE_CHECKING, Any

from modelfile.families import families_of
from training.flags import TrainingFlags, open_store

if TYPE_CHECKING:
    from training.config import FitResult


def train(stage: str, flags: TrainingFlags, run: Any = None) -> "FitResult":
    """Train a model.

    Args:
        stage: "encoder", "synthesizer" or "vocoder".
        flags: as `training.flags.read_flags` returns them.
        run: argument of the family's plan; by default the run directory.

    Raises:
        SpeechError: an error that the user can correct.
    """
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    # oneDNN compiles code for each layer and shape. Its cache, of 1024 by default, is too small for batches of many
    # shapes.
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "20000")

    import torch

    from training.loop import fit

    torch.manual_seed(flags.seed)
    family = families_of(stage)[flags.kind]
    assert family.plan is not None  # a family with flags has a plan
    plan = family.plan(flags, open_store(flags.store), flags.run if run is None else run)
    former_names = {old.replace("-", "_"): new.replace("-", "_") for old, new in flags.former_names.items()}
    return fit(
        plan.task, plan.batches, plan.fit, flags.run, flags.resume, plan.settings, flags.command_lines, former_names
    )  # fmt: skip
