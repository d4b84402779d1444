"""The worker's queue: order, progress, cancelling, failures, closing."""

import threading
import time
from types import SimpleNamespace

import pytest
from PyQt5.QtCore import QObject, QThread, QTimer

from speech.errors import AudioError
from toolbox.state import worker as worker_module
from toolbox.state.worker import Job, JobContext, Worker


class Log(QObject):
    """Records the signals of a job in order, and the threads they were emitted on."""

    def __init__(self, job: Job) -> None:
        super().__init__()
        self.signals: list[tuple] = []
        self.threads: set[QThread | None] = set()
        for name in ("started", "progress", "chunk", "done", "failed", "cancelled", "ended"):
            getattr(job, name).connect(lambda *values, name=name: self._note(name, *values))

    def _note(self, name: str, *values) -> None:
        self.signals.append((name, *values))
        self.threads.add(QThread.currentThread())

    def names(self) -> list[str]:
        return [name for name, *_ in self.signals]


@pytest.fixture
def worker(qtbot):
    worker = Worker()
    yield worker
    assert worker.close(5)


def finish(qtbot, *jobs: Job) -> None:
    qtbot.waitUntil(lambda: all(job.is_ended for job in jobs), timeout=5000)


def test_signals_come_in_order_on_the_gui_thread(worker, qtbot):
    def function(context: JobContext) -> int:
        assert threading.current_thread() is not threading.main_thread()
        context.progress("Reading", 1, 2)
        context.chunk("audio")
        return 42

    job = worker.submit("Counting", function)
    log = Log(job)
    assert job.title == "Counting" and worker.jobs == (job,)
    finish(qtbot, job)
    assert log.signals == [("started",), ("progress", "Reading", 1, 2), ("chunk", "audio"), ("done", 42), ("ended",)]
    assert log.threads == {QThread.currentThread()} and worker.jobs == ()


def test_jobs_run_one_after_another_on_one_thread(worker, qtbot):
    threads, order = [], []

    def function(context: JobContext, number: int) -> None:
        threads.append(threading.get_ident())
        order.append(number)

    jobs = [worker.submit("", lambda context, number=number: function(context, number)) for number in range(20)]
    finish(qtbot, *jobs)
    assert order == list(range(20)) and len(set(threads)) == 1


def test_busy_is_signalled(worker, qtbot):
    states: list[bool] = []
    worker.busy_changed.connect(states.append)
    finish(qtbot, *[worker.submit("", lambda context: None) for _ in range(3)])
    assert states == [True, False] and not worker.busy


def test_an_error_of_the_user_is_reported_by_its_sentence(worker, qtbot):
    def function(context: JobContext) -> None:
        raise AudioError("The clip is silent: record it again.")

    job = worker.submit("", function)
    log = Log(job)
    after = worker.submit("", lambda context: "fine")
    finish(qtbot, job, after)
    assert log.names() == ["started", "failed", "ended"]
    assert log.signals[1][1] == "The clip is silent: record it again." and "AudioError" in log.signals[1][2]


@pytest.mark.parametrize(("error", "word"), [(ZeroDivisionError(), "bug"), (MemoryError(), "memory")])
def test_other_failures_are_reported_with_a_traceback_and_the_worker_continues(worker, qtbot, error, word):
    def function(context: JobContext) -> None:
        raise error

    job = worker.submit("", function)
    log = Log(job)
    after = worker.submit("", lambda context: "fine")
    log_after = Log(after)
    finish(qtbot, after)
    assert word in log.signals[1][1] and "Traceback" in log.signals[1][2]
    assert ("done", "fine") in log_after.signals


@pytest.mark.parametrize("ending", [SystemExit, KeyboardInterrupt, GeneratorExit])
def test_a_thread_that_ended_is_replaced_and_reported(worker, qtbot, ending):
    sentences: list[str] = []
    worker.restarted.connect(sentences.append)

    def function(context: JobContext) -> None:
        raise ending

    job, after = worker.submit("Fatal", function), worker.submit("", lambda context: "fine")
    log, log_after = Log(job), Log(after)
    finish(qtbot, after)
    assert log.names() == ["started", "failed", "ended"] and ("done", "fine") in log_after.signals
    assert len(sentences) == 1 and "'Fatal'" in sentences[0]


def test_a_cancelled_job_ends_although_its_function_continues(worker, qtbot):
    release, came_back = threading.Event(), threading.Event()

    def stubborn(context: JobContext) -> str:
        release.wait(60)
        context.progress("Late", 1, 1)
        context.chunk("late")
        came_back.set()
        return "late"

    job = worker.submit("", stubborn)
    log = Log(job)
    qtbot.waitUntil(lambda: log.names() == ["started"])
    job.cancel()
    qtbot.waitUntil(lambda: job.is_ended)
    assert log.names() == ["started", "cancelled", "ended"] and not worker.busy and not came_back.is_set()
    after = worker.submit("", lambda context: "next")
    log_after = Log(after)
    release.set()
    finish(qtbot, after)
    assert came_back.is_set() and ("done", "next") in log_after.signals
    qtbot.wait(30)
    assert log.names() == ["started", "cancelled", "ended"]  # late reports are dropped


