"""Flags that all training scripts share, and what is made of them. Imports no torch, so that `--help` is quick."""

import argparse
import inspect
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tyro
from tyro.conf import Positional

from modelfile.families import families_of
from speech.errors import ConfigError
from training.config import FitConfig, TrainingPlan

if TYPE_CHECKING:
    from corpora.store import FeatureStore

Kind = Annotated[str, tyro.conf.arg(name="model")]


@dataclass(frozen=True)
class TrainingFlags:
    """Base of a family's training flags. A family redefines `kind`, `run` and other fields with its own defaults.

        kind: Kind = "lstm"
        run: Path = Path("runs/encoder")

    A redefined field keeps its help text but not its type.
    """

    former_names: ClassVar[Mapping[str, str]] = {}  # deprecated spelling of a flag -> present one, both without "--"

    store: Positional[Path]
    """Feature store that `preprocess.py` made for this stage."""
    kind: Kind
    """Model family. Each family has its own flags: `--model NAME --help` shows them."""
    run: Path
    """Run directory: model files, resumable states, samples, logs."""
    resume: bool = False
    """Resume the run in the run directory exactly where it stopped."""
    steps: int = 20_000
    """Training steps in total. The learning rate decays over them."""
    max_minutes: float = 0.0
    """End the session within this many minutes, including the last validation and save; 0 is no limit."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of a training step; auto is bf16 wherever the processor supports it."""
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    """Device to train on."""
    threads: int = 0
    """CPU threads; 0 leaves the choice to PyTorch."""
    validate_every: int = 500
    """Steps between two validations."""
    save_every: int = 500
    """Steps between two saved states."""
    seed: int = 0
    """Random seed for weights, batches and augmentation."""
    licence: str = ""
    """Licence of the model, stored in its file."""
    trained_on: str = ""
    """Training data, stored in the model file; the names of the store's corpora if not given."""


def read_flags(stage: str, arguments: Sequence[str] | None = None) -> Any:
    """Parse the command line of a training script with the flags of the family that `--model` names.

    Args:
        stage: "encoder", "synthesizer" or "vocoder". Its first trainable family is the default.
        arguments: instead of `sys.argv`.

    Returns:
        An instance of the family's `training_flags`.

    Raises:
        ConfigError: no trainable family has this name.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--model", nargs="?")
    kind = parser.parse_known_args(words)[0].model
    trainable = {name: family.training_flags for name, family in families_of(stage).items() if family.training_flags}
    if kind is None:
        kind = next(iter(trainable))
    if kind not in trainable:
        raise ConfigError(f"There is no {stage} family {kind!r} to train: choose {', '.join(trainable)}.")
    description = inspect.cleandoc(trainable[kind].__doc__ or "")
    if len(trainable) > 1:
        description += f"\n\nModel families (--model): {', '.join(trainable)}."
    return tyro.cli(trainable[kind], args=current_spelling(words, trainable[kind]), description=description)


def current_spelling(words: Sequence[str], flags: type[TrainingFlags]) -> list[str]:
    """The words of a command line, with deprecated flags spelled as today."""

    def current(word: str) -> str:
        name, equals, value = word.removeprefix("--").partition("=")
        new = flags.former_names.get(name.replace("_", "-")) if word.startswith("--") else None
        return f"--{new}{equals}{value}" if new else word

    return [current(word) for word in words]


def make_plan(stage: str, flags: Any, store: "FeatureStore") -> TrainingPlan:
    """The training plan of the family that `read_flags` chose."""
    family = families_of(stage)[flags.kind]
    assert family.plan is not None  # a family with flags has a plan
    return family.plan(flags, store, flags.run)


def fit_config(flags: TrainingFlags, **differences: Any) -> FitConfig:
    """The training loop's settings: every flag that `FitConfig` has too, and `differences`, which take precedence."""
    shared = {field.name for field in fields(flags)} & {field.name for field in fields(FitConfig)}
    return FitConfig(**{**{name: getattr(flags, name) for name in shared}, **differences})


def trained_on(flags: TrainingFlags, store: "FeatureStore") -> str:
    """Training data for the model file's header: --trained-on, or the names of the store's corpora."""
    corpora = {store.meta(index).get("corpus", "") for index in range(len(store))}
    return flags.trained_on or ", ".join(sorted(corpora - {""}))
