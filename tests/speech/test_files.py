"""File names as text, atomic file writes, and locks."""

import errno
import os
import threading
from pathlib import Path
from types import SimpleNamespace

import pytest

from speech import files
from speech.errors import StorageError
from speech.files import check_free_space, lock_file, readable, write_bytes


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


def test_nothing_is_written_without_room_for_the_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: SimpleNamespace(total=10**9, free=999))
    write_bytes(tmp_path / "new" / "a", bytes(999))
    monkeypatch.setattr(files, "write_flushed", fail_with(errno.EIO))
    with pytest.raises(StorageError, match="disk is full"):
        write_bytes(tmp_path / "new" / "b", bytes(1000))
    monkeypatch.setattr(files.shutil, "disk_usage", lambda _: SimpleNamespace(total=0, free=0))
    check_free_space(tmp_path / "new" / "b", 1000)  # an unlimited tmpfs
    assert names_in(tmp_path / "new") == ["a"]


def test_a_file_in_place_of_the_folder_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError):
        write_bytes(tmp_path / "file" / "a", b"")


@pytest.mark.parametrize("links", [True, False])
def test_of_many_that_create_one_file_at_once_a_single_one_succeeds(tmp_path, monkeypatch, links):
    if not links:
        monkeypatch.setattr(os, "link", fail_with(errno.EPERM))
    path, results, together = tmp_path / "a", [], threading.Barrier(8)

    def create(number: int) -> None:
        together.wait()
        try:
            write_bytes(path, b"%d" % number, overwrite=False)
            results.append(number)
        except StorageError as error:
            assert "exists already" in str(error)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(results) == 1 and path.read_bytes() == b"%d" % results[0]
    assert names_in(tmp_path) == ["a"]


def test_a_name_that_is_taken_by_a_folder_or_link_is_not_overwritten(tmp_path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("folder", "link"):
        with pytest.raises(StorageError, match="exists already"):
            write_bytes(tmp_path / name, b"", overwrite=False)
    assert names_in(tmp_path) == ["folder", "link"]


@pytest.mark.skipif(os.name == "nt", reason="there are no locks")
def test_a_lock_keeps_others_out_until_the_file_is_closed(tmp_path):
    with open(tmp_path / "lock", "ab") as first, open(tmp_path / "lock", "ab") as second:
        assert lock_file(first)
        assert not lock_file(second)
        first.close()
        assert lock_file(second)
