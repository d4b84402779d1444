"""Results on disk."""

import errno
import json
import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloning.provenance import Provenance, read_provenance
from cloning.voices import Voice
from speech.errors import ModelFileError, StorageError
from speech.reference_mel import ReferenceMel
from synthesizer.adapter import VoiceAdapter
from tests.toy_models import speech_like
from toolbox.storage import results as results_module
from toolbox.storage.result_files import proposed_name
from toolbox.storage.results import Line, Result, ResultStore
from toolbox.storage.settings import SpeechSettings

RATE = 16_000


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def result(seed: int = 0, frames: int = 40, **changes) -> Result:
    rng = np.random.default_rng(seed)
    voice = Voice(
        rng.standard_normal(256).astype(np.float32), "toy", "Zoë", ("a.wav",), "2026-01-31", "by letter", 180.0
    )
    made = [
        Line(f"Line {number}.", rng.standard_normal((80, frames)).astype(np.float32),
             rng.random((12, frames // 2)).astype(np.float32), ("a", "b"), 0.9, ("a word was repeated",))
        for number in range(2)
    ]  # fmt: skip
    wav = rng.uniform(-1, 1, 2 * frames * 200).astype(np.float32)
    about = {"synthesizer": "synthesizer.safetensors, step 5"}
    settings = SpeechSettings(1.5, 0.5, 2.0, "/words.csv", True)
    result = Result(tuple(made), wav, RATE, seed, voice, settings, about, {"synthesizer": "/m/synthesizer.safetensors"},
                    np.ones(256, np.float32), 0.71234, 1.5)  # fmt: skip
    result = replace(result, provenance=Provenance.of(voice, {"synthesizer": "synthesizer.safetensors 0123"}))
    return replace(result, **changes)


def test_a_result_is_restored_completely(tmp_path):
    store, made = ResultStore(tmp_path / "not" / "yet"), result()
    assert store.list() == []
    entry = store.add(made)
    back = ResultStore(store.directory).load(entry.key)
    np.testing.assert_array_equal(back.wav, made.wav)
    np.testing.assert_array_equal(back.mel, made.mel)
    np.testing.assert_array_equal(back.embedding, made.embedding)
    np.testing.assert_array_equal(back.voice.embedding, made.voice.embedding)
    for name in ("text", "seed", "sample_rate", "settings", "remarks", "models", "files", "seconds_taken"):
        assert getattr(back, name) == getattr(made, name)
    assert [line.tokens for line in back.lines] == [line.tokens for line in made.lines]
    np.testing.assert_allclose(back.lines[1].alignment, made.lines[1].alignment, atol=1e-3)
    assert (back.voice.name, back.voice.consent, back.voice.sources) == ("Zoë", "by letter", ("a.wav",))
    assert back.voice.pitch == 180.0 and back.provenance == made.provenance == entry.provenance
    assert read_provenance(store.directory / entry.key / "sound.wav") == made.provenance
    assert back.similarity == pytest.approx(0.7123) and back.created
    assert (names_in(store.directory / entry.key)) == ["arrays.safetensors", "result.json", "sound.wav"]


def test_the_reference_mel_and_the_adapter_of_the_voice_are_stored(tmp_path):
    reference = ReferenceMel.of_recording(speech_like(2.0))
    adapter = VoiceAdapter({"up": np.ones((2, 3), np.float16)}, "digest")
    made = result()
    store = ResultStore(tmp_path)
    for voice in (replace(made.voice, reference=reference), replace(made.voice, adapter=adapter)):
        back = store.load(store.add(replace(made, voice=voice)).key).voice
        np.testing.assert_array_equal(back.embedding, made.voice.embedding)
        assert (back.name, back.consent, back.pitch) == ("Zoë", "by letter", 180.0)
        for one, other in ((back.reference, voice.reference), (back.adapter, voice.adapter)):
            assert (one is None) == (other is None)
        if back.reference is not None and reference is not None:
            np.testing.assert_array_equal(back.reference.coded, reference.coded)
        if back.adapter is not None:
            np.testing.assert_array_equal(back.adapter.tensors["up"], adapter.tensors["up"])


def test_the_list_is_newest_first_and_survives_a_restart(tmp_path):
    store = ResultStore(tmp_path)
    keys = [store.add(result(seed)).key for seed in range(4)]
    for listed in (store.list(), ResultStore(tmp_path).list()):
        assert [entry.key for entry in listed] == keys[::-1]
        assert [entry.seed for entry in listed] == [3, 2, 1, 0]
    entry = listed[0]
    assert (entry.text, entry.voice, entry.similarity) == ("Line 0.\nLine 1.", "Zoë", 0.7123)
    assert entry.settings == SpeechSettings(1.5, 0.5, 2.0, "/words.csv", True)
    assert entry.title == "Line 0. Line 1." and entry.remarks[1] == "line 2, a word was repeated"


def test_long_texts_have_a_short_title(tmp_path):
    long = Line("word " * 40, np.zeros((80, 1), np.float32), np.zeros((1, 1), np.float32))
    assert len(ResultStore(tmp_path).add(result(lines=(long,))).title) <= 60


def test_a_result_without_audio_is_stored(tmp_path):
    store = ResultStore(tmp_path)
    draft = result(wav=np.zeros(0, np.float32), embedding=np.zeros(0, np.float32), similarity=None)
    back = store.load(store.add(draft).key)
    assert back.seconds == 0 and back.similarity is None and not len(back.embedding)


def test_audio_is_stored_exactly(tmp_path):
    store, made = ResultStore(tmp_path / "results"), result()
    wav, rate = store.audio(store.add(made).key)
    assert rate == RATE and np.array_equal(wav, made.wav)


def test_results_of_older_versions_have_default_settings(tmp_path):
    store = ResultStore(tmp_path)
    key = store.add(result()).key
    path = tmp_path / key / "result.json"
    card = json.loads(path.read_text(encoding="utf-8"))
    for name in ("speed", "pauses", "pitch_range", "lexicon"):
        del card[name]
    del card["voice"]["pitch"], card["provenance"]
    path.write_text(json.dumps(card))
    old = ResultStore(tmp_path).load(key)
    assert old.settings == SpeechSettings(trim=True) and old.voice.pitch is None
    assert (old.provenance.voice, old.provenance.consent, old.provenance.models) == ("Zoë", "by letter", {})


def test_a_deleted_result_can_be_restored(tmp_path):
    store = ResultStore(tmp_path)
    keys = [store.add(result(seed)).key for seed in range(2)]
    store.delete(keys[0])
    assert [entry.key for entry in store.list()] == [entry.key for entry in ResultStore(tmp_path).list()] == [keys[1]]
    with pytest.raises(ModelFileError):
        store.load(keys[0])
    assert store.restore(keys[0]).seed == 0
    assert [entry.key for entry in store.list()] == keys[::-1]
    store.delete(keys[0])
    for change in (store.restore, store.delete):
        with pytest.raises(StorageError, match="no longer exists"):
            change("gone")


def test_results_in_the_trash_are_removed_after_a_month(tmp_path, monkeypatch):
    store = ResultStore(tmp_path)
    key = store.add(result()).key
    store.delete(key)
    ResultStore(tmp_path).list()
    assert names_in(tmp_path / ".trash") == [key]
    monkeypatch.setattr(results_module, "TRASH_SECONDS", -1)
    ResultStore(tmp_path).list()
    assert names_in(tmp_path / ".trash") == []


@pytest.mark.parametrize("damage", ["no card", "empty card", "list", "no audio", "newer", "no arrays"])
def test_a_damaged_result_is_skipped_with_a_remark(tmp_path, damage):
    store = ResultStore(tmp_path)
    good, bad = store.add(result(0)).key, store.add(result(1)).key
    folder = tmp_path / bad
    if damage == "no audio":
        (folder / "sound.wav").unlink()
    elif damage == "no arrays":
        (folder / "arrays.safetensors").unlink()
    elif damage == "no card":
        (folder / "result.json").unlink()
    else:
        contents = {"empty card": "", "list": "[]", "newer": '{"format": 99}'}
        (folder / "result.json").write_text(contents[damage])
    again = ResultStore(tmp_path)
    assert [entry.key for entry in again.list()] == [good]
    assert len(again.remarks) == 1 and bad in again.remarks[0]


def test_damaged_arrays_are_an_error_on_access(tmp_path):
    store = ResultStore(tmp_path)
    key = store.add(result()).key
    (tmp_path / key / "arrays.safetensors").write_bytes(b"torn")
    (tmp_path / key / "sound.wav").write_bytes(b"torn")
    for read in (store.load, store.audio):
        with pytest.raises(ModelFileError, match="damaged"):
            read(key)


def test_a_full_disk_is_an_error_and_leaves_no_files(tmp_path, monkeypatch):
    store = ResultStore(tmp_path)
    store.add(result(0))

    def full(path, data):
        path.write_bytes(data[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(results_module, "write_flushed", full)
    with pytest.raises(StorageError, match="disk is full"):
        store.add(result(1))
    assert len(store.list()) == len(names_in(tmp_path)) == 1


def test_a_killed_writer_leaves_no_partial_result(tmp_path, monkeypatch):
    store = ResultStore(tmp_path)

    def killed(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(results_module.shutil, "rmtree", lambda *_, **__: None)  # nothing runs after a kill
    monkeypatch.setattr(results_module, "flush_to_disk", killed)
    with pytest.raises(KeyboardInterrupt):
        store.add(result())
    assert len(names_in(tmp_path)) == 1
    again = ResultStore(tmp_path)
    assert again.list() == [] and again.remarks == []


def test_memory_stays_flat_over_five_hundred_results(tmp_path, monkeypatch):
    # do not wait for the disk two thousand times
    monkeypatch.setattr(results_module, "write_flushed", lambda path, data: path.write_bytes(data))
    monkeypatch.setattr(results_module, "flush_to_disk", lambda folder: None)
    store, made = ResultStore(tmp_path), result()
    size = made.wav.nbytes + made.mel.nbytes
    store.add(made)
    tracemalloc.start()
    for _ in range(499):
        store.add(made)
    kept = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert len(store.list()) == 500 and kept < 500 * 4000 < 500 * size / 10


@pytest.mark.parametrize(
    ("voice", "text", "name"),
    [
        ("slt", "Hello there.", "slt - hello there"),
        ("my voice.wav", "It's 5 o'clock!", "my voice - it's 5 o'clock"),
        ("../../etc/passwd", "a/b\\c: *?", "passwd - a b c"),
        ("", "...", "result"),
        ("李", "Dónde está?", "李 - dónde está"),
        ("ann", "x" * 300, "ann - " + "x" * 40),
        ("ann", "word " * 100, "ann - " + " ".join(["word"] * 8)),
    ],
)
def test_the_proposed_file_name_is_made_of_voice_and_text(voice, text, name):
    assert proposed_name(voice, text) == name
