"""Stored voices with several references."""

import errno
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from cloning.voices import Voice, VoiceLibrary
from speech import files as files_module
from speech.errors import AudioError, ConfigError, ModelFileError, StorageError
from speech.mel_config import MelConfig
from speech.reference_mel import ReferenceMel
from synthesizer.adapter import VoiceAdapter
from tests.toy_models import speech_like
from toolbox.storage.voice_store import NewReference, VoiceStore


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def embedding(seed: int = 0, around: int | None = None, size: int = 64) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(size)
    if around is not None:
        middle = np.random.default_rng(around).standard_normal(size)
        vector = middle / np.linalg.norm(middle) + 0.3 * vector / np.linalg.norm(vector)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


@pytest.fixture
def store(tmp_path) -> VoiceStore:
    return VoiceStore(tmp_path / "voices")


def add(store: VoiceStore, name: str, row: np.ndarray, source: str, space: str = "toy", consent=None, **clip):
    return store.add_reference(name, NewReference(row, space, source, **clip), consent)


def fill(store: VoiceStore, name: str = "ann", count: int = 3, **options) -> None:
    for number in range(count):
        add(store, name, embedding(number, around=100), f"{number}.wav", seconds=2.0 + number, **options)


def test_references_are_restored_in_order(store):
    fill(store, consent="Ann, by letter")
    voice = VoiceStore(store.directory).load("ann")
    assert [(one.source, one.seconds, one.has_audio) for one in voice.references] == [
        ("0.wav", 2.0, False), ("1.wav", 3.0, False), ("2.wav", 4.0, False),
    ]  # fmt: skip
    for number, reference in enumerate(voice.references):
        np.testing.assert_allclose(reference.embedding, embedding(number, around=100), atol=1e-6)
        assert reference.date and reference.key
    assert (voice.consent, voice.embedding_space) == ("Ann, by letter", "toy") and voice.created
    assert len({one.key for one in voice.references}) == 3


def test_the_command_line_can_use_a_stored_voice(store):
    fill(store, consent="by letter", wav=speech_like(1))
    voice = VoiceLibrary(store.directory).load("ann")
    np.testing.assert_allclose(voice.embedding, store.load("ann").voice.embedding, atol=1e-6)
    assert voice.sources == ("0.wav", "1.wav", "2.wav") and voice.consent == "by letter"
    assert VoiceLibrary(store.directory).names() == ["ann"] == store.names()


def test_a_voice_of_the_command_line_has_one_reference(store):
    VoiceLibrary(store.directory).save(Voice(embedding(0), "toy", "bob", ("b.wav", "c.wav"), "2026-01-31", "by mail"))
    (reference,) = store.load("bob").references
    assert (reference.source, reference.date) == ("b.wav, c.wav", "2026-01-31")
    both = add(store, "bob", embedding(1), "d.wav", seconds=5.0)
    assert [one.source for one in both.references] == ["b.wav, c.wav", "d.wav"] and both.consent == "by mail"
    assert [one.source for one in store.load("bob").references] == ["b.wav, c.wav", "d.wav"]


def test_a_copy_of_the_audio_is_stored(store):
    wav = speech_like(31)
    add(store, "ann", embedding(0), "long.wav", wav=wav)
    add(store, "ann", embedding(1), "no audio.wav")
    first, second = store.load("ann").references
    copy, rate = store.audio("ann", first.key)
    assert first.has_audio and rate == 16_000 and len(copy) == 30 * 16_000  # the stored part
    np.testing.assert_allclose(copy, wav[: len(copy)], atol=1e-4)
    with pytest.raises(ModelFileError, match="No audio was stored"):
        store.audio("ann", second.key)
    for change in (lambda: store.set_consent("ann", "x"), lambda: store.rename("ann", "eve")):
        change()
    assert len(store.audio("eve", first.key)[0]) == len(copy)  # kept by changes
    with pytest.raises(AudioError):
        add(store, "ann", embedding(0), "empty.wav", wav=np.zeros(0, np.float32))


def test_an_outlier_is_marked(store):
    fill(store)
    voice = add(store, "ann", embedding(7), "stranger.wav", seconds=3.0)
    assert voice.outliers == (voice.references[3].key,) and "stranger.wav" in voice.lines()[0]


