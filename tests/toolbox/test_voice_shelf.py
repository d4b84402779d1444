"""Voices with references, kept between starts."""

import errno
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from cloning.voices import Voice, VoiceLibrary
from speech.errors import AudioError, ConfigError, ModelFileError, StorageError
from tests.toy_models import speech_like
from toolbox.storage import files as files_module
from toolbox.storage.voice_shelf import VoiceShelf


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def embedding(seed: int = 0, around: int | None = None, size: int = 64) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(size)
    if around is not None:
        middle = np.random.default_rng(around).standard_normal(size)
        vector = middle / np.linalg.norm(middle) + 0.3 * vector / np.linalg.norm(vector)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture
def shelf(tmp_path) -> VoiceShelf:
    return VoiceShelf(tmp_path / "voices")


def fill(shelf: VoiceShelf, name: str = "ann", count: int = 3, **options) -> None:
    for number in range(count):
        shelf.add_reference(name, embedding(number, around=100), "toy", f"{number}.wav", 2.0 + number, **options)


def test_references_come_back_in_order_with_all_that_is_known(shelf):
    fill(shelf, consent="Ann, by letter")
    voice = VoiceShelf(shelf.directory).load("ann")
    assert [(one.source, one.seconds, one.has_sound) for one in voice.references] == [
        ("0.wav", 2.0, False), ("1.wav", 3.0, False), ("2.wav", 4.0, False),
    ]  # fmt: skip
    for number, reference in enumerate(voice.references):
        np.testing.assert_allclose(reference.embedding, embedding(number, around=100), atol=1e-6)
        assert reference.date and reference.key
    assert (voice.consent, voice.embedding_space) == ("Ann, by letter", "toy") and voice.created
    assert len({one.key for one in voice.references}) == 3


def test_the_command_line_finds_a_voice_of_the_shelf(shelf):
    fill(shelf, consent="by letter", wav=speech_like(1))
    voice = VoiceLibrary(shelf.directory).load("ann")
    np.testing.assert_allclose(voice.embedding, shelf.load("ann").voice.embedding, atol=1e-6)
    assert voice.sources == ("0.wav", "1.wav", "2.wav") and voice.consent == "by letter"
    assert VoiceLibrary(shelf.directory).names() == ["ann"] == shelf.names()


def test_a_voice_of_the_command_line_is_its_own_first_reference(shelf):
    VoiceLibrary(shelf.directory).save(Voice(embedding(0), "toy", "bob", ("b.wav", "c.wav"), "2026-01-31", "by mail"))
    (reference,) = shelf.load("bob").references
    assert (reference.source, reference.date) == ("b.wav, c.wav", "2026-01-31")
    both = shelf.add_reference("bob", embedding(1), "toy", "d.wav", 5.0)
    assert [one.source for one in both.references] == ["b.wav, c.wav", "d.wav"] and both.consent == "by mail"
    assert [one.source for one in shelf.load("bob").references] == ["b.wav, c.wav", "d.wav"]


def test_a_copy_of_the_sound_can_be_heard(shelf):
    wav = speech_like(31)
    shelf.add_reference("ann", embedding(0), "toy", "long.wav", wav=wav)
    shelf.add_reference("ann", embedding(1), "toy", "silent about it")
    first, second = shelf.load("ann").references
    heard, rate = shelf.sound("ann", first.key)
    assert first.has_sound and rate == 16_000 and len(heard) == 30 * 16_000  # as much as is kept
    np.testing.assert_allclose(heard, wav[: len(heard)], atol=1e-4)
    with pytest.raises(ModelFileError, match="No copy"):
        shelf.sound("ann", second.key)
    for change in (lambda: shelf.set_consent("ann", "x"), lambda: shelf.rename("ann", "eve")):
        change()
    assert len(shelf.sound("eve", first.key)[0]) == len(heard)  # changes keep it
    with pytest.raises(AudioError):
        shelf.add_reference("ann", embedding(0), "toy", "empty.wav", wav=np.zeros(0, np.float32))


def test_an_outlier_is_marked(shelf):
    fill(shelf)
    voice = shelf.add_reference("ann", embedding(7), "toy", "stranger.wav", 3.0)
    assert voice.outliers == (voice.references[3].key,) and "stranger.wav" in voice.lines()[0]


