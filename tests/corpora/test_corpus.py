"""Corpora of every layout, with unusable files among the usable ones."""

import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from corpora.corpus import Utterance, iter_utterances, read_utterance
from speech.errors import CorpusError


def write_clip(path: Path, seconds: float = 0.5, rate: int = 16_000, channels: int = 1) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * rate)) / rate
    wav = np.stack([0.3 * (channel + 1) * np.sin(2 * np.pi * 200 * time) for channel in range(channels)], axis=1)
    soundfile.write(path, wav, rate)
    return path


def read(*paths: Path) -> tuple[dict[str, Utterance], dict[str, str]]:
    rejected: dict[str, str] = {}
    utterances = {utterance.key: utterance for utterance in iter_utterances(paths, rejected.__setitem__)}
    return utterances, rejected


def test_table(tmp_path):
    corpus = tmp_path / "table"
    for name in ("a/1.wav", "b/1.wav", 'b/a, "quoted" name | 漢.wav', "b/empty.wav", "b/broken.wav", "b/listed.wav"):
        write_clip(corpus / name)
    (corpus / "b/empty.wav").write_bytes(b"")
    (corpus / "b/broken.wav").write_bytes(b"RIFF this is no audio" * 20)
    write_clip(tmp_path / "outside.wav")
    lines = [
        "path,speaker,text,duration_s",
        'a/1.wav,ann,"Hello, ""you""\n| two  lines",0.5',
        "b/1.wav,ben,,",
        '"b/a, ""quoted"" name | 漢.wav",ben,naïve \u2028 text,0.5',
        "b/empty.wav,ben,x,0.5",
        "b/broken.wav,ben,x,0.5",
        "b/missing.wav,ben,x,0.5",
        "../outside.wav,ben,x,0.5",
        "b/listed.wav,,x,0.5",
        "b/listed.wav,ben,too,0.5,many",
        "b/1.wav,ben,again,0.5",
        "",
    ]
    (corpus / "metadata.csv").write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).encode())
    utterances, rejected = read(corpus)
    assert list(utterances) == ["table/a/1.wav", "table/b/1.wav", 'table/b/a, "quoted" name | 漢.wav']
    assert [utterance.speaker for utterance in utterances.values()] == ["ann", "ben", "ben"]
    assert [utterance.text for utterance in utterances.values()] == ['Hello, "you" | two lines', "", "naïve text"]
    assert all(utterance.duration == 0.5 and utterance.whole for utterance in utterances.values())
    assert {key.removeprefix("table/") for key in rejected} == {
        *("b/empty.wav", "b/broken.wav", "b/missing.wav", "../outside.wav", "b/listed.wav", "b/1.wav")
    }
    assert "missing" in rejected["table/b/missing.wav"]
    assert "empty" in rejected["table/b/empty.wav"]
    assert "twice" in rejected["table/b/1.wav"]


def test_table_without_speakers_is_one_speaker(tmp_path):
    write_clip(tmp_path / "me/1.wav")
    (tmp_path / "me/metadata.csv").write_text("path\n1.wav\n", encoding="utf-8")
    utterances, _ = read(tmp_path / "me/metadata.csv")
    assert utterances["me/1.wav"].speaker == "me"


def test_ljspeech_layout(tmp_path):
    for name in ("LJ-1", "LJ.2"):
        write_clip(tmp_path / f"lj/wavs/{name}.wav")
    lines = ['LJ-1|He said "1|He said "one', "LJ.2|only raw", "LJ-3|missing|missing", "LJ-4", ""]
    (tmp_path / "lj/metadata.csv").write_text("\n".join(lines), encoding="utf-8")
    utterances, rejected = read(tmp_path / "lj")
    assert {key: value.text for key, value in utterances.items()} == {
        "lj/wavs/LJ-1.wav": 'He said "one',
        "lj/wavs/LJ.2.wav": "only raw",
    }
    assert {value.speaker for value in utterances.values()} == {"lj"}
    assert set(rejected) == {"lj/LJ-3", "lj/LJ-4"}


