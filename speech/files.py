"""File names as text, and atomic writing: a crash or a full disk leaves the old file or the new one, never a part."""

import contextlib
import errno
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from speech.errors import StorageError

TEMPORARY_SUFFIX = ".partial"
RETRY_SECONDS = 0.2  # between attempts to lock a file


def readable(name: str) -> str:
    """A file name or argument as text that UTF-8 can encode: bytes that are not UTF-8 become escapes such as \\xe9."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def refuse_special(path: Path) -> None:
    """Refuse what is neither a file nor a folder: a pipe or a device may wait, or go on, for ever.

    Raises:
        OSError: it is a pipe, socket or device.
    """
    try:
        kind = path.stat().st_mode
    except (OSError, ValueError):  # reported when it is opened; ValueError: a null character in the name
        return
    if not stat.S_ISREG(kind) and not stat.S_ISDIR(kind):
        raise OSError(errno.EINVAL, "it is a pipe, socket or device, not a file", str(path))


def write_atomically(
    path: Path, write: Callable[[Path], object], make_folder: bool = True, overwrite: bool = True, size: int = 0
) -> None:
    """Let `write` fill a temporary sibling of `path`, flush it to the disk, and rename it over `path`.

    The sibling is on the same file system, so the rename is atomic. The folder is flushed too, since a power failure
    could otherwise undo the rename.

    Args:
        make_folder: make the folder of `path` if it is missing.
        overwrite: replace an existing file. Otherwise, of several processes that write `path` at once, one succeeds.
        size: bytes to write, if known. Nothing is written if the disk has less free space.

    Raises:
        StorageError: the disk is full, the folder cannot be written, or the file exists and `overwrite` is false. The
            old file at `path` is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{TEMPORARY_SUFFIX}")
    try:
        if make_folder:
            path.parent.mkdir(parents=True, exist_ok=True)
        check_free_space(path, size)
        write(temporary)
        flush_to_disk(temporary)
        if overwrite:
            temporary.replace(path)
        else:
            _rename_to_new(temporary, path)
        flush_to_disk(path.parent)
    except OSError as error:
        raise storage_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)


def _rename_to_new(temporary: Path, path: Path) -> None:
    """Rename a file. Raises: StorageError if the new name is taken."""
    try:
        try:
            os.link(temporary, path)
        except FileExistsError:
            raise
        except (OSError, NotImplementedError):  # a file system without hard links
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            temporary.replace(path)
    except FileExistsError as error:
        raise StorageError(f"{path} exists already: choose another name, or allow overwriting it.") from error


def write_bytes(path: Path, data: bytes | memoryview, make_folder: bool = True, overwrite: bool = True) -> None:
    """Write `data` atomically; arguments and errors as for `write_atomically`."""
    size = memoryview(data).nbytes
    write_atomically(path, lambda temporary: write_flushed(temporary, data), make_folder, overwrite, size)


def check_free_space(path: Path, size: int) -> None:
    """Check that a disk has `size` free bytes at `path`, which may be a file or folder that is not there yet.

    Raises:
        StorageError: it has less. A disk whose free space is unknown is accepted.
    """
    folder = next((folder for folder in path.absolute().parents if folder.is_dir()), None)
    if folder is None or size <= 0:
        return
    try:
        disk = shutil.disk_usage(folder)
    except OSError:
        return
    if disk.total > 0 and disk.free < size:
        raise StorageError(
            f"The disk is full: {path} takes {size / 1e6:,.1f} MB and {disk.free / 1e6:,.1f} MB are free. "
            "Free some space and try again."
        )


def write_flushed(path: Path, data: bytes | memoryview) -> None:
    """Write a new file, not atomically, and flush it to the disk. Raises: OSError."""
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def lock_file(file: BinaryIO, seconds: float = 0.0) -> bool:
    """Lock an open file until it is closed or the process ends. Returns whether no other process holds the lock.

    Windows and file systems without locks detect no other process.

    Args:
        seconds: wait so long for a process that was just killed.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        return True
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(RETRY_SECONDS)
        except OSError:
            return True


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
