"""Atomic writing."""

import errno
import json
import os
import resource

import pytest
import torch
from safetensors import safe_open

from modelfile.files import remove_temporaries, write_json, write_tensors, write_text
from speech.errors import StorageError
from speech.files import write_atomically


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "config.json"
    write_json(path, {"a": 1})

    def fails(temporary):
        temporary.write_text("half")
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(StorageError, match="disk is full"):
        write_atomically(path, fails)
    assert "1" in path.read_text() and list(tmp_path.iterdir()) == [path]


def test_a_file_size_limit_is_reported_as_a_full_disk(tmp_path):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, before[1]))
    try:
        with pytest.raises(StorageError, match="disk is full"):
            write_tensors(tmp_path / "m.safetensors", {"w": torch.zeros(10_000)}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_a_file_in_place_of_a_folder_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot be written"):
        write_json(tmp_path / "file" / "config.json", {})


def test_only_temporary_files_of_the_named_files_are_removed(tmp_path):
    ours = [".001.wav.0123abcd.partial", ".manifest.json.89abcdef.partial"]
    others = [".mine.wav.0123abcd.partial", "001.wav", "notes.partial", ".001.wav.bak"]
    for name in ours + others:
        (tmp_path / name).write_text("")
    remove_temporaries(tmp_path, {"001.wav", "manifest.json"})
    assert {path.name for path in tmp_path.iterdir()} == set(others)
    remove_temporaries(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(others[1:])


@pytest.mark.parametrize("text", [b"caf\xe9", b"\xff\xff", "café".encode()])
def test_text_of_any_bytes_is_written(tmp_path, text):
    content = {"text": os.fsdecode(text)}
    write_text(tmp_path / "a.json", json.dumps(content, ensure_ascii=False))
    assert json.loads((tmp_path / "a.json").read_text(encoding="utf-8")) == content
    write_tensors(tmp_path / "a.safetensors", {"w": torch.zeros(1)}, content)
    with safe_open(tmp_path / "a.safetensors", "pt") as file:
        assert file.metadata()["text"] == text.decode("utf-8", "backslashreplace")
