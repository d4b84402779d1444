"""Datasets found and listed: known corpora, corpora with metadata files, plain folders."""

import gzip
import json
import random
from pathlib import Path

import numpy as np
import pytest

from speech.audio import write_audio
from speech.errors import AudioError, CorpusError
from toolbox.storage.datasets import (
    KNOWN_FOLDERS,
    Dataset,
    Utterance,
    find_datasets,
    natural_order,
    random_choice,
    recordings_in,
    seconds_of,
)

WAV = np.random.default_rng(0).uniform(-0.5, 0.5, 1600).astype(np.float32)


def put(root: Path, *names: str) -> None:
    """Files by their paths; only wav, flac and ogg hold audio."""
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.suffix in (".wav", ".flac", ".ogg"):
            write_audio(path, WAV)
        else:
            path.write_bytes(b"audio")


def listed(dataset: Dataset) -> dict[str, list[str]]:
    return {speaker: [one.name for one in dataset.utterances(speaker)] for speaker in dataset.speakers()}


def names(*roots: Path) -> list[str]:
    return [dataset.name for dataset in find_datasets(roots)]


# --- finding ----------------------------------------------------------------------------------------------------------


def test_known_corpora_are_recognised(tmp_path):
    put(tmp_path, *(f"{folder}/id10001/v/1.wav" for folder in KNOWN_FOLDERS))
    found = names(tmp_path)
    assert {"LibriSpeech/train-clean-100", "LibriTTS/dev-other", "LJSpeech-1.1", "VoxCeleb2/dev/aac"} < set(found)
    assert len(found) >= 20 and "VCTK-Corpus/wav48" in found and "VCTK-Corpus" not in found


def test_a_folder_may_be_a_corpus_or_contain_several(tmp_path):
    put(tmp_path, "mine/ann/1.wav", "mine/bob/1.wav", "other/chapter/eve/1.flac", "texts/readme.txt")
    put(tmp_path, "libri/dev-clean/19/198/19-198-0001.flac", "libri/test-clean/20/1/20-1-0001.flac")
    assert names(tmp_path) == ["libri/dev-clean", "libri/test-clean", "mine", "other"]
    assert names(tmp_path / "mine") == ["mine"] and names(tmp_path / "libri") == ["dev-clean", "test-clean"]
    assert names(tmp_path / "mine" / "ann") == ["ann"]
    assert names(tmp_path / "texts") == []


def test_equal_names_are_numbered_and_equal_folders_listed_once(tmp_path):
    put(tmp_path, "a/mine/ann/1.wav", "a/mine/bob/1.wav", "b/mine/ann/2.wav", "b/more/ann/x/1.wav", "a/more/e/x/1.wav")
    found = names(tmp_path / "a", tmp_path / "b", tmp_path / "a" / "mine")
    assert found.count("mine") == 1 and "mine (2)" in found and len(found) == len(set(found)) == 4


def test_the_search_in_a_large_tree_without_audio_is_limited(tmp_path, monkeypatch):
    from toolbox.storage import datasets

    looked: list[Path] = []
    whole = datasets._peek

    def noted(folder: Path) -> list[Path]:
        looked.append(folder)
        return whole(folder)

    for number in range(300):
        (tmp_path / "home" / f"{number % 17}" / f"{number}").mkdir(parents=True)
    monkeypatch.setattr(datasets, "_peek", noted)
    assert names(tmp_path) == [] and len(looked) < 500


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match="gone"):
        find_datasets([tmp_path / "gone"])


def test_the_search_can_be_stopped(tmp_path):
    put(tmp_path, "mine/ann/1.wav")

    def check() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        find_datasets([tmp_path], check)
    with pytest.raises(KeyboardInterrupt):
        Dataset("mine", tmp_path / "mine").utterances("ann", check)


# --- listing ----------------------------------------------------------------------------------------------------------


def test_plain_folders_with_any_audio_format(tmp_path):
    put(
        tmp_path, "p9/1.wav", "p10/1.mp3", "p10/sub/2.m4a", "p10/10.ogg", "p10/9.opus", "p10/notes.txt", ".hidden/1.wav"
    )
    assert listed(Dataset("mine", tmp_path)) == {
        "p9": ["p9/1.wav"],
        "p10": ["p10/1.mp3", "p10/10.ogg", "p10/9.opus", "p10/sub/2.m4a"],
    }
    assert Dataset("mine", tmp_path).utterances("unknown") == []


