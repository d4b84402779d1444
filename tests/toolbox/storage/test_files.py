"""Atomic file writes."""

import errno
import os
import sys
import time
from pathlib import Path

import pytest

from speech.errors import StorageError
from toolbox.storage import files
from toolbox.storage.files import config_folder, remove_leftovers, write_bytes, write_json


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_with(number: int):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    return fail


def test_a_file_is_replaced_and_nothing_is_left_beside_it(tmp_path):
    path = tmp_path / "new" / "folder" / "a.json"
    write_bytes(path, b"old")
    write_json(path, {"name": "Zoë", "list": [1, None]})
    assert path.read_text(encoding="utf-8") == '{\n  "name": "Zoë",\n  "list": [\n    1,\n    null\n  ]\n}\n'
    assert names_in(path.parent) == ["a.json"]


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


def test_only_old_incomplete_files_are_removed(tmp_path):
    for name in (".a.1234.partial", ".b.1234.partial", "c", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".folder.partial").mkdir()
    long_ago = time.time() - 7200
    for name in (".a.1234.partial", ".folder.partial", "c"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    remove_leftovers(tmp_path)
    assert (names_in(tmp_path)) == [".b.1234.partial", ".hidden", "c"]
    remove_leftovers(tmp_path / "gone")


@pytest.mark.parametrize(
    ("platform", "variable", "tail"),
    [("linux", "XDG_CONFIG_HOME", ".config"), ("win32", "APPDATA", "Roaming"), ("darwin", None, "Preferences")],
)
def test_the_settings_folder_follows_the_platform(tmp_path, monkeypatch, platform, variable, tail):
    monkeypatch.setattr(sys, "platform", platform)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
        assert config_folder() == tmp_path / "sv2tts-toolkit"
        monkeypatch.delenv(variable)
    assert config_folder().parts[-2:] == (tail, "sv2tts-toolkit")
