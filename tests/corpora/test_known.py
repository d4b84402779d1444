"""Detecting and reading public corpora, with a few files each."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from corpora.corpus import Utterance, iter_utterances, read_utterance
from corpora.formats import list_noises, list_recordings
from speech.errors import CorpusError

META_1 = "VoxCeleb1 ID\tVGGFace1 ID\tGender\tNationality\tSet\nid10001\tA._J._Buckley\tm\tIreland\tdev\n"
META_1 += "id10002\tA.R._Rahman\tm\tIndia\tdev\nid10003\tAamir_Khan\tm\tUSA\ttest\n"
META_2 = "VoxCeleb2 ID ,VGGFace2 ID ,Gender ,Set\nid00012 ,n000012 ,m ,dev\n"


def write_clip(path: Path, seconds: float = 0.2, **form: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    time = np.arange(round(seconds * 16_000)) / 16_000
    soundfile.write(path, 0.3 * np.sin(2 * np.pi * 200 * time), 16_000, **form)
    return path


def m4a(path: Path) -> Path:
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", format="mp4") as container:
        stream = container.add_stream("aac", rate=16_000, layout="mono")
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 16_000), np.float32), "fltp", "mono")
        frame.sample_rate = 16_000
        container.mux([*stream.encode(frame), *stream.encode(None)])
    return path


def text(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content, encoding="utf-8")


def read(path: Path, **options) -> tuple[dict[str, Utterance], dict[str, str]]:
    rejected: dict[str, str] = {}
    found = {utterance.key: utterance for utterance in iter_utterances([path], rejected.__setitem__, **options)}
    return found, rejected


def speakers_and_texts(utterances: dict[str, Utterance]) -> dict[str, tuple[str, str]]:
    return {key.split("/", 1)[1]: (value.speaker, value.text) for key, value in utterances.items()}


def of_nations(*names: str):
    return lambda folder, corpus, reject: list_recordings(folder, corpus, reject, names)


def voxceleb1(folder: Path, inner: str = "wav") -> None:
    for speaker in ("id10001", "id10002", "id10003"):
        write_clip(folder / inner / speaker / "1zcIwhmdeo4/00001.wav")
    write_clip(folder / inner / "id10001/0cYFdtyWVds/00002.wav")


@pytest.mark.parametrize("inner", ["wav", "dev/wav", ""])
def test_voxceleb_1(tmp_path, inner):
    voxceleb1(tmp_path / "vox", inner)
    utterances, rejected = read(tmp_path / "vox")
    assert not rejected and len(utterances) == 4
    assert {value.speaker for value in utterances.values()} == {"id10001", "id10002", "id10003"}
    text(tmp_path / "vox/vox1_meta.csv", META_1)
    utterances, rejected = read(tmp_path / "vox", listing=of_nations("usa", "Ireland"))
    assert not rejected  # another run may want the others
    assert [value.speaker for value in utterances.values()] == ["id10001", "id10001", "id10003"]


def test_voxceleb_list_beside_or_above_the_recordings(tmp_path):
    voxceleb1(tmp_path / "vox/wav")
    text(tmp_path / "vox/vox1_meta.csv", META_1)
    assert len(read(tmp_path / "vox/wav", listing=of_nations("India"))[0]) == 1


def test_voxceleb_2(tmp_path):
    m4a(tmp_path / "vox2/dev/aac/id00012/21Uxsk56VDQ/00001.m4a")
    utterances, rejected = read(tmp_path / "vox2", jobs=1)
    (utterance,) = utterances.values()
    assert not rejected and utterance.speaker == "id00012"
    assert 0.9 < utterance.duration < 1.3
    assert 14_000 < len(read_utterance(utterance)) < 20_000


@pytest.mark.parametrize(
    ("meta", "nation", "sentence"),
    [
        ("", "UK", "put vox1_meta.csv into"),
        (META_1, "Atlantis", "no speaker of the nationality atlantis; it has: India, Ireland, USA"),
        (META_1.replace("Nationality", "Nation"), "UK", "names no nationalities"),
    ],
)
def test_unknown_nationalities_are_refused(tmp_path, meta, nation, sentence):
    voxceleb1(tmp_path / "vox")
    if meta:
        text(tmp_path / "vox/vox1_meta.csv", meta)
    with pytest.raises(CorpusError, match=sentence):
        read(tmp_path / "vox", listing=of_nations(nation))


def test_voxceleb_2_has_no_nationalities(tmp_path):
    write_clip(tmp_path / "vox2/aac/id00012/a/1.wav")
    text(tmp_path / "vox2/vox2_meta.csv", META_2)
    with pytest.raises(CorpusError, match="without --nationalities"):
        read(tmp_path / "vox2", listing=of_nations("UK"))


def test_other_ids_are_a_folder_per_speaker(tmp_path):
    write_clip(tmp_path / "mine/id00001/1.wav")
    text(tmp_path / "mine/id00001/1.txt", "hello")
    assert speakers_and_texts(read(tmp_path / "mine")[0]) == {"id00001/1.wav": ("id00001", "hello")}


def test_vctk(tmp_path):
    root = tmp_path / "VCTK"
    trimmed = root / "wav48_silence_trimmed"
    for name in ("p225/p225_001_mic1", "p225/p225_001_mic2", "p225/p225_002_mic2", "p315/p315_001_mic1"):
        write_clip(trimmed / f"{name}.flac")
    text(trimmed / "log.txt", "x")
    write_clip(root / "wav48/p225/p225_001.wav")
    text(root / "txt/p225/p225_001.txt", "Please call Stella.\n")
    text(root / "txt/p225/p225_002.txt", "Ask her.")
    expected = {
        "p225/p225_001_mic1.flac": ("p225", "Please call Stella."),
        "p225/p225_002_mic2.flac": ("p225", "Ask her."),
        "p315/p315_001_mic1.flac": ("p315", ""),  # its texts are lost
    }
    found = speakers_and_texts(read(root)[0])
    assert found == {f"wav48_silence_trimmed/{name}": value for name, value in expected.items()}
    assert speakers_and_texts(read(trimmed)[0]) == expected
    found = speakers_and_texts(read(root / "wav48")[0])
    assert found == {"p225/p225_001.wav": ("p225", "Please call Stella.")}


def test_common_voice(tmp_path):
    clips = tmp_path / "cv/en/clips"
    write_clip(clips / "common_voice_en_1.mp3", 0.5, format="MP3")
    write_clip(clips / "common_voice_en_2.mp3", 0.5, format="MP3")
    rows = [
        "client_id\tpath\tsentence\tup_votes",
        'abc\tcommon_voice_en_1.mp3\tHe said "no" | twice.\t2',
        "def\tcommon_voice_en_2\tWithout an ending\t2",
        "def\tcommon_voice_en_3.mp3\tIt is missing\t2",
        "def\t../common_voice_en_1.mp3\tIt leads out\t2",
        "\tcommon_voice_en_1.mp3\tNobody\t2",
    ]
    text(tmp_path / "cv/en/validated.tsv", "\n".join(rows) + "\n")
    text(tmp_path / "cv/en/invalidated.tsv", rows[0])
    expected = {
        "en/clips/common_voice_en_1.mp3": ("abc", 'He said "no" | twice.'),
        "en/clips/common_voice_en_2.mp3": ("def", "Without an ending"),
    }
    utterances, rejected = read(tmp_path / "cv")
    assert speakers_and_texts(utterances) == expected
    assert list(rejected.values()) == [
        "the path leads out of the corpus",
        "no speaker is named",
        "the file is missing",
    ]
    assert len(read(tmp_path / "cv/en")[0]) == 2
    text(tmp_path / "cv/en/validated.tsv", "path\tsentence\n")
    with pytest.raises(CorpusError, match="client_id"):
        read(tmp_path / "cv")


@pytest.mark.parametrize("capitals", [True, False])
def test_timit(tmp_path, capitals):
    def cased(name: str) -> str:
        return name if capitals else name.lower()

    root = tmp_path / "timit/data"
    speaker = root / cased("TRAIN/DR1/FCJF0")
    write_clip(speaker / cased("SA1.WAV"), format="NIST", subtype="PCM_16")
    write_clip(speaker / (cased("SA1.WAV") + ".wav"))
    text(speaker / cased("SA1.TXT"), "0 46797 She had your dark suit in greasy wash water all year.\n")
    write_clip(root / cased("TEST/DR8/MSLB0/SX1.WAV"), format="NIST", subtype="PCM_16")
    text(root / cased("TEST/DR8/MSLB0/SX1.WRD"), "3050 5723 she\n5723 10337 had\n\n")
    utterances, rejected = read(tmp_path / "timit")
    assert not rejected
    assert sorted(speakers_and_texts(utterances).values()) == [
        ("FCJF0", "She had your dark suit in greasy wash water all year."),
        ("MSLB0", "she had"),
    ]
    assert all(len(read_utterance(utterance)) == 3200 for utterance in utterances.values())


@pytest.mark.parametrize("part", ["", "train-clean-100", "train-clean-100/19"])
def test_libritts(tmp_path, part):
    chapter = tmp_path / "LibriTTS/train-clean-100/19/198"
    write_clip(chapter / "19_198_000000_000000.wav")
    text(chapter / "19_198_000000_000000.normalized.txt", "Northanger Abbey")
    text(chapter / "19_198_000000_000000.original.txt", "NORTHANGER  ABBEY!")
    text(chapter / "19_198.trans.tsv", "19_198_000000_000000\ta\tb\n")
    write_clip(tmp_path / "LibriTTS/train-clean-100/26/495/26_495_000000_000000.wav")
    found = read(tmp_path / "LibriTTS" / part)[0]
    assert ("19", "Northanger Abbey") in speakers_and_texts(found).values()
    assert {value.speaker for value in found.values()} == ({"19"} if "19" in part else {"19", "26"})


def test_noises_in_any_folders(tmp_path):
    for name in ("a.wav", "rain/b.wav", "rain/deep/c.wav"):
        write_clip(tmp_path / "noise" / name)
    utterances, rejected = read(tmp_path / "noise", listing=list_noises)
    assert not rejected
    assert {key: value[0] for key, value in speakers_and_texts(utterances).items()} == {
        "a.wav": "noise",
        "rain/b.wav": "rain",
        "rain/deep/c.wav": "rain",
    }
