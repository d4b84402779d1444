"""Files that only this user can have written. A cache of machine code is code: whoever writes it runs in this process.

A folder is private if this user owns it, nobody else may write to it and it is no symbolic link. Windows, where the
folders of a user are private by default, is not checked.
"""

import os
import stat
from pathlib import Path

CHECKED = os.name != "nt"


class NotPrivateError(OSError):
    """A folder or file that other users may have written."""


def read_private(folder: Path, name: str) -> bytes:
    """The content of a file in a private folder.

    Raises:
        NotPrivateError: folder or file belong to another user, may be written by others, or are symbolic links.
        OSError: there is no such file, or it cannot be read.
    """
    if not CHECKED:
        return (folder / name).read_bytes()
    opened = _open_folder(folder)
    try:
        with os.fdopen(os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=opened), "rb") as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode) or not _is_private(status):
                raise NotPrivateError(f"{folder / name} may have been written by other users")
            return file.read()
    finally:
        os.close(opened)


def make_private(folder: Path) -> None:
    """Make a folder that only this user may read and write, or check the one that is there.

    Raises:
        NotPrivateError: it is there and not private.
        OSError: it cannot be made.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if CHECKED:
        os.close(_open_folder(folder))


def is_private(folder: Path) -> bool:
    """Whether a folder is there and private."""
    try:
        if CHECKED:
            os.close(_open_folder(folder))
        return folder.is_dir()
    except OSError:
        return False


def _open_folder(folder: Path) -> int:
    if folder.is_symlink():
        raise NotPrivateError(f"{folder} is a symbolic link")
    opened = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    if not _is_private(os.fstat(opened)):
        os.close(opened)
        raise NotPrivateError(f"{folder} belongs to another user or may be written by others")
    return opened


def _is_private(status: os.stat_result) -> bool:
    return status.st_uid == os.geteuid() and not status.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
