"""Heavy imports in the background."""

import gc
import subprocess
import sys

from toolbox.jobs import quiet_imports
from toolbox.jobs.quiet_imports import MODULES, collector_paused, import_quietly


def test_all_listed_modules_can_be_imported():
    import_quietly(MODULES)
    for name in MODULES:
        assert name.partition(":")[0] in sys.modules


def test_progress_is_reported_and_the_collector_runs_again():
    reports = []
    import_quietly(("json", "math"), lambda done, total: reports.append((done, total)))
    assert reports == [(0, 2), (1, 2)] and gc.isenabled()


def test_the_collector_is_paused_inside_and_stays_off_if_it_was_off():
    frozen = gc.get_freeze_count()
    with collector_paused():
        assert not gc.isenabled()
        kept: list[list[int]] = [[] for _ in range(100)]
    assert gc.isenabled() and gc.get_freeze_count() >= frozen + len(kept)
    gc.disable()
    try:
        with collector_paused():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_a_failed_preload_is_ignored(monkeypatch):
    monkeypatch.setattr(quiet_imports, "_load_unlocked", lambda path: False)
    quiet_imports.preload_torch()


def test_torch_works_after_its_libraries_were_preloaded(repository):
    code = "from toolbox.jobs.quiet_imports import import_quietly; import_quietly(('torch',)); import torch; " \
           "print(torch.ones(2).sum().item())"  # fmt: skip
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=repository, timeout=110)
    assert made.stdout.strip() == "2.0", made.stderr
