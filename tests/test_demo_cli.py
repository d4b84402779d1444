"""The command line, end to end, with models of toy width."""

import errno
import io
import json
import os
import shutil
import subprocess
import sys
import wave
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pyloudnorm
import pytest
import soundfile
from scipy.signal import resample_poly

import cloning
from cloning import targets
from cloning.narration import Narrator
from cloning.watermark import Watermarker
from speech.errors import StorageError
from tests.commands import assert_error, assert_refused, prepare_demo_cli
from tests.fakes import FakeSoundDevice
from tests.synthesizer.vits.toy import toy_vits
from tests.toy_models import save_toy_models, speech_like, toy_encoder, toy_synthesizer

TEXT = "Hello there."


@pytest.fixture(scope="module")
def toy(tmp_path_factory) -> Path:
    """A folder with toy models in `models`, and the clips `low.wav` and `high.wav`."""
    folder = tmp_path_factory.mktemp("toy")
    save_toy_models(folder / "models")
    for name, pitch in (("low", 110), ("high", 210)):
        soundfile.write(folder / f"{name}.wav", speech_like(4.5, pitch), 16_000)
    return folder


@pytest.fixture
def cli(toy, tmp_path, monkeypatch, capsys):
    return prepare_demo_cli(toy / "models", tmp_path, monkeypatch, capsys)


def wav_of(path) -> np.ndarray:
    wav, rate = soundfile.read(path, dtype="int16")
    assert rate == 16_000
    return wav


# --- normal use -------------------------------------------------------------------------------------------------------


def test_one_text_into_one_wav(cli, toy):
    result = cli(toy / "low.wav", "--text", TEXT, "--out", "out.wav", "--seed", 3)
    assert result.code == 0, result
    wav = wav_of("out.wav")
    assert len(wav) > 1000
    assert 0 < np.abs(wav.astype(int)).max() <= 0.95 * 32768
    last = result.out.splitlines()[-1]
    assert "s of speech in" in last
    assert "real-time factor" in last
    assert "similarity to the reference" in last
    assert [path.name for path in Path().iterdir()] == ["out.wav"]


def test_a_seed_repeats_the_samples(cli, toy):
    for name, seed in (("a.wav", 7), ("b.wav", 7), ("c.wav", 8)):
        assert cli(toy / "low.wav", "--text", TEXT, "--out", name, "--seed", seed).code == 0
    assert np.array_equal(wav_of("a.wav"), wav_of("b.wav"))
    assert not np.array_equal(wav_of("a.wav"), wav_of("c.wav"))


def test_a_drawn_seed_is_printed(cli, toy):
    first = cli(toy / "low.wav", "--text", TEXT, "--out", "a.wav")
    seed = first.out.split("seed ")[1].split()[0].rstrip(";,")
    assert cli(toy / "low.wav", "--text", TEXT, "--out", "b.wav", "--seed", seed).code == 0
    assert np.array_equal(wav_of("a.wav"), wav_of("b.wav"))


def test_griffin_lim_by_both_flags_and_a_vocoder_file(cli, toy):
    base = [toy / "low.wav", "--text", TEXT, "--seed", 1]
    assert cli(*base, "--out", "a.wav", "--griffin-lim").code == 0
    assert cli(*base, "--out", "b.wav", "--vocoder", "griffin-lim").code == 0
    assert cli(*base, "--out", "c.wav", "--vocoder", toy / "models" / "vocoder.safetensors").code == 0
    assert cli(*base, "--out", "d.wav", "--vocoder", "wavernn").code == 0
    assert np.array_equal(wav_of("a.wav"), wav_of("b.wav")) and np.array_equal(wav_of("c.wav"), wav_of("d.wav"))
    assert not np.array_equal(wav_of("a.wav"), wav_of("c.wav"))


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_the_suffix_selects_the_format(cli, toy, suffix):
    assert cli(toy / "low.wav", "--text", TEXT, "--out", f"out{suffix}").code == 0
    assert soundfile.info(f"out{suffix}").format == suffix[1:].upper()


def test_a_text_file_becomes_numbered_wavs_and_a_manifest(cli, toy):
    Path("lines.txt").write_text("\ufeffHello there.\n\n  It costs £5. \n", encoding="utf-8")
    base = ["--text-file", "lines.txt", "--out-dir", "out", "--seed", 5]
    result = cli(toy / "low.wav", toy / "high.wav", *base)
    assert result.code == 0, result
    assert sorted(path.name for path in Path("out").iterdir()) == ["001.wav", "002.wav", "manifest.json"]
    manifest = json.loads(Path("out/manifest.json").read_text(encoding="utf-8"))
    assert manifest["references"] == ["low.wav", "high.wav"]
    for entry, name, text in zip(
        manifest["outputs"], ["001.wav", "002.wav"], ["Hello there.", "It costs £5."], strict=True
    ):
        assert (entry["file"], entry["text"], entry["seed"]) == (name, text, 5)
        assert entry["seconds"] == pytest.approx(len(wav_of(f"out/{name}")) / 16_000, abs=1e-3)
        assert 0 <= entry["alignment_score"] <= 1
        assert entry["similarity"] is None or -1 <= entry["similarity"] <= 1
        assert all(isinstance(remark, str) for remark in entry["remarks"])
        assert entry["intelligible"] is False  # the models are not trained
        assert "the speech is probably unintelligible: train the synthesizer longer" in result.out
    # the samples of a line do not depend on the other lines
    assert cli(toy / "low.wav", toy / "high.wav", "--text", "It costs £5.", "--seed", 5).code == 0
    assert np.array_equal(wav_of("out.wav"), wav_of("out/002.wav"))


