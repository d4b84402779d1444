"""Model files: one `.safetensors` file with the weights, and a header with all that is needed to use them.

Nothing is unpickled. A damaged or foreign file ends in a `ModelFileError` of one sentence.
"""

import contextlib
import hashlib
import logging
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from modelfile import checksum
from modelfile.files import as_array, write_tensors
from modelfile.header import ModelHeader, open_tensors, read_header
from modelfile.int8 import SCALES, dequantise, quantise
from speech.errors import ModelFileError

logger = logging.getLogger(__name__)

MAX_TENSORS = 100_000
MAX_DIMENSIONS = 8
MAX_SIDE = 2**31 - 1
SPARE_TENSORS, SPARE_VALUES = 100, 2**20  # of a model beyond twice those of its file
STORED_FLOATS = {"F16", "BF16", "F32"}
STORED_OTHERS = {"I64", "I32", "U8", "I8", "BOOL"}  # batch-norm counters, masks, tables, int8 matrices

StoredFloat = Literal["float32", "float16", "bfloat16", "int8"]


def save_model(
    path: str | Path,
    model: nn.Module | Mapping[str, torch.Tensor],
    header: ModelHeader,
    dtype: StoredFloat | torch.dtype | None = None,
) -> None:
    """Write a model file atomically: after a crash `path` holds either the old model or the new one.

    Args:
        model: a module, or its `state_dict`.
        header: description of the model; its config may be a dataclass.
        dtype: how floating-point weights are stored; None keeps the type of each. "float16" halves the size of float32,
            "int8" quarters it: large matrices are quantised (`modelfile.int8`), the rest is float16.

    Raises:
        ModelFileError: a weight is not finite, or too large for float16.
        StorageError: the file cannot be written.
    """
    weights = model.state_dict() if isinstance(model, nn.Module) else dict(model)
    if dtype == "int8":
        weights, dtype = quantise(weights), "float16"
    stored = {
        name: tensor if name.endswith(SCALES) else _to_stored(name, tensor, _torch_dtype(dtype))
        for name, tensor in weights.items()
    }
    write_tensors(Path(path), stored, header.metadata())


def load_weights(path: str | Path) -> dict[str, torch.Tensor]:
    """Read all tensors. Floating-point and int8 tensors come back as float32.

    Raises:
        ModelFileError: damaged, of an unexpected number type or shape, or with weights that are not finite.
    """
    path = Path(path)
    with open_tensors(path, "pt") as file:
        names = list(file.keys())
        if len(names) > MAX_TENSORS:
            raise ModelFileError(f"{path} holds {len(names)} tensors, too many for a model: choose a different file.")
        for name in names:
            _check_slice(path, name, file.get_slice(name))
        # clone: a view of the mapped file would change, or crash, if the file was rewritten meanwhile
        stored = {name: file.get_tensor(name).clone() for name in names}
        try:
            checksum.check(file.metadata() or {}, {name: as_array(tensor) for name, tensor in stored.items()})
        except ValueError as error:
            raise ModelFileError(f"{path} is damaged ({error}): copy or download it again.") from error
    return dequantise({name: _to_float32(path, name, tensor) for name, tensor in stored.items()})


def load_model_file(
    path: str | Path, stage: str, kind: str | None = None
) -> tuple[ModelHeader, dict[str, torch.Tensor]]:
    """Read header and weights of a model of one stage (and of one kind, if given).

    Raises:
        ModelFileError: missing, damaged, of a different stage or kind, of a newer version, or not finite.
    """
    header = read_header(path)
    if header.stage != stage:
        raise ModelFileError(f"{path} is a model for the {header.stage} stage: give a model for the {stage} stage.")
    if kind is not None and header.kind != kind:
        raise ModelFileError(f"{path} is a {stage} of kind '{header.kind}': give one of kind '{kind}'.")
    return header, load_weights(path)


