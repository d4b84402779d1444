"""Runs the `main` of a command in the test process."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest


def run_main(main: Callable[[list[str]], Any], capsys: pytest.CaptureFixture[str], *arguments: object) -> Any:
    """Call `main` with arguments. Returns its exit `code`, `out` and `err`."""
    try:
        code: object = main([str(argument) for argument in arguments])
    except SystemExit as stop:
        code = stop.code
    out, err = capsys.readouterr()
    return SimpleNamespace(code=code, out=out, err=err)
