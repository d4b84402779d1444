"""Atomic file writes."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import sys
import time
from pathlib import Path
from typing import Any

from modelfile.files import TEMPORARY_SUFFIX, replace_whole
from speech.errors import StorageError

LEFTOVER_SECONDS = 3600


def write_bytes(path: Path, data: bytes) -> None:
    """Replace a file by `data` atomically: write a sibling, flush it to disk, rename it.

    Raises:
        StorageError: the disk is full or the folder is not writable; the old file is unchanged.
    """
    try:
        replace_whole(path, lambda sibling: write_flushed(sibling, data))
    except OSError as error:
        raise storage_error(path, error) from error


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON; errors as `write_bytes`."""
    write_bytes(path, (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode())


def write_flushed(path: Path, data: bytes) -> None:
    """Write a new file and wait until it is on disk. Raises: OSError."""
    with open(path, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def flush_folder(folder: Path) -> None:
    """Make a rename in `folder` survive a power cut, if the system supports that."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def remove_leftovers(folder: Path) -> None:
    """Delete incomplete files that killed writers left in `folder` over an hour ago. Newer ones may be in use."""
    with contextlib.suppress(OSError):
        for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
            if time.time() - leftover.stat().st_mtime < LEFTOVER_SECONDS:
                continue
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)


def storage_error(path: Path, error: OSError) -> StorageError:
    """The error for a failed write."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return StorageError(f"The disk is full: {path.name} could not be saved. Free some space and try again.")
    return StorageError(f"{path} cannot be written ({error.strerror or error}): check the folder and its permissions.")


def config_folder() -> Path:
    """The folder for this user's settings, by the platform's convention."""
    if sys.platform == "win32":
        base = Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    elif sys.platform == "darwin":
        base = Path.home() / "Library" / "Preferences"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return base / "sv2tts-toolkit"
