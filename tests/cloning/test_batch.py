"""Batches: the journal, its lock, and what is left after a kill."""

import json
import os
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from cloning import SpeechOptions, Voice
from cloning.batch import JOURNAL, MANIFEST, Manifest, speak_batch
from cloning.journal import Journal, read_journal
from speech.errors import StorageError

VOICE = Voice(np.ones(4), "toy", "ann")


class Killed(BaseException):
    """As after kill -9, nothing is tidied: the tests replace what would be."""


class FakeNarrator:
    """Writes the text as the file."""

    def __init__(self, seed: int = 1, before: Any = lambda path: None) -> None:
        self.voice, self.options, self.before = VOICE, SpeechOptions(seed=seed), before

    def prepare(self, texts: list[str]) -> None:
        pass

    def speak(self, text: str, path: Path, overwrite: bool = False) -> dict[str, Any]:
        self.before(path)
        if path.exists() and not overwrite:
            raise StorageError(f"{path} exists already: choose another name.")
        path.write_text(text)
        return {"text": text, "file": path.name}


def jobs(folder: Path, count: int = 3) -> list[tuple[str, Path | None]]:
    return [(f"text {number}", folder / f"{number:03}.wav") for number in range(1, count + 1)]


def speak(folder: Path, narrator: Any = None, overwrite: bool = False, count: int = 3) -> None:
    speak_batch(narrator or FakeNarrator(), jobs(folder, count), None, overwrite)  # type: ignore[arg-type]


def killed_at(folder: Path, name: str, monkeypatch: pytest.MonkeyPatch, **options: Any) -> None:
    """Run a batch that is killed before it speaks a file."""

    def before(path: Path) -> None:
        if path.name == name:
            raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Journal, "remove", lambda self: None)
        patch.setattr(Manifest, "write", writes_once(Manifest.write))
        speak(folder, FakeNarrator(before=before), **options)


def writes_once(write: Any) -> Any:
    calls: list[int] = []

    def first_only(self: Manifest, path: Path) -> None:
        calls.append(1)
        if len(calls) == 1:
            write(self, path)

    return first_only


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_killed_batch_continues_from_its_journal(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    killed_at(folder, "003.wav", monkeypatch)
    assert names(folder) == [JOURNAL, "001.wav", "002.wav", MANIFEST]
    assert json.loads((folder / MANIFEST).read_text())["outputs"] == []
    earlier = Manifest.read(folder / MANIFEST)
    assert earlier is not None and earlier.unfinished == "003.wav"
    assert [entry["file"] for entry in earlier.outputs] == ["001.wav", "002.wav"]
    spoken: list[str] = []
    speak(folder, FakeNarrator(before=lambda path: spoken.append(path.name)))
    assert spoken == ["003.wav"] and names(folder) == ["001.wav", "002.wav", "003.wav", MANIFEST]
    assert len(json.loads((folder / MANIFEST).read_text())["outputs"]) == 3


@pytest.mark.parametrize("events", [0, 1, 2])
def test_a_batch_that_is_killed_as_it_continues_is_continued(tmp_path, monkeypatch, events):
    """The first batch had written 003.wav and not recorded it yet."""
    folder = tmp_path / "out"
    killed_at(folder, "003.wav", monkeypatch)
    (folder / "003.wav").write_text("text 3")
    (folder / "001.wav").unlink()
    append = Journal.append
    appended: list[Any] = []

    def killed(self: Journal, event: dict[str, Any]) -> None:
        if len(appended) == events:
            raise Killed
        appended.append(event)
        append(self, event)

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(Journal, "append", killed)
        patch.setattr(Journal, "remove", lambda self: None)
        patch.setattr(Manifest, "write", writes_once(Manifest.write))
        speak(folder)
    speak(folder)
    assert names(folder) == ["001.wav", "002.wav", "003.wav", MANIFEST]


def test_the_temporary_file_of_a_killed_first_manifest_is_removed(tmp_path):
    (tmp_path / ".manifest.json.0123abcd.partial").write_text("{")
    (tmp_path / ".001.wav.0123abcd.partial").write_text("not known to be of a batch")
    speak(tmp_path)
    assert names(tmp_path) == [".001.wav.0123abcd.partial", "001.wav", "002.wav", "003.wav", MANIFEST]


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_a_line_that_was_cut_short_loses_only_itself(tmp_path, monkeypatch, cut):
    folder = tmp_path / "out"
    killed_at(folder, "003.wav", monkeypatch)
    journal = folder / JOURNAL
    os.truncate(journal, journal.stat().st_size - cut)
    earlier = Manifest.read(folder / MANIFEST)
    assert earlier is not None and next(iter(earlier.outputs))["file"] == "001.wav"
    speak(folder)
    assert names(folder) == ["001.wav", "002.wav", "003.wav", MANIFEST]


def test_the_journal_of_another_batch_is_ignored(tmp_path, monkeypatch):
    folder = tmp_path / "out"
    killed_at(folder, "003.wav", monkeypatch)
    speak(folder, FakeNarrator(seed=2), overwrite=True)
    old = {"batch": "0" * 16}, {"output": {"file": "001.wav", "text": "another"}}
    (folder / JOURNAL).write_text("".join(json.dumps(event) + "\n" for event in old))
    earlier = Manifest.read(folder / MANIFEST)
    assert earlier is not None and [entry["text"] for entry in earlier.outputs] == ["text 1", "text 2", "text 3"]


@pytest.mark.parametrize("content", [b"", b"\x00\xff\n\n", b"[]\n3\n", b"[" * 9999 + b"\n"])
def test_any_journal_is_read(tmp_path, content):
    (tmp_path / JOURNAL).write_bytes(content)
    assert [*read_journal(tmp_path / JOURNAL, "a")] == []


def test_pipes_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / MANIFEST)
    assert Manifest.read(tmp_path / MANIFEST) is None
    os.mkfifo(tmp_path / JOURNAL)
    assert [*read_journal(tmp_path / JOURNAL, "a")] == []
    with pytest.raises(StorageError):
        Journal(tmp_path / JOURNAL)


