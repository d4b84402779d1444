"""Atomic writing: a crash, a kill or a full disk leaves either the old file or the new one, never part of it.

torch is imported only to write tensors.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import re
import secrets
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError

from speech.errors import StorageError

if TYPE_CHECKING:
    import torch

TEMPORARY_SUFFIX = ".partial"


def write_atomically(path: Path, write: Callable[[Path], None]) -> None:
    """As `replace_whole`, but with a `StorageError`.

    Raises:
        StorageError: the disk is full or the folder cannot be written. The old file at `path` is unchanged.
    """
    try:
        replace_whole(path, write)
    except OSError as error:
        raise storage_error(path, error) from error


def replace_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Let `write` fill a temporary sibling of `path`, flush it to the disk, and rename it over `path`.

    The sibling is on the same file system, so the rename is atomic. The folder is flushed too, since a power failure
    could otherwise undo the rename.

    Raises:
        OSError: the old file at `path` is unchanged.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        flush_to_disk(temporary)
        temporary.replace(path)
        flush_to_disk(path.parent)
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def storage_error(path: Path, error: OSError) -> StorageError:
    """The error for a failed write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(f"The disk is full: {path} could not be written, free some space and try again.")
    return StorageError(f"{path} cannot be written ({error.strerror or error}): choose a different folder.")


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    write_atomically(path, lambda temporary: _write_bytes(temporary, text.encode()))


def write_json(path: Path, value: Any) -> None:
    """Write `value` as readable JSON, atomically. NaN and infinity, which JSON does not have, raise ValueError."""
    write_text(path, json.dumps(value, indent=2, allow_nan=False) + "\n")


def write_tensors(path: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> None:
    """Write a safetensors file, atomically. Tensors that share memory are written as copies."""
    from safetensors.torch import save_file

    plain = {name: tensor.detach().to("cpu").contiguous() for name, tensor in tensors.items()}

    def write(temporary: Path) -> None:
        try:
            save_file(_without_shared_memory(plain), temporary, dict(metadata))
        except SafetensorError as error:
            raise _as_os_error(error, temporary) from error
        temporary.chmod(0o666 & ~_umask())

    write_atomically(Path(path), write)


def flush_to_disk(path: Path) -> None:
    """fsync a file or folder; a no-op on systems that cannot flush folders."""
    try:
        handle = os.open(path, os.O_RDONLY)
    except PermissionError:  # Windows cannot open folders
        return
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.EBADF, errno.EACCES):
            raise
    finally:
        os.close(handle)


def remove_temporaries(folder: Path) -> None:
    """Delete temporary files of killed writers in `folder`."""
    for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
        leftover.unlink(missing_ok=True)


def _write_bytes(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)


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
