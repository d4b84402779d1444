"""Compiled code is read from private folders only."""

import os
import stat

import pytest

from kernels.private_files import NotPrivateError, is_private, make_private, read_private

pytestmark = pytest.mark.skipif(os.name == "nt", reason="folders are not checked there")


@pytest.fixture
def folder(tmp_path):
    path = tmp_path / "cache"
    make_private(path)
    (path / "code").write_bytes(b"code")
    (path / "code").chmod(0o600)
    return path


def test_a_new_folder_is_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        make_private(tmp_path / "a" / "b")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "a" / "b").stat().st_mode) == 0o700
    assert is_private(tmp_path / "a" / "b") and not is_private(tmp_path / "none")


def test_a_private_file_is_read(folder):
    assert read_private(folder, "code") == b"code"
    with pytest.raises(FileNotFoundError):
        read_private(folder, "other")


@pytest.mark.parametrize("mode", [0o770, 0o707, 0o1777, 0o720])
def test_a_folder_that_others_may_write_to_is_refused(folder, mode):
    folder.chmod(mode)
    assert not is_private(folder)
    for use in (lambda: read_private(folder, "code"), lambda: make_private(folder)):
        with pytest.raises(NotPrivateError):
            use()


def test_symbolic_links_are_refused(folder, tmp_path):
    (tmp_path / "link").symlink_to(folder)
    with pytest.raises(NotPrivateError):
        read_private(tmp_path / "link", "code")
    with pytest.raises(NotPrivateError):
        make_private(tmp_path / "link")
    (folder / "linked").symlink_to(folder / "code")
    with pytest.raises(OSError, match="symbolic links"):
        read_private(folder, "linked")


@pytest.mark.parametrize("kind", ["writable", "fifo"])
def test_files_that_others_may_have_written_and_fifos_are_refused(folder, kind):
    if kind == "writable":
        (folder / "code").chmod(0o666)
    else:
        (folder / "code").unlink()
        os.mkfifo(folder / "code", 0o600)
    with pytest.raises(NotPrivateError):
        read_private(folder, "code")


def test_folders_and_files_of_another_user_are_refused(folder, monkeypatch):
    monkeypatch.setattr(os, "geteuid", lambda: folder.stat().st_uid + 1)
    with pytest.raises(NotPrivateError):
        read_private(folder, "code")