def test_a_reference_is_removed_and_that_is_undone(shelf):
    fill(shelf, wav=speech_like(1))
    before = shelf.load("ann")
    left = shelf.remove_reference("ann", before.references[1].key)
    assert [one.source for one in left.references] == ["0.wav", "2.wav"]
    assert [one.source for one in shelf.load("ann").references] == ["0.wav", "2.wav"]
    token, name = shelf.trash()[0]
    assert name == "ann" == shelf.restore_over(token)
    back = shelf.load("ann")
    assert [one.key for one in back.references] == [one.key for one in before.references]
    shelf.sound("ann", before.references[1].key)
    with pytest.raises(ConfigError, match="no such reference"):
        shelf.remove_reference("ann", "gone")


def test_the_last_reference_cannot_be_removed(shelf):
    fill(shelf, count=1)
    with pytest.raises(ConfigError, match="delete the voice instead"):
        shelf.remove_reference("ann", shelf.load("ann").references[0].key)


def test_a_voice_is_deleted_and_restored(shelf):
    fill(shelf)
    token = shelf.delete("ann")
    assert shelf.names() == [] and "ann" not in shelf and shelf.trash() == [(token, "ann")]
    fill(shelf, count=1)
    assert shelf.restore(token) == "ann 2" and shelf.names() == ["ann", "ann 2"]
    assert len(shelf.load("ann 2").references) == 3 and VoiceLibrary(shelf.directory).load("ann 2").name == "ann 2"
    with pytest.raises(StorageError, match="'ann' is not there any more"):
        shelf.restore(token)
    with pytest.raises(StorageError, match="'bob' is not there any more"):
        shelf.delete("bob")


def test_the_trash_is_emptied_by_age(shelf):
    fill(shelf)
    shelf.delete("ann")
    shelf.names()
    shelf.empty_trash(older_than_days=1)
    assert len(shelf.trash()) == 1
    (token, _), month = shelf.trash()[0], 31 * 86_400 * 10**9
    path = shelf.directory / ".trash" / token
    path.rename(path.with_name(f"{time.time_ns() - month}-ann.safetensors"))
    shelf.names()
    assert shelf.trash() == []


def test_renaming(shelf):
    fill(shelf)
    fill(shelf, "bob", 1)
    with pytest.raises(StorageError, match="already"):
        shelf.rename("ann", "bob")
    for bad in ("", "../ann", "con"):
        with pytest.raises(ConfigError):
            shelf.rename("ann", bad)
    assert shelf.rename("ann", "Ann").name == "Ann" and shelf.rename("Ann", "Ann").name == "Ann"
    assert shelf.names() == ["Ann", "bob"] and VoiceLibrary(shelf.directory).load("Ann").name == "Ann"
    with pytest.raises(ModelFileError, match="no voice 'gone'"):
        shelf.rename("gone", "here")


def test_a_rename_that_was_cut_in_half_is_a_voice_of_the_new_name(shelf):
    fill(shelf)
    shelf.library.path("ann").rename(shelf.library.path("eve"))
    assert shelf.load("eve").name == "eve" == shelf.load("eve").voice.name


def test_the_consent_note(shelf):
    fill(shelf, consent="first")
    assert shelf.load("ann").consent == "first"
    shelf.add_reference("ann", embedding(9), "toy", "more.wav")
    assert shelf.load("ann").consent == "first"
    assert shelf.set_consent("ann", " Ann, by letter\n").consent == shelf.load("ann").consent == "Ann, by letter"


def test_a_mix_lies_between_voices(shelf):
    fill(shelf, "ann", consent="A")
    shelf.add_reference("bob", embedding(50), "toy", "b.wav", consent="B")
    mixed = shelf.mix({"ann": 3, "bob": 1}, "both")
    parts = [shelf.load(name).voice.embedding for name in ("ann", "bob")]
    expected = 3 * parts[0] + parts[1]
    np.testing.assert_allclose(mixed.embedding, expected / np.linalg.norm(expected), atol=1e-6)
    assert (mixed.name, mixed.consent) == ("both", "ann: A; bob: B")
    assert shelf.mix({"ann": 1, "bob": 0}).consent == "ann: A"
    for shares in ({}, {"ann": 0}, {"ann": -1, "bob": 1}):
        with pytest.raises(ConfigError):
            shelf.mix(shares)
    shelf.save_voice(mixed)
    assert [one.source for one in shelf.load("both").references] == ["0.wav, 1.wav, 2.wav, b.wav"]
    with pytest.raises(StorageError, match="already"):
        shelf.save_voice(mixed)
    shelf.save_voice(mixed, overwrite=True)
    assert shelf.trash()[0][1] == "both"


