"""Voice files and the voice library."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from cloning.voices import Voice, VoiceLibrary, check_voice_name, default_library
from speech import files
from speech.errors import ConfigError, ModelFileError, StorageError
from speech.mel_config import MelConfig
from speech.reference_mel import ReferenceMel


def _embedding(seed: int = 0) -> np.ndarray:
    vector = np.random.default_rng(seed).standard_normal(256)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def _voice(seed: int = 0, name: str = "ann", space: str = "toy") -> Voice:
    return Voice(_embedding(seed), space, name, (f"{seed}.wav", "späß.mp3"), "2026-01-31", "Ann, by letter")


def test_a_saved_voice_is_loaded_unchanged(tmp_path):
    voice = _voice()
    voice.save(tmp_path / "a.safetensors")
    back = Voice.load(tmp_path / "a.safetensors")
    np.testing.assert_array_equal(back.embedding, voice.embedding)
    for key in ("name", "sources", "created", "consent", "embedding_space"):
        assert getattr(back, key) == getattr(voice, key)
    assert [path.name for path in tmp_path.iterdir()] == ["a.safetensors"]


def test_of_two_that_save_one_name_at_once_the_second_is_refused(tmp_path, monkeypatch):
    library = VoiceLibrary(tmp_path)
    monkeypatch.setattr(type(tmp_path), "exists", lambda *_: False)  # each looks before the other one has written
    library.save(_voice(0))
    with pytest.raises(StorageError, match="exists already"):
        library.save(_voice(1))
    np.testing.assert_array_equal(library.load("ann").embedding, _voice(0).embedding)


def test_a_flipped_bit_of_a_voice_is_found(tmp_path):
    path = tmp_path / "a.safetensors"
    _voice().save(path)
    content = bytearray(path.read_bytes())
    content[-5] ^= 1
    path.write_bytes(content)
    with pytest.raises(ModelFileError, match="damaged"):
        Voice.load(path)


@pytest.mark.parametrize("consent", [b"Ren\xe9", b"\xff", "René".encode()])
def test_a_consent_note_of_any_bytes_is_kept(tmp_path, consent):
    path = tmp_path / "voice.safetensors"
    Voice(np.ones(4), "toy", name="a", consent=os.fsdecode(consent)).save(path)
    assert Voice.load(path).consent == consent.decode("utf-8", "backslashreplace")


def test_the_embedding_is_normalised_and_cannot_be_changed():
    given = 5 * _embedding()
    voice = Voice(given, "toy")
    assert np.linalg.norm(voice.embedding) == pytest.approx(1, abs=1e-6)
    assert np.linalg.norm(given) == pytest.approx(5, rel=1e-6)  # the caller's array is left alone
    with pytest.raises(ValueError, match="read-only"):
        voice.embedding[0] = 1


@pytest.mark.parametrize("bad", [np.zeros(4), np.array([1, np.nan]), np.ones((2, 2)), np.array([])])
def test_invalid_embeddings_are_refused(bad):
    with pytest.raises(ConfigError, match="embedding"):
        Voice(bad, "toy")


def test_the_average_is_the_normalised_mean():
    parts = [_voice(0), _voice(1), _voice(2)]
    average = Voice.average(parts, "three", "all agreed")
    mean = np.mean([part.embedding for part in parts], axis=0)
    np.testing.assert_allclose(average.embedding, mean / np.linalg.norm(mean), atol=1e-6)
    assert average.sources == tuple(source for part in parts for source in part.sources)
    assert (average.name, average.consent) == ("three", "all agreed")
    assert average.created


def test_an_average_is_weighted():
    parts = [_voice(0), _voice(1)]
    mean = 3 * parts[0].embedding + parts[1].embedding
    average = Voice.average(parts, weights=[3, 1])
    np.testing.assert_allclose(average.embedding, mean / np.linalg.norm(mean), atol=1e-6)
    for weights in ([1], [0, 0], [1, -1], [1, float("nan")]):
        with pytest.raises(ConfigError, match="2 voices need 2 weights"):
            Voice.average(parts, weights=weights)


def test_a_voice_keeps_its_pitch_and_averages_it_in_octaves(tmp_path):
    low, high, unknown = (Voice(_embedding(k), "toy", pitch=pitch) for k, pitch in enumerate((100.0, 200.0, None)))
    assert Voice.average([low, high]).pitch == pytest.approx(141.42, abs=0.01)
    assert Voice.average([low, high, unknown], weights=[3, 1, 5]).pitch == pytest.approx(100 * 2**0.25)
    assert Voice.average([unknown]).pitch is None and Voice.average([low, unknown], weights=[0, 1]).pitch is None
    for voice in (high, unknown):
        voice.save(tmp_path / f"{voice.pitch}.safetensors")
        assert Voice.load(tmp_path / f"{voice.pitch}.safetensors").pitch == voice.pitch
    for bad in (float("nan"), -1.0, 0.0, 1e9):
        with pytest.raises(ConfigError, match="pitch"):
            Voice(_embedding(), "toy", pitch=bad)


def test_a_voice_keeps_its_reference(tmp_path):
    coded = np.random.default_rng(0).integers(0, 255, (120, 80)).astype(np.uint8)
    voice = Voice(_embedding(), "toy", "ann", reference=ReferenceMel(coded, MelConfig()))
    voice.save(tmp_path / "a.safetensors")
    back = Voice.load(tmp_path / "a.safetensors")
    assert back.reference is not None
    np.testing.assert_array_equal(back.reference.coded, coded)
    assert back.reference.config == MelConfig()
    assert Voice.average([back, back]).reference is None


@pytest.mark.parametrize(
    ("tensor", "config"),
    [
        (np.zeros((120, 40), np.uint8), "{}"),
        (np.zeros((9000, 80), np.uint8), "{}"),
        (np.zeros((120, 80), np.float32), "{}"),
        (np.zeros((120, 80), np.uint8), None),
        (np.zeros((120, 80), np.uint8), '{"n_mels": -1}'),
        (np.zeros((120, 80), np.uint8), "not json"),
    ],
)
def test_a_damaged_reference_is_refused(tmp_path, tensor, config):
    header = Voice(_embedding(), "toy", "ann").header()
    if config is not None:
        header["reference_mel_config"] = config
    save_file({"embedding": _embedding(), "reference": tensor}, tmp_path / "a.safetensors", header)
    with pytest.raises(ModelFileError, match="damaged"):
        Voice.load(tmp_path / "a.safetensors")


def test_the_average_of_one_keeps_its_direction():
    np.testing.assert_allclose(Voice.average([_voice()]).embedding, _voice().embedding, atol=1e-6)


def test_averages_of_different_spaces_and_of_no_voices_are_refused():
    for parts in ([], [_voice(), _voice(space="other")]):
        with pytest.raises(ConfigError, match="one embedding space"):
            Voice.average(parts)


def test_saving_overwrites_only_on_request(tmp_path):
    path = tmp_path / "a.safetensors"
    _voice(0).save(path)
    with pytest.raises(StorageError, match="exists already"):
        _voice(1).save(path)
    np.testing.assert_array_equal(Voice.load(path).embedding, _voice(0).embedding)
    _voice(1).save(path, overwrite=True)
    np.testing.assert_array_equal(Voice.load(path).embedding, _voice(1).embedding)


def _damaged(tmp_path, kind: str):
    path = tmp_path / "v.safetensors"
    if kind == "empty":
        path.write_bytes(b"")
    elif kind == "text":
        path.write_text("this is no voice, and longer than eight bytes")
    elif kind == "cut":
        _voice().save(path)
        path.write_bytes(path.read_bytes()[:-20])
    elif kind == "model":
        save_file({"weight": np.ones(3, np.float32)}, path, {"stage": "encoder", "format_version": "1"})
    elif kind == "nan":
        save_file({"embedding": np.full(4, np.nan, np.float32)}, path, {"kind": "voice", "format_version": "1"})
    elif kind == "newer":
        save_file({"embedding": _embedding()}, path, {"kind": "voice", "format_version": "99"})
    elif kind == "sources":
        save_file({"embedding": _embedding()}, path, {"kind": "voice", "format_version": "1", "sources": "{"})
    elif kind == "version":
        save_file({"embedding": _embedding()}, path, {"kind": "voice", "format_version": "one"})
    return path


@pytest.mark.parametrize("kind", ["missing", "empty", "text", "cut", "model", "nan", "newer", "sources", "version"])
def test_invalid_voice_files_are_refused_in_one_sentence(tmp_path, kind):
    with pytest.raises(ModelFileError) as caught:
        Voice.load(_damaged(tmp_path, kind))
    assert "v.safetensors" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ["ann", "Ann Lee", "Zoë", "a", "speaker-1_b.2", "张伟", "x" * 64])
def test_usual_names_are_valid(name):
    assert check_voice_name(name) == name


@pytest.mark.parametrize(
    "name",
    ["", " ", ".", "..", "../ann", "a/b", "a\\b", "/etc/passwd", "C:ann", "~", "-rf", ".hidden", "ann.", "a\0b", "a\nb",
     "con", "NUL", "com1.txt", "x" * 65, "a*", "a?"],
)  # fmt: skip
def test_unsafe_names_are_refused(tmp_path, name):
    library = VoiceLibrary(tmp_path / "library")
    with pytest.raises(ConfigError, match="cannot name a voice"):
        check_voice_name(name)
    with pytest.raises(ConfigError):
        library.load(name)
    with pytest.raises(ConfigError):
        library.save(_voice(name=name))
    assert list(tmp_path.iterdir()) == []


def test_both_unicode_forms_of_a_name_are_one_voice():
    assert check_voice_name("Zoe\u0308") == check_voice_name("Zo\u00eb")


def test_the_library_keeps_voices_by_name(tmp_path):
    library = VoiceLibrary(tmp_path / "not" / "yet")
    assert library.names() == []
    library.save(_voice(0, "zoë"))
    library.save(_voice(1, "ann"))
    (library.directory / ".hidden.safetensors").write_bytes(b"")
    assert library.names() == ["ann", "zoë"]
    assert "ann" in library
    assert "bob" not in library
    np.testing.assert_array_equal(library.load("ann").embedding, _voice(1).embedding)
    with pytest.raises(StorageError, match="exists already"):
        library.save(_voice(2, "ann"))
    with pytest.raises(ModelFileError, match=r"no voice 'bob'.*ann, zoë"):
        library.load("bob")


def test_a_library_that_is_a_file_is_refused(tmp_path):
    (tmp_path / "library").write_text("")
    with pytest.raises(StorageError):
        VoiceLibrary(tmp_path / "library").save(_voice())


def test_a_full_disk_leaves_the_old_voice(tmp_path, monkeypatch):
    library = VoiceLibrary(tmp_path)
    library.save(_voice(0))

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write_flushed", full)
    with pytest.raises(StorageError, match="disk is full"):
        library.save(_voice(1), overwrite=True)
    np.testing.assert_array_equal(library.load("ann").embedding, _voice(0).embedding)
    assert [path.name for path in tmp_path.iterdir()] == ["ann.safetensors"]


@pytest.mark.parametrize(
    ("platform", "variable", "tail"),
    [
        ("linux", "XDG_DATA_HOME", ("sv2tts-toolkit", "voices")),
        ("win32", "LOCALAPPDATA", ("sv2tts-toolkit", "voices")),
    ],
)
def test_the_default_library_follows_the_platform(tmp_path, monkeypatch, platform, variable, tail):
    monkeypatch.setattr(sys, "platform", platform)
    monkeypatch.setenv(variable, str(tmp_path))
    assert default_library() == tmp_path.joinpath(*tail)
    monkeypatch.delenv(variable)
    assert default_library().parts[-2:] == tail


def test_reading_voices_needs_no_torch(tmp_path, repository):
    VoiceLibrary(tmp_path).save(_voice())
    code = (
        "import sys; from cloning.voices import VoiceLibrary; library = VoiceLibrary(sys.argv[1]); "
        "voice = library.load(library.names()[0]); import json; "
        "print(json.dumps([voice.name, 'torch' in sys.modules]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=True, cwd=repository
    )
    assert json.loads(done.stdout) == ["ann", False]
