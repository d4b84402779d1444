"""Int8 storage: small files, small errors, and errors for tensors that do not belong together."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from modelfile.checkpoint import load_weights, save_model
from modelfile.header import ModelHeader
from modelfile.int8 import dequantise, quantise
from speech.errors import ModelFileError


@pytest.fixture
def weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    matrix = torch.randn(64, 96) * torch.logspace(-4, 1, 64)[:, None]
    matrix[5] = 0
    return {"large": matrix, "small": torch.randn(8, 8), "bias": torch.randn(64), "count": torch.tensor(7)}


def test_rows_keep_their_own_precision(weights) -> None:
    restored = dequantise(quantise(weights))
    assert restored.keys() == weights.keys()
    error = (restored["large"] - weights["large"]).abs().amax(dim=1)
    assert (error <= weights["large"].abs().amax(dim=1) / 127 * 0.51).all()
    for name in ("small", "bias", "count"):
        assert torch.equal(restored[name], weights[name])


def test_an_int8_file_is_small_and_loads_like_any_other(weights, tmp_path: Path) -> None:
    header = ModelHeader("vocoder", step=3)
    save_model(tmp_path / "float32.safetensors", weights, header)
    save_model(tmp_path / "int8.safetensors", weights, header, "int8")
    assert load_file(tmp_path / "int8.safetensors")["large.levels"].dtype == torch.int8
    assert (tmp_path / "int8.safetensors").stat().st_size < 0.4 * (tmp_path / "float32.safetensors").stat().st_size
    read = load_weights(tmp_path / "int8.safetensors")
    assert {name: tensor.dtype for name, tensor in read.items() if name != "count"} == dict.fromkeys(
        ("large", "small", "bias"), torch.float32
    )
    torch.testing.assert_close(read["large"], dequantise(quantise(weights))["large"])


@pytest.mark.parametrize("damage", ["no step", "short step", "whole step", "named twice", "odd name", "one dimension"])
def test_mismatched_values_and_scales_are_refused(weights, tmp_path: Path, damage: str) -> None:
    stored = quantise(weights)
    if damage == "no step":
        del stored["large.step"]
    elif damage == "short step":
        stored["large.step"] = stored["large.step"][1:].clone()
    elif damage == "whole step":
        stored["large.step"] = torch.ones(64, dtype=torch.int32)
    elif damage == "named twice":
        stored["large"] = weights["large"]
    elif damage == "odd name":
        stored["other"] = torch.ones(2, 2, dtype=torch.int8)
    else:
        stored["large.levels"] = torch.ones(64, dtype=torch.int8)
    save_file(stored, tmp_path / "damaged.safetensors")
    with pytest.raises(ModelFileError, match="damaged"):
        load_weights(tmp_path / "damaged.safetensors")


def test_weights_that_are_not_finite_are_not_saved(weights) -> None:
    weights["large"][3, 3] = float("nan")
    with pytest.raises(ModelFileError, match="not finite"):
        quantise(weights)
