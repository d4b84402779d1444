"""Pruning to block-sparse matrices in training, and their files."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from modelfile.checkpoint import load_model_file, load_weights, save_model
from modelfile.header import ModelHeader
from speech.errors import ConfigError, ModelFileError
from vocoder import Vocoder
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.model import build_wavernn
from vocoder.wavernn.pruning import (
    LoopMatrix,
    Pruner,
    PruningSchedule,
    largest_blocks,
    loop_matrices,
    pack_sparse,
    unpack_sparse,
)

SIZES = {"hidden_size": 40, "fc_size": 24, "condition_size": 8, "sample_embedding_size": 6, "residual_size": 8}
BOTH_SHAPES = pytest.mark.parametrize("shape", ["compact", "classic"])


def make_model(shape: str = "compact", seed: int = 0, **changes) -> Any:
    torch.manual_seed(seed)
    return build_wavernn(WaveRNNConfig(shape=shape, residual_blocks=1, **{**SIZES, "sparsity": 0.8, **changes}))  # type: ignore[arg-type]


def prune(model: Any, sparsity: float = 0.8) -> Pruner:
    pruner = Pruner(model, PruningSchedule(sparsity, start=0, steps=1))
    pruner.after_step(1)
    return pruner


def blocks_of(weight: torch.Tensor, matrix: LoopMatrix, gate: int, block: tuple[int, int] = (16, 1)) -> np.ndarray:
    """Whether each block of a gate has a non-zero weight off its diagonal, by a simple loop."""
    part = weight.detach().numpy()[gate * matrix.rows : (gate + 1) * matrix.rows, : matrix.columns].copy()
    if matrix.recurrent:
        np.fill_diagonal(part, 0)
    height, width = block
    return np.array([
        [part[y : y + height, x : x + width].any() for x in range(0, matrix.columns, width)]
        for y in range(0, matrix.rows, height)
    ])  # fmt: skip


@BOTH_SHAPES
@pytest.mark.parametrize("block", [(16, 1), (8, 4)])
def test_every_gate_of_every_matrix_reaches_the_target(shape, block):
    model = make_model(shape, block=block)
    pruner = Pruner(model, PruningSchedule(0.8, start=0, steps=1))
    assert not pruner.is_done()
    pruner.after_step(1)
    assert pruner.is_done()
    state = model.state_dict()
    for matrix in loop_matrices(model.config):
        assert state[matrix.name].shape == matrix.shape
        for gate in range(matrix.gates):
            empty = ~blocks_of(state[matrix.name], matrix, gate, block)
            assert empty.sum() == round(0.8 * empty.size)
        assert pruner.sparsity()[matrix.name] == pytest.approx(0.8, abs=0.5 / empty.size)


@BOTH_SHAPES
def test_diagonals_and_conditioning_columns_are_not_pruned(shape):
    model = make_model(shape)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    prune(model, 0.95)
    for matrix in loop_matrices(model.config):
        old, new = before[matrix.name], model.state_dict()[matrix.name]
        assert torch.equal(old[:, matrix.columns :], new[:, matrix.columns :])
        if matrix.recurrent:
            gates = (value.view(3, matrix.rows, matrix.rows).diagonal(dim1=1, dim2=2) for value in (old, new))
            assert torch.equal(*gates)
    untouched = set(before) - {matrix.name for matrix in loop_matrices(model.config)}
    assert all(torch.equal(before[name], model.state_dict()[name]) for name in untouched)


def test_smallest_blocks_of_each_gate_are_pruned_first():
    matrix = LoopMatrix("w", gates=2, rows=4, columns=3)
    weight = torch.tensor([[1.0, 2, 3]] * 4 + [[10, -30, 20]] * 4)
    assert largest_blocks(weight, matrix, (4, 1), 0.34).tolist() == [[[False, True, True]], [[False, True, True]]]
    assert largest_blocks(weight, matrix, (4, 1), 0.67).tolist() == [[[False, False, True]], [[False, True, False]]]


def test_incomplete_blocks_are_compared_by_their_mean():
    """With sums, the incomplete blocks at the lower edge would be pruned first."""
    matrix = LoopMatrix("w", gates=1, rows=18, columns=2)
    weight = torch.ones(18, 2)
    weight[16:] = 1.5
    assert largest_blocks(weight, matrix, (16, 1), 0.5).tolist() == [[[False, False], [True, True]]]


def test_pruned_blocks_stay_zero_in_weights_and_averages():
    model = make_model()
    pruner = Pruner(model, PruningSchedule(0.9, start=2, steps=8, every=2))
    averages = {name: value.clone() for name, value in model.state_dict().items()}
    pruned = torch.zeros_like(model.fc.weight, dtype=torch.bool)
    fractions = []
    for done in range(1, 13):
        with torch.no_grad():
            for value in (*model.parameters(), *averages.values()):
                value.add_(torch.randn(value.shape))  # as an optimiser does
        pruner.after_step(done, averages)
        assert torch.equal(model.fc.weight == 0, averages["fc.weight"] == 0)
        assert bool((model.fc.weight[pruned] == 0).all())
        pruned = model.fc.weight == 0
        fractions.append(pruner.sparsity()["fc.weight"])
    assert fractions[:3] == [0, 0, 0] and fractions[-3:] == [fractions[-1]] * 3
    assert fractions == sorted(fractions) and fractions[-1] == pytest.approx(0.9, abs=0.01)


def test_noisy_steps_do_not_prune_beyond_the_target():
    """A step changes pruned blocks, and may make them larger than the remaining ones."""
    model = make_model()
    pruner = Pruner(model, PruningSchedule(0.5, start=0, steps=1))
    for done in range(1, 6):
        with torch.no_grad():
            model.fc.weight.mul_(1e-3).add_(torch.randn(model.fc.weight.shape))
        pruner.after_step(done)
        assert pruner.sparsity()["fc.weight"] == 0.5


def test_sparse_model_that_is_trained_further_keeps_its_zeros():
    model = make_model()
    prune(model)
    zeros = model.output.weight == 0
    again = Pruner(model, PruningSchedule(0.8))
    assert again.is_done()
    with torch.no_grad():
        model.output.weight.add_(1)
    again.after_step(1)
    assert torch.equal(model.output.weight == 0, zeros)


@pytest.mark.parametrize("wrong", [{"sparsity": 1.0}, {"sparsity": 0.5, "start": -1}, {"sparsity": 0.5, "steps": 0}])
def test_bad_schedules_are_refused(wrong):
    with pytest.raises(ConfigError):
        PruningSchedule(**wrong)


@pytest.mark.parametrize("wrong", [{"sparsity": 1.0}, {"sparsity": -0.1}, {"block": (0, 1)}, {"block": (16, 65)}])
def test_bad_configs_are_refused(wrong):
    with pytest.raises(ConfigError):
        WaveRNNConfig(**wrong)


# -- files


@BOTH_SHAPES
@pytest.mark.parametrize("mode", ["raw", "mol"])
def test_packing_is_exact_and_small(shape, mode, tmp_path):
    model = make_model(shape, mode=mode, sparsity=0.95)
    prune(model, 0.95)
    state, config = model.state_dict(), model.config
    packed = pack_sparse(state, config)
    assert not {matrix.name for matrix in loop_matrices(config)} & set(packed)
    path = tmp_path / "sparse.safetensors"
    save_model(path, packed, ModelHeader("vocoder", kind="wavernn", config=config, step=1))
    restored = unpack_sparse(load_weights(path), config)
    assert restored.keys() == state.keys()
    assert all(torch.equal(restored[name], state[name]) for name in state)
    matrices = [matrix.name for matrix in loop_matrices(config)]
    dense = sum(state[name].numel() for name in matrices)
    stored = sum(value.numel() for name, value in packed.items() if name.rsplit(".", 1)[0] in matrices)
    assert stored < 0.15 * dense if shape == "compact" else stored < 0.25 * dense


def test_dense_models_are_unchanged():
    state = make_model(sparsity=0.0).state_dict()
    packed = pack_sparse(state, WaveRNNConfig(**SIZES))  # type: ignore[arg-type]
    assert packed.keys() == state.keys()
    assert unpack_sparse(packed, WaveRNNConfig(**SIZES)).keys() == state.keys()  # type: ignore[arg-type]


def test_sparse_file_gives_the_same_samples_as_the_dense_one(tmp_path):
    model = make_model().eval()
    prune(model)
    header = ModelHeader("vocoder", "wavernn", model.config, step=1)
    save_model(tmp_path / "dense.safetensors", model, header)
    save_model(tmp_path / "sparse.safetensors", pack_sparse(model.state_dict(), model.config), header)
    mel = np.zeros((80, 2), np.float32)
    dense, sparse = (Vocoder.load(tmp_path / f"{name}.safetensors").vocode(mel, seed=0) for name in ("dense", "sparse"))
    assert np.array_equal(dense, sparse)
    Vocoder.load(tmp_path / "sparse.safetensors").save(tmp_path / "again.safetensors")
    assert "fc.weight.blocks" in load_model_file(tmp_path / "again.safetensors", "vocoder")[1]


PACKED_CONFIG = WaveRNNConfig(**SIZES, sparsity=0.8)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def packed() -> dict[str, torch.Tensor]:
    model = make_model()
    prune(model)
    return pack_sparse(model.state_dict(), PACKED_CONFIG)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("fc.weight.index", lambda index: index + 10_000),
        ("fc.weight.index", lambda index: index - 1000),
        ("fc.weight.index", lambda index: index.flip(0)),
        ("fc.weight.index", lambda index: index[:-1]),
        ("fc.weight.index", lambda index: index.float()),
        ("fc.weight.index", lambda index: index.bool()),
        ("fc.weight.index", lambda index: index[0]),
        ("fc.weight.index", lambda index: None),
        ("fc.weight.index", torch.zeros_like),
        ("fc.weight.blocks", lambda blocks: None),
        ("fc.weight.blocks", lambda blocks: blocks[:, :8]),
        ("fc.weight.blocks", lambda blocks: blocks * float("nan")),
        ("fc.weight.blocks", lambda blocks: blocks.int()),
        ("fc.weight.diagonal", lambda _: torch.zeros(24)),
        ("fc.weight", lambda _: torch.zeros(24, 40)),
        ("gru.weight_hh_l0.diagonal", lambda diagonal: None),
        ("gru.weight_hh_l0.diagonal", lambda diagonal: diagonal[1:]),
    ],
)
def test_damaged_sparse_matrix_is_refused_in_one_sentence(packed, part, change):
    damaged = {**packed, part: change(packed.get(part))}
    damaged = {name: value for name, value in damaged.items() if value is not None}
    with pytest.raises(ModelFileError, match="weight") as refused:
        unpack_sparse(damaged, PACKED_CONFIG)
    assert str(refused.value).endswith("damaged.") and "\n" not in str(refused.value)


DTYPES = st.sampled_from([torch.float32, torch.float16, torch.int32, torch.int64, torch.uint8, torch.bool])


@settings(max_examples=150, deadline=None)
@given(
    part=st.sampled_from(["blocks", "index", "diagonal", "still"]),
    matrix=st.sampled_from(loop_matrices(PACKED_CONFIG)),
    shape=st.lists(st.integers(0, 20), max_size=3),
    values=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=6),
    dtype=DTYPES,
    broken=st.booleans(),
)
def test_random_parts_are_refused_or_fit(packed, part, matrix, shape, values, dtype, broken):
    """For any content of a file, the result has the model's shape and is finite, or one error is raised."""
    count = int(np.prod(shape))
    tensor = torch.tensor(values * (count // len(values) + 1))[:count].reshape(shape).to(dtype)
    if broken and tensor.is_floating_point() and count:
        tensor.view(-1)[0] = float("inf")
    if broken and part == "index":  # right size and type, random values
        tensor = packed[f"{matrix.name}.index"].clone()
        tensor[: len(values)] = torch.tensor(values)[: len(tensor)].to(torch.int32)
    try:
        plain = unpack_sparse({**packed, f"{matrix.name}.{part}": tensor}, PACKED_CONFIG)
    except ModelFileError as error:
        assert "damaged" in str(error)
    else:
        assert plain[matrix.name].shape == matrix.shape and bool(torch.isfinite(plain[matrix.name]).all())
