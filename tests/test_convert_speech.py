"""`demo_cli.py --convert`, end to end, with models of toy width."""

import os
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from cloning import read_provenance
from tests.commands import assert_refused, prepare_demo_cli
from tests.synthesizer.vits.toy import save_toy_conversion
from tests.toy_models import save_toy_models, speech_like


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    save_toy_conversion(save_toy_models(folder / "models"))
    for name, pitch in (("ann", 210), ("said", 110)):
        soundfile.write(folder / f"{name}.wav", speech_like(4.5, pitch), 16_000)
    return folder


@pytest.fixture
def cli(toy, tmp_path, monkeypatch, capsys):
    return prepare_demo_cli(toy / "models", tmp_path, monkeypatch, capsys)


def test_a_recording_is_converted_with_reference_clips_and_with_a_saved_voice(cli, toy):
    made = cli(toy / "ann.wav", "--save-voice", "ann", "--convert", toy / "said.wav", "--out", "a.wav", "--seed", 1)
    assert made.code == 0, made
    assert "a.wav: 4.5 s, seed 1" in made.out and "real-time factor" in made.out and "pitch 111 to 211 Hz" in made.out
    wav, rate = soundfile.read("a.wav", dtype="int16")
    assert rate == 16_000 and len(wav) == 72_000 and wav.any()
    assert cli("--voice", "ann", "--convert", toy / "said.wav", "--out", "b.flac", "--seed", 1).code == 0
    np.testing.assert_array_equal(wav, soundfile.read("b.flac", dtype="int16")[0])
    provenance = read_provenance(Path("b.flac"))
    assert provenance is not None and provenance.source == "said.wav" and provenance.voice == "ann"
    kept = cli("--voice", "ann", "--convert", toy / "said.wav", "--keep-pitch", "--seed", 1)
    assert kept.code == 0 and Path("out.wav").exists() and "pitch 111 to 111 Hz" in kept.out


def test_a_stream_has_the_samples_of_the_file(cli, toy):
    made = cli(toy / "ann.wav", "--convert", toy / "said.wav", "--seed", 1, "--stream", "s.wav", "--out", "a.wav")
    assert made.code == 0 and "first audio after" in made.out
    np.testing.assert_array_equal(soundfile.read("s.wav")[0], soundfile.read("a.wav")[0])


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--text", "Hello."], "Give a text or --convert"),
        (["--out-dir", "out"], "--out instead"),
        (["--jobs", "2"], "--jobs"),
        (["--speed", "0.9"], "timing"),
        (["--adapt"], "--adapt"),
        (["--griffin-lim"], "vocoder"),
        (["--out", "a.mp3"], ".wav"),
        (["--pitch-range", "9"], "between"),
        (["--units", "none.safetensors"], "no unit encoder"),
    ],
)
def test_flags_that_do_not_fit_are_refused(cli, toy, flags, words):
    assert_refused(cli(toy / "ann.wav", "--convert", toy / "said.wav", *flags), words)


def test_flags_of_a_conversion_need_a_recording(cli, toy):
    for flags in (["--keep-pitch"], ["--units", "units.safetensors"]):
        assert_refused(cli(toy / "ann.wav", "--text", "Hello.", *flags), "--convert")
    assert_refused(cli("--convert", toy / "said.wav"), "reference clip")


def test_a_folder_without_a_model_for_conversion_is_refused(cli, toy, tmp_path):
    plain = save_toy_models(tmp_path / "plain")
    made = cli(toy / "ann.wav", "--convert", toy / "said.wav", "--models", plain)
    assert_refused(made, "conversion.safetensors", "units.safetensors", "train_synth.py STORE --model vits --units")
    text = cli(toy / "ann.wav", "--convert", toy / "said.wav", "--synthesizer", plain / "synthesizer.safetensors")
    assert_refused(text, "reads text only")
    shutil.copy(toy / "models/conversion.safetensors", plain)
    assert_refused(cli(toy / "ann.wav", "--convert", toy / "said.wav", "--models", plain), "no unit encoder")


def test_speech_that_cannot_be_converted_is_refused(cli, toy, tmp_path, monkeypatch):
    recordings = {"silent": np.zeros(32_000, np.float32), "nan": np.full(32_000, np.nan, np.float32)}
    for name, wav in recordings.items():
        soundfile.write(tmp_path / f"{name}.wav", wav, 16_000, subtype="FLOAT")
        assert_refused(cli(toy / "ann.wav", "--convert", tmp_path / f"{name}.wav"), name)
    assert_refused(cli(toy / "ann.wav", "--convert", tmp_path / "missing.wav"), "missing.wav")
    (tmp_path / "text.wav").write_text("no audio")
    assert_refused(cli(toy / "ann.wav", "--convert", tmp_path / "text.wav"), "text.wav")
    assert_refused(cli(toy / "ann.wav", "--convert", os.devnull), "null")
    monkeypatch.setattr("cloning.source_speech.MAX_SECONDS", 2.0)
    assert_refused(cli(toy / "ann.wav", "--convert", toy / "said.wav"), "said.wav")


def test_the_recording_is_not_overwritten(cli, toy, tmp_path):
    said = shutil.copy(toy / "said.wav", tmp_path / "said.wav")
    assert_refused(cli(toy / "ann.wav", "--convert", said, "--out", said, "--force"), "recording to convert")
