"""Reports: one JSON file with every figure and every single output, and the same figures as a table to read."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from evaluation.figures import Figure
from speech.errors import ConfigError, StorageError

Judge = TypeVar("Judge")

REPORT = "report.json"
TABLE = "report.md"


@dataclass(frozen=True, eq=False)
class Report:
    """What was measured.

    Attributes:
        title: what was evaluated.
        settings: with what, ready for JSON.
        figures: by condition, then by name.
        rows: every output's measurements.
        notes: what a reader should know: what was left out, and why.
        counted: the table says of each figure how many items it rests on; not needed where the rows' names do.
    """

    title: str
    settings: Mapping[str, Any]
    figures: Mapping[str, Mapping[str, Figure]]
    rows: Sequence[Mapping[str, Any]] = ()
    notes: Sequence[str] = ()
    counted: bool = True
    machine: Mapping[str, Any] = field(default_factory=lambda: describe_machine())

    def to_json(self) -> str:
        figures = {
            condition: {name: asdict(figure) for name, figure in named.items()}
            for condition, named in self.figures.items()
        }
        content = {
            "title": self.title, "settings": self.settings, "machine": self.machine, "notes": list(self.notes),
            "figures": figures, "outputs": list(self.rows),
        }  # fmt: skip
        return json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False) + "\n"

    def to_markdown(self) -> str:
        conditions = list(self.figures)
        names = list(dict.fromkeys(name for named in self.figures.values() for name in named))
        lines = [f"# {self.title}", "", f"| | {' | '.join(conditions)} |", "|---" * (len(conditions) + 1) + "|"]
        for name in names:
            there = [self.figures[condition].get(name) for condition in conditions]
            cells = ["" if figure is None else str(figure) if self.counted else figure.text() for figure in there]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        explained = "In brackets the 95 % interval" + ", then the number of items a figure rests on." * self.counted
        lines += ["", explained.rstrip(".") + "."]
        lines += ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines) + "\n"


class Notes:
    """Collects what a reader of a report should know."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.rejected: dict[str, str] = {}

    def add(self, line: str) -> None:
        self.lines.append(line)

    def reject(self, key: str, reason: str) -> None:
        """Something was left out of the evaluation."""
        self.rejected[key] = reason

    def unless_missing(self, make: Callable[[], Judge]) -> Judge | None:
        """A judge, or None and a note where its package is not installed."""
        try:
            return make()
        except ConfigError as error:
            self.add(str(error))
            return None

    def all(self) -> list[str]:
        return self.lines + [f"left out: {key}: {reason}" for key, reason in self.rejected.items()]


def describe_machine() -> dict[str, Any]:
    """What speed depends on, without naming the machine."""
    import torch

    return {
        "system": platform.system(),
        "processor": platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": torch.get_num_threads(),
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
    }


def check_report_folder(folder: Path, overwrite: bool) -> None:
    """Raises: StorageError if there is a report already, or the place is taken by a file."""
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder} is a file: name a folder for the report.")
    if (folder / REPORT).exists() and not overwrite:
        raise StorageError(f"There is a report in {folder} already: name another folder, or give --force.")


def write_report(folder: Path, report: Report) -> None:
    """Write report.json and report.md. Raises: StorageError."""
    from modelfile.files import write_text

    write_text(folder / REPORT, report.to_json())
    write_text(folder / TABLE, report.to_markdown())