def test_only_the_requested_folder_is_read(tmp_path, monkeypatch):
    put(tmp_path, *(f"p{number}/1.wav" for number in range(30)))
    read: list[Path] = []
    from toolbox.storage import datasets

    whole = datasets.audio_files

    def noted(folder: Path) -> list[Path]:
        read.append(folder)
        return whole(folder)

    monkeypatch.setattr(datasets, "audio_files", noted)
    dataset = Dataset("mine", tmp_path)
    assert len(dataset.speakers()) == 30 and read == []
    assert len(dataset.utterances("p7")) == 1 == len(dataset.utterances("p7")) and read == [tmp_path / "p7"]


def test_a_folder_without_subfolders_is_one_speaker(tmp_path):
    put(tmp_path / "ann", "1.wav", "2.wav")
    assert listed(Dataset("ann", tmp_path / "ann")) == {"ann": ["1.wav", "2.wav"]}


def test_librispeech(tmp_path):
    put(tmp_path, "19/198/19-198-0001.flac", "19/227/19-227-0001.flac", "26/495/26-495-0001.flac")
    assert listed(Dataset("dev-clean", tmp_path)) == {
        "19": ["19/198/19-198-0001.flac", "19/227/19-227-0001.flac"], "26": ["26/495/26-495-0001.flac"],
    }  # fmt: skip


def test_texts_of_speakers_folders(tmp_path):
    put(tmp_path, "libri/19/198/19-198-0000.flac", "libri/19/198/19-198-0001.flac", "libri/20/1/20-1-0000.flac")
    (tmp_path / "libri/19/198/19-198.trans.txt").write_text("19-198-0000 HELLO  THERE\n19-198-0001 AGAIN\n")
    put(tmp_path, "tts/7/1/7_1_000.wav", "plain/ann/a.wav", "plain/ann/b.wav", "plain/bob/c.wav")
    (tmp_path / "tts/7/1/7_1_000.normalized.txt").write_text("Seven one.")
    (tmp_path / "tts/7/1/7_1_000.original.txt").write_text("7 1.")
    (tmp_path / "plain/ann/a.TXT").write_text("Über naïve\nfaçades.", encoding="utf-8")
    (tmp_path / "plain/ann/b.txt").write_bytes(b"\xff\xfe\xfd")
    texts = {
        dataset.name: [one.text for name in dataset.speakers() for one in dataset.utterances(name)]
        for dataset in find_datasets([tmp_path])
    }
    assert texts == {"libri": ["HELLO THERE", "AGAIN", ""], "plain": ["Über naïve façades.", "", ""],
                     "tts": ["Seven one."]}  # fmt: skip


def test_voxceleb(tmp_path):
    put(tmp_path, "wav/id10001/video/00001.wav", "wav/id10002/video/00001.wav", "wav/id10001/other/00002.m4a")
    for dataset in find_datasets([tmp_path]):
        assert dataset.speakers() == ["id10001", "id10002"] and len(dataset.utterances("id10001")) == 2
    assert names(tmp_path / "wav") == ["wav"]


def test_vctk_has_each_utterance_once(tmp_path):
    put(tmp_path, "wav48_silence_trimmed/p225/p225_001_mic1.flac", "wav48_silence_trimmed/p225/p225_001_mic2.flac")
    (tmp_path / "txt" / "p225").mkdir(parents=True)
    (tmp_path / "txt" / "p225" / "p225_001.txt").write_text("Please call Stella.")
    (utterance,) = Dataset("VCTK", tmp_path).utterances("p225")
    assert utterance.text == "Please call Stella." and utterance.path.name == "p225_001_mic1.flac"


def test_a_corpus_with_a_metadata_file(tmp_path):
    put(tmp_path, "audio/1.wav", "audio/2.wav")
    rows = [
        "path,speaker,text",
        "audio/1.wav,ann,Hello.",
        "audio/2.wav,bob,Bye.",
        "audio/gone.wav,bob,?",
        "../x.wav,a,b",
    ]
    (tmp_path / "metadata.csv").write_text("\n".join(rows))
    dataset = Dataset("mine", tmp_path)
    assert listed(dataset) == {"ann": ["audio/1.wav"], "bob": ["audio/2.wav"]}
    assert dataset.utterances("ann")[0].text == "Hello." and sum(dataset.remarks.values()) == 2
    assert names(tmp_path) == [tmp_path.name]
    (tmp_path / "metadata.csv").write_bytes(b"\xff\xfe")
    with pytest.raises(CorpusError, match="UTF-8"):
        Dataset("mine", tmp_path).speakers()


def test_lj_speech(tmp_path):
    put(tmp_path, "LJSpeech-1.1/wavs/LJ001-0001.wav")
    (tmp_path / "LJSpeech-1.1" / "metadata.csv").write_text(
        "LJ001-0001|Printing, in 1900|Printing, in nineteen hundred\n"
    )
    (dataset,) = find_datasets([tmp_path])
    (utterance,) = dataset.utterances("LJSpeech-1.1")
    assert utterance.text == "Printing, in nineteen hundred"