@pytest.mark.parametrize(("flags", "expected"), [([], -23), (["--loudness", "-18.5"], -18.5)])
def test_the_lines_of_a_batch_have_one_loudness(cli, toy, flags, expected):
    Path("lines.txt").write_text("One.\nA cat sat on the mat.\nHow are you? Fine.\n")
    for voice in ("low", "high"):
        result = cli(toy / f"{voice}.wav", "--text-file", "lines.txt", "--out-dir", voice, "--seed", 5, *flags)
        assert result.code == 0, result
    for path in (*Path("low").glob("*.wav"), *Path("high").glob("*.wav")):
        wav = soundfile.read(path)[0]
        assert pyloudnorm.Meter(16_000).integrated_loudness(wav) == pytest.approx(expected, abs=0.6)
        assert np.abs(resample_poly(wav, 4, 1)).max() < 10 ** (-1 / 20)
    assert json.loads(Path("low/manifest.json").read_text())["loudness"] == expected


@pytest.mark.slow
def test_default_models_speak_with_one_loudness(repository, tmp_path):
    texts = ["Yes.", "Can you hear the owl behind the chapel?", "Hello. I have never said this sentence before."]
    (tmp_path / "lines.txt").write_text("\n".join(texts))
    measured = []
    for voice in ("awb", "kal", "rms", "slt"):
        command = [sys.executable, "demo_cli.py", f"samples/{voice}.flac", "--text-file", str(tmp_path / "lines.txt")]
        subprocess.run(
            [*command, "--seed", "1", "--out-dir", str(tmp_path / voice)],
            cwd=repository, check=True, capture_output=True,
        )  # fmt: skip
        for path in sorted((tmp_path / voice).glob("*.wav")):
            wav = soundfile.read(path)[0]
            measured.append(pyloudnorm.Meter(16_000).integrated_loudness(wav))
            assert np.abs(resample_poly(wav, 4, 1)).max() < 10 ** (-1 / 20)
    assert len(measured) == 12 and max(measured) - min(measured) < 1
    assert np.mean(measured) == pytest.approx(-23, abs=0.2)


def test_several_references_are_averaged(cli, toy, tmp_path):
    low, high = toy / "low.wav", toy / "high.wav"
    for name, clips in (("low", [low]), ("high", [high]), ("both", [low, high])):
        assert cli(*clips, "--save-voice", name, "--consent", "a machine").code == 0
    library = cloning.VoiceLibrary(tmp_path / "voices")
    assert library.names() == ["both", "high", "low"]
    mean = library.load("low").embedding + library.load("high").embedding
    both = library.load("both")
    np.testing.assert_allclose(both.embedding, mean / np.linalg.norm(mean), atol=1e-6)
    assert both.sources == ("low.wav", "high.wav")
    assert both.consent == "a machine"


def test_every_file_says_where_it_comes_from(cli, toy):
    low, consent = toy / "low.wav", "a machine, by Zoë"
    given = ["--seed", 1, "--consent", consent]
    for name in ("a.wav", "a.flac", "a.ogg"):
        assert cli(low, "--text", TEXT, "--out", name, *given).code == 0
    assert cli(low, "--text", TEXT, "--stream", "s.wav", *given).code == 0
    Path("lines.txt").write_text("One.\nTwo.\n")
    assert cli(low, "--text-file", "lines.txt", "--out-dir", "out", *given).code == 0
    for name in ("a.wav", "a.flac", "a.ogg", "s.wav", "out/001.wav", "out/002.wav"):
        origin = cloning.read_provenance(Path(name))
        assert origin is not None and (origin.voice, origin.consent) == ("low.wav", consent), name
        assert list(origin.models) == ["encoder", "synthesizer", "vocoder"] and not origin.watermark
        assert origin.models["encoder"].startswith("encoder.safetensors ")


def test_voices_without_consent_can_be_refused(cli, toy, tmp_path):
    low = toy / "low.wav"
    assert cli(low, "--save-voice", "without").code == 0
    assert cli(low, "--save-voice", "with", "--consent", "a machine", "--require-consent").code == 0
    assert_error(cli("--voice", "without", "--text", TEXT, "--require-consent"), "consent note")
    assert cli("--voice", "with", "--text", TEXT, "--require-consent", "--out", "a.wav").code == 0
    origin = cloning.read_provenance(Path("a.wav"))
    assert origin is not None and (origin.voice, origin.consent) == ("with", "a machine")


def test_a_watermark_without_its_package_is_refused(cli, toy, monkeypatch):
    monkeypatch.setattr("cloning.watermark.PACKAGE", "no-such-package-anywhere")
    for more in ([], ["--stream", "s.wav"], ["--out", "a.flac"], ["--out-dir", "out"]):
        assert_refused(cli(toy / "low.wav", "--text", TEXT, "--watermark", *more), "requirements-watermark.txt")


