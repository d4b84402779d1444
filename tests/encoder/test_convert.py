from pathlib import Path

import numpy as np
import pytest
import torch

from encoder import SpeakerEncoder
from encoder.base import Precision
from encoder.convert import find_resemblyzer_weights, load_public_encoder, main
from encoder.lstm.config import LSTMConfig
from encoder.lstm.convert import convert_public
from modelfile.convert import convert_file
from modelfile.header import read_header
from modelfile.public import PUBLIC_SPACE, PublicCheckpoint
from speech.errors import ModelFileError


@pytest.fixture(scope="module")
def golden(golden_dir: Path) -> dict[str, np.ndarray]:
    with np.load(golden_dir / "encoder.npz") as arrays:
        return dict(arrays)


@pytest.fixture(scope="module")
def public_encoder() -> SpeakerEncoder:
    weights = find_resemblyzer_weights()
    if weights is None:
        pytest.skip("the package resemblyzer, which carries the public weights, is not installed")
    return load_public_encoder(weights, precision="fp32")


@pytest.mark.parametrize("precision", ["auto", "fp32"])
def test_the_converted_file_has_the_golden_embeddings(
    public_encoder: SpeakerEncoder, golden: dict[str, np.ndarray], tmp_path: Path, precision: Precision
) -> None:
    weights = find_resemblyzer_weights()
    assert weights is not None and weights.stat().st_size == 17_090_379
    convert_file(weights, tmp_path / "public.safetensors")
    loaded = SpeakerEncoder.load(tmp_path / "public.safetensors", precision=precision)
    for clip in clips(golden):
        assert loaded.embed(golden[f"{clip}.wav16k"]) @ golden[f"{clip}.embedding"] > 0.9999


def clips(golden: dict[str, np.ndarray]) -> list[str]:
    return sorted({name.split(".")[0] for name in golden})


def test_embeddings_equal_the_golden_ones(public_encoder: SpeakerEncoder, golden: dict[str, np.ndarray]) -> None:
    assert len(clips(golden)) == 6
    for clip in clips(golden):
        wav = golden[f"{clip}.wav16k"]
        partials = public_encoder.partials(wav).embeddings
        expected = golden[f"{clip}.partials"]
        assert partials.shape == expected.shape
        assert (partials * expected).sum(axis=1).min() > 0.9999
        embedding = public_encoder.embed(wav)
        np.testing.assert_allclose(np.linalg.norm(embedding), 1, rtol=1e-5)
        assert embedding @ golden[f"{clip}.embedding"] > 0.9999


def test_partials_start_where_the_golden_ones_do(public_encoder: SpeakerEncoder, golden: dict[str, np.ndarray]) -> None:
    for clip in clips(golden):
        starts = public_encoder.partial_starts(int(golden[f"{clip}.trimmed_samples"]))
        np.testing.assert_array_equal(starts, golden[f"{clip}.partial_starts"])


def test_a_converted_file_is_the_same_encoder(
    public_encoder: SpeakerEncoder, golden: dict[str, np.ndarray], tmp_path: Path
) -> None:
    output = tmp_path / "public.safetensors"
    main([str(output)])
    loaded = SpeakerEncoder.load(output, precision="fp32")
    assert loaded.embedding_space == public_encoder.embedding_space == "ge2e-public-256"
    assert loaded.licence == "Apache-2.0"
    wav = golden["1320_00000.trimmed"]
    np.testing.assert_array_equal(loaded.embed(wav, prepared=True), public_encoder.embed(wav, prepared=True))
    with pytest.raises(SystemExit) as stopped:  # it would overwrite
        main([str(output)])
    assert stopped.value.code == 2


def public_state(hidden: int = 8) -> dict[str, torch.Tensor]:
    lstm = torch.nn.LSTM(40, hidden, 2)
    linear = torch.nn.Linear(hidden, 6)
    state = {f"lstm.{name}": value.detach() for name, value in lstm.named_parameters()}
    state |= {f"linear.{name}": value.detach() for name, value in linear.named_parameters()}
    return state | {"similarity_weight": torch.tensor([10.0]), "similarity_bias": torch.tensor([-5.0])}


def test_sizes_are_read_off_the_tensors(tmp_path: Path) -> None:
    torch.save({"step": 12, "model_state": public_state()}, tmp_path / "small.pt")
    convert_file(tmp_path / "small.pt", tmp_path / "small.safetensors")
    encoder = SpeakerEncoder.load(tmp_path / "small.safetensors")
    config = encoder.config
    assert isinstance(config, LSTMConfig)
    assert (config.hidden_size, config.num_layers, config.embedding_size) == (8, 2, 6)
    assert encoder.step == 12
    assert read_header(tmp_path / "small.safetensors").extra["converted_from"] == "small.pt"


def test_an_encoder_of_different_weights_has_an_embedding_space_of_its_own() -> None:
    spaces = set()
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        converted = convert_public(PublicCheckpoint("encoder.pt", public_state()))
        assert converted is not None
        spaces.add(converted[0].embedding_space)
    assert len(spaces) == 2 and all(space.startswith("ge2e-") and space != PUBLIC_SPACE for space in spaces)


def test_missing_tensors_are_refused() -> None:
    state = public_state()
    del state["lstm.weight_hh_l0"]
    with pytest.raises(ModelFileError, match="incomplete speaker encoder"):
        convert_public(PublicCheckpoint("encoder.pt", state))
