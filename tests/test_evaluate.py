"""evaluate.py end to end, with models of toy width and stand-ins for the judges."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest
import soundfile
import torch

import evaluate
from evaluation.memory import vocoder_memory
from evaluation.similarity import Resemblyzer
from evaluation.vocoders import find_vocoders
from speech.errors import ModelFileError
from speech.mel_config import MelConfig
from tests.evaluation.fakes import FakeNaturalness, FakeRecogniser, FakeSpeakerJudge
from tests.synthesizer.vits.toy import save_toy_conversion
from tests.toy_models import save_toy_models, speech_like
from vocoder.spectral.config import SpectralConfig
from vocoder.spectral.inference import SpectralVocoder
from vocoder.spectral.model import SpectralGenerator


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Toy models, two references, three sentences, noises, and a corpus of two speakers with three utterances each."""
    folder = tmp_path_factory.mktemp("evaluate")
    save_toy_models(folder / "models")
    (folder / "references").mkdir()
    for name, pitch in (("low", 110), ("high", 210)):
        soundfile.write(folder / "references" / f"{name}.wav", speech_like(3.0, pitch), 16_000)
    (folder / "noise").mkdir()
    for number in range(12):
        soundfile.write(folder / "noise" / f"hum{number}.wav", speech_like(1.0, 300, number), 16_000)
    (folder / "sentences.txt").write_text("Hello there.\nOne two.\nGood night.\n")
    corpus = folder / "corpus"
    corpus.mkdir()
    lines = ["path,speaker,text,duration_s"]
    for number in range(6):
        soundfile.write(corpus / f"{number}.wav", speech_like(2.0, 100 + 20 * number, number), 16_000)
        lines.append(f"{number}.wav,s{number // 3},text {number},2.0")
    (corpus / "metadata.csv").write_text("\n".join(lines))
    return folder


@pytest.fixture
def run(monkeypatch, capsys, tmp_path):
    monkeypatch.chdir(tmp_path)
    for name, fake in (
        ("PocketSphinx", FakeRecogniser),
        ("Resemblyzer", FakeSpeakerJudge),
        ("DistillMos", FakeNaturalness),
    ):
        monkeypatch.setattr(f"evaluation.judges.{name}", fake)

    def call(*arguments):
        try:
            code: object = evaluate.main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return SimpleNamespace(code=code, out=out, err=err)

    return call


def test_encoder(run, folder, tmp_path):
    encoder = folder / "models/encoder.safetensors"
    result = run(
        "encoder", folder / "corpus", "--encoder", f"one={encoder}", f"two={encoder}", "--mfcc", "--seconds", 1.6,
        "--out", tmp_path / "r",
    )  # fmt: skip
    assert result.code == 0, result
    report = json.loads((tmp_path / "r/report.json").read_text())
    figures = report["figures"]
    assert figures["EER, one"] == figures["EER, two"]
    assert figures["EER, one"]["corpus, whole, clean (6 clips)"]["n"] == 6
    assert figures["one minus MFCC means and deviations"]
    assert {figure["value"] for figure in figures["two minus one"].values()} == {0}
    assert set(figures["one minus mean MFCC"]) == {"corpus, whole, clean (6 clips)", "corpus, 1.6 s, clean (6 clips)"}
    assert "| corpus, whole, clean (6 clips) |" in result.out
    assert "n=" not in result.out
    assert str(tmp_path) not in (tmp_path / "r/report.json").read_text()


def test_encoder_in_noise(run, folder):
    result = run(
        "encoder", folder / "corpus", "--encoder", folder / "models/encoder.safetensors",
        "--noise", folder / "noise", "--snr", 5, "--seconds", 1.6,
    )  # fmt: skip
    assert result.code == 0, result
    assert "| corpus, whole, noise at 5 dB (6 clips) |" in result.out
    assert "held-out noises" in result.out


