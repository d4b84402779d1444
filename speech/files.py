"""File names as text, and atomic writing: a crash or a full disk leaves the old file or the new one, never a part."""

import contextlib
import errno
import os
import secrets
from collections.abc import Callable
from pathlib import Path

from speech.errors import StorageError

TEMPORARY_SUFFIX = ".partial"


def readable(name: str) -> str:
    """A file name or argument as text that UTF-8 can encode: bytes that are not UTF-8 become escapes such as \\xe9."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def write_atomically(path: Path, write: Callable[[Path], object], make_folder: bool = True) -> None:
    """Let `write` fill a temporary sibling of `path`, flush it to the disk, and rename it over `path`.

    The sibling is on the same file system, so the rename is atomic. The folder is flushed too, since a power failure
    could otherwise undo the rename.

    Args:
        make_folder: make the folder of `path` if it is missing.

    Raises:
        StorageError: the disk is full or the folder cannot be written. The old file at `path` is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        flush_to_disk(temporary)
        temporary.replace(path)
        flush_to_disk(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, data: bytes | memoryview, make_folder: bool = True) -> None:
    """Write `data` atomically; arguments and errors as for `write_atomically`."""
    write_atomically(path, lambda temporary: write_flushed(temporary, data), make_folder)


def write_flushed(path: Path, data: bytes | memoryview) -> None:
    """Write a new file, not atomically, and flush it to the disk. Raises: OSError."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


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


def storage_error(path: Path, error: OSError) -> StorageError:
    """The error for a failed write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(f"The disk is full: {path} could not be written, free some space and try again.")
    return StorageError(f"{path} cannot be written ({error.strerror or error}): check the folder and its permissions.")
