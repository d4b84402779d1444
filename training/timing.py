"""Timing of a training session: its time limit, the first validation and save, and the remaining time."""

import contextlib
from collections import deque
from collections.abc import Iterator
from time import monotonic
from typing import Any, Literal

from tqdm import tqdm

from training.config import FitConfig

FIRST_VALIDATION_SECONDS = 180.0  # of a session, at the latest; a quarter of its time limit if that is less
FIRST_SAVE_SECONDS = 300.0  # at the latest; half of the time limit if that is less
RECENT_STEPS = 50


class Timing:
    """Measures steps, validations and saves of one session. It starts with its creation."""

    def __init__(self, config: FitConfig):
        self._config = config
        self._limit = config.max_minutes * 60
        self._started = self._last_step = monotonic()
        self._away = 0.0  # validations and saves since the last step
        self._steps: deque[float] = deque(maxlen=RECENT_STEPS)
        self._longest: dict[str, float] = {}  # of the validations and of the saves so far

    def seconds(self) -> float:
        """Length of the session so far."""
        return monotonic() - self._started

    def step_taken(self) -> None:
        """Record a step, with the time that its batch took."""
        now = monotonic()
        self._steps.append(now - self._last_step - self._away)
        self._last_step, self._away = now, 0.0

    @contextlib.contextmanager
    def measured(self, what: Literal["validation", "save"]) -> Iterator[None]:
        """Measure the block."""
        started = monotonic()
        try:
            yield
        finally:
            seconds = monotonic() - started
            self._away += seconds
            self._longest[what] = max(seconds, self._longest.get(what, 0.0))

    def is_over(self) -> bool:
        """Whether the time limit leaves no time for a further step, a validation and a save."""
        return 0 < self._limit <= self.seconds() + self._step() + self._end()

    def validation_fits(self) -> bool:
        """Whether a validation of known duration ends within the limit, to within a step."""
        return "validation" in self._longest and self.seconds() + self._end() <= self._limit + self._step()

    def first_validation_is_due(self) -> bool:
        """Whether the session has waited long enough for its first validation."""
        return self._first_is_due("validation", FIRST_VALIDATION_SECONDS, self._limit / 4)

    def first_save_is_due(self) -> bool:
        """Whether the session has waited long enough for its first save."""
        return self._first_is_due("save", FIRST_SAVE_SECONDS, self._limit / 2)

    def seconds_left(self, done: int) -> float | None:
        """Estimated time after step `done` to the last step or to the time limit; None before the first step."""
        if not self._steps:
            return None
        config = self._config
        left = (config.steps - done) * self._step()
        for what, every in (("validation", config.validate_every), ("save", config.save_every)):
            times = config.steps // every - done // every if every else 1
            left += times * self._longest.get(what, 0.0)
        return min(left, max(0.0, self._limit - self.seconds())) if self._limit else left

    def _first_is_due(self, what: str, at_the_latest: float, of_the_limit: float) -> bool:
        latest = min(at_the_latest, of_the_limit) if self._limit else at_the_latest
        return what not in self._longest and self.seconds() >= latest

    def _step(self) -> float:
        return sum(self._steps) / len(self._steps) if self._steps else 0.0

    def _end(self) -> float:
        return sum(self._longest.values())


class ProgressBar(tqdm):
    """A progress bar of the steps whose remaining time is that of `Timing`."""

    timing: Timing

    def __init__(self, timing: Timing, config: FitConfig, done: int, shown: bool):
        self.timing = timing
        super().__init__(
            total=config.steps, initial=done, unit="step", dynamic_ncols=True, disable=None if shown else True,
            bar_format="{l_bar}{bar}| {n_fmt}/{total_fmt} [{elapsed}<{left}, {rate_fmt}{postfix}]",
        )  # fmt: skip

    @property
    def format_dict(self) -> dict[str, Any]:
        values = super().format_dict
        left = self.timing.seconds_left(values["n"])
        return {**values, "left": "?" if left is None else self.format_interval(left)}
