"""What the fault scripts share: cases in forked processes that are watched, kills, and the line of figures.

Each script has a function `check(count, seed, folder)` that returns `Findings`, and is run with

    python -m tests.faults.recordings --count 2000

It prints one line of figures. The exit code is 1 if anything was found; details are on standard error. Linux only.
"""

from __future__ import annotations

import argparse
import contextlib
import faulthandler
import logging
import math
import os
import re
import resource
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn

from speech.errors import exit_on_speech_error

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):  # read when torch is imported
    os.environ.setdefault(variable, "1")

HANG_SECONDS = 10.0  # of processor time, or of waiting; other work on the machine does not count
MEGABYTES = 600.0  # that a case adds to those of the process that it is forked from; with its modules less than 1 GB
USUAL_EXITS = (0, 2)

CHANGING = {"os.rename", "os.link", "os.symlink", "os.remove", "os.mkdir", "os.rmdir", "os.truncate"}
CONNECTING = {"socket.connect", "socket.bind", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo"}
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT


@dataclass
class Findings:
    """What a script has counted. `found` has a sentence for each fault."""

    what: str
    cases: int = 0
    results: Counter[str] = field(default_factory=Counter)
    found: list[str] = field(default_factory=list)

    def add(self, result: str, *faults: str) -> None:
        self.cases += 1
        self.results[result] += 1
        self.found += faults

    def line(self) -> str:
        results = ", ".join(f"{count} {name}" for name, count in sorted(self.results.items()))
        return f"{self.what}: {self.cases} cases ({results}), {len(self.found)} faults"


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Attributes:
        code: exit code, or minus the number of a signal.
        text: what it printed.
        faults: a sentence for each.
        changes: number of changes of the file system that it made within its folder.
    """

    code: int
    text: str
    faults: tuple[str, ...]
    changes: int

    @property
    def result(self) -> str:
        return {0: "accepted", 2: "refused in one sentence"}.get(self.code, f"exit code {self.code}")


@dataclass(frozen=True)
class Kill:
    """When a case is killed: before a change of the file system within its folder, or after some seconds."""

    change: int | None = None
    seconds: float | None = None


def run_case(
    function: Callable[[], Any],
    folder: Path,
    kill: Kill | None = None,
    limit: Callable[[], Any] = lambda: None,
    megabytes: float = MEGABYTES,
) -> Outcome:
    """Call a function as a script would, in a forked process whose files, connections, time and memory are watched.

    Args:
        folder: the only one in which it may write.
        kill: send SIGKILL to it, if it still runs then.
        limit: called first, in the process, to set resource limits.
        megabytes: that it may add to the memory of this process.
    """
    return run_together([function], folder, kill, limit, megabytes)[0]


def run_together(
    functions: Sequence[Callable[[], Any]],
    folder: Path,
    kill: Kill | None = None,
    limit: Callable[[], Any] = lambda: None,
    megabytes: float = MEGABYTES,
) -> list[Outcome]:
    """As `run_case`, for several processes at once."""
    sys.stdout.flush()
    sys.stderr.flush()
    with tempfile.TemporaryDirectory(prefix="case-") as outside:
        children = []
        for number, function in enumerate(functions):
            printed, report = Path(outside) / f"printed-{number}", Path(outside) / f"report-{number}"
            inherited = _resident()
            child = os.fork()
            if child == 0:
                _be_the_case(function, folder.resolve(), printed, report, kill, limit)
            children.append((child, printed, report, inherited))
        return [_end(*child, kill, megabytes) for child in children]


def _resident() -> float:
    """Megabytes of memory that this process has, which a forked one inherits."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize() / 2**20


def _end(child: int, printed: Path, report: Path, inherited: float, kill: Kill | None, megabytes: float) -> Outcome:
    status, used, hang = _wait(child, kill)
    text = printed.read_text("utf-8", "replace") if printed.exists() else ""
    lines = report.read_text("utf-8", "replace").splitlines() if report.exists() else []
    code = os.waitstatus_to_exitcode(status)
    killed = kill is not None and code == -signal.SIGKILL
    faults = [line for line in lines if line != "change"]
    if "Traceback (most recent call last)" in text:
        faults.append("traceback: " + text.strip().splitlines()[-1][:300])
    elif code not in USUAL_EXITS and not killed and not hang:
        faults.append(f"ended with {code}: {text[-300:]}")
    if code == 2 and not re.search(r"^error: .*[.?!]$", text, re.MULTILINE):
        faults.append(f"refused without a sentence: {text[-300:]}")
    if hang:
        faults.append(hang)
    if used.ru_maxrss / 1024 - inherited > megabytes:
        faults.append(f"memory: {used.ru_maxrss / 1024:.0f} MB, of which {inherited:.0f} MB are inherited")
    return Outcome(code, text, tuple(faults), sum(line == "change" for line in lines))


def _wait(child: int, kill: Kill | None) -> tuple[int, resource.struct_rusage, str]:
    """Wait for a process, kill it when it is time or if it hangs; its status, what it used, and "" or how it hung."""
    started, waited, hang = time.monotonic(), 0.0, ""
    after = math.inf if kill is None or kill.seconds is None else kill.seconds
    pause = 0.001
    while True:
        ended, status, used = os.wait4(child, os.WNOHANG)
        if ended:
            return status, used, hang
        state, processor = _state(child)
        waited = waited + pause if state == "S" else 0.0
        if processor > HANG_SECONDS or waited > HANG_SECONDS:
            hang = f"hang: {processor:.0f} s of processor time, waits since {waited:.0f} s"
        if hang or time.monotonic() - started >= after:
            os.kill(child, signal.SIGKILL)
        time.sleep(pause)
        pause = min(0.1, 1.5 * pause, max(0.0005, after - (time.monotonic() - started)))


def _state(process: int) -> tuple[str, float]:
    """The state of a process ("S" waits), and the seconds of processor time that it took."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return "", 0.0
    return fields[0], (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _be_the_case(
    function: Callable[[], Any],
    folder: Path,
    printed: Path,
    report: Path,
    kill: Kill | None,
    limit: Callable[[], Any],
) -> NoReturn:
    code = 1
    try:
        output = os.open(printed, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        reports = os.open(report, os.O_CREAT | os.O_WRONLY | os.O_APPEND)
        for number in (1, 2):
            os.dup2(output, number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout = open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - as long as the process
        sys.stderr = open(2, "w", encoding="utf-8", closefd=False, buffering=1)  # noqa: SIM115
        faulthandler.disable()
        logging.getLogger().handlers.clear()
        os.chdir(folder)
        _watch(folder, reports, kill)
        limit()
        try:
            code = exit_on_speech_error(function)() or 0
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        sys.stdout.flush()
    except BaseException:
        import traceback

        with contextlib.suppress(OSError):
            os.write(2, traceback.format_exc().encode("utf-8", "backslashreplace"))
    finally:
        os._exit(code)


def _watch(folder: Path, reports: int, kill: Kill | None) -> None:
    """Report files outside the folder and connections; end the process before its n-th change within the folder."""
    changes = 0
    process = os.getpid()
    inside = f"{folder}{os.sep}"
    allowed = (f"{tempfile.gettempdir()}{os.sep}tmp", "/dev/null", "/dev/shm/", "/proc/")

    def change(path: Any) -> None:
        nonlocal changes
        if isinstance(path, int) or os.getpid() != process:
            return
        name = os.path.abspath(os.fsdecode(path))  # noqa: PTH100 - a link is what is changed
        if name == str(folder) or name.startswith(inside):
            if kill is not None and changes == kill.change:
                os.kill(process, signal.SIGKILL)
            changes += 1
            os.write(reports, b"change\n")
        elif not name.startswith(allowed):
            os.write(reports, f"wrote outside its folder: {name}\n".encode("utf-8", "backslashreplace"))

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[2], int) and arguments[2] & WRITING:
            change(arguments[0])
        elif event in CHANGING:
            change(arguments[1] if event in ("os.rename", "os.link", "os.symlink") else arguments[0])
        elif event in CONNECTING:
            os.write(reports, f"network: {event} {arguments[1:]!r}\n".encode("utf-8", "backslashreplace"))

    flush = os.fsync

    def counted_flush(descriptor: Any) -> None:
        number = descriptor if isinstance(descriptor, int) else descriptor.fileno()
        change(Path(f"/proc/self/fd/{number}").readlink())
        flush(descriptor)

    os.fsync = counted_flush  # type: ignore[assignment]  # it has no audit event
    sys.addaudithook(hook)


@contextlib.contextmanager
def silent_server() -> Iterator[tuple[str, Callable[[], int]]]:
    """A local server that must not be contacted: its address, and the number of connections so far."""
    contacts = 0
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        server.setblocking(False)

        def count() -> int:
            nonlocal contacts
            while True:
                try:
                    connection, _ = server.accept()
                except BlockingIOError:
                    return contacts
                connection.close()
                contacts += 1

        yield f"127.0.0.1:{server.getsockname()[1]}", count


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Discard what is printed in this process."""
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere):
        yield


