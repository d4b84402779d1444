"""The command line, the start, and what is said where something is missing."""

import os
import re
import subprocess
import sys
import time

import pytest

from speech.errors import ConfigError
from tests.toolbox.fakes import longest_standstill
from toolbox import application

OPEN_AND_LEAVE = """
import sys, time
from pathlib import Path
from toolbox import application
from toolbox.window.watchdog import Watchdog

arguments = application.parse_arguments(["--data", sys.argv[1], "--cpu"])
app = application.make_application()
window, session = application.make_window(app, arguments)
window.show()
app.processEvents()
print(f"shown {time.process_time():.3f}")
watchdog = Watchdog(0.02)
watchdog.start()
window.start()
ends = time.monotonic() + 90
while session.voices.chosen is None and time.monotonic() < ends:
    app.processEvents()
    time.sleep(0.005)
assert session.voices.chosen is not None
print(f"longest {watchdog.longest.own_seconds:.3f}")
print("heavy", "matplotlib" in sys.modules, "umap" in sys.modules)
window.close()
print("closed", session.close())
"""


def run(*words: str, cwd, **environment: str) -> subprocess.CompletedProcess:
    kept = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    kept.pop("QT_QPA_PLATFORM", None)
    return subprocess.run(
        [sys.executable, *words], capture_output=True, text=True, timeout=110, cwd=cwd, env={**kept, **environment}
    )


def figure(name: str, told: str) -> float:
    found = re.search(rf"^{name} ([\d.]+)", told, re.MULTILINE)
    assert found, told
    return float(found[1])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "There is no folder nowhere"),
        (["--models", "nowhere"], "There is no folder of models nowhere"),
        (["--seed", "-3"], "out of range"),
    ],
)
def test_a_wrong_command_is_one_sentence_and_exit_code_2(words, said, capsys):
    with pytest.raises(SystemExit) as left:
        application.main(words)
    told = capsys.readouterr().err
    assert left.value.code == 2 and said in told and told.count("\n") == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="displays are named so on Linux alone")
def test_without_a_display_it_says_so_and_what_still_works(repository):
    made = run("-m", "toolbox", cwd=repository)
    assert made.returncode == 2 and made.stdout == ""
    assert "no display" in made.stderr and "demo_cli.py" in made.stderr and made.stderr.count("\n") == 1
    made = run("-m", "toolbox", cwd=repository, DISPLAY=":987")
    assert made.returncode == 2 and "does not answer" in made.stderr and made.stderr.count("\n") == 1


def test_without_qt_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PyQt5.QtWidgets", None)
    with pytest.raises(ConfigError, match="pip install PyQt5"):
        application.check_display()


def test_the_window_is_there_before_the_models_and_never_stands_still_while_they_load(repository, tmp_path):
    """In a fresh process with the default models: processor time to the window, and the longest standstill."""
    longest = []
    for attempt in range(3):
        made = run(
            "-c", OPEN_AND_LEAVE, str(tmp_path / str(attempt)), cwd=repository,
            QT_QPA_PLATFORM="offscreen", PYTHONPATH=str(repository), OMP_NUM_THREADS="1",
        )  # fmt: skip
        assert made.returncode == 0, made.stderr
        assert figure("shown", made.stdout) < 3
        assert "heavy False False" in made.stdout and "closed True" in made.stdout
        longest.append(figure("longest", made.stdout))
        if longest[-1] < longest_standstill():
            return
    pytest.fail(f"the window stood still for {longest} s")


def test_help_is_quick(repository):
    started = time.process_time()
    assert "usage" in run("-m", "toolbox", "--help", cwd=repository).stdout
    assert time.process_time() - started < 1
