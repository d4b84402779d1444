"""Model files: one `.safetensors` with the weights, and in its header all that is needed to use them.

Nothing here unpickles anything. A file is judged before it is believed: what a person may hand in (another stage's
model, a renamed pickle, half a download) ends in one `ModelFileError` sentence.
"""

import dataclasses
import json
import logging
import types
import typing
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from modelfile.files import write_tensors
from modelfile.int8 import STEP, restore, shrink
from speech.errors import ModelFileError, SpeechError

__all__ = [
    "FORMAT_VERSION",
    "ModelHeader",
    "config_from_header",
    "load_into",
    "load_model_file",
    "load_weights",
    "read_header",
    "save_model",
    "warm_start",
]

logger = logging.getLogger(__name__)

FORMAT_VERSION = 1
MAX_HEADER_BYTES = 16 * 2**20
MAX_TENSORS = 100_000
MAX_DIMENSIONS = 8
MAX_SIDE = 2**31 - 1
MAX_STEP = 2**62
STORED_FLOATS = {"F16", "BF16", "F32"}
STORED_OTHERS = {"I64", "I32", "U8", "I8", "BOOL"}  # counters of batch normalisation, masks, tables, 8-bit matrices

StoredFloat = Literal["float32", "float16", "bfloat16", "int8"]
Config = TypeVar("Config")


@dataclasses.dataclass(frozen=True)
class ModelHeader:
    """What a model file says about itself.

    Attributes:
        stage: "encoder", "synthesizer" or "vocoder".
        kind: which of the stage's architectures; "" where it has one.
        config: the stage's config, as JSON had it; `config_from_header` makes the dataclass.
        step: training steps behind the weights.
        licence, trained_on: what a reader must know before using the voice; "" where the file does not say.
        embedding_space: the name of the speaker space the model makes or expects; "" where it has none.
        extra: the remaining entries, all text.
    """

    stage: str
    kind: str
    config: dict[str, Any]
    step: int
    licence: str = ""
    trained_on: str = ""
    embedding_space: str = ""
    extra: dict[str, str] = dataclasses.field(default_factory=dict)


def save_model(
    path: str | Path,
    model: nn.Module | Mapping[str, torch.Tensor],
    *,
    stage: str,
    config: Any,
    step: int,
    kind: str = "",
    licence: str = "",
    trained_on: str = "",
    embedding_space: str = "",
    extra: Mapping[str, str] | None = None,
    dtype: StoredFloat | torch.dtype | None = None,
) -> None:
    """Write a model file, atomically: after a crash `path` holds either the old model or the new one.

    Args:
        model: a module, or its `state_dict`.
        config: the stage's config dataclass, or a plain dictionary that JSON can hold.
        extra: further header entries; "licence", "trained_on" and "embedding_space" may come in here as well.
        dtype: how floating-point weights are stored; None keeps each as it is. float16 halves the file for shipping;
            "int8" halves it again where a model bears that (`modelfile.int8`), the small rest being float16.

    Raises:
        ModelFileError: a weight is not finite, or too big for float16.
        StorageError: the file cannot be written.
    """
    weights = model.state_dict() if isinstance(model, nn.Module) else dict(model)
    metadata = dict(extra or {})
    for key, value in (("licence", licence), ("trained_on", trained_on), ("embedding_space", embedding_space)):
        if value or key not in metadata:
            metadata[key] = value
    as_dict = dataclasses.asdict(config) if dataclasses.is_dataclass(config) else dict(config)  # type: ignore[arg-type]
    metadata |= {
        "format_version": str(FORMAT_VERSION),
        "stage": stage,
        "kind": kind,
        "config": json.dumps(as_dict, allow_nan=False),
        "step": str(int(step)),
    }
    if dtype == "int8":
        weights, dtype = shrink(weights), "float16"
    stored = {
        name: tensor if name.endswith(STEP) else _to_stored(name, tensor, _torch_dtype(dtype))
        for name, tensor in weights.items()
    }
    write_tensors(Path(path), stored, metadata)


def read_header(path: str | Path) -> ModelHeader:
    """Read what a model file says about itself, without reading the weights.

    Raises:
        ModelFileError: not a model file of ours, or of a newer format version.
    """
    path = Path(path)
    with _open(path) as file:
        metadata = file.metadata() or {}
    return _parse_header(path, metadata)


