"""Atomic writing of text, JSON and tensors. Errors are those of `speech.files`; torch is imported only for tensors."""

from __future__ import annotations

import errno
import json
import os
import re
from collections.abc import Container, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError

from modelfile.checksum import with_checksum
from speech.files import TEMPORARY_SUFFIX, readable, write_atomically, write_bytes

if TYPE_CHECKING:
    import torch


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically. Surrogates, which UTF-8 does not have, become escapes as in JSON."""
    write_bytes(path, text.encode("utf-8", "backslashreplace"))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, atomically. NaN and infinity, which JSON does not have, raise ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file with a checksum, atomically. Tensors that share memory are written as copies."""
    from safetensors.torch import save_file

    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}
    entries = {key: readable(text) for key, text in metadata.items()}
    entries = with_checksum(entries, {name: as_array(tensor) for name, tensor in plain.items()})

    def write(temporary: Path) -> None:
        try:
            save_file(_without_shared_memory(plain), temporary, entries)
        except SafetensorError as error:
            raise _as_os_error(error, temporary) from error
        temporary.chmod(0o666 & ~_umask())

    write_atomically(Path(path), write, size=sum(tensor.nbytes for tensor in plain.values()))


def as_array(tensor: torch.Tensor) -> np.ndarray:
    """The values of a tensor on the CPU; bfloat16, which numpy does not have, as the same bits in int16."""
    import torch

    return (tensor.view(torch.int16) if tensor.dtype == torch.bfloat16 else tensor).numpy()


def remove_temporaries(folder: Path, names: Container[str] | None = None) -> None:
    """Delete temporary files of killed writers in `folder`: all, or only those of files with these names."""
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        of_file = leftover.name.removesuffix(TEMPORARY_SUFFIX).rpartition(".")[0].removeprefix(".")
        if names is None or of_file in names:
            leftover.unlink(missing_ok=True)


def _without_shared_memory(tensors: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Copy tensors that share memory (tied weights), which safetensors does not store."""
    seen: set[int] = set()
    separate = {}
    for name, tensor in tensors.items():
        address = tensor.untyped_storage().data_ptr()
        separate[name] = tensor.clone() if address in seen else tensor
        seen.add(address)
    return separate


def _as_os_error(error: SafetensorError, path: Path) -> OSError:
    """safetensors reports the cause of a failed write only in its text: "... (os error 28)"."""
    found = re.search(r"os error (\d+)", str(error))
    number = int(found.group(1)) if found else errno.EIO
    return OSError(number, os.strerror(number), str(path))


def _umask() -> int:
    """The process's file mode mask, which can only be read by setting it."""
    mask = os.umask(0)
    os.umask(mask)
    return mask
