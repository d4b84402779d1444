"""Do work twice at the same time in one place: `python -m tests.faults.two_at_once --count 20 [--stage batch]`.

One of the two may be refused in one sentence, or do what is left after the other. Nothing may be mixed: the result must
be that of one alone.
"""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path

from tests.faults.harness import Findings, cases, fresh, main, run_case, run_together
from tests.faults.works import STAGES, do_once


def check(count: int, seed: int, folder: Path, stage: str) -> Findings:
    work, whole = do_once(stage, folder)
    findings = Findings(f"two processes in one place, {work.what}")
    for number in cases(count):
        here = fresh(folder, "here")
        run = functools.partial(work.run, here)
        outcomes = run_together([run, run], here)
        faults = [fault for outcome in outcomes for fault in outcome.faults] + work.torn(here)
        codes = Counter(outcome.code for outcome in outcomes)
        if not codes[0]:
            faults.append(f"both were refused: {outcomes[0].text[-200:]} {outcomes[1].text[-200:]}")
            faults += run_case(run, here).faults
        faults += work.differences(here, whole)
        result = "both ended well" if codes[0] == 2 else "one was refused in one sentence"
        findings.add(result, *[f"{fault} (case {number})" for fault in faults])
    return findings


if __name__ == "__main__":
    main(check, 20, __doc__, STAGES)