@contextlib.contextmanager
def no_larger_than(weights: Mapping[str, torch.Tensor]) -> Iterator[None]:
    """Stop building a model, within the block, that has far more parameters than a file.

    A config is untrusted: its sizes could ask for terabytes, or for millions of layers. Parameters are counted as they
    are registered, before their memory is filled.

    Raises:
        ModelFileError: the model is larger than `weights`, or cannot be built.
    """
    tensors = 2 * len(weights) + SPARE_TENSORS
    values = 2 * sum(tensor.numel() for tensor in weights.values()) + SPARE_VALUES
    thread = threading.get_ident()

    def count(module: nn.Module, name: str, parameter: nn.Parameter | None) -> None:
        nonlocal tensors, values
        if parameter is None or threading.get_ident() != thread:
            return
        tensors -= 1
        values -= parameter.numel()
        if tensors < 0 or values < 0:
            raise ModelFileError("The config describes a much larger model than the file holds: the file is damaged.")

    hook = nn.modules.module.register_module_parameter_registration_hook(count)
    try:
        yield
    except (RuntimeError, MemoryError, OverflowError, TypeError, ValueError) as error:
        raise ModelFileError("No model can be built with the config in this file: the file is damaged.") from error
    finally:
        hook.remove()


def load_into(model: nn.Module, weights: Mapping[str, torch.Tensor], strict: bool = True) -> None:
    """Put weights into a model of the same shape. A model on the meta device takes the tensors as its own.

    Args:
        strict: every tensor of the model must be given and no other. Otherwise only different shapes are an error.

    Raises:
        ModelFileError: names the tensors that do not match.
    """
    own = model.state_dict()
    problems = [
        f"{name} is {list(weights[name].shape)} instead of {list(tensor.shape)}"
        for name, tensor in own.items()
        if name in weights and weights[name].shape != tensor.shape
    ]
    problems += [
        f"{name} holds whole numbers"
        for name, tensor in own.items()
        if name in weights and tensor.is_floating_point() and not weights[name].is_floating_point()
    ]
    if strict:
        problems += [f"{name} is missing" for name in own if name not in weights]
        problems += [f"{name} is unknown" for name in weights if name not in own]
    if problems:
        more = f" and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise ModelFileError(
            f"The weights do not fit the model: {'; '.join(problems[:3])}{more}. Use a file made with this config."
        )
    empty = any(tensor.is_meta for tensor in own.values())
    model.load_state_dict({name: weights[name] for name in own if name in weights}, strict=False, assign=empty)


def warm_start(model: nn.Module, weights: Mapping[str, torch.Tensor]) -> list[str]:
    """Copy every tensor whose name and shape agree. Returns the names of the tensors that stay as they were."""
    own = model.state_dict()
    usable = {name: weights[name] for name in own if name in weights and weights[name].shape == own[name].shape}
    model.load_state_dict(usable, strict=False)
    logger.info("warm start: %d of %d tensors copied", len(usable), len(own))
    return [name for name in own if name not in usable]


def _check_slice(path: Path, name: str, view: Any) -> None:
    """Refuse number types and shapes that no model of this toolkit has, before memory is allocated for them."""
    kind, shape = view.get_dtype(), view.get_shape()
    if kind not in STORED_FLOATS | STORED_OTHERS:
        raise ModelFileError(
            f"{path} stores {name} as {kind}, which this toolkit does not use: choose a different file."
        )
    if len(shape) > MAX_DIMENSIONS or any(side > MAX_SIDE for side in shape):
        raise ModelFileError(f"{path} gives {name} an impossible shape: choose a different file.")


def _to_float32(path: Path, name: str, tensor: torch.Tensor) -> torch.Tensor:
    if not tensor.is_floating_point():
        return tensor
    tensor = tensor.float()
    if not torch.isfinite(tensor).all():
        raise ModelFileError(
            f"{path} has values in {name} that are not finite: the training that wrote it failed, "
            "use an earlier checkpoint."
        )
    return tensor


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


def weights_digest(weights: Mapping[str, torch.Tensor]) -> str:
    """Identifies weights: 16 hexadecimal digits that depend on names and values."""
    found = hashlib.sha256()
    for name in sorted(weights):
        found.update(name.encode() + weights[name].detach().cpu().contiguous().numpy().tobytes())
    return found.hexdigest()[:16]
