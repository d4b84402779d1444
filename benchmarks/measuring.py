"""Helpers of the benchmarks: report figures, time candidates alternately, run programs in separate processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Self

import tyro

from speech.errors import SpeechError

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class BenchmarkArguments:
    """Arguments that the benchmarks share."""

    rounds: ClassVar[tuple[int, int]] = (3, 7)
    """Rounds of each measurement with --quick, and without."""

    quick: bool = False
    """Use fewer repeats and less data. The figures vary more."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Also write the figures to this file, as a list of {case, value, unit}."""

    @property
    def repeats(self) -> int:
        quick, usual = self.rounds
        return quick if self.quick else usual

    @classmethod
    def parse(cls, argv: Sequence[str] | None, description: str | None) -> Self:
        """Parse a command line, and let PyTorch compute on one thread."""
        arguments = tyro.cli(cls, args=argv, description=description, config=(tyro.conf.FlagCreatePairsOff,))
        import torch

        torch.set_num_threads(1)
        return arguments


Row = tuple[str, float, str]
Rows = Iterator[Row]


def report(rows: Iterable[Row], path: Path | None) -> dict[str, float]:
    """Print each figure as it is measured, and write all of them as a list of {case, value, unit}.

    Args:
        path: the JSON file to write, if any.

    Returns:
        The values by case.
    """
    written = []
    for case, value, unit in rows:
        print(f"{case:<52} {value:>10.4g} {unit}", flush=True)
        written.append({"case": case, "value": value, "unit": unit})
    if path is not None:
        from modelfile.files import write_json

        write_json(path, written)
    return {str(row["case"]): float(str(row["value"])) for row in written}


def minimum_times(repeats: int, *candidates: Callable[[], object]) -> list[float]:
    """The minimum CPU time of each candidate in seconds, over rounds in which each runs once.

    Alternating candidates and measuring CPU time keep other processes out of the comparison. One more round, the first,
    warms up and is not counted.
    """
    least = [float("inf")] * len(candidates)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for turn in range(repeats + 1):
            for number, candidate in enumerate(candidates):
                start = time.process_time()
                candidate()
                if turn:
                    least[number] = min(least[number], time.process_time() - start)
    return least


def training_precisions() -> tuple[tuple[str, ...], str]:
    """Precisions to measure, and the one that training chooses: bf16 only if the processor has it natively."""
    from training.config import FitConfig
    from training.processes import chosen_precision, cpu_multiplies_bf16

    return ("fp32", "bf16") if cpu_multiplies_bf16() else ("fp32",), chosen_precision(FitConfig(), "cpu")


def run_program(program: str, *arguments: str, environment: dict[str, str] | None = None) -> dict[str, float]:
    """Run Python source code in a new process; its last output line is a JSON object of figures, which is returned.

    Raises:
        SpeechError: the program failed.
    """
    output = run_command([sys.executable, "-c", program, *arguments], environment)
    figures: dict[str, float] = json.loads(output.splitlines()[-1])
    return figures


def run_command(command: list[str], environment: dict[str, str] | None = None) -> str:
    """Run a command in the project's folder and return its standard output.

    Args:
        environment: variables that are set in addition.

    Raises:
        SpeechError: the command failed; with its last line of output.
    """
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        name = "A program" if command[1] == "-c" else Path(command[1]).name
        raise SpeechError(f"{name} failed while it was measured: {reason}")
    return done.stdout


def memory_is_measurable() -> bool:
    """Whether the peak memory of a process can be read on this system; prints a note if not."""
    if Path("/proc/self/status").is_file():
        return True
    print("Memory is not measured: the peak of a process can only be read on Linux.", flush=True)
    return False