def test_removing_a_reference_can_be_undone(store):
    fill(store, wav=speech_like(1))
    before = store.load("ann")
    left = store.remove_reference("ann", before.references[1].key)
    assert [one.source for one in left.references] == ["0.wav", "2.wav"]
    assert [one.source for one in store.load("ann").references] == ["0.wav", "2.wav"]
    token, name = store.trash()[0]
    assert name == "ann" == store.restore_over(token)
    back = store.load("ann")
    assert [one.key for one in back.references] == [one.key for one in before.references]
    store.audio("ann", before.references[1].key)
    with pytest.raises(ConfigError, match="no longer has"):
        store.remove_reference("ann", "gone")


def test_the_last_reference_cannot_be_removed(store):
    fill(store, count=1)
    with pytest.raises(ConfigError, match="delete the whole voice instead"):
        store.remove_reference("ann", store.load("ann").references[0].key)


def test_a_voice_is_deleted_and_restored(store):
    fill(store)
    token = store.delete("ann")
    assert store.names() == [] and "ann" not in store and store.trash() == [(token, "ann")]
    fill(store, count=1)
    assert store.restore(token) == "ann 2" and store.names() == ["ann", "ann 2"]
    assert len(store.load("ann 2").references) == 3 and VoiceLibrary(store.directory).load("ann 2").name == "ann 2"
    with pytest.raises(StorageError, match="'ann' no longer exists"):
        store.restore(token)
    with pytest.raises(StorageError, match="'bob' no longer exists"):
        store.delete("bob")


def test_the_trash_is_emptied_by_age(store):
    fill(store)
    store.delete("ann")
    store.names()
    store.empty_trash(older_than_days=1)
    assert len(store.trash()) == 1
    (token, _), month = store.trash()[0], 31 * 86_400 * 10**9
    path = store.directory / ".trash" / token
    path.rename(path.with_name(f"{time.time_ns() - month}-ann.safetensors"))
    store.names()
    assert store.trash() == []


def test_renaming(store):
    fill(store)
    fill(store, "bob", 1)
    with pytest.raises(StorageError, match="already"):
        store.rename("ann", "bob")
    for bad in ("", "../ann", "con"):
        with pytest.raises(ConfigError):
            store.rename("ann", bad)
    assert store.rename("ann", "Ann").name == "Ann" and store.rename("Ann", "Ann").name == "Ann"
    assert store.names() == ["Ann", "bob"] and VoiceLibrary(store.directory).load("Ann").name == "Ann"
    with pytest.raises(ModelFileError, match="no voice 'gone'"):
        store.rename("gone", "here")


def test_an_interrupted_rename_gives_a_voice_of_the_new_name(store):
    fill(store)
    store.library.path("ann").rename(store.library.path("eve"))
    assert store.load("eve").name == "eve" == store.load("eve").voice.name


def test_the_consent_note(store):
    fill(store, consent="first")
    assert store.load("ann").consent == "first"
    add(store, "ann", embedding(9), "more.wav")
    assert store.load("ann").consent == "first"
    assert store.set_consent("ann", " Ann, by letter\n").consent == store.load("ann").consent == "Ann, by letter"


def test_a_finished_voice_is_saved_with_one_reference(store):
    parts = [Voice(embedding(number), "toy", name, (f"{name}.wav",)) for number, name in enumerate(("ann", "bob"))]
    mixed = Voice.average(parts, "both", "ann: A; bob: B")
    store.save_voice(mixed)
    stored = store.load("both")
    np.testing.assert_allclose(stored.voice.embedding, mixed.embedding, atol=1e-6)
    assert [one.source for one in stored.references] == ["ann.wav, bob.wav"] and stored.consent == "ann: A; bob: B"
    with pytest.raises(StorageError, match="already"):
        store.save_voice(mixed)


# --- reference mel and adapter

ADAPTER = VoiceAdapter({"up": np.ones((2, 3), np.float16), "down": np.zeros(4, np.float16)}, "digest")


def mel_of(wav: np.ndarray) -> np.ndarray:
    mel = ReferenceMel.of_recording(wav)
    assert mel is not None
    return mel.coded


