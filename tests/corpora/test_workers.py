"""Items that hang or crash their process are refused, and no other item is lost."""

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import time

import pytest

from corpora.workers import _Pool, _Worker, supervise
from speech.errors import AudioError, StorageError
from tests.corpora.toy_work import ToyItem, open_nothing, open_toy_work


def work_on(items: list[ToyItem], jobs: int, size: int = 3) -> dict[str, str]:
    batches = (items[start : start + size] for start in range(0, len(items), size))
    results = [result for _, done in supervise(batches, open_toy_work, jobs) for result in done]
    assert len(results) == len({key for key, _ in results}), "an item was processed twice"
    return dict(results)


@pytest.mark.parametrize("jobs", [0, 1, 2])
def test_every_batch_is_processed(jobs):
    items = [ToyItem(f"{number}") for number in range(10)]
    results = work_on(items, jobs)
    assert set(results) == {item.key for item in items}
    assert set(results.values()) <= {"0", "1"}


@pytest.mark.skipif(sys.platform == "win32", reason="exit codes of killed processes differ")
def test_items_that_hang_or_crash_are_refused_and_the_others_done(tmp_path):
    fates = ["", "hang", "", "", "die once", "", "die", "", "", "hang", "hang", ""]
    items = [ToyItem(f"{number}", fate, tmp_path) for number, fate in enumerate(fates)]
    results = work_on(items, jobs=2)
    assert set(results) == {item.key for item in items}
    refused = {key: result for key, result in results.items() if result not in ("0", "1")}
    assert set(refused) == {"1", "6", "9", "10"}
    assert "too long to decode" in refused["1"]
    assert "SIGKILL" in refused["6"] and "twice" in refused["6"]


def test_errors_of_the_work_are_raised():
    with pytest.raises(RuntimeError, match="ZeroDivisionError: 1"):
        work_on([ToyItem("1", "fail")], jobs=1)
    with pytest.raises(AudioError, match="no audio"):
        work_on([ToyItem("1", "refuse")], jobs=1)


def test_workers_that_keep_crashing_end_the_run():
    with pytest.raises(StorageError, match="keep crashing"):
        work_on([ToyItem(f"{number}", "die") for number in range(20)], jobs=2, size=1)


@pytest.mark.skipif(sys.platform == "win32", reason="Ctrl-C is sent in another way")
def test_ctrl_c_while_a_worker_starts_does_not_reach_it(monkeypatch, capfd):
    """The parent ends the workers; a worker that imports its modules would print a traceback."""
    start, started = _Pool._start, []

    def start_and_interrupt(pool: _Pool, name: str) -> _Worker:
        worker = start(pool, name)
        started.append(worker)
        os.kill(worker.process.pid or 0, signal.SIGINT)
        return worker

    monkeypatch.setattr(_Pool, "_start", start_and_interrupt)
    assert set(work_on([ToyItem("1"), ToyItem("2")], jobs=2, size=1)) == {"1", "2"}
    assert len(started) == 2 and "Traceback" not in capfd.readouterr().err
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())


def test_workers_that_cannot_start_are_reported():
    with pytest.raises(StorageError, match="could not be started"):
        list(supervise([[ToyItem("1")]], open_nothing, jobs=1))


def test_leaving_early_ends_the_workers():
    results = supervise([[ToyItem(f"{number}")] for number in range(100)], open_toy_work, jobs=1)
    next(results)
    assert multiprocessing.active_children()
    results.close()  # type: ignore[attr-defined]
    assert not multiprocessing.active_children()


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL and process ids that stay")
def test_a_worker_ends_with_its_parent_even_if_it_hangs(tmp_path, repository):
    script = textwrap.dedent(
        """
        import contextlib, os, sys, time
        from pathlib import Path
        from corpora.workers import supervise

        @contextlib.contextmanager
        def open_work(worker):
            def work(items, refused, timer):
                Path(sys.argv[1]).write_text(str(os.getpid()))
                time.sleep(60)
            yield work

        class Item:
            key = "a"

        if __name__ == "__main__":
            list(supervise([[Item()]], open_work, 1))
        """
    )
    (tmp_path / "parent.py").write_text(script)
    environment = os.environ | {"PYTHONPATH": str(repository)}
    parent = subprocess.Popen([sys.executable, tmp_path / "parent.py", tmp_path / "pid"], env=environment)
    number = _wait_for(lambda: (tmp_path / "pid").exists() and (tmp_path / "pid").read_text())
    parent.kill()
    parent.wait()
    assert _wait_for(lambda: not _runs(int(number)))


def _wait_for(condition):
    for _ in range(400):
        if found := condition():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True, check=False)
    return bool(status.stdout.strip()) and not status.stdout.startswith("Z")