def test_nothing_is_left_if_the_watermark_is_not_detected(cli, toy, monkeypatch):
    class Unseen(Watermarker):
        def apply(self, wav, sample_rate):
            return wav

        def scores(self, wav, sample_rate):
            return np.zeros(1)

    monkeypatch.setattr("cloning.watermark.require_weights", lambda: None)
    monkeypatch.setattr("cloning.streaming.load_watermarker", lambda: Unseen(None))  # type: ignore[arg-type]
    for more in (["--out", "a.wav"], ["--stream", "s.wav"]):
        assert_refused(cli(toy / "low.wav", "--text", TEXT, "--watermark", *more), "cannot be detected")


def test_a_saved_voice_gives_the_samples_of_its_references(cli, toy):
    first = cli(toy / "low.wav", "--text", TEXT, "--out", "a.wav", "--seed", 2, "--save-voice", "ann")
    assert first.code == 0, first
    again = cli("--voice", "ann", "--text", TEXT, "--out", "b.wav", "--seed", 2)
    assert again.code == 0, again
    assert np.array_equal(wav_of("a.wav"), wav_of("b.wav"))
    assert first.out.splitlines()[-1].split("similarity")[1] == again.out.splitlines()[-1].split("similarity")[1]


def test_an_end_to_end_synthesizer_needs_no_vocoder(cli, toy, tmp_path):
    toy_vits().save(tmp_path / "vits.safetensors")
    synthesizer = ["--synthesizer", tmp_path / "vits.safetensors"]
    result = cli(toy / "low.wav", *synthesizer, "--text", TEXT, "--seed", 1, "--out", "vits.wav")
    assert result.code == 0, result
    assert np.abs(wav_of("vits.wav")).max() > 0.01
    assert cli(toy / "low.wav", *synthesizer, "--text", TEXT, "--seed", 1, "--stream", "stream.wav").code == 0
    np.testing.assert_array_equal(wav_of("stream.wav"), wav_of("vits.wav"))
    given = cli(toy / "low.wav", *synthesizer, "--vocoder", "griffin-lim", "--text", TEXT, "--out", "same.wav")
    assert given.code == 0


# --- adaptation -------------------------------------------------------------------------------------------------------


@pytest.fixture
def refined(tmp_path, monkeypatch) -> Path:
    """A toy synthesizer with a refiner, and a minute of the clip `me.wav` with its transcript."""
    monkeypatch.setattr("synthesizer.refiner.adaptation.STEPS", 5)
    sizes = {"postfilter_size": 8, "postfilter_layers": 1, "refiner_size": 16, "refiner_layers": 2}
    toy_synthesizer(sizes=sizes).save(tmp_path / "refined.safetensors")
    soundfile.write(tmp_path / "me.wav", speech_like(25, 150), 16_000)
    return tmp_path


def test_a_voice_is_adapted_and_kept(cli, refined):
    base = ["--synthesizer", refined / "refined.safetensors", "--text", TEXT, "--seed", 1]
    assert cli(refined / "me.wav", *base, "--out", "plain.wav").code == 0
    result = cli(refined / "me.wav", *base, "--adapt", "--save-voice", "me", "--out", "adapted.wav")
    assert result.code == 0, result
    assert not np.array_equal(wav_of("plain.wav"), wav_of("adapted.wav"))
    assert cli("--voice", "me", *base, "--out", "again.wav").code == 0
    assert np.array_equal(wav_of("again.wav"), wav_of("adapted.wav"))


def test_adaptation_that_is_not_possible_is_one_sentence(cli, toy, refined):
    synthesizer = ["--synthesizer", refined / "refined.safetensors"]
    assert_refused(cli(toy / "low.wav", *synthesizer, "--text", TEXT, "--adapt"), "at least 20 s")
    assert_refused(cli(refined / "me.wav", "--text", TEXT, "--adapt"), "cannot be adapted")
    assert_refused(cli("--voice", "ann", *synthesizer, "--text", TEXT, "--adapt"), "--adapt needs reference clips")


# --- the loop ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("ending", ["", "quit\n", "  QUIT\nnot said\n", "\n\nexit\n"])
def test_the_loop_ends_with_its_input(cli, toy, ending):
    result = cli(toy / "low.wav", "--seed", 1, stdin=f"One.\n\nTwo.\n{ending}")
    assert result.code == 0, result
    assert sorted(path.name for path in Path("out").iterdir()) == ["001.wav", "002.wav"]
    assert "similarity to the reference" in result.out.splitlines()[-1]


def test_the_loop_prints_nothing_at_the_end_of_input(cli, toy):
    result = cli(toy / "low.wav", stdin="")
    assert (result.code, result.out, result.err) == (0, "", "")
    assert list(Path().iterdir()) == []


def test_the_loop_continues_after_an_unspeakable_text_and_overwrites_no_file(cli, toy):
    Path("out").mkdir()
    Path("out/001.wav").write_bytes(b"mine")
    result = cli(toy / "low.wav", stdin="...\nOne.\n")
    assert result.code == 0
    assert result.err.startswith("error: ")
    assert Path("out/001.wav").read_bytes() == b"mine"
    assert len(wav_of("out/002.wav"))