def test_a_failed_batch_leaves_no_empty_folder(tmp_path):
    def fails(path: Path) -> None:
        raise StorageError("The disk is full.")

    with pytest.raises(StorageError):
        speak(tmp_path / "out", FakeNarrator(before=fails))
    assert not (tmp_path / "out").exists()


def test_a_second_batch_in_one_folder_is_refused(tmp_path):
    folder = tmp_path / "out"
    refused: list[str] = []

    def second(path: Path) -> None:
        if path.name == "002.wav":
            with pytest.raises(StorageError, match="Another batch is writing to"):
                speak(folder, FakeNarrator(seed=2), overwrite=True)
            refused.append(path.name)

    speak(folder, FakeNarrator(before=second))
    assert refused and names(folder) == ["001.wav", "002.wav", "003.wav", MANIFEST]


def test_a_batch_that_waited_for_the_lock_gets_a_journal_of_its_own(tmp_path):
    journal = Journal(tmp_path / JOURNAL)
    journal.start("first")
    opened: list[Journal] = []
    waiting = threading.Thread(target=lambda: opened.append(Journal(tmp_path / JOURNAL)))
    waiting.start()
    with journal:
        journal.remove()
    waiting.join()
    with opened[0] as second:
        second.start("second")
        assert (tmp_path / JOURNAL).is_file()
        with pytest.raises(StorageError):
            Journal(tmp_path / JOURNAL)


def test_recording_a_file_does_not_depend_on_their_number(tmp_path, monkeypatch):
    written = SimpleNamespace(bytes=0, manifests=0)
    append, write = Journal.append, Manifest.write

    def count_bytes(self: Journal, event: dict[str, Any]) -> None:
        before = self.path.stat().st_size
        append(self, event)
        written.bytes += self.path.stat().st_size - before

    def count_manifests(self: Manifest, path: Path) -> None:
        written.manifests += 1
        write(self, path)

    monkeypatch.setattr(os, "fsync", lambda _: None)
    monkeypatch.setattr(Journal, "append", count_bytes)
    monkeypatch.setattr(Manifest, "write", count_manifests)
    speak(tmp_path / "out", count=200)
    assert written.manifests == 2 and written.bytes < 200 * 100
    manifest = json.loads((tmp_path / "out" / MANIFEST).read_text())
    assert len(manifest["outputs"]) == 200 and manifest["unfinished"] == ""
