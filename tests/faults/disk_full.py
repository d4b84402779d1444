"""Let the disk fill while work is done: `python -m tests.faults.disk_full --count 30 [--stage batch]`.

As root, half of the cases are on a small tmpfs of their own; the others have a limit of file sizes. The work must end
in one sentence and leave whole files. With more space it must be continued to the same result.
"""

from __future__ import annotations

import contextlib
import functools
import os
import random
import resource
import subprocess
from collections.abc import Iterator
from pathlib import Path

from tests.faults.harness import Findings, cases, fresh, main, run_case
from tests.faults.works import STAGES, do_once

LEAST_BYTES = 4096


def used_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


@contextlib.contextmanager
def small_disk(path: Path, size: int) -> Iterator[bool]:
    """Mount a tmpfs of `size` bytes; False if that is not allowed."""
    mounted = os.geteuid() == 0 and _mount("-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path))
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(path)], check=True)


def _mount(*options: str) -> bool:
    return subprocess.run(["mount", *options], capture_output=True, check=False).returncode == 0


def limit_files(size: int) -> None:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))


def check(count: int, seed: int, folder: Path, stage: str) -> Findings:
    (work, whole), rng = do_once(stage, folder), random.Random(seed)
    findings = Findings(f"full disk during {work.what}")
    largest = max(path.stat().st_size for path in whole.rglob("*") if path.is_file())
    most = used_bytes(whole) + largest
    for number in cases(count):
        here = fresh(folder, "here")
        fraction = rng.random()
        size = LEAST_BYTES + int(fraction * most)
        with small_disk(here, size) if number % 2 else contextlib.nullcontext(False) as mounted:
            size = size if mounted else int(fraction * largest)
            limit = (lambda: None) if mounted else functools.partial(limit_files, size)
            outcome = run_case(functools.partial(work.run, here), here, limit=limit)
            faults = [*outcome.faults, *work.torn(here)]
            if mounted and not _mount("-o", f"remount,size={8 * most}", str(here)):
                faults.append("the disk could not be made larger")
            again = run_case(functools.partial(work.run, here), here)
            faults += again.faults
            if again.code == 0:
                faults += work.differences(here, whole)
            else:
                faults.append(f"was not continued: {again.text[-300:]}")
        where = "tmpfs" if mounted else "file sizes"
        findings.add(outcome.result, *[f"{fault} ({where} of {size} bytes)" for fault in faults])
    return findings


if __name__ == "__main__":
    main(check, 30, __doc__, STAGES)