def coded(voice) -> np.ndarray:
    assert voice.reference is not None
    return voice.reference.coded


def add_spoken(store: VoiceStore, seconds: float, pitch: float, **options) -> np.ndarray:
    wav = speech_like(seconds, pitch)
    add(store, "ann", embedding(round(pitch), around=100), f"{pitch}.wav", seconds=seconds, wav=wav, **options)
    return wav


def test_the_reference_mel_is_of_the_clip_with_the_greatest_weight(store):
    short, long, middle = (add_spoken(store, *clip) for clip in ((2, 110), (5, 150), (4, 190)))
    assert np.array_equal(coded(store.load("ann")), mel_of(long))
    assert np.array_equal(coded(VoiceLibrary(store.directory).load("ann")), mel_of(long))
    keys = [one.key for one in store.load("ann").references]
    for key, expected in ((keys[0], long), (keys[1], middle)):
        store.remove_reference("ann", key)
        difference = np.abs(coded(store.load("ann")).astype(int) - mel_of(expected))
        assert difference.mean() < 1, "of the stored copy, which has 16 bits"
    store.restore_over(store.trash()[0][0])
    assert np.array_equal(coded(store.load("ann")), mel_of(long))
    assert len(short) == 32_000


def test_a_voice_saved_before_there_were_reference_mels_gets_one_when_it_is_changed(store):
    from safetensors.numpy import load_file, save_file

    wav = add_spoken(store, 3, 120)
    path = store.library.path("ann")
    header = store.library.load("ann").header() | {"references": '[{"key": "a", "source": "a.wav", "seconds": 3}]'}
    del header["reference_mel_config"]
    tensors = load_file(path)
    (audio,) = (values for name, values in tensors.items() if name.startswith("sound."))
    save_file({name: tensors[name] for name in ("embedding", "references")} | {"sound.a": audio}, path, header)
    assert store.load("ann").reference is None
    store.set_consent("ann", "by letter")
    assert np.abs(coded(store.library.load("ann")).astype(int) - mel_of(wav)).mean() < 1


def test_clips_without_audio_have_no_reference_mel(store):
    fill(store)
    assert store.load("ann").reference is None
    wav = add_spoken(store, 1.5, 120)  # of less weight than the others
    assert np.array_equal(coded(store.load("ann")), mel_of(wav))


def test_changes_of_the_references_drop_the_adapter_and_others_keep_it(store):
    add_spoken(store, 3, 110)
    assert not store.is_adapted("ann") and not store.is_adapted("bob")
    store.set_adapter("ann", ADAPTER)
    store.set_consent("ann", "by letter")
    store.rename("ann", "eve")
    token = store.delete("eve")
    store.restore(token)
    store.rename("eve", "ann")
    kept = VoiceLibrary(store.directory).load("ann").adapter
    assert kept is not None and kept.model == "digest" and set(kept.tensors) == {"up", "down"}
    assert np.array_equal(kept.tensors["up"], ADAPTER.tensors["up"])
    add_spoken(store, 4, 150)
    assert not store.is_adapted("ann")
    store.set_adapter("ann", ADAPTER)
    store.remove_reference("ann", store.load("ann").references[0].key)
    assert not store.is_adapted("ann")
    store.restore_over(store.trash()[0][0])
    assert store.is_adapted("ann")
    store.set_adapter("ann", None)
    assert not store.is_adapted("ann")


def test_a_voice_with_adapter_of_the_command_line_is_kept_by_changes(store):
    wav = speech_like(3)
    reference = ReferenceMel.of_recording(wav, MelConfig())
    made = Voice(embedding(0), "toy", "bob", ("b.wav",), pitch=120.0, reference=reference, adapter=ADAPTER)
    VoiceLibrary(store.directory).save(made)
    for change in (lambda: store.set_consent("bob", "by mail"), lambda: store.rename("bob", "rob")):
        change()
    kept = Voice.load(store.library.path("rob"))
    assert np.array_equal(coded(kept), mel_of(wav)) and kept.adapter is not None and kept.pitch == 120.0
    store.save_voice(Voice(kept.embedding, "toy", "copy", reference=kept.reference, adapter=kept.adapter))
    copy = Voice.load(store.library.path("copy"))
    assert np.array_equal(coded(copy), mel_of(wav)) and copy.adapter is not None
    add(store, "rob", embedding(1), "d.wav", wav=speech_like(2, 150))
    assert np.array_equal(coded(store.load("rob")), mel_of(wav)), "both have the same weight"


