"""Reports: a JSON file with all figures and all outputs, and a table of the figures."""

from __future__ import annotations

import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from evaluation.figures import Figure
from speech.errors import ConfigError, StorageError

Metric = TypeVar("Metric")

REPORT = "report.json"
TABLE = "report.md"


@dataclass(frozen=True, eq=False)
class Report:
    """What was measured.

    Attributes:
        title: what was evaluated.
        settings: of the evaluation, as JSON values.
        figures: by condition, then by name.
        rows: measurements of each output.
        notes: remarks for the reader, such as what was left out and why.
        counted: show the number of items of each figure; not needed if the names of the rows have it.
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
            row = [self.figures[condition].get(name) for condition in conditions]
            cells = ["" if figure is None else str(figure) if self.counted else figure.text() for figure in row]
            lines.append(f"| {name} | {' | '.join(cells)} |")
        lines += ["", "In brackets: 95 % interval." + " n: number of items." * self.counted]
        lines += ["", *(f"- {note}" for note in self.notes)] if self.notes else []
        return "\n".join(lines) + "\n"


class Notes:
    """Collects remarks for the reader of a report."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.rejected: dict[str, str] = {}

    def add(self, line: str) -> None:
        self.lines.append(line)

    def reject(self, key: str, reason: str) -> None:
        """Something was left out of the evaluation."""
        self.rejected[key] = reason

    def unless_missing(self, make: Callable[[], Metric]) -> Metric | None:
        """A metric, or None and a note if its package is not installed."""
        try:
            return make()
        except ConfigError as error:
            self.add(str(error))
            return None

    def all(self) -> list[str]:
        return self.lines + [f"left out: {key}: {reason}" for key, reason in self.rejected.items()]


def describe_machine() -> dict[str, Any]:
    """The hardware and software that speed depends on, without the name of the machine."""
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
    """Raises: StorageError if the folder has a report, or is a file."""
    if folder.exists() and not folder.is_dir():
        raise StorageError(f"{folder} is a file: name a folder for the report.")
    if (folder / REPORT).exists() and not overwrite:
        raise StorageError(f"{folder} already has a report: name another folder, or give --force.")


def write_report(folder: Path, report: Report) -> None:
    """Write report.json and report.md. Raises: StorageError."""
    from modelfile.files import write_text

    write_text(folder / REPORT, report.to_json())
    write_text(folder / TABLE, report.to_markdown())