def test_speaker_folders(tmp_path):
    corpus = tmp_path / "folders"
    write_clip(corpus / "ann/1.wav")
    write_clip(corpus / "ben/deep/er/1.WAV")
    write_clip(corpus / "ben/stereo.flac", channels=2, rate=8000)
    write_clip(corpus / "stray.wav")
    write_clip(corpus / ".cache/1.wav")
    (corpus / "empty").mkdir()
    (corpus / "empty/notes.doc").write_bytes(b"?")
    (corpus / "README.txt").write_text("stray", encoding="utf-8")
    (corpus / "ann/1.txt").write_text("raw 1", encoding="utf-8")
    (corpus / "ann/1.normalized.txt").write_text("raw\none\n", encoding="utf-8")
    write_clip(corpus / "ann/2.wav")
    (corpus / "ann/2.txt").write_bytes("é".encode("latin-1"))
    utterances, rejected = read(corpus)
    assert {key: (value.speaker, value.text) for key, value in utterances.items()} == {
        "folders/ann/1.wav": ("ann", "raw one"),
        "folders/ben/deep/er/1.WAV": ("ben", ""),
        "folders/ben/stereo.flac": ("ben", ""),
    }
    assert set(rejected) == {"folders/stray.wav", "folders/empty", "folders/ann/2.wav"}
    stereo = read_utterance(utterances["folders/ben/stereo.flac"])
    assert stereo.shape == (8000,) and stereo.dtype == np.float32
    assert np.abs(stereo).max() == pytest.approx(0.45, abs=0.01)  # the mean of the two channels


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow Unicode names only")
def test_names_that_are_not_utf8(tmp_path):
    for folder, name in ((b"caf\xe9", b"a\xff"), (b"caf\xc3\xa9", b"b"), (b"\xe9", b"c")):
        target = tmp_path / "folders" / os.fsdecode(folder) / f"{os.fsdecode(name)}.wav"
        target.parent.mkdir(parents=True)
        write_clip(tmp_path / "clip.wav").rename(target)
    utterances, rejected = read(tmp_path / "folders")
    speakers = {key: utterance.speaker for key, utterance in utterances.items()}
    assert speakers == {
        "folders/caf\\xe9/a\\xff.wav": "caf\\xe9", "folders/café/b.wav": "café", "folders/\\xe9/c.wav": "\\xe9",
    }  # fmt: skip
    assert not rejected
    assert all(len(read_utterance(utterance)) == 8000 for utterance in utterances.values())
    (key,) = read(tmp_path / "folders" / os.fsdecode(b"caf\xe9"))[0]
    assert key == "caf\\xe9/a\\xff.wav"


@pytest.mark.parametrize("root", ["train", "train/clean"])
def test_librispeech_layout(tmp_path, root):
    chapter = tmp_path / root / "19/198"
    write_clip(chapter / "19-198-0000.flac")
    write_clip(chapter / "19-198-0001.flac")
    (chapter / "19-198.trans.txt").write_text("19-198-0000 HELLO THERE\n19-198-0001 YOU\n", encoding="utf-8")
    utterances, _ = read(tmp_path / "train")
    assert [(value.speaker, value.text) for value in utterances.values()] == [("19", "HELLO THERE"), ("19", "YOU")]


def test_flat_folder_is_one_speaker(tmp_path):
    write_clip(tmp_path / "flat/1.wav")
    assert read(tmp_path / "flat")[0]["flat/1.wav"].speaker == "flat"


