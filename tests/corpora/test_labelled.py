"""Corpora that label their recordings, and CHiME and AudioSet, as made-up trees with a few files each."""

from pathlib import Path

import pytest

from corpora.corpus import Utterance
from corpora.formats import list_noises
from speech.errors import CorpusError
from tests.corpora.test_known import read, speakers_and_texts, text, write_clip

KIDS, DOGS = "Kids are talking by the door.", "Dogs are sitting by the door."


def labels(utterances: dict[str, Utterance]) -> dict[str, dict[str, str]]:
    return {key.split("/", 1)[1]: dict(value.labels) for key, value in utterances.items()}


@pytest.mark.parametrize("inner", ["", "Audio_Speech_Actors_01-24"])
def test_ravdess(tmp_path: Path, inner: str) -> None:
    root = tmp_path / "ravdess" / inner
    write_clip(root / "Actor_12/03-01-06-01-02-01-12.wav")
    write_clip(root / "Actor_01/03-02-05-02-01-02-01.wav")
    utterances, rejected = read(tmp_path / "ravdess")
    assert not rejected
    prefix = f"{inner}/" if inner else ""
    assert speakers_and_texts(utterances) == {
        f"{prefix}Actor_12/03-01-06-01-02-01-12.wav": ("Actor_12", DOGS),
        f"{prefix}Actor_01/03-02-05-02-01-02-01.wav": ("Actor_01", KIDS),
    }
    assert labels(utterances) == {
        f"{prefix}Actor_12/03-01-06-01-02-01-12.wav": {
            "channel": "speech",
            "emotion": "fearful",
            "intensity": "normal",
        },
        f"{prefix}Actor_01/03-02-05-02-01-02-01.wav": {"channel": "song", "emotion": "angry", "intensity": "strong"},
    }


def test_ravdess_takes_audio_without_video_where_there_are_both(tmp_path: Path) -> None:
    actor = tmp_path / "ravdess/Actor_03"
    for name in ("03-01-01-01-01-01-03", "01-01-01-01-01-01-03", "01-01-02-01-01-01-03", "02-01-01-01-01-01-03", "x"):
        write_clip(actor / f"{name}.wav")
    utterances, rejected = read(tmp_path / "ravdess")
    assert sorted(utterances) == [
        "ravdess/Actor_03/01-01-02-01-01-01-03.wav",
        "ravdess/Actor_03/03-01-01-01-01-01-03.wav",
    ]
    assert rejected == {
        "ravdess/Actor_03/02-01-01-01-01-01-03.wav": "it is a video without audio",
        "ravdess/Actor_03/x.wav": "its name does not have the seven fields of RAVDESS",
    }
    assert len(read(actor)[0]) == 2  # the folder of one actor


def test_folders_of_actors_with_other_files_are_a_folder_per_speaker(tmp_path: Path) -> None:
    write_clip(tmp_path / "mine/Actor_01/hello.wav")
    assert speakers_and_texts(read(tmp_path / "mine")[0]) == {"Actor_01/hello.wav": ("Actor_01", "")}


def test_speech_accent_archive(tmp_path: Path) -> None:
    root = tmp_path / "accents"
    write_clip(root / "recordings/recordings/english1.mp3", 0.5, format="MP3")
    write_clip(root / "recordings/recordings/hindi2.mp3", 0.5, format="MP3")
    text(root / "reading-passage.txt", "Please call Stella.\nAsk her to bring these things.")
    rows = [
        "age,age_onset,birthplace,filename,native_language,sex,speakerid,country,file_missing?,,,",
        '27,0,"boston, usa",english1,english,male,1,usa,FALSE,,,',
        "30,5,delhi,hindi2,hindi,,2,india,FALSE,,,",
        "30,5,nowhere,lost1,lost,female,3,nowhere,TRUE,,,",
    ]
    text(root / "speakers_all.csv", "\n".join(rows) + "\n")
    utterances, rejected = read(root)
    passage = "Please call Stella. Ask her to bring these things."
    assert speakers_and_texts(utterances) == {
        "recordings/recordings/english1.mp3": ("english1", passage),
        "recordings/recordings/hindi2.mp3": ("hindi2", passage),
    }
    assert labels(utterances) == {
        "recordings/recordings/english1.mp3": {"native_language": "english", "country": "usa", "sex": "male"},
        "recordings/recordings/hindi2.mp3": {"native_language": "hindi", "country": "india"},
    }
    assert rejected == {"accents/lost1": "there is no recording of that name"}
    text(root / "speakers_all.csv", "age,name\n1,x\n")
    with pytest.raises(CorpusError, match="no column 'filename'"):
        read(root)