@pytest.mark.slow
def test_vocoder(run, folder, tmp_path):
    result = run(
        "vocoder", folder / "corpus", "--vocoder", "griffin-lim", "again=griffin-lim", "--limit", 2,
        "--out", tmp_path / "r", "--plots", 1,
    )  # fmt: skip
    assert result.code == 0, result
    report = json.loads((tmp_path / "r/report.json").read_text())
    assert list(report["figures"]) == ["natural", "copy, griffin-lim", "copy, again"]
    for name in ("words: error rate (fake)", "copy: mel cepstral distortion in dB", "quality: 1 to 5 (fake MOS)"):
        assert report["figures"]["copy, again"][name] == report["figures"]["copy, griffin-lim"][name]
    assert report["figures"]["copy, again"]["speed: real-time factor, vocoder"]["value"] > 0
    assert report["figures"]["copy, griffin-lim"]["copy: mel cepstral distortion in dB"]["n"] == 2
    assert "copy: mel cepstral distortion in dB" not in report["figures"]["natural"]
    assert report["figures"]["natural"]["voice: cosine (resemblyzer)"]["n"] == 2
    for name in ("copy: F0 error in cents", "copy: voicing errors", "memory: peak in MB"):
        if name != "memory: peak in MB" or sys.platform == "linux":
            assert report["figures"]["copy, griffin-lim"][name]["value"] >= 0
    assert len(list((tmp_path / "r").glob("*.png"))) == len(list((tmp_path / "r").glob("*.wav"))) == 3


def test_vocoders_by_name(tmp_path):
    torch.manual_seed(0)
    config = SpectralConfig(channels=16, hidden=24, blocks=1, kernel=3)
    SpectralVocoder(SpectralGenerator(config)).save(tmp_path / "vocoder-spectral.safetensors")
    mine = tmp_path / "mine.safetensors"
    files = find_vocoders(("spectral", "Griffin-Lim", f"own={mine}", str(mine)), tmp_path)
    assert files == {
        "spectral": tmp_path / "vocoder-spectral.safetensors",
        "Griffin-Lim": None,
        "own": mine,
        "mine": mine,
    }
    with pytest.raises(ModelFileError, match="no wavernn vocoder"):
        find_vocoders(("wavernn",), tmp_path)
    with pytest.raises(ModelFileError, match="choose wavernn, spectral, griffin-lim"):
        find_vocoders(("wavenet",), tmp_path)
    megabytes = vocoder_memory(files["spectral"], MelConfig())
    assert (megabytes is None) == (sys.platform != "linux") and (megabytes is None or 0 < megabytes < 500)


@pytest.fixture
def cloning(run, folder, tmp_path):
    def call(*more):
        return run(
            "cloning", "--references", folder / "references", "--sentences", folder / "sentences.txt",
            "--models", folder / "models", "--device", "cpu", "--out", tmp_path / "r", *more,
        )  # fmt: skip

    return call


def test_cloning_beside_natural_speech(cloning, folder, tmp_path):
    result = cloning("--limit", 3, "--plots", 1, "--natural", folder / "corpus", "--natural-limit", 2)
    assert result.code == 0, result
    report = json.loads((tmp_path / "r/report.json").read_text())
    assert list(report["figures"]) == ["natural", "copy, griffin-lim", "clone, griffin-lim"]
    clones = report["figures"]["clone, griffin-lim"]
    assert clones["words: right sentence chosen (fake)"]["n"] == 3
    assert clones["quality: 1 to 5 (fake MOS)"]["low"] < clones["quality: 1 to 5 (fake MOS)"]["high"]
    assert "voice: cosine (resemblyzer)" not in clones  # each voice has the one clip that it is enrolled from
    assert report["figures"]["natural"]["voice: cosine (resemblyzer)"]["n"] == 2
    assert {"Words: fake.", "Quality: fake.", "Voice: fake."} <= set(report["notes"])
    assert clones["attention: failures"]["n"] == 3
    assert clones["speed: real-time factor, synthesizer"]["value"] > 0
    assert "words: error rate (fake)" in report["figures"]["natural"]
    table = (tmp_path / "r/report.md").read_text()
    assert result.out.startswith(table)
    assert len(list((tmp_path / "r").glob("*.png"))) == 3


