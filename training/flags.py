"""Flags that all training scripts share, and what is made of them. Imports no torch, so that `--help` is quick."""

import argparse
import contextlib
import inspect
import io
import json
import logging
import sys
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

import tyro
from tyro.conf import Positional

from modelfile.families import families_of
from speech.errors import ConfigError, TrainingError
from training.config import FitConfig

if TYPE_CHECKING:
    from corpora.store import FeatureStore

logger = logging.getLogger(__name__)

Kind = Annotated[str, tyro.conf.arg(name="model")]


@dataclass(frozen=True)
class TrainingFlags:
    """Base of a family's training flags. A family redefines `kind`, `run` and other fields with its own defaults.

        kind: Kind = "lstm"
        run: Path = Path("runs/encoder")

    A redefined field keeps its help text but not its type.
    """

    # Deprecated spelling of a flag -> present one, both without "--". Also read in the settings of runs to resume.
    former_names: ClassVar[Mapping[str, str]] = {}

    store: Positional[Path]
    """Feature store that `preprocess.py` made for this stage."""
    kind: Kind
    """Model family. Each family has its own flags: `--model NAME --help` shows them."""
    run: Path
    """Run directory: model files, resumable states, samples, logs."""
    resume: bool = False
    """Resume the run in the run directory exactly where it stopped. Its flags are kept; give only those that change."""
    steps: int = 20_000
    """Training steps in total. The learning rate decays over them."""
    max_minutes: float = 0.0
    """End the session within this many minutes, including the last validation and save; 0 is no limit."""
    learning_rate: float = 1e-3
    """Peak learning rate."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Precision of a training step; auto is bf16 where the processor is faster with it."""
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
    command_lines: tyro.conf.Suppress[tuple[tuple[str, ...], ...]] = ()
    """The words after the script's name when the run was started, then those of each time it was resumed."""

    @classmethod
    def default_run(cls, words: Sequence[str]) -> Path:
        """The run directory of a command line without --run."""
        return next(Path(field.default) for field in fields(cls) if field.name == "run")  # type: ignore[arg-type]


def read_flags(stage: str, arguments: Sequence[str] | None = None) -> Any:
    """Parse the command line of a training script with the flags of the family that `--model` names.

    Args:
        stage: "encoder", "synthesizer" or "vocoder". Its first trainable family is the default.
        arguments: instead of `sys.argv`.

    Returns:
        An instance of the family's `training_flags`.

    Raises:
        ConfigError: no trainable family has this name.
        TrainingError: there is no run to resume, or its settings cannot be read.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False, exit_on_error=False)
    parser.add_argument("--model", nargs="?")
    parser.add_argument("--run", nargs="?", type=Path)
    parser.add_argument("--resume", action="store_true")
    given = parser.parse_known_args(words)[0]
    trainable: dict[str, Any] = {
        name: family.training_flags for name, family in families_of(stage).items() if family.training_flags
    }
    kind = given.model or next(iter(trainable))
    if kind not in trainable:
        raise ConfigError(f"There is no {stage} family {kind!r} to train: choose {', '.join(trainable)}.")
    earlier: list[tuple[str, ...]] = []
    if given.resume and not {"-h", "--help"} & set(words):
        kind, earlier = _read_start(given.run or trainable[kind].default_run(words), kind, set(trainable))
    description = inspect.cleandoc(trainable[kind].__doc__ or "")
    if len(trainable) > 1:
        description += f"\n\nModel families (--model): {', '.join(trainable)}."
    flags = None
    for line in earlier:
        flags = _parse_stored(trainable[kind], line, flags)
    flags = _parse(trainable[kind], words, flags, description=description)
    changes = tuple(word for word in words if word != "--resume")
    return replace(flags, command_lines=(*earlier, *([changes] if changes and changes not in earlier[-1:] else [])))


def _read_start(run: Path, kind: str, trainable: Collection[str]) -> tuple[str, list[tuple[str, ...]]]:
    """Family and command lines of the run to resume; no command lines if it was started by an older version.

    Raises:
        TrainingError: there is no run, or it cannot be read.
    """
    path = run / "config.json"
    if not path.is_file():
        raise TrainingError(
            f"There is no training run in {run} to resume: name its folder with --run, or start without --resume."
        )
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        lines = [tuple(map(str, line)) for line in found.get("command_lines", ())]
        kind = found.get("kind") if found.get("kind") in trainable else kind
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise TrainingError(f"{path} cannot be read: restore it, or start a new run directory.") from error
    return kind, lines


def _parse_stored(flags: type[TrainingFlags], words: Sequence[str], default: TrainingFlags | None) -> TrainingFlags:
    """`_parse` for a command line from a run's settings.

    Raises:
        TrainingError: it cannot be read. What tyro prints then is discarded, as it is about the present command line.
    """
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            return _parse(flags, words, default)
    except SystemExit as error:
        raise TrainingError(
            f"The run to resume was started with flags that cannot be read, {' '.join(words)[:200]!r}: "
            "restore its config.json, or start a new run directory."
        ) from error


def _parse(
    flags: type[TrainingFlags], words: Sequence[str], default: TrainingFlags | None, **options: Any
) -> TrainingFlags:
    """The flags of one command line; those that it does not give are those of `default`. `options` are tyro's."""
    if default is not None:
        options["default"] = default
    return tyro.cli(flags, args=current_spelling(words, flags), **options)


def current_spelling(words: Sequence[str], flags: type[TrainingFlags]) -> list[str]:
    """The words of a command line, with deprecated flags replaced by the present ones."""

    def current(word: str) -> str:
        name, equals, value = word.removeprefix("--").partition("=")
        new = flags.former_names.get(name.replace("_", "-")) if word.startswith("--") else None
        return f"--{new}{equals}{value}" if new else word

    return [current(word) for word in words]


def open_store(path: Path) -> "FeatureStore":
    """The feature store to train on. Logs a warning if preprocess.py has not finished it.

    Raises:
        StorageError: it is not a feature store.
    """
    from corpora.store import FeatureStore

    store = FeatureStore(path)
    if not store.complete:
        logger.warning(
            "%s is not complete, and training uses the %d utterances that it has so far: repeat the command of "
            "preprocess.py to add the others",
            path,
            len(store),
        )
    return store


def fit_config(flags: TrainingFlags, **differences: Any) -> FitConfig:
    """The training loop's settings: every flag that `FitConfig` has too, and `differences`, which take precedence."""
    shared = {field.name for field in fields(flags)} & {field.name for field in fields(FitConfig)}
    return FitConfig(**{**{name: getattr(flags, name) for name in shared}, **differences})


def trained_on(flags: TrainingFlags, store: "FeatureStore") -> str:
    """Training data for the model file's header: --trained-on, or the names of the store's corpora."""
    corpora = {store.meta(index).get("corpus", "") for index in range(len(store))}
    return flags.trained_on or ", ".join(sorted(corpora - {""}))