def test_a_waiting_job_that_is_cancelled_never_runs(worker, qtbot):
    release, begun = threading.Event(), []
    first = worker.submit("", lambda context: release.wait(60))
    second = worker.submit("", lambda context: begun.append(1))
    log = Log(second)
    second.cancel()
    second.cancel()
    finish(qtbot, second)
    release.set()
    finish(qtbot, first)
    assert log.names() == ["cancelled", "ended"] and not begun
    second.cancel()  # too late: ignored
    qtbot.wait(20)
    assert log.names() == ["cancelled", "ended"]


def test_a_function_that_checks_ends_early(worker, qtbot):
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


def test_frequent_progress_is_reduced_to_the_first_and_the_last(worker, qtbot, monkeypatch):
    monkeypatch.setattr(worker_module, "PROGRESS_INTERVAL", 3600.0)

    def function(context: JobContext) -> None:
        for done in range(1, 3001):
            context.progress("Counting", done, 3000)

    job = worker.submit("", function)
    log = Log(job)
    finish(qtbot, job)
    done = [values[1] for name, *values in log.signals if name == "progress"]
    assert len(done) <= 2 and done[-1] == 3000
    assert log.names()[-2:] == ["done", "ended"]


def test_delayed_progress_is_emitted_when_nothing_follows(worker, qtbot):
    release = threading.Event()

    def function(context: JobContext) -> None:
        for stage in ("one", "two", "three"):
            context.progress(stage, 1, 3)
        release.wait(60)

    job = worker.submit("", function)
    log = Log(job)
    qtbot.waitUntil(lambda: ("progress", "three", 1, 3) in log.signals)
    release.set()
    finish(qtbot, job)
    assert ("progress", "two", 1, 3) not in log.signals


def test_the_remaining_time_follows_the_progress(worker, monkeypatch):
    clock = SimpleNamespace(now=0.0)
    clock.monotonic = lambda: clock.now
    job = Job(worker, "", lambda context: None)
    monkeypatch.setattr(worker_module, "time", clock)
    assert job.remaining_seconds() is None
    for clock.now, done in ((0.0, 0), (1.0, 5), (2.0, 10)):
        job._note_progress("Working", done, 20)
    assert job.remaining_seconds() == pytest.approx(2.0)
    clock.now = 3.0
    assert job.remaining_seconds() == pytest.approx(1.0)
    job._timer.stop()


def test_many_chunks_do_not_block_the_event_loop(worker, qtbot, monkeypatch):
    monkeypatch.setattr(worker_module, "TURN_SECONDS", 0.001)
    count = 20_000

    def function(context: JobContext) -> None:
        for number in range(count):
            context.chunk(number)

    chunks: list[int] = []
    ticks: list[int] = []  # number of chunks at each turn of the timer
    timer = QTimer()
    timer.timeout.connect(lambda: ticks.append(len(chunks)))
    timer.start(1)
    job = worker.submit("", function)
    job.chunk.connect(chunks.append)
    finish(qtbot, job)
    timer.stop()
    assert chunks == list(range(count)) and len({tick for tick in ticks if 0 < tick < count}) > 2


def test_a_cancelled_function_that_never_returns_is_abandoned(worker, qtbot, monkeypatch):
    monkeypatch.setattr(worker_module, "STUCK_SECONDS", 0.05)
    sentences: list[str] = []
    worker.restarted.connect(sentences.append)
    release = threading.Event()
    stuck = worker.submit("Stuck", lambda context: release.wait(60))
    log = Log(stuck)
    qtbot.waitUntil(lambda: "started" in log.names())
    stuck.cancel()
    after = worker.submit("", lambda context: "fine")
    log_after = Log(after)
    finish(qtbot, after)
    assert ("done", "fine") in log_after.signals and len(sentences) == 1 and "did not stop" in sentences[0]
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


def test_closing_does_not_wait_for_a_function_that_continues(qtbot):
    worker, release = Worker(), threading.Event()
    job = worker.submit("", lambda context: release.wait(60))
    log = Log(job)
    qtbot.waitUntil(lambda: "started" in log.names())
    assert not worker.close(0.05)
    release.set()
    qtbot.waitUntil(lambda: worker.close(0))


def test_a_worker_without_work_has_no_thread(qtbot):
    assert Worker().close(0)


def test_the_result_of_an_ended_job_is_freed(worker, qtbot):
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