def test_voices_of_several_clips_are_compared_with_their_other_clips(run, folder, tmp_path):
    def of_corpus(clips):
        return run(
            "cloning", "--references", folder / "corpus", "--sentences", folder / "sentences.txt", "--limit", 2,
            "--models", folder / "models", "--device", "cpu", "--out", tmp_path / f"of-{clips}", "--clips", clips,
        )  # fmt: skip

    result = of_corpus(2)
    assert result.code == 0, result
    report = json.loads((tmp_path / "of-2/report.json").read_text())
    assert [row["key"] for row in report["outputs"]] == ["s0-001", "s1-002"]
    assert report["figures"]["clone, griffin-lim"]["voice: cosine (resemblyzer)"]["n"] == 2
    assert any("enrolled from 2 clips" in note for note in report["notes"])
    result = of_corpus(4)
    assert result.code == 2
    assert "None of the references" in result.err


def test_clones_of_disturbed_references(run, folder, tmp_path):
    result = run(
        "cloning", "--references", folder / "corpus", "--sentences", folder / "sentences.txt", "--limit", 2,
        "--models", folder / "models", "--device", "cpu", "--out", tmp_path / "r", "--noise", folder / "noise",
        "--snr", 5,
    )  # fmt: skip
    assert result.code == 0, result
    report = json.loads((tmp_path / "r/report.json").read_text())
    clean, *disturbed = ("clone, griffin-lim" + end for end in ("", ", noise at 5 dB", ", room at 5 dB"))
    assert list(report["figures"]) == [clean, *disturbed]
    cosine, loss = "voice: cosine (resemblyzer)", "voice: loss by the disturbance (resemblyzer)"
    for condition in disturbed:
        figures = report["figures"][condition]
        assert figures[loss]["value"] == pytest.approx(
            report["figures"][clean][cosine]["value"] - figures[cosine]["value"]
        )
    assert (tmp_path / "r/robustness.png").is_file()


def test_cloning_is_repeatable_and_equals_the_cloner(cloning, folder, tmp_path):
    from cloning import VoiceCloner
    from speech.audio import read_audio

    assert cloning("--limit", 2, "--plots", 2, "--seed", 5).code == 0
    rows = json.loads((tmp_path / "r/report.json").read_text())["outputs"]
    assert cloning("--limit", 2, "--plots", 2, "--seed", 5, "--force").code == 0
    again = json.loads((tmp_path / "r/report.json").read_text())["outputs"]
    for row in rows + again:
        del row["synthesis_seconds"], row["vocoder_seconds"]
    assert rows == again
    cloner = VoiceCloner.load(folder / "models", device="cpu")
    wav = read_audio(folder / "references" / "high.wav")
    speech = cloner.speak("Hello there.", cloner.enroll([wav]), seed=5)
    assert rows[0]["voice"] == "high"
    assert rows[0]["seconds"] == pytest.approx(speech.seconds)