def test_voices_of_another_encoder_are_kept_apart(shelf):
    fill(shelf)
    for other, space in ((embedding(1), "elsewhere"), (embedding(1, size=32), "toy")):
        with pytest.raises(ConfigError, match="another encoder"):
            shelf.add_reference("ann", other, space, "x.wav")
    shelf.add_reference("bob", embedding(1), "elsewhere", "x.wav")
    with pytest.raises(ConfigError, match="one embedding space"):
        shelf.mix({"ann": 1, "bob": 1})


def test_what_is_no_embedding_is_refused(shelf):
    for bad in (np.zeros(64), np.full(64, np.nan), np.ones((2, 64))):
        with pytest.raises(ConfigError, match="embedding"):
            shelf.add_reference("ann", bad, "toy", "x.wav")
    assert shelf.names() == []


def test_a_full_disk_leaves_the_voice_as_it_was(shelf, monkeypatch):
    fill(shelf)

    def full(path, data):
        path.write_bytes(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files_module, "write_flushed", full)
    key = shelf.load("ann").references[0].key
    for change in (
        lambda: shelf.add_reference("ann", embedding(9), "toy", "x.wav"),
        lambda: shelf.add_reference("bob", embedding(9), "toy", "x.wav"),
        lambda: shelf.remove_reference("ann", key),
        lambda: shelf.set_consent("ann", "x"),
    ):
        with pytest.raises(StorageError, match="disk is full"):
            change()
    assert shelf.names() == ["ann"] and len(shelf.load("ann").references) == 3
    assert [name for name in names_in(shelf.directory) if name.endswith(".partial")] == []


def test_damaged_references_are_said(shelf):
    from safetensors.numpy import save_file

    header = {"format_version": "1", "kind": "voice", "name": "ann", "embedding_space": "toy", "sources": "[]"}
    rows = np.stack([embedding(0), embedding(1)])
    for listed in ("{", '[{"key": "a"}]', '[{"source": "a"}, {"source": "b"}]', "3"):
        path = shelf.library.path("ann")
        path.parent.mkdir(exist_ok=True)
        save_file({"embedding": rows[0], "references": rows}, path, {**header, "references": listed})
        with pytest.raises(ModelFileError, match="damaged"):
            shelf.load("ann")


def test_several_threads_lose_nothing(shelf):
    threads = [
        threading.Thread(target=shelf.add_reference, args=("ann", embedding(number), "toy", f"{number}.wav"))
        for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(one.source for one in shelf.load("ann").references) == [f"{number}.wav" for number in range(8)]


def test_a_program_killed_in_the_midst_of_it_leaves_whole_voices(shelf, repository):
    fill(shelf)
    code = (
        "import sys; import numpy as np\n"
        "from toolbox.storage.voice_shelf import VoiceShelf; shelf = VoiceShelf(sys.argv[1])\n"
        "number = 3\n"
        "while True:\n"
        "    row = np.random.default_rng(number).standard_normal(64)\n"
        "    shelf.add_reference('ann', row, 'toy', f'{number}.wav', wav=np.ones(160000, np.float32))\n"
        "    print(number, flush=True); number += 1\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(shelf.directory)], stdout=subprocess.PIPE, text=True, cwd=repository
    )
    assert process.stdout is not None
    told = [process.stdout.readline() for _ in range(3)]
    process.kill()
    process.wait(10)
    told += process.stdout.readlines()
    references = shelf.load("ann").references
    assert len(references) in (int(told[-1]) + 1, int(told[-1]) + 2)  # the last one may not have been told
    shelf.sound("ann", references[-1].key)


def test_reading_and_writing_voices_needs_no_torch(shelf, repository):
    code = (
        "import sys; import numpy as np\n"
        "from toolbox.storage.voice_shelf import VoiceShelf; shelf = VoiceShelf(sys.argv[1])\n"
        "shelf.add_reference('ann', np.ones(64), 'toy', 'a.wav'); shelf.load('ann').lines(); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(shelf.directory)], capture_output=True, text=True, check=True, cwd=repository
    )
    assert not {"torch", "PyQt5"} & set(done.stdout.split())
