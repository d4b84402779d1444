from collections import Counter

import numpy as np
import pytest
import soundfile

from evaluation.sets import Material, find_references, pairs, read_recordings, read_sentences
from evaluation.settings import labelled
from speech.errors import CorpusError, TextError
from tests.toy_models import speech_like


@pytest.fixture(scope="module")
def corpus(tmp_path_factory):
    """Three speakers with four utterances of 0.7 s each; the last text is there twice, one is missing."""
    folder = tmp_path_factory.mktemp("spoken")
    lines = ["path,speaker,text,duration_s"]
    for number in range(12):
        speaker = f"s{number // 4}"
        soundfile.write(folder / f"{number}.wav", speech_like(0.7, 100 + 10 * number), 16_000)
        text = ["same words", "", f"text {number}"][2 if number > 2 else max(0, number - 1)]
        lines.append(f"{number}.wav,{speaker},{text},0.7")
    (folder / "metadata.csv").write_text("\n".join(lines))
    return folder


@pytest.mark.parametrize(("rows", "columns"), [(4, 50), (6, 5), (3, 7), (1, 4), (5, 5)])
def test_pairs_cover_the_grid_once_and_evenly(rows, columns):
    grid = pairs(rows, columns)
    assert len(set(grid)) == len(grid) == rows * columns
    part = pairs(rows, columns, rows * columns // 2)
    for axis, size in ((0, rows), (1, columns)):
        used = Counter(pair[axis] for pair in part)
        assert max(used.values()) - min(used.get(k, 0) for k in range(size)) <= 1


def test_utterances_are_spread_over_the_speakers_and_repeatable(corpus):
    chosen = Material([corpus]).choose(6)
    assert Counter(item.speaker for item in chosen) == {"s0": 2, "s1": 2, "s2": 2}
    assert chosen == Material([corpus]).choose(6)
    assert chosen != Material([corpus]).choose(6, seed=1)


def test_transcribed_utterances_each_text_once(corpus):
    texts = [item.text for item in Material([corpus]).choose(with_text=True, distinct_texts=True)]
    assert len(texts) == len(set(texts)) == 10
    assert "" not in texts


def test_recordings_are_normalized_and_bad_ones_reported(corpus, tmp_path):
    chosen = Material([corpus]).choose(2)
    for recording in read_recordings(chosen):
        assert np.abs(recording.wav).max() == pytest.approx(0.9, abs=1e-4)


def test_a_folder_of_clips_is_one_voice_each(tmp_path):
    for name in ("ann", "bob"):
        soundfile.write(tmp_path / f"{name}.wav", speech_like(1.0), 16_000)
    (tmp_path / "notes.txt").write_text("not a clip")
    assert [reference.voice for reference in find_references([tmp_path])] == ["ann", "bob"]
    assert [reference.voice for reference in find_references([tmp_path / "bob.wav"])] == ["bob"]
    with pytest.raises(CorpusError, match="'ann'"):
        find_references([tmp_path, tmp_path / "ann.wav"])


def test_metadata_names_the_voices(corpus):
    assert Counter(reference.voice for reference in find_references([corpus])) == {"s0": 4, "s1": 4, "s2": 4}


def test_missing_references(tmp_path):
    with pytest.raises(CorpusError, match="nothing at"):
        find_references([tmp_path / "none"])
    with pytest.raises(CorpusError, match="no audio file"):
        find_references([tmp_path])


def test_sentences(tmp_path):
    path = tmp_path / "lines.txt"
    path.write_text("# a remark\nOne  two.\n\nThree.\n", encoding="utf-8")
    assert read_sentences(path) == ["One two.", "Three."]
    path.write_text("Alone.\n")
    with pytest.raises(TextError, match="at least two"):
        read_sentences(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TextError, match="not a readable text file"):
        read_sentences(path)


def test_labels_of_files(tmp_path, monkeypatch):
    assert labelled("models/one.safetensors") == ("one", "models/one.safetensors")
    assert labelled("ten minutes=runs/a/best.safetensors") == ("ten minutes", "runs/a/best.safetensors")
    assert labelled("griffin-lim") == ("griffin-lim", "griffin-lim")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a=b.safetensors").write_text("")
    assert labelled("a=b.safetensors") == ("a=b", "a=b.safetensors")  # a file may have such a name


def test_silent_recordings_are_reported_without_their_folder(corpus, tmp_path):
    soundfile.write(tmp_path / "silent.wav", np.zeros(8000), 16_000)
    soundfile.write(tmp_path / "broken.wav", np.zeros(8000), 16_000)
    (tmp_path / "metadata.csv").write_text("path,speaker,text,duration_s\nsilent.wav,a,,0.5\nbroken.wav,a,,0.5\n")
    chosen, rejected = Material([tmp_path]).choose(), dict[str, str]()
    (tmp_path / "broken.wav").write_bytes(b"RIFF")
    assert not list(read_recordings(chosen, on_reject=rejected.__setitem__))
    assert len(rejected) == 2
    assert str(tmp_path) not in "".join(rejected.values())


def test_limit_per_speaker(corpus):
    chosen = Material([corpus]).choose(limit_per_speaker=2)
    assert Counter(item.speaker for item in chosen) == {"s0": 2, "s1": 2, "s2": 2}
