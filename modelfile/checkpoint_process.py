"""The process that reads a foreign PyTorch checkpoint. `modelfile.public` starts it; it imports no other module here.

Standard input is the checkpoint, and standard output a safetensors file of its tensors. `weights_only=True` unpickles
nothing but tensors. Should a file get past that, the process cannot open a file or a connection, start a program, or
use much memory or time: it gives up these rights before it unpickles anything.

Exit code 3: the file is refused, and standard error says why.
"""

import io
import os
import sys
import zipfile
from typing import Any, NoReturn

import torch
from safetensors.torch import save

REFUSED = 3
CPU_SECONDS = 120
SPARE_BYTES = 2**30  # besides three times the file
MAX_TENSORS = 10_000
STATES = ("model_state", "model_state_dict", "state_dict", "model")
PREFIX = "module."  # of models saved by DataParallel


def main() -> None:
    source = os.fdopen(0, "rb")
    size = os.fstat(0).st_size
    _import_all_that_loading_imports()
    _refuse_compressed(source, size)
    source.seek(0)
    _give_up_rights(size)
    try:
        checkpoint = torch.load(source, map_location="cpu", weights_only=True)
    except Exception:  # any error of a damaged or hostile file; its text may be long, and may suggest unsafe loading
        _refuse("it is damaged, cut short, or holds more than tensors")
    state = _state_of(checkpoint)
    step = _step_of(checkpoint, state)
    del checkpoint
    tensors = _checked(state, size)
    with os.fdopen(1, "wb") as output:
        output.write(save(tensors, {"step": str(step)}))


def _import_all_that_loading_imports() -> None:
    """Load a tensor in both file formats, because later no module can be opened."""
    for zipped in (False, True):
        file = io.BytesIO()
        torch.save({"a": torch.zeros(2, dtype=torch.float16)}, file, _use_new_zipfile_serialization=zipped)
        file.seek(0)
        torch.load(file, map_location="cpu", weights_only=True)
    save({"a": torch.zeros(1)}, {"a": ""})


def _give_up_rights(size: int) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    mapped = 0
    if os.path.exists("/proc/self/statm"):  # noqa: PTH110 - what pathlib imports is irrelevant here
        with open("/proc/self/statm") as file:
            mapped = int(file.read().split()[0]) * resource.getpagesize()
    limits = {"RLIMIT_CPU": CPU_SECONDS, "RLIMIT_NOFILE": 0, "RLIMIT_NPROC": 0, "RLIMIT_CORE": 0}
    limits["RLIMIT_FSIZE"] = size + 2**20
    if mapped:
        limits["RLIMIT_AS"] = mapped + 3 * size + SPARE_BYTES
    for name, limit in limits.items():
        kind = getattr(resource, name)
        _, most = resource.getrlimit(kind)
        limit = limit if most == resource.RLIM_INFINITY else min(limit, most)
        resource.setrlimit(kind, (limit, limit))


def _refuse_compressed(source: Any, size: int) -> None:
    """PyTorch stores tensors uncompressed. Anything else could unpack to more than the memory."""
    if not zipfile.is_zipfile(source):
        return
    try:
        entries = zipfile.ZipFile(source).infolist()
    except Exception:
        _refuse("it is damaged or cut short")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries) or sum(e.file_size for e in entries) > size:
        _refuse("it is compressed, which PyTorch files are not")


def _state_of(checkpoint: Any) -> dict[str, torch.Tensor]:
    """The tensors by name: in an entry of the checkpoint, or the checkpoint itself."""
    if not isinstance(checkpoint, dict):
        _refuse("it holds no named tensors")
    state = next((checkpoint[name] for name in STATES if isinstance(checkpoint.get(name), dict)), checkpoint)
    state = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if not state or len(state) > MAX_TENSORS or not all(isinstance(name, str) and len(name) < 200 for name in state):
        _refuse("it holds no named tensors")
    return {name.removeprefix(PREFIX): value for name, value in state.items()}


def _step_of(checkpoint: Any, state: dict[str, torch.Tensor]) -> int:
    """The training step: an entry of the checkpoint, or a tensor among the weights, which some programs leave at 0."""
    found = 0
    for step in (checkpoint.get("step"), state.pop("step", None)):
        if isinstance(step, torch.Tensor) and step.numel() and not step.is_meta:
            step = step.flatten()[0].item()
        if isinstance(step, int | float) and 0 <= step < 2**53:
            found = max(found, int(step))
    return found


def _checked(state: dict[str, torch.Tensor], size: int) -> dict[str, torch.Tensor]:
    """The tensors as separate, contiguous ones. A view can claim more elements than the file has."""
    for name, value in state.items():
        if value.layout is not torch.strided or value.is_meta or value.is_quantized or value.is_complex():
            _refuse(f"{name} is no plain tensor")
    if sum(value.numel() * value.element_size() for value in state.values()) > size:
        _refuse("its tensors are larger than the file")
    return {name: _plain(value) for name, value in state.items()}


def _plain(value: torch.Tensor) -> torch.Tensor:
    value = value.detach().float() if value.dtype == torch.float64 else value.detach()
    return value.clone(memory_format=torch.contiguous_format)


def _refuse(reason: str) -> NoReturn:
    sys.stderr.write(reason)
    sys.stderr.flush()
    os._exit(REFUSED)


if __name__ == "__main__":
    main()
