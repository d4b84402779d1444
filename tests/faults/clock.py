"""Change the clock while work is done: `python -m tests.faults.clock --count 10 [--stage batch]`.

The time of day jumps by up to fifty years, back and forth, at every question for it; only the monotonic clock goes on,
as on a machine whose clock is set. The result must be that of a quiet clock.
"""

from __future__ import annotations

import random
import time
from pathlib import Path

from tests.faults.harness import Findings, cases, fresh, main, run_case
from tests.faults.works import STAGES, Work, do_once

YEAR_SECONDS = 365 * 86_400


def run_with_jumps(work: Work, here: Path, seed: int) -> None:
    rng, true_time = random.Random(seed), time.time

    def jumping() -> float:
        return max(0.0, true_time() + rng.uniform(-50, 50) * YEAR_SECONDS)

    time.time = jumping
    time.time_ns = lambda: int(jumping() * 1e9)
    work.run(here)


def check(count: int, seed: int, folder: Path, stage: str) -> Findings:
    work, whole = do_once(stage, folder)
    findings = Findings(f"clock changes during {work.what}")
    for number in cases(count):
        here = fresh(folder, "here")
        outcome = run_case(lambda here=here, number=number: run_with_jumps(work, here, seed + number), here)  # type: ignore[misc]
        faults = [*outcome.faults, *work.torn(here)]
        faults += work.differences(here, whole) if outcome.code == 0 else [f"did not end well: {outcome.text[-300:]}"]
        findings.add(outcome.result, *[f"{fault} (case {number})" for fault in faults])
    return findings


if __name__ == "__main__":
    main(check, 10, __doc__, STAGES)
