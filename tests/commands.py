"""Runs the `main` of a command in the test process."""

import io
import sys
from collections.abc import Callable
from pathlib import Path
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


def prepare_demo_cli(
    models: Path, folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Any]:
    """Go to an empty folder. Returns a function that runs `demo_cli.py` there, with these models or those it names.

    Args:
        folder: for the empty folder and the library of voices.
    """
    import demo_cli

    (folder / "work").mkdir()
    monkeypatch.chdir(folder / "work")
    usual = {"--models": models, "--voices": folder / "voices", "--device": "cpu"}

    def run(*arguments: object, stdin: str = "") -> Any:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode()), encoding="utf-8"))
        given = [str(argument) for argument in arguments]
        more = [word for flag, value in usual.items() if flag not in given for word in (flag, value)]
        return run_main(demo_cli.main, capsys, *given, *more)

    return run


def assert_error(result: Any, *words: str) -> None:
    """Exit code 2 and one line on stderr."""
    assert result.code == 2, result
    lines = result.err.splitlines()
    assert len(lines) == 1, result.err
    assert lines[0].startswith("error: ")
    for word in words:
        assert word in lines[0]


def assert_refused(result: Any, *words: str) -> None:
    """An error, and nothing was written into the current folder."""
    assert_error(result, *words)
    assert list(Path.cwd().rglob("*")) == []
