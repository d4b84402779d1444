"""The command line, the start of the window, and errors about missing parts."""

import os
import subprocess
import sys

import pytest

from speech.errors import ConfigError
from toolbox import application

OPEN_AND_LEAVE = """
import sys, time
from toolbox import application

arguments = application.parse_arguments(["--data", sys.argv[1], "--cpu"])
app = application.make_application()
window, session = application.make_window(app, arguments)
window.show()
app.processEvents()
print("torch at first", "torch" in sys.modules)
window.start()
ends = time.monotonic() + 90
while session.voices.chosen is None and time.monotonic() < ends:
    app.processEvents()
    time.sleep(0.005)
assert session.voices.chosen is not None
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


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["nowhere"], "There is no folder nowhere"),
        (["--models", "nowhere"], "There is no folder of models nowhere"),
        (["--seed", "-3"], "out of range"),
    ],
)
def test_a_wrong_command_gives_one_sentence_and_exit_code_2(words, sentence, capsys):
    with pytest.raises(SystemExit) as left:
        application.main(words)
    error = capsys.readouterr().err
    assert left.value.code == 2 and sentence in error and error.count("\n") == 1


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="DISPLAY exists only on Linux")
def test_a_missing_display_is_an_error_that_names_an_alternative(repository):
    made = run("-m", "toolbox", cwd=repository)
    assert made.returncode == 2 and made.stdout == ""
    assert "no display" in made.stderr and "demo_cli.py" in made.stderr and made.stderr.count("\n") == 1
    made = run("-m", "toolbox", cwd=repository, DISPLAY=":987")
    assert made.returncode == 2 and "does not respond" in made.stderr and made.stderr.count("\n") == 1


def test_missing_qt_is_an_error_that_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "PyQt5.QtWidgets", None)
    with pytest.raises(ConfigError, match="pip install PyQt5"):
        application.check_display()


@pytest.mark.slow
def test_the_window_opens_before_the_models_are_loaded(repository, tmp_path):
    """In a fresh process with the default models."""
    made = run(
        "-c", OPEN_AND_LEAVE, str(tmp_path), cwd=repository,
        QT_QPA_PLATFORM="offscreen", PYTHONPATH=str(repository), OMP_NUM_THREADS="1",
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    for line in ("torch at first False", "heavy False False", "closed True"):
        assert line in made.stdout


def test_help_imports_neither_qt_nor_torch(repository):
    code = "import sys; from toolbox.application import parse_arguments\ntry: parse_arguments(['--help'])\n" \
           "except SystemExit: print(*sys.modules)"  # fmt: skip
    made = run("-c", code, cwd=repository)
    assert "usage: python -m toolbox" in made.stdout
    assert not {"torch", "PyQt5", "numpy", "scipy"} & set(made.stdout.splitlines()[-1].split())