def test_voices_of_different_encoders_are_not_mixed(store):
    fill(store)
    for other, space in ((embedding(1), "elsewhere"), (embedding(1, size=32), "toy")):
        with pytest.raises(ConfigError, match="different encoder"):
            add(store, "ann", other, "x.wav", space)
    add(store, "bob", embedding(1), "x.wav", "elsewhere")
    assert store.load("bob").embedding_space == "elsewhere"


def test_an_invalid_embedding_is_refused(store):
    for bad in (np.zeros(64), np.full(64, np.nan), np.ones((2, 64))):
        with pytest.raises(ConfigError, match="embedding"):
            add(store, "ann", bad, "x.wav")
    assert store.names() == []


def test_a_full_disk_leaves_the_voice_unchanged(store, monkeypatch):
    fill(store)

    def full(path, data):
        path.write_bytes(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(files_module, "write_flushed", full)
    key = store.load("ann").references[0].key
    for change in (
        lambda: add(store, "ann", embedding(9), "x.wav"),
        lambda: add(store, "bob", embedding(9), "x.wav"),
        lambda: store.remove_reference("ann", key),
        lambda: store.set_consent("ann", "x"),
    ):
        with pytest.raises(StorageError, match="disk is full"):
            change()
    assert store.names() == ["ann"] and len(store.load("ann").references) == 3
    assert [name for name in names_in(store.directory) if name.endswith(".partial")] == []


def test_damaged_references_are_an_error(store):
    from safetensors.numpy import save_file

    header = {"format_version": "1", "kind": "voice", "name": "ann", "embedding_space": "toy", "sources": "[]"}
    rows = np.stack([embedding(0), embedding(1)])
    for listed in ("{", '[{"key": "a"}]', '[{"source": "a"}, {"source": "b"}]', "3"):
        path = store.library.path("ann")
        path.parent.mkdir(exist_ok=True)
        save_file({"embedding": rows[0], "references": rows}, path, {**header, "references": listed})
        with pytest.raises(ModelFileError, match="damaged"):
            store.load("ann")


def test_several_threads_can_add_references(store):
    threads = [
        threading.Thread(target=add, args=(store, "ann", embedding(number), f"{number}.wav")) for number in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    assert sorted(one.source for one in store.load("ann").references) == [f"{number}.wav" for number in range(8)]


def test_a_killed_program_leaves_complete_voices(store, repository):
    fill(store)
    code = (
        "import sys; import numpy as np\n"
        "from toolbox.storage.voice_store import NewReference, VoiceStore; store = VoiceStore(sys.argv[1])\n"
        "number, wav = 3, np.ones(160000, np.float32)\n"
        "while True:\n"
        "    row = np.random.default_rng(number).standard_normal(64)\n"
        "    store.add_reference('ann', NewReference(row, 'toy', f'{number}.wav', wav=wav))\n"
        "    print(number, flush=True); number += 1\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, str(store.directory)], stdout=subprocess.PIPE, text=True, cwd=repository
    )
    assert process.stdout is not None
    printed = [process.stdout.readline() for _ in range(3)]
    process.kill()
    process.wait(10)
    printed += process.stdout.readlines()
    references = store.load("ann").references
    assert len(references) in (int(printed[-1]) + 1, int(printed[-1]) + 2)  # the last one may not have been printed
    store.audio("ann", references[-1].key)


def test_reading_and_writing_voices_needs_no_torch(store, repository):
    code = (
        "import sys; import numpy as np\n"
        "from toolbox.storage.voice_store import NewReference, VoiceStore; store = VoiceStore(sys.argv[1])\n"
        "store.add_reference('ann', NewReference(np.ones(64), 'toy', 'a.wav')); store.load('ann').lines()\n"
        "print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(store.directory)], capture_output=True, text=True, check=True, cwd=repository
    )
    assert not {"torch", "PyQt5"} & set(done.stdout.split())