def test_overwriting_needs_force(cli, toy):
    base = [toy / "low.wav", "--text", TEXT, "--out", "out.wav", "--seed", 1]
    Path("out.wav").write_bytes(b"mine")
    refused = cli(*base)
    assert refused.code == 2
    assert "--force" in refused.err
    assert Path("out.wav").read_bytes() == b"mine"
    assert cli(*base, "--force").code == 0
    assert len(wav_of("out.wav"))


def test_each_file_of_a_batch_and_each_voice_is_protected(cli, toy):
    Path("lines.txt").write_text("One.\nTwo.\n")
    Path("out").mkdir()
    for name in ("002.wav", "manifest.json"):
        Path("out", name).write_bytes(b"mine")
        refused = cli(toy / "low.wav", "--text-file", "lines.txt")
        assert refused.code == 2
        assert name in refused.err
        assert [path.name for path in Path("out").iterdir()] == [name]
        Path("out", name).unlink()
    assert cli(toy / "low.wav", "--save-voice", "ann").code == 0
    assert "already" in cli(toy / "low.wav", "--save-voice", "ann").err
    assert cli(toy / "low.wav", "--save-voice", "ann", "--force").code == 0


# --- playback and streams ---------------------------------------------------------------------------------------------


@pytest.fixture
def audio_library(monkeypatch) -> FakeSoundDevice:
    fake = FakeSoundDevice()
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    return fake


def without_silence(played: np.ndarray) -> np.ndarray:
    """16-bit samples, without the zeros that a card plays while it waits."""
    samples = np.rint(played * 32768)
    return samples[samples != 0]


def test_playing_writes_no_file_unless_one_is_asked_for(cli, toy, audio_library):
    result = cli(toy / "low.wav", "--text", "One. Two.", "--seed", 1, "--play")
    assert result.code == 0, result
    assert "first audio after" in result.out and list(Path().iterdir()) == []
    assert len(without_silence(audio_library.played[0])) > 1000
    for flags, name in ((["--out", "a.wav"], "a.wav"), (["--out-dir", "out"], "out/001.wav")):
        base = [toy / "low.wav", "--text", "One. Two.", "--seed", 1, "--play", "--stream", "s.wav", "--force"]
        assert cli(*base, *flags).code == 0
        streamed = wav_of("s.wav")
        assert np.array_equal(without_silence(audio_library.played[-1]), streamed[streamed != 0])
        assert np.array_equal(streamed, wav_of(name))


def test_batches_and_interactive_texts_are_played(cli, toy, audio_library):
    Path("lines.txt").write_text("One.\nTwo.\n")
    assert cli(toy / "low.wav", "--text-file", "lines.txt", "--play").code == 0
    assert cli(toy / "low.wav", "--play", stdin="One.\nTwo.\n").code == 0
    assert len(audio_library.played) == 2  # a stream for each run, not for each text
    assert [path.name for path in Path().iterdir()] == ["lines.txt"]
    assert cli(toy / "low.wav", "--text-file", "lines.txt", "--play", "--out-dir", "out").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["001.wav", "002.wav", "manifest.json"]


@pytest.mark.parametrize("fake", [None, FakeSoundDevice(devices=False), FakeSoundDevice(busy=True)])
def test_other_outputs_are_written_without_a_sound_card(cli, toy, monkeypatch, fake):
    monkeypatch.setitem(sys.modules, "sounddevice", fake)
    assert_refused(cli(toy / "low.wav", "--text", TEXT, "--play"))
    for flags in (["--out", "a.wav"], ["--stream", "b.wav"]):
        result = cli(toy / "low.wav", "--text", TEXT, "--play", *flags)
        assert result.code == 0, result
        assert len(result.err.splitlines()) == 1 and result.err.startswith("warning: ")
        assert len(wav_of(flags[1]))


def test_a_stream_is_a_wav_of_the_speech(cli, toy):
    base = [toy / "low.wav", "--text", "One. Two.", "--seed", 1]
    assert cli(*base, "--stream", "a.wav", "--out", "b.wav").code == 0
    assert np.array_equal(wav_of("a.wav"), wav_of("b.wav"))
    refused = cli(*base, "--stream", "a.wav")
    assert refused.code == 2 and "--force" in refused.err
    assert cli(*base, "--stream", "a.wav", "--force").code == 0


def test_an_interruption_stops_playback_and_leaves_no_incomplete_file(cli, toy, audio_library, monkeypatch):
    from vocoder import GriffinLimVocoder

    def interrupted(self, segments, **_):
        yield np.full(1600, 0.5, np.float32)
        yield np.full(1600, 0.5, np.float32)
        raise KeyboardInterrupt

    monkeypatch.setattr(GriffinLimVocoder, "stream_segments", interrupted)
    result = cli(toy / "low.wav", "--text", TEXT, "--play", "--stream", "a.wav", "--out", "b.wav")
    assert result.code == 130 and result.err.splitlines()[-1] == "interrupted"
    assert audio_library.aborted == 1 and list(Path().iterdir()) == []


# --- invalid input ----------------------------------------------------------------------------------------------------


