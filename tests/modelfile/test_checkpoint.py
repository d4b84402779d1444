"""Model files: round trips, and the errors for damaged or hostile files."""

import json
import pickle
import struct
from dataclasses import dataclass
from typing import Literal

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from modelfile.checkpoint import load_into, load_model_file, load_weights, save_model, warm_start
from modelfile.header import FORMAT_VERSION, ModelHeader, NotAModelError, config_from_header, read_header
from modelfile.locations import DEFAULT_MODELS
from speech.errors import ModelFileError
from tests.training.toy import ToyConfig, ToyModel


@dataclass(frozen=True)
class Inner:
    rate: int = 16_000


@dataclass(frozen=True)
class Outer:
    width: int = 8
    fraction: float = 0.5
    shape: tuple[int, ...] = (3, 5)
    stairs: tuple[tuple[int, float], ...] = ((0, 1.0),)
    kind: Literal["a", "b"] = "a"
    name: str | None = None
    on: bool = True
    inner: Inner = Inner()

    def __post_init__(self):
        if self.width < 1:
            raise ValueError("width must be at least 1")


@pytest.fixture
def model_file(tmp_path):
    path = tmp_path / "toy.safetensors"
    save_model(path, ToyModel(ToyConfig()), ModelHeader("toy", "small", ToyConfig(), step=12, licence="CC0"))
    return path


def one_sentence(error: pytest.ExceptionInfo) -> bool:
    text = str(error.value)
    return "\n" not in text and text.endswith(".") and len(text) < 500


def rewrite(path, tensors=None, **metadata):
    """Write the file again with different header entries or tensors."""
    header = {"format_version": "1", "stage": "toy", "kind": "", "config": "{}", "step": "0"} | metadata
    save_file(tensors or {"weight": torch.ones(2)}, path, {k: v for k, v in header.items() if v is not None})
    return path


def raw(path, header: bytes, data: bytes = b"", length: int | None = None):
    path.write_bytes(struct.pack("<Q", len(header) if length is None else length) + header + data)
    return path


def test_round_trip(model_file):
    model = ToyModel(ToyConfig()).eval()
    header, weights = load_model_file(model_file, "toy", "small")
    load_into(model, weights)
    assert (header.stage, header.kind, header.step, header.licence) == ("toy", "small", 12, "CC0")
    assert config_from_header(ToyConfig, header) == ToyConfig()
    save_model(model_file, model, ModelHeader("toy", config=header.config, step=12))
    again = ToyModel(ToyConfig()).eval()
    load_into(again, load_weights(model_file))
    x = torch.randn(2, 4)
    assert torch.equal(model(x), again(x))


