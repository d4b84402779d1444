"""`python -m encoder.verification --library`: whether a clip has a saved voice."""

import numpy as np
import pytest
import soundfile

from cloning import Voice, VoiceLibrary
from encoder import SpeakerEncoder, identification, verification
from speech.audio import read_audio
from tests.commands import run_main
from tests.toy_models import save_toy_models, speech_like


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A toy encoder, a clip, and a library with its voice "ann" and the opposite "bob"."""
    folder = tmp_path_factory.mktemp("identification")
    save_toy_models(folder / "models")
    soundfile.write(folder / "me.wav", speech_like(2.0, 120), 16_000)
    soundfile.write(folder / "silent.wav", np.zeros(16_000), 16_000)
    encoder = SpeakerEncoder.load(folder / "models" / "encoder.safetensors")
    embedding = encoder.embed(read_audio(folder / "me.wav"))
    library = VoiceLibrary(folder / "voices")
    library.save(Voice(embedding, encoder.embedding_space, "ann"))
    library.save(Voice(-embedding, encoder.embedding_space, "bob"))
    return folder


@pytest.fixture
def run(folder, capsys, monkeypatch):
    monkeypatch.setattr("modelfile.voice_files.default_library", lambda: folder / "voices")
    encoder = folder / "models" / "encoder.safetensors"
    return lambda *arguments: run_main(verification.main, capsys, "--encoder", encoder, *arguments)


def test_the_voice_of_a_clip_is_named(run, folder):
    for given in (
        ["--library", folder / "voices", folder / "me.wav"],
        ["--library", folder / "me.wav"],
        [folder / "me.wav", "--library"],
        [folder / "me.wav", "--library", folder / "voices"],
    ):
        result = run(*given, "--threshold", 0.9)
        assert result.code == 0 and "'ann'" in result.out and "1.000" in result.out, given


def test_a_clip_of_nobody_exits_with_1(run, folder):
    (folder / "others").mkdir()
    space = SpeakerEncoder.load(folder / "models" / "encoder.safetensors").embedding_space
    VoiceLibrary(folder / "others").save(Voice(-VoiceLibrary(folder / "voices").load("ann").embedding, space, "bob"))
    result = run("--library", folder / "others", folder / "me.wav", "--threshold", 0.9)
    assert result.code == 1 and "not the only voice" in result.out and "-1.000" in result.out


def test_other_encoders_and_damaged_files_are_left_out(run, folder, tmp_path):
    library = VoiceLibrary(tmp_path)
    library.save(Voice(np.ones(4), "elsewhere", "far"))
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    result = run("--library", tmp_path, folder / "me.wav", "--threshold", 0.9)
    assert result.code == 2 and "another encoder" in result.err and "damaged" in result.err
    assert "There is no voice of this encoder" in result.err


def test_errors_are_one_sentence(run, folder):
    voices, clip = folder / "voices", folder / "me.wav"
    for given, part in (
        (["--library", voices, clip], "No threshold is known"),
        (["--library", voices, clip, "--threshold", 2], "between -1 and 1"),
        (["--library", voices, folder / "gone.wav", "--threshold", 0.5], "There is no file"),
        (["--library", voices, folder / "silent.wav", "--threshold", 0.5], "cannot be used"),
        (["--library", "--threshold", 0.5], "takes one clip"),
        ([], "nothing to score"),
    ):
        result = run(*given)
        assert result.code == 2 and part in result.err and len(result.err.splitlines()) == 1, result


def test_the_default_encoder_has_a_threshold():
    assert all(0 < threshold < 1 for threshold in identification.THRESHOLDS.values())
    assert "ge2e-public-256" in identification.THRESHOLDS
