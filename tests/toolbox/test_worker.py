"""The worker's queue: order, progress, cancelling, failing, dying, closing."""

import threading
import time

import pytest
from PyQt5.QtCore import QObject, QThread, QTimer

from speech.errors import AudioError
from toolbox.state import worker as worker_module
from toolbox.state.worker import Job, JobContext, Worker


class Log(QObject):
    """Everything that a job tells, in order, and whether it came on the GUI thread."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.told: list[tuple] = []
        self.threads: set[QThread | None] = set()
        for name in ("started", "progress", "chunk", "done", "failed", "cancelled", "ended"):
            getattr(job, name).connect(lambda *values, name=name: self._note(name, *values))

    def _note(self, name: str, *values) -> None:
        self.told.append((name, *values))
        self.threads.add(QThread.currentThread())

    def names(self) -> list[str]:
        return [name for name, *_ in self.told]


@pytest.fixture
def worker(qtbot):
    worker = Worker()
    yield worker
    assert worker.close(5)


def finish(qtbot, *jobs: Job) -> None:
    qtbot.waitUntil(lambda: all(job.is_ended for job in jobs), timeout=5000)


def test_a_job_tells_everything_in_order_on_the_gui_thread(worker, qtbot):
    def function(context: JobContext) -> int:
        assert threading.current_thread() is not threading.main_thread()
        context.progress("Reading", 1, 2)
        context.chunk("sound")
        return 42

    job = worker.submit("Counting", function)
    log = Log(job)
    assert job.title == "Counting" and worker.jobs == (job,)
    finish(qtbot, job)
    assert log.told == [("started",), ("progress", "Reading", 1, 2), ("chunk", "sound"), ("done", 42), ("ended",)]
    assert log.threads == {QThread.currentThread()} and worker.jobs == ()


def test_jobs_run_one_after_another_on_one_thread(worker, qtbot):
    threads, order = [], []

    def function(context: JobContext, number: int) -> None:
        threads.append(threading.get_ident())
        order.append(number)

    jobs = [worker.submit("", lambda context, number=number: function(context, number)) for number in range(20)]
    finish(qtbot, *jobs)
    assert order == list(range(20)) and len(set(threads)) == 1


def test_it_says_when_it_is_busy(worker, qtbot):
    told: list[bool] = []
    worker.busy_changed.connect(told.append)
    finish(qtbot, *[worker.submit("", lambda context: None) for _ in range(3)])
    assert told == [True, False] and not worker.busy


def test_a_failure_a_person_can_cause_is_its_sentence(worker, qtbot):
    def function(context: JobContext) -> None:
        raise AudioError("The clip is silent: record it again.")

    job = worker.submit("", function)
    log = Log(job)
    after = worker.submit("", lambda context: "fine")
    finish(qtbot, job, after)
    assert log.names() == ["started", "failed", "ended"]
    assert log.told[1][1] == "The clip is silent: record it again." and "AudioError" in log.told[1][2]


@pytest.mark.parametrize(("error", "word"), [(ZeroDivisionError(), "defect"), (MemoryError(), "memory")])
def test_any_other_failure_is_told_with_its_traceback_and_the_worker_goes_on(worker, qtbot, error, word):
    def function(context: JobContext) -> None:
        raise error

    job = worker.submit("", function)
    log = Log(job)
    after = worker.submit("", lambda context: "fine")
    log_after = Log(after)
    finish(qtbot, after)
    assert word in log.told[1][1] and "Traceback" in log.told[1][2]
    assert ("done", "fine") in log_after.told


@pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_thread_that_is_ended_is_replaced_and_that_is_said(worker, qtbot, ending):
    said: list[str] = []
    worker.restarted.connect(said.append)

    def function(context: JobContext) -> None:
        raise ending

    job, after = worker.submit("Fatal", function), worker.submit("", lambda context: "fine")
    log, log_after = Log(job), Log(after)
    finish(qtbot, after)
    assert log.names() == ["started", "failed", "ended"] and ("done", "fine") in log_after.told
    assert len(said) == 1 and "'Fatal'" in said[0]


def test_cancelling_is_answered_at_once_although_the_function_goes_on(worker, qtbot):
    release, came_back = threading.Event(), threading.Event()

    def stubborn(context: JobContext) -> str:
        release.wait(5)
        context.progress("Late", 1, 1)
        context.chunk("late")
        came_back.set()
        return "late"

    job = worker.submit("", stubborn)
    log = Log(job)
    qtbot.waitUntil(lambda: log.names() == ["started"])
    before = time.perf_counter()
    job.cancel()
    qtbot.waitUntil(lambda: job.is_ended)
    assert time.perf_counter() - before < 0.1
    assert log.names() == ["started", "cancelled", "ended"] and not worker.busy
    after = worker.submit("", lambda context: "next")
    log_after = Log(after)
    release.set()
    finish(qtbot, after)
    assert came_back.is_set() and ("done", "next") in log_after.told
    qtbot.wait(30)
    assert log.names() == ["started", "cancelled", "ended"]  # what came late is not told


def test_a_waiting_job_that_is_cancelled_is_never_begun(worker, qtbot):
    release, begun = threading.Event(), []
    first = worker.submit("", lambda context: release.wait(5))
    second = worker.submit("", lambda context: begun.append(1))
    log = Log(second)
    second.cancel()
    second.cancel()
    finish(qtbot, second)
    release.set()
    finish(qtbot, first)
    assert log.names() == ["cancelled", "ended"] and not begun
    second.cancel()  # too late, of no consequence
    qtbot.wait(20)
    assert log.names() == ["cancelled", "ended"]


def test_a_function_that_asks_ends_early(worker, qtbot):
    ended = threading.Event()

    def function(context: JobContext) -> None:
        try:
            while True:
                context.check()
                time.sleep(0.001)
        finally:
            ended.set()

    jobs = [worker.submit("", function) for _ in range(3)]
    qtbot.wait(20)
    worker.cancel_all()
    finish(qtbot, *jobs)
    assert ended.wait(1)


def test_progress_comes_at_most_twenty_times_a_second_and_ends_with_the_last(worker, qtbot):
    def function(context: JobContext) -> None:
        for done in range(1, 3001):
            context.progress("Counting", done, 3000)
            if done % 10 == 0:
                time.sleep(0.001)

    job = worker.submit("", function)
    log = Log(job)
    before = time.perf_counter()
    finish(qtbot, job)
    seconds = time.perf_counter() - before
    told = [done for name, *values in log.told if name == "progress" for done in values[1:2]]
    assert len(told) <= 20 * seconds + 2 and told == sorted(told)
    assert told[-1] == 3000 and log.names()[-2:] == ["done", "ended"]


def test_progress_that_was_held_back_is_told_when_nothing_follows(worker, qtbot):
    release = threading.Event()

    def function(context: JobContext) -> None:
        for stage in ("one", "two", "three"):
            context.progress(stage, 1, 3)
        release.wait(5)

    job = worker.submit("", function)
    log = Log(job)
    qtbot.waitUntil(lambda: ("progress", "three", 1, 3) in log.told)
    release.set()
    finish(qtbot, job)
    assert ("progress", "two", 1, 3) not in log.told


def test_the_estimate_follows_the_progress(worker, qtbot):
    estimates: list[float | None] = []

    def function(context: JobContext) -> None:
        for done in range(11):
            context.progress("Working", done, 20)
            time.sleep(0.06)

    job = worker.submit("", function)
    assert job.remaining_seconds() is None
    job.progress.connect(lambda *_: estimates.append(job.remaining_seconds()))
    finish(qtbot, job)
    known = [estimate for estimate in estimates if estimate is not None]
    assert estimates[0] is None and known and known[-1] == pytest.approx(0.6, rel=0.5)


def test_a_flood_of_chunks_does_not_hold_up_the_window(worker, qtbot):
    count = 60_000

    def function(context: JobContext) -> None:
        for number in range(count):
            context.chunk(number)

    chunks: list[int] = []
    busy: list[float] = []  # seconds of work, which do not count waiting for a processor that others use
    last = [time.thread_time()]

    def tick() -> None:
        busy.append(time.thread_time() - last[0])
        last[0] = time.thread_time()

    timer = QTimer()
    timer.timeout.connect(tick)
    timer.start(5)
    job = worker.submit("", function)
    job.chunk.connect(chunks.append)
    finish(qtbot, job)
    timer.stop()
    assert chunks == list(range(count)) and len(busy) > 2 and max(busy) < 0.08


def test_a_cancelled_function_that_never_comes_back_is_left_behind(worker, qtbot, monkeypatch):
    monkeypatch.setattr(worker_module, "PATIENCE", 0.05)
    said: list[str] = []
    worker.restarted.connect(said.append)
    release = threading.Event()
    stuck = worker.submit("Stuck", lambda context: release.wait(10))
    log = Log(stuck)
    qtbot.waitUntil(lambda: "started" in log.names())
    stuck.cancel()
    after = worker.submit("", lambda context: "fine")
    log_after = Log(after)
    finish(qtbot, after)
    assert ("done", "fine") in log_after.told and len(said) == 1 and "left behind" in said[0]
    release.set()
    finish(qtbot, worker.submit("", lambda context: None))


def test_closing_cancels_and_ends_the_thread(qtbot):
    worker = Worker()

    def asks_often(context: JobContext) -> None:
        for _ in range(10_000):
            context.check()
            time.sleep(0.001)

    running = worker.submit("", asks_often)
    waiting = worker.submit("", lambda context: None)
    log, log_waiting = Log(running), Log(waiting)
    qtbot.waitUntil(lambda: "started" in log.names())
    assert worker.close(5) and worker.close(0)
    finish(qtbot, running, waiting)
    assert log.names()[-2:] == log_waiting.names() == ["cancelled", "ended"]
    refused = worker.submit("", lambda context: pytest.fail("it was closed"))
    log_refused = Log(refused)
    finish(qtbot, refused)
    assert log_refused.names() == ["cancelled", "ended"]


def test_closing_does_not_wait_longer_than_it_is_told(qtbot):
    worker, release = Worker(), threading.Event()
    job = worker.submit("", lambda context: release.wait(10))
    log = Log(job)
    qtbot.waitUntil(lambda: "started" in log.names())
    before = time.perf_counter()
    assert not worker.close(0.05) and time.perf_counter() - before < 0.5
    release.set()
    qtbot.waitUntil(lambda: worker.close(0))


def test_a_worker_without_work_has_no_thread(qtbot):
    assert Worker().close(0)


def test_nothing_of_a_job_is_kept_when_it_has_ended(worker, qtbot):
    import gc
    import weakref

    class Big:
        pass

    kept = []

    def function(context: JobContext) -> Big:
        made = Big()
        kept.append(weakref.ref(made))
        return made

    finish(qtbot, worker.submit("", function))
    finish(qtbot, worker.submit("", lambda context: None))
    gc.collect()
    assert kept[0]() is None
