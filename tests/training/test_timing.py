"""Time limits of a session, early validations and saves, and the best model of a stopped run, on a toy clock."""

import io
import json
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from modelfile.header import read_header
from tests.training.toy import TOY_FIT, ToyBatches, ToyTask
from training.config import FitConfig
from training.loop import fit
from training.timing import ProgressBar, Timing

STEP, VALIDATION = 10.0, 40.0  # seconds


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("training.timing.monotonic", clock)
    return clock


def slow_task(clock: Clock, stop_at: int = -1) -> ToyTask:
    """A task whose steps and validations take time."""
    task = ToyTask()
    validate = task.validate

    def on_step(step: int) -> None:
        clock.now += STEP
        if step == stop_at:
            signal.raise_signal(signal.SIGINT)

    def slow_validate(*arguments):
        clock.now += VALIDATION
        return validate(*arguments)

    task.on_step = on_step
    task.validate = slow_validate  # type: ignore[method-assign]
    return task


def config(**changes) -> FitConfig:
    settings = {"steps": 1000, "validate_every": 500, "save_every": 500, "prefetch": 0}
    return replace(TOY_FIT, **{**settings, **changes})


def validated(run: Path) -> list[int]:
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    return [line["step"] for line in lines if "validation/error" in line]


@pytest.mark.parametrize("minutes", [2.0, 3.0, 5.0, 20.0])
def test_a_time_limit_includes_a_last_validation(clock: Clock, tmp_path: Path, minutes: float) -> None:
    result = fit(slow_task(clock), ToyBatches(), config(max_minutes=minutes), tmp_path / "run")
    assert result.reason == "max_minutes"
    assert minutes * 60 - VALIDATION < clock.now <= minutes * 60
    first, *_, last = validated(tmp_path / "run")
    assert first * STEP <= max(STEP, minutes * 60 / 4 + STEP) and first * STEP <= 180
    assert last == result.step and result.best is not None


def test_a_second_validation_that_does_not_fit_is_left_out(clock: Clock, tmp_path: Path) -> None:
    result = fit(slow_task(clock), ToyBatches(), config(max_minutes=1.5), tmp_path / "run")
    assert validated(tmp_path / "run") == [3] and result.step > 3
    assert read_header(tmp_path / "run" / "best.safetensors").step == 3


def test_first_validation_and_save_come_early_without_a_limit(clock: Clock, tmp_path: Path) -> None:
    run = tmp_path / "run"
    fit(slow_task(clock, stop_at=60), ToyBatches(), config(keep_last=9), run)
    assert validated(run) == [18]  # 180 s
    assert [path.name[5:14] for path in sorted((run / "state").iterdir())] == ["000000026", "000000061"]  # 300 s


def test_intervals_of_zero_mean_only_at_the_end(clock: Clock, tmp_path: Path) -> None:
    fit(slow_task(clock), ToyBatches(), config(steps=70, validate_every=0, save_every=0), tmp_path / "run")
    assert validated(tmp_path / "run") == [70]


@pytest.mark.parametrize("limits", [{"max_minutes": 1e-9}, {"max_minutes": 0.1, "validate_every": 0}, {}])
def test_a_run_without_a_validation_leaves_its_newest_model_as_best(clock: Clock, tmp_path: Path, limits) -> None:
    run = tmp_path / "run"
    result = fit(slow_task(clock, stop_at=0), ToyBatches(), config(**limits), run)
    assert result.step == 1 and "no validation yet" in result.sentence
    best, model = (load_file(run / f"{name}.safetensors") for name in ("best", "model"))
    assert best.keys() == model.keys() and all(torch.equal(best[name], model[name]) for name in model)
    fit(ToyTask(), ToyBatches(), config(steps=8, validate_every=4, save_every=3), run, resume=True)
    assert read_header(run / "best.safetensors").extra["best_metric"] == "error"


def test_a_killed_run_has_a_best_model_after_its_first_save(tmp_path: Path) -> None:
    class Killed(Exception):
        pass

    def die(step: int) -> None:
        if step == 7:
            raise Killed

    task = ToyTask()
    task.on_step = die
    with pytest.raises(Killed):
        fit(task, ToyBatches(), config(save_every=5), tmp_path / "run")
    assert read_header(tmp_path / "run" / "best.safetensors").step == 5


def test_early_validations_and_saves_do_not_affect_training(clock: Clock, tmp_path: Path) -> None:
    fit(slow_task(clock), ToyBatches(), config(steps=40), tmp_path / "slow")
    fit(ToyTask(), ToyBatches(), config(steps=40), tmp_path / "fast")
    assert len(validated(tmp_path / "slow")) == 2 and len(validated(tmp_path / "fast")) == 1
    slow, fast = (load_file(tmp_path / name / "model.safetensors") for name in ("slow", "fast"))
    assert all(torch.equal(slow[name], fast[name]) for name in fast)


def test_estimates_know_the_limit_validations_and_saves(clock: Clock) -> None:
    for minutes, seconds in ((0.0, 90 * 2 + 9 * 30 + 5 * 5), (2.0, 120 - 55), (1.0, 5)):
        clock.now = 0.0
        timing = Timing(config(steps=100, validate_every=10, save_every=20, max_minutes=minutes))
        assert timing.seconds_left(0) is None
        for _ in range(10):
            clock.now += 2
            timing.step_taken()
        with timing.measured("validation"):
            clock.now += 30
        with timing.measured("save"):
            clock.now += 5
        assert timing.seconds_left(10) == seconds


def test_the_progress_bar_shows_the_estimate(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = io.StringIO()
    terminal.isatty = lambda: True  # type: ignore[method-assign]
    monkeypatch.setattr("sys.stderr", terminal)
    settings = config(steps=1000, max_minutes=2.0)
    timing = Timing(settings)
    bar = ProgressBar(timing, settings, 0, shown=True)
    try:
        assert "<?," in str(bar)
        clock.now += 30
        timing.step_taken()
        bar.n = 1
        assert "<01:30," in str(bar)
    finally:
        bar.close()