def test_a_manifest_may_name_a_part_of_a_file(tmp_path):
    write_audio(tmp_path / "long.wav", np.concatenate([WAV, 0.5 * WAV]))
    recording = {
        "id": "long", "sources": [{"type": "file", "channels": [0], "source": str(tmp_path / "long.wav")}],
        "sampling_rate": 16_000, "num_samples": 3200, "duration": 0.2, "channel_ids": [0],
    }  # fmt: skip
    spoken = [
        {
            "id": f"u{n}",
            "recording_id": "long",
            "start": 0.1 * n,
            "duration": 0.1,
            "channel": 0,
            "speaker": s,
            "text": s,
        }
        for n, s in enumerate(("ann", "bob"))
    ]
    for name, rows in (("recordings", [recording]), ("supervisions", spoken)):
        with gzip.open(tmp_path / f"{name}.jsonl.gz", "wt") as file:
            file.writelines(json.dumps(row) + "\n" for row in rows)
    (dataset,) = find_datasets([tmp_path])
    (utterance,) = dataset.utterances("bob")
    assert dataset.speakers() == ["ann", "bob"] and utterance.text == "bob"
    np.testing.assert_allclose(utterance.read(), 0.5 * WAV, atol=1e-3)


def test_reading_an_utterance(tmp_path):
    put(tmp_path, "ann/1.wav", "ann/2.mp3")
    good, bad = Dataset("mine", tmp_path).utterances("ann")
    np.testing.assert_allclose(good.read(), WAV, atol=1e-3)
    with pytest.raises(AudioError):
        bad.read()


# --- choosing ---------------------------------------------------------------------------------------------------------


def test_lengths_are_read_from_headers(tmp_path, monkeypatch):
    put(tmp_path, "ann/a.wav", "ann/b.flac", "ann/c.ogg", "ann/d.wav")
    (tmp_path / "ann" / "d.wav").write_bytes(b"no audio")
    (dataset,) = find_datasets([tmp_path])
    utterances = [one for name in dataset.speakers() for one in dataset.utterances(name)]
    missing = Utterance("x", "ann", "e.wav", tmp_path / "e.wav")
    monkeypatch.setattr("speech.audio.read_audio", lambda *_: pytest.fail("only headers are read"))
    assert seconds_of([*utterances, missing]) == pytest.approx([0.1, 0.1, 0.1, 0.0, 0.0])
    assert seconds_of([]) == []


def test_reading_lengths_can_be_stopped(tmp_path):
    class Enough(Exception):
        pass

    def check() -> None:
        raise Enough

    with pytest.raises(Enough):
        seconds_of([Utterance("x", "ann", "a", tmp_path / "a.wav")], check)


def test_a_random_utterance_of_all_datasets_of_one_or_of_a_speaker(tmp_path):
    put(tmp_path, *(f"{corpus}/x/{speaker}/{n}.wav" for corpus in "ab" for speaker in "pqr" for n in range(3)))
    datasets = find_datasets([tmp_path])
    rng = random.Random(0)

    def draw(dataset: Dataset | None = None, speaker: str | None = None) -> set[Utterance]:
        return {random_choice(datasets, dataset, speaker, rng=rng) for _ in range(60)}

    assert {one.dataset for one in draw()} == {"a", "b"}
    first = datasets[0].speakers()[0]
    assert {one.dataset for one in draw(datasets[0])} == {"a"}
    assert {one.speaker for one in draw(datasets[0], first)} == {first}
    assert random_choice(datasets, rng=random.Random(5)) == random_choice(datasets, rng=random.Random(5))


def test_choosing_from_nothing_is_an_error(tmp_path):
    (tmp_path / "empty").mkdir()
    for datasets in ([], [Dataset("empty", tmp_path / "empty")]):
        with pytest.raises(CorpusError, match="no recordings to choose"):
            random_choice(datasets)


def test_dropped_files_and_folders(tmp_path):
    put(tmp_path, "a.wav", "folder/b.mp3", "folder/c.txt", "notes.txt")
    dropped = [tmp_path / "a.wav", tmp_path / "folder", tmp_path / "notes.txt"]
    assert [path.name for path in recordings_in(dropped)] == ["a.wav", "b.mp3"]
    with pytest.raises(AudioError, match="no recording among"):
        recordings_in([tmp_path / "notes.txt"])


def test_numbers_in_names_are_sorted_by_value():
    assert sorted(["p10", "p9", "P1", "p9b"], key=natural_order) == ["P1", "p9", "p9b", "p10"]