@pytest.fixture
def bad_clip(toy, tmp_path, monkeypatch):
    def make(kind: str) -> Path:
        path = tmp_path / f"{kind}.wav"
        rng = np.random.default_rng(0)
        if kind == "empty":
            path.write_bytes(b"")
        elif kind == "corrupt":
            path.write_bytes(rng.bytes(5000))
        elif kind == "cut":
            path.write_bytes((toy / "low.wav").read_bytes()[:30])
        elif kind == "text":
            path.write_text("this is a poem and not audio\n" * 20)
        elif kind == "folder":
            path.mkdir()
        elif kind == "silent":
            soundfile.write(path, np.zeros(72_000), 16_000)
        elif kind == "no samples":
            soundfile.write(path, np.zeros(0), 16_000)
        elif kind == "nan":
            soundfile.write(path, np.where(np.arange(72_000) == 9, np.nan, speech_like(4.5)), 16_000, subtype="FLOAT")
        elif kind == "short":
            soundfile.write(path, speech_like(0.2), 16_000)
        elif kind == "long":
            soundfile.write(path, speech_like(5.0), 16_000)
            monkeypatch.setattr("encoder.enrolment.MAX_SECONDS", 4.7)
        return path

    return make


@pytest.mark.parametrize(
    "kind", ["missing", "empty", "corrupt", "cut", "text", "folder", "silent", "no samples", "nan", "short", "long"]
)
def test_unusable_clips_are_refused(cli, toy, bad_clip, kind):
    path = bad_clip(kind)
    assert_refused(cli(path, "--text", TEXT, "--out", "out.wav"), path.name)
    among_others = cli(toy / "low.wav", path, "--text", TEXT, "--out", "out.wav")
    if kind == "missing":
        assert_refused(among_others, path.name)
    else:  # a clip that cannot be read or has too little speech is skipped if there is another one
        assert among_others.code == 0 and among_others.err.startswith(f"warning: {path.name}: The clip is skipped")


@pytest.mark.parametrize("text", ["", "  \n ", "...", "?!"])
def test_invalid_texts_are_refused(cli, toy, text):
    assert_refused(cli(toy / "low.wav", "--text", text, "--out", "out.wav"), "text")


def test_the_text_none_is_spoken(cli, toy):
    assert cli(toy / "low.wav", "--text", "None", "--out", "out.wav").code == 0


@pytest.mark.parametrize("content", [None, b"", b"\n \n", b"\xff\xfe\x00\x00\x80", b"One.\n...\n"])
def test_invalid_text_files_are_refused(cli, toy, tmp_path, content):
    path = tmp_path / "lines.txt"
    if content is not None:
        path.write_bytes(content)
    assert_refused(cli(toy / "low.wav", "--text-file", path), "lines.txt")


@pytest.mark.parametrize("stage", ["encoder", "synthesizer", "vocoder"])
def test_a_pickled_checkpoint_is_not_opened_unless_asked_for(cli, toy, tmp_path, stage):
    path = tmp_path / "public.pt"
    path.write_bytes(b"PK\x03\x04" + bytes(100))
    command = (toy / "low.wav", "--text", TEXT, "--out", "out.wav", f"--{stage}", path)
    assert_refused(cli(*command), "public.pt", "--convert-checkpoints")
    assert not path.with_suffix(".safetensors").exists()


@pytest.mark.slow
def test_a_checkpoint_is_converted_and_used(cli, toy, tmp_path, golden_dir):
    path = tmp_path / "public.pt"
    shutil.copy(golden_dir / "vocoder_small_raw.pt", path)
    given = (toy / "low.wav", "--text", TEXT, "--out", "out.wav", "--seed", "1")
    command = (*given, "--vocoder", path, "--convert-checkpoints")
    assert cli(*command).code == 0 and path.with_suffix(".safetensors").is_file()
    first = wav_of("out.wav")
    assert cli(*command, "--force").code == 0  # by the model file that is there now
    np.testing.assert_array_equal(wav_of("out.wav"), first)


@pytest.mark.parametrize("stage", ["encoder", "synthesizer", "vocoder"])
@pytest.mark.parametrize("kind", ["missing", "text", "pickle", "empty", "cut", "stage", "folder"])
def test_invalid_model_files_are_refused(cli, toy, tmp_path, stage, kind):
    path = tmp_path / "model.safetensors"
    own = toy / "models" / f"{stage}.safetensors"
    if kind == "text":
        path.write_text("no model at all, but long enough to look at")
    elif kind == "pickle":
        path.write_bytes(b"PK\x03\x04" + bytes(100))
    elif kind == "empty":
        path.write_bytes(b"")
    elif kind == "cut":
        path.write_bytes(own.read_bytes()[:-100])
    elif kind == "stage":
        other = {"encoder": "vocoder", "synthesizer": "encoder", "vocoder": "synthesizer"}[stage]
        shutil.copy(toy / "models" / f"{other}.safetensors", path)
    elif kind == "folder":
        path.mkdir()
    assert_refused(cli(toy / "low.wav", "--text", TEXT, "--out", "out.wav", f"--{stage}", path), "model.safetensors")


def test_incomplete_models_folders_are_refused(cli, toy, tmp_path):
    result = cli(toy / "low.wav", "--text", TEXT, "--models", tmp_path)
    assert_refused(result, "encoder", "--models")