def test_any_flipped_bit_is_found(model_file):
    whole = model_file.read_bytes()
    start = 8 + int.from_bytes(whole[:8], "little")
    for position in (start, (start + len(whole)) // 2, len(whole) - 1, whole.index(b"CC0")):
        content = bytearray(whole)
        content[position] ^= 1
        model_file.write_bytes(content)
        with pytest.raises(ModelFileError, match="damaged") as error:
            load_model_file(model_file, "toy")
        assert one_sentence(error)


@pytest.mark.parametrize("dtype", [None, "float16", "bfloat16", "int8"])
def test_a_copy_has_a_checksum_of_its_own(model_file, tmp_path, dtype):
    header, weights = load_model_file(model_file, "toy")
    assert "checksum" not in header.extra
    save_model(tmp_path / "copy.safetensors", weights, header, dtype)
    assert load_model_file(tmp_path / "copy.safetensors", "toy")[0] == header


def test_files_without_a_checksum_are_read(model_file):
    with safe_open(model_file, framework="pt") as file:
        metadata = {key: text for key, text in file.metadata().items() if key != "checksum"}
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    assert len(metadata) == len(read_header(model_file).metadata())
    save_file(tensors, model_file, metadata)
    assert load_weights(model_file).keys() == tensors.keys()


@pytest.mark.parametrize("path", sorted(DEFAULT_MODELS.glob("*.safetensors")), ids=lambda path: path.stem)
def test_the_default_models_have_checksums(path):
    with safe_open(path, framework="pt") as file:
        assert "checksum" in file.metadata()
    assert load_weights(path)  # compares it


def test_extra_entries_come_back(tmp_path):
    path = tmp_path / "m.safetensors"
    extra = {"licence": "CC-BY-4.0", "embedding_space": "ge2e-public-256", "note": "straße"}
    save_model(path, {"w": torch.ones(1)}, ModelHeader("toy", trained_on="LibriSpeech", extra=extra))
    header = read_header(path)
    assert (header.licence, header.embedding_space, header.trained_on) == (
        "CC-BY-4.0",
        "ge2e-public-256",
        "LibriSpeech",
    )
    assert header.extra == {"note": "straße"}


def test_float16_file_is_half_as_big_and_comes_back_as_float32(tmp_path):
    weights = {"w": torch.randn(1000), "count": torch.tensor(2**40)}
    for dtype in (None, "float16"):
        save_model(tmp_path / f"{dtype}.safetensors", weights, ModelHeader("toy"), dtype)
    back = load_weights(tmp_path / "float16.safetensors")
    assert back["w"].dtype == torch.float32 and back["count"].item() == 2**40
    assert torch.allclose(back["w"], weights["w"], rtol=1e-3, atol=1e-4)
    sizes = [(tmp_path / f"{dtype}.safetensors").stat().st_size for dtype in (None, "float16")]
    assert sizes[0] - sizes[1] > 1900


def test_float16_overflow_is_named(tmp_path):
    with pytest.raises(ModelFileError, match=r"big holds 1e\+06.*float32") as error:
        save_model(tmp_path / "m", {"big": torch.tensor([1e6])}, ModelHeader("t"), "float16")
    assert one_sentence(error) and not list(tmp_path.iterdir())


def test_tied_weights_can_be_saved(tmp_path):
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[1].weight = model[0].weight
    save_model(tmp_path / "m.safetensors", model, ModelHeader("toy"))
    assert torch.equal(load_weights(tmp_path / "m.safetensors")["1.weight"], model.state_dict()["0.weight"])


def test_config_keeps_its_types(tmp_path):
    config = Outer(width=3, shape=(1, 2, 3), stairs=((0, 5.0), (10, 2.5)), kind="b", name="x", inner=Inner(8000))
    path = tmp_path / "m.safetensors"
    save_model(path, {"w": torch.ones(1)}, ModelHeader("toy", config=config))
    assert config_from_header(Outer, read_header(path)) == config


@pytest.mark.parametrize(
    ("values", "word"),
    [
        ({"wdith": 3}, "wdith"),
        ({"width": "3"}, "width"),
        ({"width": 3.5}, "width"),
        ({"width": True}, "width"),
        ({"width": None}, "width"),
        ({"width": 0}, "at least 1"),
        ({"fraction": "half"}, "fraction"),
        ({"shape": 3}, "shape"),
        ({"shape": [1, "2"]}, "shape"),
        ({"stairs": [[0, 1.0, 2]]}, "stairs"),
        ({"kind": "c"}, "kind"),
        ({"on": 1}, "on"),
        ({"inner": {"rate": "fast"}}, "rate"),
        ({"inner": 3}, "inner"),
    ],
)
def test_config_that_does_not_fit_is_refused(tmp_path, values, word):
    path = rewrite(tmp_path / "m.safetensors", config=json.dumps(values))
    with pytest.raises(ModelFileError, match=word) as error:
        config_from_header(Outer, read_header(path))
    assert one_sentence(error)


def test_mismatched_weights_are_named(model_file):
    weights = load_weights(model_file)
    weights["first.weight"] = torch.zeros(3, 3)
    weights["unknown"] = weights.pop("last.bias")
    with pytest.raises(ModelFileError, match=r"first.weight is \[3, 3\] instead of \[8, 4\]; last.bias is missing"):
        load_into(ToyModel(ToyConfig()), weights)
    with pytest.raises(ModelFileError, match=r"first\.weight"):
        load_into(ToyModel(ToyConfig()), weights, strict=False)
    weights.pop("first.weight")
    load_into(ToyModel(ToyConfig()), weights, strict=False)


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_whole_numbers_in_place_of_weights_are_refused(model_file, device):
    weights = load_weights(model_file)
    weights["first.weight"] = weights["first.weight"].to(torch.int64)
    with torch.device(device):
        model = ToyModel(ToyConfig())
    with pytest.raises(ModelFileError, match=r"first.weight holds whole numbers") as error:
        load_into(model, weights)
    assert one_sentence(error)


def test_warm_start_copies_what_fits(model_file):
    weights = load_weights(model_file)
    other = ToyModel(ToyConfig(width=9))
    left = warm_start(other, weights)
    assert "first.weight" in left and "last.bias" not in left
    assert torch.equal(other.last.bias, weights["last.bias"])


def cut(path):
    path.write_bytes(path.read_bytes()[:-5])


def renamed_pickle(path):
    path.write_bytes(pickle.dumps({"weights": [1, 2]}))


def renamed_checkpoint(path):
    torch.save({"weights": torch.ones(3)}, path)


def folder(path):
    path.unlink()
    path.mkdir()


def header_beyond_the_file(path):
    raw(path, b"{}", length=15 * 2**20)


def duplicate_data(path):
    entry = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    raw(path, json.dumps({"a": entry, "b": entry}).encode(), bytes(8))


def huge_claim(path):
    entry = {"dtype": "F32", "shape": [2**40, 2**40], "data_offsets": [0, 8]}
    raw(path, json.dumps({"__metadata__": {"format_version": "1", "stage": "toy"}, "a": entry}).encode(), bytes(8))


def empty_but_wide(path):
    entry = {"dtype": "F32", "shape": [0, 2**50], "data_offsets": [0, 0]}
    raw(path, json.dumps({"__metadata__": {"format_version": "1", "stage": "toy"}, "a": entry}).encode())


def deep_config(path):
    rewrite(path, config="[" * 100_000)


HOSTILE = {
    "missing": lambda path: path.unlink(),
    "empty": lambda path: path.write_bytes(b""),
    "folder": folder,
    "text": lambda path: path.write_text("RIFF, surely"),
    "pickle": renamed_pickle,
    "torch checkpoint": renamed_checkpoint,
    "truncated": cut,
    "only a length": lambda path: path.write_bytes(path.read_bytes()[:8]),
    "huge header": lambda path: raw(path, b"{}", length=2**62),
    "header beyond the file": header_beyond_the_file,
    "header is no JSON": lambda path: raw(path, b"{" * 40),
    "two tensors on one memory": duplicate_data,
    "shape beyond memory": huge_claim,
    "no bytes but a huge side": empty_but_wide,
    "wrong stage": lambda path: rewrite(path, stage="vocoder"),
    "newer version": lambda path: rewrite(path, format_version=str(FORMAT_VERSION + 1)),
    "no version": lambda path: rewrite(path, format_version=None),
    "odd version": lambda path: rewrite(path, format_version="²"),
    "negative version": lambda path: rewrite(path, format_version="-1"),
    "no metadata": lambda path: save_file({"w": torch.ones(1)}, path),
    "odd step": lambda path: rewrite(path, step="many"),
    "endless step": lambda path: rewrite(path, step="9" * 10_000),
    "config is a list": lambda path: rewrite(path, config="[]"),
    "config is no JSON": lambda path: rewrite(path, config="{"),
    "config with NaN": lambda path: rewrite(path, config='{"x": NaN}'),
    "config nests deeply": deep_config,
    "float64": lambda path: rewrite(path, {"w": torch.ones(2, dtype=torch.float64)}),
    "int8": lambda path: rewrite(path, {"w": torch.ones(2, dtype=torch.int8)}),
    "not a number": lambda path: rewrite(path, {"w": torch.tensor([1.0, float("nan")])}),
    "infinite half": lambda path: rewrite(path, {"w": torch.tensor([float("inf")], dtype=torch.float16)}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_files_get_one_sentence(model_file, name):
    HOSTILE[name](model_file)
    with pytest.raises(ModelFileError) as error:
        load_model_file(model_file, "toy")
    assert one_sentence(error), str(error.value)


@pytest.mark.parametrize("length", [0x280, 0x380, 0x480, 0x580, 0x4B50])
def test_a_header_whose_length_looks_like_a_pickle_is_read(tmp_path, length):
    path = rewrite(tmp_path / "m.safetensors", note="")
    shorter = int.from_bytes(path.read_bytes()[:8], "little")
    rewrite(path, note="x" * (length - shorter))
    assert path.read_bytes()[:2] == struct.pack("<Q", length)[:2]
    load_model_file(path, "toy")


def test_other_safetensors_files_raise_not_a_model_error(tmp_path):
    save_file({"embedding": torch.ones(4)}, tmp_path / "voice.safetensors", {"kind": "voice", "format_version": "1"})
    with pytest.raises(NotAModelError):
        read_header(tmp_path / "voice.safetensors")
    (tmp_path / "text.safetensors").write_text("text")
    with pytest.raises(ModelFileError) as error:
        read_header(tmp_path / "text.safetensors")
    assert not isinstance(error.value, NotAModelError)


def test_the_error_for_a_pickle_suggests_conversion(model_file):
    renamed_checkpoint(model_file)
    with pytest.raises(ModelFileError, match="convert"):
        load_model_file(model_file, "toy")


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_damaged_files_raise_only_model_file_errors(model_file, data):
    """A file with a few bytes changed or cut off either loads or is refused."""
    content = bytearray(model_file.read_bytes())
    damaged = model_file.with_name("damaged.safetensors")
    for _ in range(data.draw(st.integers(0, 4))):
        # in the header, since any change of the data is valid
        content[data.draw(st.integers(0, min(len(content) - 1, 900)))] = data.draw(st.integers(0, 255))
    damaged.write_bytes(content[: data.draw(st.integers(0, len(content)))] if data.draw(st.booleans()) else content)
    try:
        header, weights = load_model_file(damaged, "toy")
        config_from_header(ToyConfig, header)
        load_into(ToyModel(ToyConfig()), weights)
    except ModelFileError as error:
        assert str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    values=st.dictionaries(
        st.sampled_from(["width", "fraction", "shape", "stairs", "kind", "name", "on", "inner", "other"]),
        st.recursive(
            st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
            lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
            max_leaves=6,
        ),
    )
)
def test_any_json_config_is_either_built_or_refused(values):
    header = ModelHeader("toy", config=json.loads(json.dumps(values)))
    try:
        config = config_from_header(Outer, header)
    except ModelFileError:
        return
    assert isinstance(config.width, int) and isinstance(config.shape, tuple) and isinstance(config.inner, Inner)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200), length=st.integers(0, 2**64 - 1))
def test_random_bytes_are_refused(tmp_path, content, length):
    for data in (content, struct.pack("<Q", length) + content, struct.pack("<Q", len(content)) + content):
        path = tmp_path / "random.safetensors"
        path.write_bytes(data)
        with pytest.raises(ModelFileError):
            load_model_file(path, "toy")
