"""What the benchmarks share: figures printed and written, times taken in turns, programs run aside."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from speech.errors import SpeechError

ROOT = Path(__file__).resolve().parents[1]

Row = tuple[str, float, str]
Rows = Iterator[Row]


def report(rows: Iterable[Row], path: Path | None) -> dict[str, float]:
    """Print each figure as it comes, write all as a list of {case, value, unit} at the end; returns them by case."""
    written = []
    for case, value, unit in rows:
        print(f"{case:<52} {value:>10.4g} {unit}", flush=True)
        written.append({"case": case, "value": value, "unit": unit})
    if path is not None:
        from modelfile.files import write_json

        write_json(path, written)
    return {str(row["case"]): float(str(row["value"])) for row in written}


def least_times(repeats: int, *contenders: Callable[[], object]) -> list[float]:
    """The least processor time of each contender in seconds, over turns that go round among them.

    Taking turns, and processor time rather than the clock's, keep other programs out of a comparison. The first turn
    only warms up.
    """
    least = [float("inf")] * len(contenders)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for turn in range(repeats + 1):
            for number, contender in enumerate(contenders):
                start = time.process_time()
                contender()
                if turn:
                    least[number] = min(least[number], time.process_time() - start)
    return least


def run_program(program: str, *arguments: str, environment: dict[str, str] | None = None) -> dict[str, float]:
    """The figures that a Python program prints last, as JSON.

    Raises:
        SpeechError: it failed; with the last line of what it said.
    """
    said = run_or_explain([sys.executable, "-c", program, *arguments], environment)
    figures: dict[str, float] = json.loads(said.splitlines()[-1])
    return figures


def run_or_explain(command: list[str], environment: dict[str, str] | None = None) -> str:
    """The output of a command that must succeed. Raises: SpeechError with the last line of what it said."""
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        reason = (done.stderr.strip() or done.stdout.strip() or "no message").splitlines()[-1]
        name = "A program" if command[1] == "-c" else Path(command[1]).name
        raise SpeechError(f"{name} failed while it was measured: {reason}")
    return done.stdout


def tells_memory() -> bool:
    """Whether this system tells a process's greatest memory; says so where it does not."""
    if Path("/proc/self/status").is_file():
        return True
    print("The memory is left out, because only Linux tells a process's greatest one.", flush=True)
    return False