def test_an_encoder_of_a_different_space_is_refused(cli, toy, tmp_path):
    toy_encoder(space="elsewhere").save(tmp_path / "encoder.safetensors")
    result = cli(toy / "low.wav", "--text", TEXT, "--encoder", tmp_path / "encoder.safetensors")
    assert_refused(result, "elsewhere", "toy")


def test_missing_and_incompatible_voices_are_refused(cli, tmp_path):
    assert_refused(cli("--voice", "nobody", "--text", TEXT), "nobody")
    assert_refused(cli("--voice", "../nobody", "--text", TEXT), "cannot name a voice")
    library = cloning.VoiceLibrary(tmp_path / "voices")
    library.save(cloning.Voice(np.ones(256), "elsewhere", "far"))
    assert_refused(cli("--voice", "far", "--text", TEXT), "elsewhere")


@pytest.mark.parametrize(
    "flags",
    [
        ["--text", TEXT],
        ["REF", "--voice", "ann", "--text", TEXT],
        ["REF", "--text", TEXT, "--text-file", "x.txt"],
        ["REF", "--out", "out.wav"],
        ["REF", "--text", TEXT, "--out", "out.wav", "--out-dir", "out"],
        ["REF", "--text", TEXT, "--griffin-lim", "--vocoder", "x.safetensors"],
        ["--voice", "ann", "--text", TEXT, "--consent", "hers"],
        ["REF", "--text", TEXT, "--require-consent"],
        ["REF", "--save-voice", "ann", "--require-consent", "--consent", " "],
        ["REF", "--text", TEXT, "--seed", "-1"],
        ["REF", "--text", TEXT, "--loudness", "-5"],
        ["REF", "--text", TEXT, "--loudness", "nan"],
        ["REF", "--text", TEXT, "--device", "abacus"],
        ["REF", "--text", TEXT, "--save-voice", "../ann"],
        ["REF", "--text", TEXT, "--out", "out"],
        ["REF", "--text", TEXT, "--out", "out.mp3"],
        ["REF", "--text", TEXT, "--out", "gone/out.wav"],
        ["REF", "--text", TEXT, "--out-dir", "gone/out"],
        ["REF", "--text", TEXT, "--out-dir", "REF"],
        ["REF", "--text", TEXT, "--force", "--out", "REF"],
        ["REF", "--text", TEXT, "--stream", "gone/out.wav"],
        ["REF", "--text", TEXT, "--stream", "out.mp3"],
        ["REF", "--text", TEXT, "--stream", "REF"],
        ["REF", "--text", TEXT, "--vocoder", "theremin"],
    ],
)
def test_contradictory_flags_are_refused(cli, toy, flags):
    before = (toy / "low.wav").read_bytes()
    assert_refused(cli(*[toy / "low.wav" if flag == "REF" else flag for flag in flags]))
    assert (toy / "low.wav").read_bytes() == before


@pytest.mark.parametrize("flags", [["--seed", "x"], ["--typo"], ["--text"]])
def test_unknown_flags_are_refused(cli, toy, flags):
    result = cli(toy / "low.wav", *flags)
    assert result.code == 2
    assert "Traceback" not in result.err + result.out


def test_unwritable_folders_are_refused(cli, toy, monkeypatch):
    def read_only(*_, **__):
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(targets.tempfile, "TemporaryFile", read_only)
    assert_refused(cli(toy / "low.wav", "--text", TEXT, "--out", "out.wav"), "Read-only file system")
    assert_refused(cli(toy / "low.wav"), "Read-only file system")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_device_files_are_not_overwritten(cli, toy, tmp_path):
    (tmp_path / "out.wav").symlink_to("/dev/full")
    assert_refused(cli(toy / "low.wav", "--text", TEXT, "--force", "--out", tmp_path / "out.wav"), "regular file")


