"""File names as text, and atomic file writes."""

import errno
import os
from pathlib import Path

import pytest

from speech import files
from speech.errors import StorageError
from speech.files import readable, write_bytes


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_with(number: int):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.skipif(os.name == "nt", reason="names are Unicode there")
@pytest.mark.parametrize(
    ("name", "shown"),
    [
        (b"a b.wav", "a b.wav"),
        ("café".encode(), "café"),
        (b"caf\xe9", "caf\\xe9"),
        (b"\xff\xc3\xa9", "\\xffé"),
        (b"", ""),
    ],
)
def test_any_file_name_is_readable(name, shown):
    assert readable(os.fsdecode(name)) == shown


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "new" / "folder" / "a"
    write_bytes(path, b"old")
    write_bytes(path, b"new")
    assert path.read_bytes() == b"new"
    assert names_in(path.parent) == ["a"]


@pytest.mark.parametrize(("number", "word"), [(errno.ENOSPC, "disk is full"), (errno.EACCES, "cannot be written")])
def test_a_failed_write_keeps_the_old_file(tmp_path, monkeypatch, number, word):
    path = tmp_path / "a"
    write_bytes(path, b"old")
    monkeypatch.setattr(files, "write_flushed", fail_with(number))
    with pytest.raises(StorageError, match=word) as error:
        write_bytes(path, b"new")
    assert "\n" not in str(error.value) and path.read_bytes() == b"old" and names_in(tmp_path) == ["a"]


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        write_bytes(tmp_path / "file" / "a", b"")
