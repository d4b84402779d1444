"""`python -m encoder.verification` over lists of trials and folders, with an encoder of toy width."""

import subprocess
import sys

import numpy as np
import pytest
import soundfile

from encoder import SpeakerEncoder, clips
from encoder import verification as trial_lists
from encoder.metrics import equal_error_rate
from encoder.verification import Trial, read_trials
from speech.audio import read_audio
from speech.errors import CorpusError
from tests.commands import run_main
from tests.toy_models import save_toy_models, speech_like


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A toy encoder, two speakers with three clips each, a list of all their pairs, and a silent clip."""
    folder = tmp_path_factory.mktemp("verification")
    save_toy_models(folder / "models")
    names = []
    for number in range(6):
        name = f"s{number // 3}/{number}.wav"
        (folder / "wav" / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / "wav" / name, speech_like(2.0, 100 + 80 * (number // 3), number), 16_000)
        names.append(name)
    pairs = [(a, b) for index, a in enumerate(names) for b in names[index + 1 :]]
    lines = [f"{int(a[:2] == b[:2])} {a} {b}" for a, b in pairs]
    (folder / "trials.txt").write_text("\n".join(lines) + "\n")
    soundfile.write(folder / "silent.wav", np.zeros(16_000), 16_000)
    return folder


@pytest.fixture
def run(folder, capsys):
    encoder = folder / "models" / "encoder.safetensors"
    return lambda *arguments: run_main(trial_lists.main, capsys, "--encoder", encoder, *arguments)


def test_a_list_gives_the_figures_of_its_trials(run, folder, tmp_path):
    result = run(
        folder / "trials.txt", "--root", folder / "wav", "--scores", tmp_path / "s.txt", "--det", tmp_path / "d.png"
    )
    assert result.code == 0, result
    encoder = SpeakerEncoder.load(folder / "models" / "encoder.safetensors")
    embeddings = {
        name: encoder.embed(read_audio(folder / "wav" / name)) for name in (f"s{k // 3}/{k}.wav" for k in range(6))
    }
    labels, values = [], []
    for line in (tmp_path / "s.txt").read_text().splitlines():
        label, first, second, value = line.split("\t")
        assert float(value) == pytest.approx(float(embeddings[first] @ embeddings[second]), abs=1e-5)
        labels.append(label == "1")
        values.append(float(value))
    assert len(labels) == 15
    assert "15 trials (6 of the same speaker) of 6 clips" in result.out
    assert f"{equal_error_rate(values, labels):.2%}" in result.out
    assert "minDCF (p = 0.01)" in result.out
    assert "minDCF (p = 0.05)" in result.out
    assert result.out.count("threshold") == 3
    assert (tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")


def test_a_folder_is_all_pairs(run, folder):
    listed, pairs = run(folder / "trials.txt", "--root", folder / "wav"), run(folder / "wav")
    assert pairs.code == 0, folder
    assert pairs.out.splitlines()[1:] == listed.out.splitlines()[1:]
    assert "15 trials (6 of the same speaker)" in pairs.out
    assert "4 clips" in run(folder / "wav", "--limit-per-speaker", 2).out


def test_each_file_is_embedded_once(run, folder, monkeypatch):
    read = []

    def remembering(path):
        read.append(path)
        return read_audio(path)

    monkeypatch.setattr("speech.audio.read_audio", remembering)
    assert run(folder / "trials.txt", "--root", folder / "wav").code == 0
    assert len(read) == len(set(read)) == 6


def test_batches_do_not_change_the_figures(run, folder, monkeypatch):
    whole = run(folder / "wav")
    monkeypatch.setattr(clips, "BATCH_CLIPS", 1)
    assert run(folder / "wav").out == whole.out


def test_both_forms_of_a_list(tmp_path):
    path = tmp_path / "list.txt"
    path.write_text("# remark\n1 a.wav b.wav\n\na.wav c.wav nontarget\n0\tone two.wav\tb.wav\nb.wav a.wav target\n")
    assert read_trials(path) == [
        Trial(True, "a.wav", "b.wav", 2),
        Trial(False, "a.wav", "c.wav", 4),
        Trial(False, "one two.wav", "b.wav", 5),
        Trial(True, "b.wav", "a.wav", 6),
    ]


@pytest.mark.parametrize("line", ["2 a.wav b.wav", "1 a.wav", "a.wav b.wav", "1 a.wav b.wav c.wav", "a b maybe"])
def test_bad_lines_are_named(tmp_path, line):
    path = tmp_path / "list.txt"
    path.write_text(f"1 a.wav b.wav\n{line}\n")
    with pytest.raises(CorpusError, match="Line 2 of"):
        read_trials(path)


def test_unusable_clips_are_left_out_or_refused(run, folder):
    lines = (folder / "trials.txt").read_text() + "1 s0/0.wav ../silent.wav\n0 ../silent.wav s1/4.wav\n"
    (folder / "more.txt").write_text(lines)
    result = run(folder / "more.txt", "--root", folder / "wav")
    assert result.code == 0, result
    assert "2 of 17 trials left out" in result.out
    assert "left out: ../silent.wav" in result.err
    assert "15 trials" in result.out
    strict = run(folder / "more.txt", "--root", folder / "wav", "--strict")
    assert strict.code == 2
    assert "silent.wav cannot be used" in strict.err


def test_wrong_arguments_end_with_one_sentence(run, folder, tmp_path):
    def written(text):
        (tmp_path / "list.txt").write_bytes(text)
        return tmp_path / "list.txt"

    (tmp_path / "there.txt").write_text("")
    trials, root = folder / "trials.txt", folder / "wav"
    for result, words in (
        (run(tmp_path / "none.txt"), "nothing at"),
        (run(written(b"\xff\xfe\x00")), "not a readable text file"),
        (run(written(b"\n")), "no trials"),
        (run(written(b"1 a.wav b.wav\n")), "Line 1"),
        (run(written(b"1 s0/0.wav s0/1.wav\n"), "--root", root), "different speakers"),
        (run(written(b"0 s0/0.wav s1/3.wav\n"), "--root", root), "the same speaker"),
        (run(trials), "--root"),
        (run(trials, "--root", root, "--limit-per-speaker", 3), "--limit-per-speaker"),
        (run(trials, "--root", root, "--scores", tmp_path / "there.txt"), "--force"),
        (run(trials, "--root", root, "--det", tmp_path / "d.bmp"), ".png"),
        (run(root, "--root", root), "--root"),
        (run(root / "s0"), "different speakers"),
        (run(trials, "--root", root, "--encoder", trials), "trials.txt"),
    ):
        assert result.code == 2, result
        assert result.err.splitlines()[-1].startswith("error: ")
        assert words in result.err
    assert run(trials, "--root", root, "--scores", tmp_path / "there.txt", "--force").code == 0


def test_too_many_pairs_are_refused_before_the_work(run, folder, monkeypatch):
    monkeypatch.setattr(trial_lists, "MAX_PAIRS", 14)
    result = run(folder / "wav")
    assert result.code == 2
    assert "--limit-per-speaker" in result.err


def test_the_module_is_a_command_and_its_metrics_are_light(repository):
    done = subprocess.run(
        [sys.executable, "-m", "encoder.verification", "--help"], cwd=repository, capture_output=True, text=True
    )
    assert done.returncode == 0
    assert "trials.txt" in done.stdout
    code = "import sys, encoder.metrics; print({'torch', 'scipy', 'matplotlib', 'tyro'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
