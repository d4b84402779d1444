"""Kill work with kill -9: `python -m tests.faults.kills --count 200 [--stage encoder batch]`.

It is continued after each kill until its end. Every kill must leave whole files, and the result must be that of work
that was never killed, bit for bit.
"""

from __future__ import annotations

import functools
import random
import time
from pathlib import Path

from tests.faults.harness import Findings, Kill, fresh, main, run_case, time_left
from tests.faults.works import STAGES, do_once


def check(count: int, seed: int, folder: Path, stage: str) -> Findings:
    """Kill work `count` times, half of them before a random change of a file and half at a random time."""
    (work, whole), rng = do_once(stage, folder), random.Random(seed)
    findings = Findings(f"kill -9 of {work.what}")
    undisturbed = fresh(folder, "undisturbed")
    started = time.monotonic()
    first = run_case(functools.partial(work.run, undisturbed), undisturbed)
    seconds = time.monotonic() - started
    findings.found += [*first.faults, *work.differences(undisturbed, whole)]
    number = 0
    while findings.results["killed"] < count and len(findings.found) < 20 and time_left():
        number += 1
        here = fresh(folder, f"run-{number}")
        ended = False
        while not ended and findings.results["killed"] < count and time_left():
            by_change = rng.random() < 0.5
            change = rng.randrange(first.changes) if by_change else None
            kill = Kill(change=change, seconds=None if by_change else rng.uniform(0, seconds))
            outcome = run_case(functools.partial(work.run, here), here, kill)
            ended = outcome.code == 0
            faults = [f"{fault} ({kill} in run {number})" for fault in (*outcome.faults, *work.torn(here))]
            if outcome.code > 0:
                faults.append(f"was not continued: {outcome.text[-300:]} ({kill} in run {number})")
            findings.add("ended before the kill" if ended else "killed", *faults)
        if not ended:
            findings.found += run_case(functools.partial(work.run, here), here).faults
        findings.found += [f"{sentence} (run {number})" for sentence in work.differences(here, whole)]
    return findings


if __name__ == "__main__":
    main(check, 200, __doc__, STAGES)
