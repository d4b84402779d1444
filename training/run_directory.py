"""Run directories: all that is needed to resume a training exactly where it stopped.

runs/<name>/config.json         settings and command lines of the run
            model.safetensors   newest weights, ready for use
            best.safetensors    weights with the best validation so far; the newest before the first validation
            state/              last resumable states: weights, optimiser moments, averages, counters
            log.jsonl           one line per report
            events/             the same for TensorBoard
            samples/            files of the task's validation
            .lock               locked by the process that trains
"""

import contextlib
import json
import logging
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import torch
from safetensors import SafetensorError

from modelfile import checksum
from modelfile.files import as_array, remove_temporaries, write_json, write_tensors, write_text
from modelfile.header import open_tensors
from speech.errors import ModelFileError, StorageError, TrainingError
from speech.files import lock_file, readable, storage_error

logger = logging.getLogger(__name__)

STATE_FORMAT_VERSION = 1
LOCK_SECONDS = 1.0  # a run that was just killed may still be ending
STATE_NAME = re.compile(r"step-(\d{9})\.safetensors")


@dataclass(frozen=True)
class SavedState:
    """A resumable state after `step` optimiser steps: `tensors` by name, and JSON `values`."""

    step: int
    tensors: dict[str, torch.Tensor]
    values: dict[str, Any]


class NoWriter:
    """Replaces TensorBoard's `SummaryWriter` outside a training session. It ignores all data."""

    def add_scalar(self, *_: Any, **__: Any) -> None: ...

    def add_image(self, *_: Any, **__: Any) -> None: ...

    def add_audio(self, *_: Any, **__: Any) -> None: ...

    def close(self) -> None: ...


