"""Flags that training scripts share."""

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest

from modelfile.families import Family
from speech.errors import ConfigError
from training.flags import Kind, TrainingFlags, fit_config, read_flags, trained_on


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
    assert read_flags("encoder", ["a", "--width", "4"]) == ToyFlags(Path("a"), width=4)
    assert read_flags("encoder", ["--model", "other", "a", "--steps", "2"]) == OtherFlags(Path("a"), steps=2)
    assert read_flags("encoder", ["a", "--model=other"]) == OtherFlags(Path("a"))


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
