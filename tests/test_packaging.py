"""What an installation contains, and that scripts and library work from any folder."""

import importlib
import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

import pytest

from modelfile.locations import DEFAULT_MODELS, SAMPLES

REPOSITORY = Path(__file__).resolve().parents[1]
PROJECT: dict[str, Any] = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())
SETUPTOOLS: dict[str, Any] = PROJECT["tool"]["setuptools"]
INCLUDED: list[str] = SETUPTOOLS["packages"]["find"]["include"]
NOT_INSTALLED = {"tests", "docs", "benchmarks"}
SCRIPTS = ["demo_cli", "evaluate", "preprocess", "train_encoder", "train_synth", "train_vocoder"]


def top_level_packages() -> list[Path]:
    """Folders of the repository that hold Python code and are installed."""
    folders = {path.parent for path in REPOSITORY.glob("*/*.py")}
    return sorted(folder for folder in folders if folder.name not in NOT_INSTALLED and folder.name[0] not in "._")


def test_every_package_is_listed() -> None:
    names = {folder.name for folder in top_level_packages()}
    assert names <= set(INCLUDED)
    assert {f"{name}.*" for name in names - {"samples"}} <= set(INCLUDED)


def test_every_script_is_listed() -> None:
    assert sorted(SETUPTOOLS["py-modules"]) == sorted(path.stem for path in REPOSITORY.glob("*.py")) == SCRIPTS


@pytest.mark.parametrize("folder", top_level_packages(), ids=lambda folder: folder.name)
def test_every_package_is_typed(folder: Path) -> None:
    assert folder.name == "samples" or (folder / "py.typed").is_file()


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_has_a_console_command(name: str) -> None:
    assert f"{name}:main" in PROJECT["project"]["scripts"].values()


@pytest.mark.parametrize("target", PROJECT["project"]["scripts"].values())
def test_console_commands_can_be_called(target: str) -> None:
    module, name = target.split(":")
    assert callable(getattr(importlib.import_module(module), name))


def test_data_files_are_installed() -> None:
    patterns: dict[str, list[str]] = SETUPTOOLS["package-data"]
    tracked = subprocess.run(["git", "ls-files"], cwd=REPOSITORY, capture_output=True, text=True)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    tops = {folder.name for folder in top_level_packages()} | {"models"}
    for path in map(Path, tracked.stdout.splitlines()):
        if path.parts[0] not in tops or path.suffix == ".py":
            continue
        allowed = patterns["*"] + patterns.get(".".join(path.parent.parts), [])
        assert any(fnmatch(path.name, pattern) for pattern in allowed), f"{path} would not be installed"


def test_default_models_and_samples_are_beside_the_packages() -> None:
    names = {path.name for path in DEFAULT_MODELS.iterdir()}
    assert {"encoder.safetensors", "synthesizer.safetensors", "defaults.json"} <= names
    assert (SAMPLES / "slt.flac").is_file()
    package = Path(importlib.import_module("modelfile").__file__ or "").parent
    assert package.parent == DEFAULT_MODELS.parents[1] == SAMPLES.parent


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_run_from_any_folder(name: str, tmp_path: Path) -> None:
    command = [sys.executable, str(REPOSITORY / f"{name}.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "usage" in done.stdout


@pytest.mark.slow
def test_default_models_are_found_from_any_folder(tmp_path: Path) -> None:
    words = [str(SAMPLES / "slt.flac"), "--text", "Hello there.", "--out", "hello.wav", "--seed", "1"]
    command = [sys.executable, str(REPOSITORY / "demo_cli.py"), *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "hello.wav").stat().st_size > 10_000