def load_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Read all tensors; floating-point ones come back as float32, whatever they were stored as.

    Raises:
        ModelFileError: damaged, of an unexpected number type or shape, or with weights that are not finite.
    """
    path = Path(path)
    weights = {}
    with _open(path) as file:
        names = list(file.keys())
        if len(names) > MAX_TENSORS:
            raise ModelFileError(f"{path} holds {len(names)} tensors, which is no model of ours: choose another file.")
        for name in names:
            _check_slice(path, name, file.get_slice(name))
        for name in names:
            # clone: a view of the mapped file would change, or crash, if somebody rewrote the file under it
            tensor = file.get_tensor(name).clone()
            if tensor.is_floating_point():
                tensor = tensor.float()
                if not torch.isfinite(tensor).all():
                    raise ModelFileError(
                        f"{path} has values in {name} that are not finite: the training that wrote it went wrong, "
                        "use an earlier checkpoint."
                    )
            weights[name] = tensor
    return restore(weights)


def load_model_file(
    path: str | Path, stage: str, kind: str | None = None
) -> tuple[ModelHeader, dict[str, torch.Tensor]]:
    """Read header and weights of a model of one stage (and one kind, where given).

    Raises:
        ModelFileError: missing, damaged, of another stage or kind, of a newer version, or not finite.
    """
    header = read_header(path)
    if header.stage != stage:
        raise ModelFileError(f"{path} is a model for the {header.stage} stage: give a model for the {stage} stage.")
    if kind is not None and header.kind != kind:
        raise ModelFileError(f"{path} is a {stage} of kind '{header.kind}': give one of kind '{kind}'.")
    return header, load_weights(path)


def load_into(model: nn.Module, weights: Mapping[str, torch.Tensor], strict: bool = True) -> None:
    """Put weights into a model of the same shape; one on the meta device takes the tensors as its own.

    Args:
        strict: every tensor of the model must be given and no other; otherwise only shapes that differ are an error.

    Raises:
        ModelFileError: names the tensors that do not match.
    """
    own = model.state_dict()
    troubles = [
        f"{name} is {list(weights[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    if strict:
        troubles += [f"{name} is missing" for name in own if name not in weights]
        troubles += [f"{name} is unknown" for name in weights if name not in own]
    if troubles:
        more = f" and {len(troubles) - 3} more" if len(troubles) > 3 else ""
        raise ModelFileError(
            f"The weights do not fit the model: {'; '.join(troubles[:3])}{more}. Use a file made with this config."
        )
    empty = any(tensor.is_meta for tensor in own.values())
    model.load_state_dict({name: weights[name] for name in own if name in weights}, strict=False, assign=empty)


def warm_start(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> list[str]:
    """Take over every tensor whose name and shape agree, and return the names that stay as they were."""
    own = model.state_dict()
    usable = {name: weights[name] for name, tensor in own.items() if _same_shape(weights.get(name), tensor)}
    model.load_state_dict(usable, strict=False)
    left = [name for name in own if name not in usable]
    logger.info("warm start: %d of %d tensors taken over", len(usable), len(own))
    return left


def config_from_header(cls: type[Config], header: ModelHeader) -> Config:
    """Build the frozen config dataclass `cls` that a model file describes. Missing keys take the class's defaults.

    Raises:
        ModelFileError: an unknown key, a value of the wrong type, or one that the class refuses.
    """
    return _build(cls, header.config, f"The config in this {header.stage} file")


def _build(cls: type[Config], values: Any, where: str) -> Config:
    if not isinstance(values, Mapping):
        raise ModelFileError(f"{where} is not a table of settings: the file was made by another program.")
    hints = typing.get_type_hints(cls)
    fields = {field.name: hints[field.name] for field in dataclasses.fields(cls) if field.init}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(fields))
    if unknown:
        raise ModelFileError(f"{where} has the unknown setting '{unknown[0]}': update the program or use another file.")
    arguments = {name: _convert(fields[name], value, f"{where}, {name},") for name, value in values.items()}
    try:
        return cls(**arguments)
    except (SpeechError, TypeError, ValueError, ArithmeticError) as error:
        raise ModelFileError(f"{where} is refused: {str(error).rstrip('.')}.") from error


def _convert(hint: Any, value: Any, where: str) -> Any:
    """Check a JSON value against a type hint of a config field; lists become tuples, tables become dataclasses."""
    origin, choices = typing.get_origin(hint), typing.get_args(hint)
    if hint is Any:
        return value
    if dataclasses.is_dataclass(hint):
        return _build(typing.cast(type, hint), value, where)
    if origin in (typing.Union, types.UnionType):
        for choice in choices:
            try:
                return _convert(choice, value, where)
            except ModelFileError:
                continue
    elif origin is Literal:
        if any(value == choice and type(value) is type(choice) for choice in choices):
            return value
    elif origin is tuple and isinstance(value, list):
        hints = [choices[0]] * len(value) if choices[-1] is Ellipsis else list(choices)
        if len(hints) == len(value):
            return tuple(_convert(each, item, where) for each, item in zip(hints, value, strict=True))
    elif (origin or hint) in (list, dict):
        if isinstance(value, origin or hint):
            return value
    elif hint is float and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    elif hint is int and isinstance(value, bool):
        pass
    elif (isinstance(hint, type) and isinstance(value, hint)) or (hint is None and value is None):
        return value
    shown = repr(value) if len(repr(value)) <= 40 else repr(value)[:40] + "..."
    raise ModelFileError(f"{where} cannot be {shown}: the file is damaged or was made by another program.")


def _open(path: Path) -> Any:
    """Open a safetensors file after looking at its first bytes."""
    try:
        if path.is_dir():
            raise ModelFileError(f"{path} is a folder: give the .safetensors file itself.")
        with path.open("rb") as file:
            start = file.read(8)
    except FileNotFoundError as error:
        raise ModelFileError(f"There is no model file {path}: check the path, or train or download a model.") from error
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path} cannot be read ({error}): check the path and its permissions.") from error
    if start.startswith((b"PK", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")):
        raise ModelFileError(
            f"{path} is a pickled PyTorch file, which could run any program: convert it to .safetensors first."
        )
    header_bytes = int.from_bytes(start, "little")
    if len(start) < 8 or not 2 <= header_bytes <= MAX_HEADER_BYTES:
        raise ModelFileError(f"{path} is not a safetensors file: give a model file of this toolkit.")
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError, ValueError, OverflowError, RuntimeError) as error:
        raise ModelFileError(f"{path} is damaged or cut short ({error}): copy or download it again.") from error


def _parse_header(path: Path, metadata: Mapping[str, str]) -> ModelHeader:
    known = dict(metadata)
    version = known.pop("format_version", "")
    if not version.isascii() or not version.isdigit() or len(version) > 9:
        raise ModelFileError(f"{path} says nothing of its stage and format: it is no model file of this toolkit.")
    if int(version) > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format version {version} and this program reads up to {FORMAT_VERSION}: update the program."
        )
    try:
        config = json.loads(known.pop("config", "{}"), parse_constant=_refuse_constant)
        step = int(known.pop("step", "0"))  # int() itself refuses thousands of digits
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"{path} has a damaged header: copy or download it again.") from error
    if not isinstance(config, dict) or not 0 <= step <= MAX_STEP:
        raise ModelFileError(f"{path} has a damaged header: copy or download it again.")
    named = {key: known.pop(key, "") for key in ("stage", "kind", "licence", "trained_on", "embedding_space")}
    return ModelHeader(config=config, step=step, extra=known, **named)


def _refuse_constant(text: str) -> float:
    raise ValueError(f"{text} is not a number that JSON has")


def _check_slice(path: Path, name: str, view: Any) -> None:
    """Refuse number types and shapes no model of ours has, before any memory is taken for them."""
    kind, shape = view.get_dtype(), view.get_shape()
    if kind not in STORED_FLOATS | STORED_OTHERS:
        raise ModelFileError(f"{path} stores {name} as {kind}, which no model of ours does: choose another file.")
    if len(shape) > MAX_DIMENSIONS or any(side > MAX_SIDE for side in shape):
        raise ModelFileError(f"{path} gives {name} an impossible shape: choose another file.")


def _same_shape(given: torch.Tensor | None, own: torch.Tensor) -> bool:
    return given is not None and given.shape == own.shape


def _torch_dtype(dtype: StoredFloat | torch.dtype | None) -> torch.dtype | None:
    return getattr(torch, dtype) if isinstance(dtype, str) else dtype


def _to_stored(name: str, tensor: torch.Tensor, dtype: torch.dtype | None) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    if not torch.isfinite(tensor).all():
        raise ModelFileError(f"The weights in {name} are not finite, so the model is not saved: use an earlier one.")
    stored = tensor if dtype is None else tensor.to(dtype)
    if not torch.isfinite(stored).all():
        largest = float(tensor.abs().max())
        raise ModelFileError(f"{name} holds {largest:.3g}, too much for {dtype}: save this model as float32.")
    return stored