def test_mistakes_are_reported_in_one_sentence(cloning, run, folder, tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    for result, words in (
        (run("encoder", tmp_path / "none"), "There is no corpus"),
        (run("encoder", folder / "corpus", "--encoder", folder / "sentences.txt"), "sentences.txt"),
        (run("encoder", folder / "corpus", "--limit-per-speaker", 0), "--limit-per-speaker"),
        (run("encoder", folder / "corpus", "--seconds", 0), "--seconds"),
        (run("encoder", folder / "corpus", "--noise", tmp_path / "none"), "no folder"),
        (run("encoder", folder / "corpus", "--encoder", "a=x", "a=y"), "called 'a'"),
        (run("vocoder", tmp_path / "none"), "none"),
        (run("vocoder", folder / "corpus", "--limit", 0), "--limit"),
        (run("vocoder", folder / "corpus", "--recogniser", "sphinx"), "--recogniser"),
        (run("vocoder", folder / "corpus", "--speaker-threshold", 0.5), "need a --speaker-judge"),
        (run("vocoder", folder / "corpus", "--speaker-judge", tmp_path / "none.onnx"), "no speaker model"),
        (cloning("--references", tmp_path / "none"), "none"),
        (cloning("--sentences", tmp_path / "empty.txt"), "at least two"),
        (cloning("--models", tmp_path), "no encoder model"),
        (cloning("--vocoder", "griffin-lim", "griffin-lim"), "Two vocoders"),
    ):
        assert result.code == 2, result
        assert result.err.splitlines()[-1].startswith("error: ")
        assert words in result.err
    (tmp_path / "r").mkdir()
    (tmp_path / "r/report.json").write_text("{}")
    assert "--force" in cloning().err


def test_missing_packages_are_named(folder, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "pocketsphinx", None)
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["vocoder", str(folder / "corpus"), "--limit", "2"])
    assert stop.value.code == 2
    assert "pocketsphinx" in capsys.readouterr().err
    monkeypatch.setitem(sys.modules, "pesq", None)
    monkeypatch.setattr("encoder.convert.find_resemblyzer_weights", lambda: None)
    monkeypatch.setitem(sys.modules, "distillmos", None)
    monkeypatch.setattr("evaluation.judges.Resemblyzer", Resemblyzer)
    assert evaluate.main(["vocoder", str(folder / "corpus"), "--limit", "2", "--recogniser", "none"]) == 0
    out = capsys.readouterr().out
    for command in ("pip install pesq", "pip install --no-deps resemblyzer", "--no-deps distillmos xls-r-sqa"):
        assert command in out
    monkeypatch.setitem(sys.modules, "faster_whisper", None)
    with pytest.raises(SystemExit) as stop:
        evaluate.main(["vocoder", str(folder / "corpus"), "--recogniser", "faster-whisper:tiny.en"])
    assert stop.value.code == 2
    assert "pip install faster-whisper whisper-normalizer" in capsys.readouterr().err


def test_help_imports_nothing_heavy(repository):
    code = (
        "import sys, evaluate\ntry: evaluate.main(['cloning', '--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'numpy', 'scipy', 'lhotse', 'matplotlib', 'onnxruntime'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_conversion(run, folder, tmp_path):
    models = save_toy_conversion(save_toy_models(tmp_path / "models"))
    result = run("conversion", folder / "corpus", "--models", models, "--out", tmp_path / "r", "--limit", 3)
    assert result.code == 0, result
    report = json.loads((tmp_path / "r/report.json").read_text())
    assert list(report["figures"]) == ["natural", "converted"]
    converted = report["figures"]["converted"]
    assert converted["words: error rate (fake)"]["n"] == converted["voice: cosine (resemblyzer)"]["n"] == 3
    rows = [row for row in report["outputs"] if row["condition"] == "converted"]
    similar = [row["similarity"]["resemblyzer"] for row in rows]
    nearer = converted["voice: nearer to the target than to the source (resemblyzer)"]
    assert nearer["value"] == sum(row["cosine"] > row["source_cosine"] for row in similar) / 3
    sources = {row["key"]: row["voice"] for row in report["outputs"] if row["condition"] == "natural"}
    assert all(sources[row["key"]] != row["voice"] for row in rows)
    assert "voice: cosine to the source (resemblyzer)" not in report["figures"]["natural"]


def test_conversion_needs_two_speakers(run, folder, tmp_path):
    models = save_toy_conversion(save_toy_models(tmp_path / "models"))
    soundfile.write(tmp_path / "a.wav", speech_like(2.0, 100), 16_000)
    (tmp_path / "metadata.csv").write_text("path,speaker,text,duration_s\na.wav,ann,hello,2.0\n")
    result = run("conversion", tmp_path, "--models", models, "--out", tmp_path / "r")
    assert result.code == 2 and "two speakers" in result.err