def test_a_full_disk_is_reported(cli, toy, monkeypatch):
    def full(_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert_refused(cli(toy / "low.wav", "--text", TEXT, "--out", "out.wav"), "disk is full")
    assert_refused(cli(toy / "low.wav", "--text", TEXT, "--out-dir", "out"), "disk is full")
    assert_refused(cli(toy / "low.wav", "--save-voice", "ann"), "disk is full")


def batch(*more: object) -> list[object]:
    return ["--text-file", "lines.txt", "--out-dir", "out", "--vocoder", "griffin-lim", *more]


def spoken(result: SimpleNamespace) -> list[str]:
    """Files that the run wrote, by the lines it printed."""
    return [line.split(":")[0] for line in result.out.splitlines() if line.startswith("out/")]


def test_a_batch_continues_where_it_stopped(cli, toy, monkeypatch):
    Path("lines.txt").write_text("One.\nTwo.\nThree.\n")
    speak, calls = Narrator.speak, []

    def interrupted(self, text, path, overwrite=False):
        calls.append(path)
        if len(calls) == 3:
            path.write_bytes(b"RIFF, and then it was killed")
            raise KeyboardInterrupt
        return speak(self, text, path, overwrite)

    monkeypatch.setattr(Narrator, "speak", interrupted)
    assert cli(toy / "low.wav", *batch()).code == 130
    monkeypatch.setattr(Narrator, "speak", speak)
    manifest = json.loads(Path("out/manifest.json").read_text())
    assert [entry["file"] for entry in manifest["outputs"]] == ["001.wav", "002.wav"]
    assert manifest["unfinished"] == "003.wav"
    before = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    result = cli(toy / "low.wav", *batch())
    assert result.code == 0 and spoken(result) == ["out/003.wav"]
    assert "2 of 3 files were finished before" in result.out
    assert all(Path("out", name).read_bytes() == before[name] for name in ("001.wav", "002.wav"))
    whole = json.loads(Path("out/manifest.json").read_text())
    assert whole["seed"] == manifest["seed"] and whole["unfinished"] == "" and len(whole["outputs"]) == 3
    assert set(whole["models"]) == {"encoder", "synthesizer", "vocoder"} and whole["version"]
    assert spoken(cli(toy / "low.wav", *batch())) == []


def test_a_second_interruption_loses_no_finished_file(cli, toy, monkeypatch):
    Path("lines.txt").write_text("One.\nTwo.\nThree.\n")
    assert cli(toy / "low.wav", *batch("--seed", 1)).code == 0
    Path("out/001.wav").unlink()

    def interrupted(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Narrator, "speak", interrupted)
        assert cli(toy / "low.wav", *batch("--seed", 1)).code == 130
    names = [entry["file"] for entry in json.loads(Path("out/manifest.json").read_text())["outputs"]]
    assert names == ["002.wav", "003.wav"]
    assert spoken(cli(toy / "low.wav", *batch("--seed", 1))) == ["out/001.wav"]


def test_a_batch_with_other_settings_needs_force(cli, toy):
    Path("lines.txt").write_text("One.\nTwo.\n")
    assert cli(toy / "low.wav", *batch("--seed", 1)).code == 0
    assert_error(cli(toy / "low.wav", *batch("--seed", 2)), "other seed", "--force")
    assert_error(cli(toy / "high.wav", *batch("--seed", 1)), "voice", "--force")
    assert_error(cli(toy / "low.wav", *batch("--seed", 1, "--speed", "1.5")), "speed", "--force")
    assert spoken(cli(toy / "low.wav", *batch("--seed", 2, "--force"))) == ["out/001.wav", "out/002.wav"]
    Path("lines.txt").write_text("One.\nDeux.\n")
    assert_error(cli(toy / "low.wav", *batch("--seed", 2)), "002.wav exists already")
    assert spoken(cli(toy / "low.wav", *batch("--seed", 2, "--force"))) == ["out/002.wav"]


def test_all_lines_that_cannot_be_spoken_are_named(cli, toy):
    Path("lines.txt").write_text("One.\n...\nTwo.\n{QX}\n")
    result = cli(toy / "low.wav", *batch())
    assert_error(result, "line 2", "line 4")


def test_text_comes_through_a_pipe(cli, toy):
    assert cli(toy / "low.wav", "--out", "a.wav", "--seed", 1, stdin="One.\nTwo.\n").code == 0
    assert cli(toy / "low.wav", "--text-file", "-", "--out", "b.wav", "--seed", 1, stdin="One.\nTwo.\n").code == 0
    assert Path("a.wav").read_bytes() == Path("b.wav").read_bytes()
    assert cli(toy / "low.wav", "--text-file", "-", "--out-dir", "out", stdin="One.\nTwo.\n").code == 0
    assert sorted(path.name for path in Path("out").iterdir()) == ["001.wav", "002.wav", "manifest.json"]
    assert_error(cli(toy / "low.wav", "--text-file", "-", stdin=""), "Standard input is empty")


@pytest.mark.parametrize("flag", ["--out", "--text-file", "--out-dir", "--models", "--lexicon", "--stream"])
def test_a_name_that_is_too_long_is_refused(cli, toy, flag):
    given = [] if flag == "--text-file" else ["--text", TEXT]
    result = cli(toy / "low.wav", *given, flag, "x" * 300 + (".wav" if flag in ("--out", "--stream") else ""))
    assert result.code == 2 and "Traceback" not in result.err and result.err.startswith("error: ")


def test_a_full_disk_keeps_finished_files_and_their_manifest(cli, toy, monkeypatch, tmp_path):
    (tmp_path / "lines.txt").write_text("One.\nTwo.\nThree.\n")
    import speech.audio

    write = speech.audio.write_audio

    def filling(path, *arguments, **options):
        if path.name == "002.wav":
            raise StorageError("The disk is full: free some space.")
        write(path, *arguments, **options)

    monkeypatch.setattr(speech.audio, "write_audio", filling)
    result = cli(toy / "low.wav", "--text-file", tmp_path / "lines.txt")
    assert result.code == 2
    assert sorted(path.name for path in Path("out").iterdir()) == ["001.wav", "manifest.json"]
    assert [entry["file"] for entry in json.loads(Path("out/manifest.json").read_text())["outputs"]] == ["001.wav"]


# --- in a separate process --------------------------------------------------------------------------------------------


def _command(repository: Path, *arguments, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, str(repository / "demo_cli.py"), *map(str, arguments)]
    return subprocess.run(command, **{"capture_output": True, "text": True, **options})


HEAVY = ["torch", "numpy", "scipy", "soundfile", "av", "librosa", "numba", "PyQt5", "sounddevice", "matplotlib", "tqdm"]
NEVER = [  # numba, in which the decoder is compiled, may come once the flags are checked
    "librosa",
    "PyQt5",
    "sounddevice",
    "matplotlib",
    "umap",
    "lhotse",
    "accelerate",
    "tensorboard",
    "IPython",
]


def _modules_after(repository: Path, arguments: list, watched: list[str], cwd: Path) -> list[str]:
    code = (
        "import sys, atexit; sys.path.insert(0, sys.argv.pop(1)); watched = sys.argv.pop(1).split(',')\n"
        "import demo_cli\n"
        "try:\n    demo_cli.main()\n"
        "finally:\n    print([name for name in watched if name in sys.modules], file=sys.stderr)\n"
    )
    command = [sys.executable, "-c", code, str(repository), ",".join(watched), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1].replace("'", '"'))


