"""Heavy imports behind a window."""

import gc
import importlib
import subprocess
import sys

from toolbox.jobs import quiet_imports
from toolbox.jobs.quiet_imports import MODULES, collector_at_rest, import_quietly


def test_all_that_is_imported_beforehand_is_there():
    for name in MODULES:
        importlib.import_module(name)


def test_progress_is_told_and_the_collector_works_again():
    told = []
    import_quietly(("json", "math"), lambda done, total: told.append((done, total)))
    assert told == [(0, 2), (1, 2)] and gc.isenabled()


def test_the_collector_rests_within_and_stays_off_where_it_was_off():
    frozen = gc.get_freeze_count()
    with collector_at_rest():
        assert not gc.isenabled()
        kept: list[list[int]] = [[] for _ in range(100)]
    assert gc.isenabled() and gc.get_freeze_count() >= frozen + len(kept)
    gc.disable()
    try:
        with collector_at_rest():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_libraries_that_cannot_be_loaded_beforehand_are_left_to_the_import(monkeypatch):
    monkeypatch.setattr(quiet_imports, "_load_unlocked", lambda path: False)
    quiet_imports.preload_torch()


def test_torch_works_after_its_libraries_were_loaded_beforehand(repository):
    code = "from toolbox.jobs.quiet_imports import import_quietly; import_quietly(('torch',)); import torch; " \
           "print(torch.ones(2).sum().item())"  # fmt: skip
    made = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=repository, timeout=110)
    assert made.stdout.strip() == "2.0", made.stderr
