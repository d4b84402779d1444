"""Flags that training scripts share."""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from corpora.store import FeatureWriter
from modelfile.families import Family
from speech.errors import ConfigError, TrainingError
from training.flags import Kind, TrainingFlags, fit_config, open_store, read_flags, trained_on


@dataclass(frozen=True)
class ToyFlags(TrainingFlags):
    """Train a toy."""

    kind: Kind = "toy"
    run: Path = Path("runs/toy")
    learning_rate: float = 0.5
    final_learning_rate: float = 0.25
    width: int = 3
    """Width of the toy."""


@dataclass(frozen=True)
class OtherFlags(TrainingFlags):
    """Train a different toy."""

    kind: Kind = "other"
    run: Path = Path("runs/other")


class ToyStore:
    """A store of three items from two corpora."""

    corpora = ("b", "", "a")

    def __len__(self) -> int:
        return len(self.corpora)

    def meta(self, index: int) -> dict[str, str]:
        return {"corpus": self.corpora[index]}


@pytest.fixture
def toy_families(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [Family("search", object, load=SimpleNamespace, needs_file=False)]
    found += [Family(flags.kind, object, SimpleNamespace, flags) for flags in (ToyFlags, OtherFlags)]
    monkeypatch.setattr("training.flags.families_of", lambda stage: {family.kind: family for family in found})


@pytest.mark.usefixtures("toy_families")
def test_model_chooses_the_flags_of_its_family() -> None:
    for words, flags in (
        (("a", "--width", "4"), ToyFlags(Path("a"), width=4)),
        (("--model", "other", "a", "--steps", "2"), OtherFlags(Path("a"), steps=2)),
        (("a", "--model=other"), OtherFlags(Path("a"))),
    ):
        assert read_flags("encoder", words) == replace(flags, command_lines=(words,))


def write_run(run: Path, flags: TrainingFlags) -> None:
    run.mkdir(exist_ok=True)
    description = {"kind": flags.kind, "command_lines": flags.command_lines}
    (run / "config.json").write_text(json.dumps(description), encoding="utf-8")


@pytest.mark.usefixtures("toy_families")
def test_resuming_needs_only_the_run_directory_and_what_changes(tmp_path: Path) -> None:
    run = tmp_path / "run"
    started = read_flags("encoder", ["a", "--model", "other", "--run", str(run), "--seed", "4", "--steps", "7"])
    write_run(run, started)
    resumed = replace(started, resume=True)
    for words, steps in (([], 7), (["--steps", "9"], 9), ([], 9), (["--steps", "8"], 8), (["--steps=9"], 9), ([], 9)):
        flags = read_flags("encoder", ["--run", str(run), "--resume", *words])
        assert flags == replace(resumed, steps=steps, command_lines=flags.command_lines)
        write_run(run, flags)
    (moved := tmp_path / "moved").symlink_to(run)
    assert read_flags("encoder", ["--resume", "--run", str(moved)]).run == moved


@pytest.mark.usefixtures("toy_families")
def test_the_whole_command_line_with_resume_still_resumes(tmp_path: Path) -> None:
    words = ["a", "--width", "4", "--run", str(tmp_path)]
    write_run(tmp_path, ToyFlags(Path("a")))  # of an older version
    for _ in range(2):
        flags = read_flags("encoder", [*words, "--resume"])
        assert (flags.width, flags.store, flags.resume) == (4, Path("a"), True)
        assert flags.command_lines == (tuple(words),)
        write_run(tmp_path, flags)


@pytest.mark.usefixtures("toy_families")
def test_a_run_that_cannot_be_resumed_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(TrainingError, match="no training run"):
        read_flags("encoder", ["--run", str(tmp_path), "--resume"])
    for settings in (
        '{"kind": "toy", "command',
        '{"kind": "toy", "command_lines": [["a", "--width", "wide"]]}',
        '{"kind": "toy", "command_lines": [["a", "--help"]]}',
    ):
        (tmp_path / "config.json").write_text(settings, encoding="utf-8")
        with pytest.raises(TrainingError, match="cannot be read"):
            read_flags("encoder", ["--run", str(tmp_path), "--resume"])
    assert capsys.readouterr() == ("", "")


@pytest.mark.usefixtures("toy_families")
@pytest.mark.parametrize("kind", ["search", "unknown"])
def test_a_family_that_cannot_be_trained_is_refused(kind: str) -> None:
    with pytest.raises(ConfigError, match="choose toy, other"):
        read_flags("vocoder", ["a", "--model", kind])


@pytest.mark.usefixtures("toy_families")
def test_help_lists_families_and_inherited_texts(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        read_flags("vocoder", ["--help"])
    shown = capsys.readouterr().out
    assert "Train a toy." in shown
    assert "toy, other" in shown
    assert "Peak learning rate. (default: 0.5)" in " ".join(shown.replace("│", " ").split())


def test_fit_config_takes_flags_and_differences() -> None:
    config = fit_config(ToyFlags(Path("a"), threads=2), decay="cosine", learning_rate=0.75)
    assert (config.threads, config.decay) == (2, "cosine")
    assert (config.learning_rate, config.final_learning_rate) == (0.75, 0.25)


def test_trained_on_names_the_corpora_unless_given() -> None:
    assert trained_on(ToyFlags(Path("a")), ToyStore()) == "a, b"  # type: ignore[arg-type]
    assert trained_on(ToyFlags(Path("a"), trained_on="own voice"), ToyStore()) == "own voice"  # type: ignore[arg-type]


def test_a_store_that_is_not_complete_is_named(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    def add(key: str, finish: bool) -> None:
        with FeatureWriter(tmp_path, "main") as main:
            main.write_info({"stage": "toy"})
            main.reject(f"{key} too short", "too short")
            with FeatureWriter(tmp_path, "0") as worker:
                worker.add(key, {"mel": np.zeros(3)}, {})
            if finish:
                main.merge_rejected()

    for key, finish, warnings in (("a", False, 1), ("b", True, 0), ("c", False, 1), ("d", True, 0)):
        add(key, finish)
        caplog.clear()
        store = open_store(tmp_path)
        assert [str(len(store)) in record.getMessage() for record in caplog.records] == [True] * warnings