def manifests(folder: Path) -> None:
    """Two speakers in one long stereo recording, a missing recording, one without supervision; relative paths."""
    from lhotse import (
        AudioSource,
        Recording,
        RecordingSet,
        SupervisionSegment,
        SupervisionSet,
    )

    write_clip(folder / "audio/long.wav", 4, channels=2)
    write_clip(folder / "audio/plain.wav")
    recordings = [
        Recording("long", [AudioSource("file", [0, 1], "audio/long.wav")], 16_000, 64_000, 4.0),
        Recording("gone", [AudioSource("file", [0], "audio/gone.wav")], 16_000, 8_000, 0.5),
        Recording("plain", [AudioSource("file", [0], "audio/plain.wav")], 16_000, 8_000, 0.5),
    ]
    supervisions = [
        SupervisionSegment("long-1", "long", 0.5, 1.0, 0, "one", speaker="ann"),
        SupervisionSegment("long-2", "long", 2.0, 0.5, 1, "two\nlines", speaker="ben"),
        SupervisionSegment("long-3", "long", 3.0, 0.5, 1, "three"),
        SupervisionSegment("gone-1", "gone", 0.0, 0.5, 0, "x", speaker="ann"),
    ]
    RecordingSet.from_recordings(recordings).to_file(folder / "toy_recordings_all.jsonl.gz")
    SupervisionSet.from_segments(supervisions).to_file(folder / "toy_supervisions_all.jsonl.gz")


def test_lhotse_manifests(tmp_path):
    manifests(tmp_path / "toy")
    utterances, rejected = read(tmp_path / "toy")
    assert {key: (value.speaker, value.text, value.channel) for key, value in utterances.items()} == {
        "toy/long-1": ("ann", "one", 0),
        "toy/long-2": ("ben", "two lines", 1),
    }
    assert "no speaker" in rejected["toy/long-3"]
    assert len([reason for reason in rejected.values() if "missing" in reason]) == 1
    assert len([reason for reason in rejected.values() if "no speaker" in reason]) == 2
    for key, seconds, peak in (("toy/long-1", 1.0, 0.3), ("toy/long-2", 0.5, 0.6)):
        wav = read_utterance(utterances[key])
        assert not utterances[key].whole
        assert len(wav) == seconds * 16_000
        assert np.abs(wav).max() == pytest.approx(peak, abs=0.01)


def test_manifest_files_one_by_one(tmp_path):
    from lhotse import CutSet, load_manifest

    manifests(tmp_path / "toy")
    pair, _ = read(tmp_path / "toy/toy_supervisions_all.jsonl.gz")
    assert len(pair) == 2
    CutSet.from_manifests(
        recordings=load_manifest(tmp_path / "toy/toy_recordings_all.jsonl.gz"),
        supervisions=load_manifest(tmp_path / "toy/toy_supervisions_all.jsonl.gz"),
    ).to_file(tmp_path / "toy/cuts_kept.jsonl")
    utterances, _ = read(tmp_path / "toy/cuts_kept.jsonl")
    assert [value.text for value in utterances.values()] == ["one", "two lines"]
    assert len({key.split("/")[0] for key in utterances}) == 1


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"name;text\n1;2\n"])
def test_unreadable_lists_are_reported_in_one_sentence(tmp_path, content):
    (tmp_path / "metadata.csv").write_bytes(content)
    with pytest.raises(CorpusError, match=r"metadata\.csv"):
        read(tmp_path)


def test_other_files_and_folders_are_refused(tmp_path):
    with pytest.raises(CorpusError, match="There is no corpus"):
        read(tmp_path / "missing")
    with pytest.raises(CorpusError, match="no usable recording"):
        read(tmp_path)
    (tmp_path / "notes.txt").write_text("hello", encoding="utf-8")
    with pytest.raises(CorpusError, match="is not a corpus"):
        read(tmp_path / "notes.txt")
    (tmp_path / "cuts.jsonl").write_text(json.dumps({"hello": 1}), encoding="utf-8")
    with pytest.raises(CorpusError, match="lhotse"):
        read(tmp_path / "cuts.jsonl")


def test_two_corpora_of_one_name(tmp_path):
    for parent in "ab":
        write_clip(tmp_path / parent / "same/ann/1.wav")
    with pytest.raises(CorpusError, match="named same"):
        read(tmp_path / "a/same", tmp_path / "b/same")
    assert len(read(tmp_path / "a/same", tmp_path / "a/same")[0]) == 1