@pytest.mark.slow
def test_samples_do_not_depend_on_the_number_of_processors(repository, tmp_path):
    """With the default models, for a voice and a text that once differed."""
    text, wavs = "Seven ships sailed south.", []
    for threads in ("1", "2", "4"):
        path = tmp_path / f"{threads}.wav"
        subprocess.run(
            [sys.executable, "demo_cli.py", "samples/awb.flac", "--text", text, "--seed", "7", "--out", str(path)],
            cwd=repository, env={**os.environ, "OMP_NUM_THREADS": threads}, check=True, capture_output=True,
        )  # fmt: skip
        wavs.append(path.read_bytes())
    assert wavs[0] == wavs[1] == wavs[2]


def test_help_imports_nothing_heavy(repository, tmp_path):
    assert _modules_after(repository, ["--help"], HEAVY, tmp_path) == []


def test_a_run_imports_no_qt_no_audio_library_and_no_training(repository, toy, tmp_path):
    arguments = [toy / "low.wav", "--text", TEXT, "--models", toy / "models", "--device", "cpu"]
    assert _modules_after(repository, arguments, NEVER, tmp_path) == []
    assert len(wav_of(tmp_path / "out.wav"))


def test_a_closed_pipe_and_unusual_characters(repository, toy, tmp_path):
    command = [sys.executable, str(repository / "demo_cli.py"), str(toy / "low.wav"), "--text", "One \u2603 <"]
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(
        [*command, "--models", str(toy / "models")], stdout=write, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    os.close(write)
    assert done.returncode in (0, 1)
    assert len(wav_of(tmp_path / "out.wav"))
    lines = done.stderr.splitlines()
    assert len(lines) == 1, done.stderr  # one warning, not one for each time the text is read
    assert lines[0].startswith("warning: ")


def test_standard_output_of_a_stream_is_only_audio(repository, toy, tmp_path):
    arguments = [toy / "low.wav", "--text", "One. Two.", "--seed", "1", "--models", toy / "models", "--stream", "-"]
    done = _command(repository, *arguments, cwd=tmp_path, text=False)
    assert done.returncode == 0, done.stderr
    assert b"real-time factor" in done.stderr
    with wave.open(io.BytesIO(done.stdout)) as file:
        assert file.getframerate() == 16_000
    assert len(done.stdout) > 2000 and np.abs(np.frombuffer(done.stdout[44:], "<i2").astype(int)).max() > 100
    assert list(tmp_path.iterdir()) == []


def test_a_player_that_closes_the_pipe_ends_the_stream(repository, toy, tmp_path):
    read, write = os.pipe()
    os.close(read)
    command = [sys.executable, str(repository / "demo_cli.py"), str(toy / "low.wav"), "--text", TEXT, "--stream", "-"]
    done = subprocess.run(
        [*command, "--models", str(toy / "models")], stdout=write, stderr=subprocess.PIPE, text=True, cwd=tmp_path
    )
    os.close(write)
    assert (done.returncode, done.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="the system has no /dev/full")
def test_output_that_cannot_be_printed(repository, toy, tmp_path):
    with open("/dev/full", "w") as full:
        done = _command(
            repository, toy / "low.wav", "--text", TEXT, "--models", toy / "models",
            stdout=full, stderr=subprocess.PIPE, capture_output=False, cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith("error: The disk is full")
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.slow
def test_several_processes_write_the_same_files(cli, toy):
    Path("lines.txt").write_text("Hello there.\nGood morning.\nWho is it?\n")
    batch = [toy / "low.wav", "--text-file", "lines.txt", "--seed", 5]
    assert cli(*batch, "--out-dir", "one").code == 0
    result = cli(*batch, "--out-dir", "two", "--jobs", 2)
    assert result.code == 0, result.err
    assert "3 sentences" in result.out

    def contents(folder: str) -> dict[str, bytes]:
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}

    assert contents("one") == contents("two")
    Path("two/002.wav").unlink()
    result = cli(*batch, "--out-dir", "two", "--jobs", 2)
    assert result.code == 0 and "2 of 3 files were finished before" in result.out
    assert contents("one") == contents("two")


def test_jobs_are_for_batches(cli, toy):
    for flags in (["--jobs", 0], ["--jobs", 2, "--text", TEXT], ["--jobs", 2, "--text-file", "lines.txt", "--play"]):
        result = cli(toy / "low.wav", *flags)
        assert result.code == 2 and result.err.startswith("error: --jobs ")