def fresh(folder: Path, name: str) -> Path:
    """An empty folder of this name."""
    path = folder / name
    shutil.rmtree(path, ignore_errors=True)
    path.mkdir(parents=True)
    return path


class _Deadline:
    """When the scripts stop, by the monotonic clock."""

    at = math.inf


def time_left() -> bool:
    """Whether the time of --max-minutes is not over."""
    return time.monotonic() < _Deadline.at


def cases(count: int) -> Iterator[int]:
    """The numbers of the cases, until the time is over."""
    for number in range(count):
        if not time_left():
            return
        yield number


def main(
    check: Callable[..., Findings], count: int, description: str | None, stages: Sequence[str] | None = None
) -> NoReturn:
    """The command line of a script. With `stages`, each of them is checked and has a line of its own."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=count, help=f"number of cases (default: {count})")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--max-minutes", type=float, default=math.inf, help="stop after this time, of each stage")
    if stages:
        parser.add_argument("--stage", choices=stages, nargs="*", default=stages)
    arguments = parser.parse_args()
    found = False
    for stage in arguments.stage if stages else (None,):
        given = () if stage is None else (stage,)
        _Deadline.at = time.monotonic() + 60 * arguments.max_minutes
        with tempfile.TemporaryDirectory(prefix="faults-") as folder:
            findings = check(arguments.count, arguments.seed, Path(folder), *given)
        for fault in findings.found:
            print(fault, file=sys.stderr)
        print(findings.line(), flush=True)
        found = found or bool(findings.found)
    sys.exit(1 if found else 0)