def test_nam_timit(tmp_path: Path) -> None:
    root = tmp_path / "CSTR-NAM-TIMIT-Plus"
    for name in ("HERALD-CLEAN/001_headset", "HERALD-CLEAN/001_nam", "TIMIT-NOISY/001_headset", "TIMIT-NOISY/readme"):
        write_clip(root / f"{name}.wav")
    text(root / "HERALD-TEXT/001.txt", "From the newspaper.\n")
    text(root / "TIMIT-TEXT/001.txt", "Is this seesaw safe?")
    utterances, rejected = read(root)
    assert speakers_and_texts(utterances) == {
        "HERALD-CLEAN/001_headset.wav": ("cstr_nam_timit", "From the newspaper."),
        "HERALD-CLEAN/001_nam.wav": ("cstr_nam_timit", "From the newspaper."),
        "TIMIT-NOISY/001_headset.wav": ("cstr_nam_timit", "Is this seesaw safe?"),
    }
    found = labels(utterances)
    assert {key: value["microphone"] for key, value in found.items()} == {
        "HERALD-CLEAN/001_headset.wav": "headset",
        "HERALD-CLEAN/001_nam.wav": "nam",
        "TIMIT-NOISY/001_headset.wav": "headset",
    }
    assert {value["style"] for value in found.values()} == {"whispered"}
    assert found["HERALD-CLEAN/001_headset.wav"]["parallel"] == found["HERALD-CLEAN/001_nam.wav"]["parallel"]
    assert found["TIMIT-NOISY/001_headset.wav"]["background"] == "noisy"
    assert rejected == {
        f"{root.name}/TIMIT-NOISY/readme.wav": "its name does not end in the microphone, as _headset or _nam"
    }


def chime(root: Path) -> Path:
    audio = root / "data/audio/16kHz"
    for channel in (0, 1, 5):
        write_clip(audio / f"isolated/dt05_bus_real/F01_050C0101_BUS.CH{channel}.wav")
        write_clip(audio / f"isolated_6ch_track/dt05_bus_real/F01_050C0101_BUS.CH{channel}.wav")
    write_clip(audio / "isolated/tr05_caf_simu/011_011C0201_CAF.CH2.wav")
    write_clip(audio / "isolated/tr05_org/011_011C0201_ORG.wav")
    for channel in (1, 2):
        write_clip(audio / f"backgrounds/BGD_150203_010_PED.CH{channel}.wav")
        write_clip(audio / f"backgrounds/BGD_150203_010_CAF.CH{channel}.wav")
    write_clip(audio / "embedded/BGD_1.CH1.wav")
    text(root / "data/transcriptions/dt05_real.dot_all", "The profit rose. (F01_050C0101_BUS)\n")
    text(root / "data/transcriptions/tr05_simu.trn_all", "011_011C0201_CAF THE STOCK FELL\n")
    return root


@pytest.mark.parametrize("part", ["", "data/audio/16kHz", "data/audio/16kHz/isolated"])
def test_chime_as_noisy_speech(tmp_path: Path, part: str) -> None:
    utterances, rejected = read(chime(tmp_path / "CHiME3") / part)
    assert not rejected
    found = {Path(key).name: value for key, value in utterances.items()}
    assert {name: (value.speaker, value.text) for name, value in found.items()} == {
        "F01_050C0101_BUS.CH5.wav": ("F01", "The profit rose."),
        "011_011C0201_CAF.CH2.wav": ("011", "THE STOCK FELL"),
        "011_011C0201_ORG.wav": ("011", ""),
    }
    assert {name: dict(value.labels) for name, value in found.items()} == {
        "F01_050C0101_BUS.CH5.wav": {"environment": "bus", "origin": "real"},
        "011_011C0201_CAF.CH2.wav": {"environment": "cafe", "origin": "simulated"},
        "011_011C0201_ORG.wav": {"environment": "studio", "origin": "clean"},
    }


@pytest.mark.parametrize("part", ["", "data/audio/16kHz/backgrounds"])
def test_chime_as_noise(tmp_path: Path, part: str) -> None:
    utterances, rejected = read(chime(tmp_path / "CHiME3") / part, listing=list_noises)
    assert not rejected
    assert {Path(key).name: value.speaker for key, value in utterances.items()} == {
        "BGD_150203_010_PED.CH1.wav": "pedestrian area",
        "BGD_150203_010_CAF.CH1.wav": "cafe",
    }


def test_audioset_as_noise(tmp_path: Path) -> None:
    root = tmp_path / "audioset"
    comment = "# Segments csv created\n# num_ytids=5\n# YTID, start_seconds, end_seconds, positive_labels\n"
    rows = [
        '--rain00000, 30.000, 40.000, "/m/06mb1,/m/07yv9"',
        '--talk00000, 0.000, 10.000, "/m/06mb1,/m/09x0r"',
        '_bell_00000, 0.000, 10.000, "/m/0395lw"',
        '_bell_00000, 20.000, 30.000, "/m/09x0r"',
    ]
    text(root / "lists/balanced_train_segments.csv", comment + "\n".join(rows) + "\n")
    text(root / "lists/class_labels_indices.csv", 'index,mid,display_name\n288,/m/06mb1,"Rain"\n200,/m/0395lw,"Bell"\n')
    names = ("Y--rain00000", "--talk00000_0_10000", "_bell_00000_0.000", "_bell_00000_20000_30000", "unknown")
    for name in names:
        write_clip(root / f"audio/{name}.wav")
    utterances, rejected = read(root, listing=list_noises)
    assert {key: value[0] for key, value in speakers_and_texts(utterances).items()} == {
        "audio/Y--rain00000.wav": "Rain",
        "audio/_bell_00000_0.000.wav": "Bell",
    }
    assert labels(utterances)["audio/Y--rain00000.wav"] == {"classes": "Rain; /m/07yv9"}
    assert rejected == {
        "audioset/audio/--talk00000_0_10000.wav": "it contains a voice (speech)",
        "audioset/audio/_bell_00000_20000_30000.wav": "it contains a voice (speech)",
        "audioset/audio/unknown.wav": "no list of AudioSet names it",
    }
