"""Training from a finished model file."""

from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from torch import nn

from modelfile.checkpoint import save_model
from modelfile.families import Family
from modelfile.header import ModelHeader
from speech.errors import ModelFileError
from training.starting import read_start, take_over


@dataclass(frozen=True)
class ToyConfig:
    width: int = 3
    dropout: float = 0.0


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A model of width 4, in a stage with two families."""
    found = {kind: Family(kind, ToyConfig, nn.Module) for kind in ("toy", "other")}
    monkeypatch.setattr("modelfile.families.families_of", lambda stage: found)
    path = tmp_path / "toy.safetensors"
    save_model(path, nn.Linear(4, 2), ModelHeader("encoder", "toy", ToyConfig(4, 0.25), step=1))
    return path


def test_without_a_file_the_flags_are_the_config() -> None:
    config = ToyConfig(5)
    assert read_start(None, "encoder", "toy", config) == (config, None)
    assert take_over(nn.Linear(5, 2), None, None) == []


def test_flags_replace_the_settings_of_the_file(file: Path) -> None:
    config, weights = read_start(file, "encoder", "toy", ToyConfig(dropout=0.5))
    assert config == ToyConfig(4, 0.5)
    model = nn.Linear(4, 2)
    assert take_over(model, weights, file) == []
    assert weights is not None
    assert torch.equal(model.weight, weights["weight"])


def test_packed_weights_are_unpacked_with_the_config_of_the_file(file: Path) -> None:
    def unpack(weights: dict[str, torch.Tensor], config: ToyConfig) -> dict[str, torch.Tensor]:
        return {name: weight * config.width for name, weight in weights.items()}

    plain, unpacked = (read_start(file, "encoder", "toy", ToyConfig(7), how)[1] for how in (None, unpack))
    assert plain is not None and unpacked is not None
    assert torch.equal(unpacked["weight"], plain["weight"] * 4)


def test_a_different_family_is_refused(file: Path) -> None:
    with pytest.raises(ModelFileError, match="family 'toy': give one of the family 'other'"):
        read_start(file, "encoder", "other", ToyConfig())


def test_a_part_may_start_from_random_weights_but_not_everything(file: Path) -> None:
    weights = read_start(file, "encoder", "toy", ToyConfig())[1]
    assert take_over(nn.Linear(5, 2), weights, file) == ["weight"]
    with pytest.raises(ModelFileError, match="same architecture and sizes"):
        take_over(nn.Linear(5, 3), weights, file)