class RunDirectory:
    """The files of one training run. Only `start`, `resume` and the writing methods change them."""

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self.config = self.path / "config.json"
        self.model = self.path / "model.safetensors"
        self.best = self.path / "best.safetensors"
        self.states = self.path / "state"
        self.events = self.path / "events"
        self.samples = self.path / "samples"
        self.log = self.path / "log.jsonl"
        self.writer: Any = NoWriter()  # a TensorBoard SummaryWriter after `open_events`
        self._lock: BinaryIO | None = None

    def start(self, description: Mapping[str, Any]) -> None:
        """Start a new run, and lock it until `close`. A resumed run is compared with `description`.

        Raises:
            TrainingError: this folder holds a run already, or another process starts one in it.
            StorageError: it is a file, or cannot be written.
        """
        self._require_new()
        if self.path.exists() and not self.path.is_dir():
            raise StorageError(f"{self.path} is a file: choose a different run directory.")
        self._make_folders()
        self._lock_out_others()
        try:
            self._require_new()  # another process may have trained in the meantime
        except TrainingError:
            self.close()
            raise
        write_json(self.config, description)

    def _require_new(self) -> None:
        """Raises: TrainingError if this folder holds a run."""
        if self.exists():
            raise TrainingError(
                f"{self.path} already holds a training run: resume it with --resume, or choose a different folder."
            )

    def resume(
        self,
        description: Mapping[str, Any],
        may_change: Iterable[str] = (),
        former_names: Mapping[str, str] = MappingProxyType({}),
    ) -> SavedState | None:
        """Lock the run until `close`, check that it is the same, and return its newest state; None if it has none yet.

        Args:
            may_change: names of settings that a resumed run may change, as in "fit.steps".
            former_names: names of settings that an older version wrote -> present names, each the last part or parts
                of a name.

        Raises:
            TrainingError: there is no run here, a setting differs, another process trains it, or no state is readable.
        """
        if not self.exists():
            raise TrainingError(f"There is no training run in {self.path} to resume: start it without --resume.")
        before = {_present(name, former_names): value for name, value in _flatten(self.description()).items()}
        now = _flatten(json.loads(json.dumps(description)))
        free = set(may_change)
        for name in sorted(before.keys() | now.keys()):
            if name not in free and before.get(name) != now.get(name):
                raise TrainingError(
                    f"{self.path} was started with {name} = {_shown(before, name)}, not {_shown(now, name)}: "
                    "resume with the old value, or start a new run directory."
                )
        self._make_folders()
        self._lock_out_others()
        for folder in (self.path, self.states, self.samples):
            remove_temporaries(folder)
        state = self.latest_state()
        self._set_aside_after(state.step if state else -1)
        self._cut_log(state.step if state else 0)
        write_json(self.config, description)
        return state

    def exists(self) -> bool:
        """Whether this folder holds a run."""
        return self.config.is_file() or bool(self.state_files())

    def description(self) -> dict[str, Any]:
        """Settings of the run."""
        try:
            description = json.loads(self.config.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise TrainingError(f"{self.config} cannot be read: restore it, or start a new run directory.") from error
        if not isinstance(description, dict):
            raise TrainingError(f"{self.config} is damaged: restore it, or start a new run directory.")
        return description

    def save_state(
        self, step: int, tensors: Mapping[str, torch.Tensor], values: Mapping[str, Any], keep_last: int = 3
    ) -> None:
        """Write a resumable state atomically, and delete all but the last `keep_last` states.

        Raises:
            StorageError: the disk is full. Older states stay usable.
        """
        path = self.states / f"step-{step:09d}.safetensors"
        metadata = {
            "format_version": str(STATE_FORMAT_VERSION),
            "step": str(step),
            "values": json.dumps(values, allow_nan=False),
        }
        try:
            write_tensors(path, tensors, metadata)
        except StorageError as error:
            raise self.with_remedy(error) from error
        for old in self.state_files()[: -max(1, keep_last)]:
            old.unlink(missing_ok=True)

    def latest_state(self) -> SavedState | None:
        """The newest readable state; None if there are no states. Damaged states are skipped with a warning.

        Raises:
            TrainingError: all states are damaged, or one was written by a newer version.
        """
        files = self.state_files()
        for path in reversed(files):
            try:
                return _read_state(path)
            except (ModelFileError, SafetensorError, OSError, ValueError, KeyError) as error:
                logger.warning("%s cannot be read (%s): using the state before it", path, error)
        if files:
            raise TrainingError(
                f"No state in {self.states} can be read: restore one from a backup, or start a new run directory."
            )
        return None

    def state_files(self) -> list[Path]:
        """The saved states, oldest first."""
        return sorted(path for path in self.states.glob("step-*.safetensors") if STATE_NAME.fullmatch(path.name))

    def with_remedy(self, error: StorageError) -> StorageError:
        """Add to the error of a failed save which state is left and how to resume."""
        files = self.state_files()
        if not files:
            return StorageError(f"{error} No state was saved before it.")
        step = int(STATE_NAME.fullmatch(files[-1].name).group(1))  # type: ignore[union-attr]
        return StorageError(f"{error} The state of step {step} is intact: resume from it with --resume.")

    def append_log(self, entry: Mapping[str, Any]) -> None:
        """Append one line to log.jsonl. NaN and infinity, which JSON does not have, become null.

        Raises:
            StorageError: the disk is full.
        """
        finite = {key: _finite_or_none(value) for key, value in entry.items()}
        try:
            with self.log.open("a", encoding="utf-8") as file:
                file.write(json.dumps(finite, allow_nan=False) + "\n")
        except OSError as error:
            raise self.with_remedy(storage_error(self.log, error)) from error

    def open_events(self, purge_step: int | None = None) -> None:
        """Open the TensorBoard `writer`. Events from `purge_step` on, of a run that was killed, are hidden."""
        if readable(str(self.events)) != str(self.events):
            logger.warning(
                "TensorBoard cannot write to %s, whose name is not UTF-8: log.jsonl has the figures", self.path
            )
            return
        from torch.utils.tensorboard import SummaryWriter  # slow to import

        self.writer = SummaryWriter(str(self.events), purge_step=purge_step)

    def close(self) -> None:
        """Flush and close the TensorBoard writer, and unlock the run."""
        with contextlib.suppress(OSError):
            self.writer.close()
        self.writer = NoWriter()
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _make_folders(self) -> None:
        for folder in (self.path, self.states, self.events, self.samples):
            try:
                folder.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise storage_error(folder, error) from error

    def _set_aside_after(self, step: int) -> None:
        """Rename the damaged states after `step`. Otherwise they would count as the newest ones to keep."""
        for path in self.state_files():
            if int(STATE_NAME.fullmatch(path.name).group(1)) > step:  # type: ignore[union-attr]
                with contextlib.suppress(OSError):
                    path.replace(path.with_name(f"damaged-{path.name}"))

    def _lock_out_others(self) -> None:
        path = self.path / ".lock"
        try:
            lock = path.open("ab")
        except OSError as error:
            raise storage_error(path, error) from error
        if not lock_file(lock, LOCK_SECONDS):
            lock.close()
            raise TrainingError(
                f"Another process is training in {self.path}: wait for it to end, stop it, or choose another folder."
            )
        self._lock = lock

    def _cut_log(self, step: int) -> None:
        """Remove the lines after `step`: a killed run logged steps after its last state, which it will repeat."""
        if not self.log.is_file():
            return
        kept = [line for line in self.log.read_text(encoding="utf-8").splitlines() if _logged_step(line) <= step]
        write_text(self.log, "".join(line + "\n" for line in kept))


def _read_state(path: Path) -> SavedState:
    with open_tensors(path, "pt") as file:
        metadata = file.metadata() or {}
        if int(metadata["format_version"]) > STATE_FORMAT_VERSION:
            raise TrainingError(f"{path} was written by a newer version of this program: update the program.")
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118, not a dict
    checksum.check(metadata, {name: as_array(tensor) for name, tensor in tensors.items()})
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.isnan().any():
            raise ValueError(f"{name} contains NaN")
    return SavedState(int(metadata["step"]), tensors, json.loads(metadata["values"]))


def _flatten(value: Any, name: str = "") -> dict[str, Any]:
    """{"fit": {"steps": 3}} -> {"fit.steps": 3}"""
    if not isinstance(value, dict):
        return {name: value}
    flat: dict[str, Any] = {}
    for key, item in value.items():
        flat |= _flatten(item, f"{name}.{key}" if name else str(key))
    return flat


def _present(name: str, former_names: Mapping[str, str]) -> str:
    """The present name of a setting."""
    for former, present in former_names.items():
        if f".{name}".endswith(f".{former}"):
            return name.removesuffix(former) + present
    return name


def _shown(settings: dict[str, Any], name: str) -> str:
    return json.dumps(settings[name]) if name in settings else "nothing"


def _logged_step(line: str) -> float:
    """The step of a log line; infinity for a damaged line."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return float("inf")


def _finite_or_none(value: Any) -> Any:
    if isinstance(value, float) and value - value != 0:  # NaN and infinity alone
        return None
    return value
