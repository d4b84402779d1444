"""Changes that can be undone, the latest first."""

from __future__ import annotations

from collections.abc import Callable

MAX_CHANGES = 50


class UndoStack:
    """Each change is undone at most once, by its own button or by `undo`."""

    def __init__(self) -> None:
        self._changes: list[Callable[[], object]] = []

    def add(self, take_back: Callable[[], object]) -> Callable[[], None]:
        """Returns: a function that takes this change back, for a button."""
        self._changes = [*self._changes, take_back][-MAX_CHANGES:]

        def once() -> None:
            if take_back in self._changes:
                self._changes.remove(take_back)
                take_back()

        return once

    def undo(self) -> bool:
        """Take back the latest change. Returns: False if there is none."""
        if not self._changes:
            return False
        self._changes.pop()()
        return True
