"""Folders that Real-Time-Voice-Cloning has preprocessed."""

from pathlib import Path

import numpy as np
import pytest

from corpora.corpus import iter_utterances, read_utterance
from corpora.preprocessed import read_array, read_mels, read_waveform
from speech.errors import AudioError, CorpusError


@pytest.fixture
def sv2tts(tmp_path: Path) -> Path:
    """`SV2TTS` with two utterances of the synthesizer and three of the encoder."""
    folder = tmp_path / "SV2TTS"
    lines = []
    for name, text in (("1034-121119-0000_00", "HELLO | THERE"), ("p225_001_00", "GOOD NIGHT")):
        (folder / "synthesizer/audio").mkdir(parents=True, exist_ok=True)
        np.save(folder / f"synthesizer/audio/audio-{name}.npy", np.linspace(-0.9, 0.9, 32_000, dtype=np.float32))
        lines.append(f"audio-{name}.npy|mel-{name}.npy|embed-{name}.npy|32000|161|{text}\n")
    (folder / "synthesizer/train.txt").write_text("".join(lines), encoding="utf-8")
    (folder / "vocoder").mkdir()
    (folder / "vocoder/synthesized.txt").write_text(lines[0], encoding="utf-8")
    for speaker, count in (("LibriSpeech_other_7", 2), ("VoxCeleb1_id10001", 1)):
        mels = folder / "encoder" / speaker
        mels.mkdir(parents=True)
        for number in range(count):
            np.save(mels / f"{number}.npy", np.full((240, 40), number, np.float32))
        (mels / "_sources.txt").write_text("0.npy,/data/0.flac\n", encoding="utf-8")
    (folder / "encoder/Log_LibriSpeech_other.txt").write_text("Creating dataset", encoding="utf-8")
    return folder


@pytest.mark.parametrize("name", [".", "synthesizer"])
def test_utterances_of_the_synthesizer_have_texts_and_speakers(sv2tts: Path, name: str) -> None:
    first, second = iter_utterances([sv2tts / name])
    assert (first.speaker, first.text, first.duration) == ("1034", "HELLO | THERE", 2.0)
    assert (second.speaker, second.text) == ("p225", "GOOD NIGHT")
    assert first.key.endswith("/audio/audio-1034-121119-0000_00.npy")
    wav = read_utterance(first)
    assert wav.dtype == np.float32 and len(wav) == 32_000
    np.testing.assert_allclose(wav[[0, -1]], [-0.9, 0.9], atol=1e-6)
    assert len(read_utterance(first, 24_000)) == 48_000


def test_the_vocoder_takes_the_audio_of_its_list(sv2tts: Path) -> None:
    (utterance,) = iter_utterances([sv2tts / "vocoder"])
    assert utterance.speaker == "1034" and len(read_utterance(utterance)) == 32_000


def test_mels_of_the_encoder_belong_to_the_speakers_folder(sv2tts: Path) -> None:
    found = list(iter_utterances([sv2tts / "encoder"]))
    assert [(each.speaker, each.duration) for each in found] == [
        ("LibriSpeech_other_7", 2.4),
        ("LibriSpeech_other_7", 2.4),
        ("VoxCeleb1_id10001", 2.4),
    ]
    np.testing.assert_array_equal(read_mels(found[1].path), np.ones((240, 40), np.float32))
    with pytest.raises(AudioError, match="holds mels"):
        read_utterance(found[0])


def test_bad_lines_and_files_are_left_out(sv2tts: Path) -> None:
    table = sv2tts / "synthesizer/train.txt"
    audio = sv2tts / "synthesizer/audio"
    np.save(audio / "audio-x-1.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    (audio / "audio-y-1.npy").write_bytes(b"\x93NUMPY")
    rest = "|m.npy|e.npy|1|1|text\n"
    bad = ["nonsense\n", f"../audio.npy{rest}", f"audio.wav{rest}", f"audio-gone.npy{rest}"]
    bad += [f"audio-x-1.npy{rest}", f"audio-y-1.npy{rest}"]
    table.write_text(table.read_text() + "\n" + "".join(bad), encoding="utf-8")
    rejected: dict[str, str] = {}
    assert len(list(iter_utterances([sv2tts], rejected.__setitem__))) == 2
    assert len(rejected) == len(bad)
    assert rejected["SV2TTS/train.txt, line 4"].startswith("it does not list")
    assert rejected["SV2TTS/audio/audio-gone.npy"] == "the file is missing"
    assert rejected["SV2TTS/audio/audio-x-1.npy"] == "it holds neither a waveform nor mels"


def test_lists_of_other_programs_are_not_taken_for_this_one(tmp_path: Path) -> None:
    (tmp_path / "audio").mkdir()
    (tmp_path / "train.txt").write_text("audio/1.wav|hello\n", encoding="utf-8")
    with pytest.raises(CorpusError, match="no usable recording"):
        list(iter_utterances([tmp_path]))


def test_arrays_are_checked(tmp_path: Path) -> None:
    path = tmp_path / "a.npy"
    np.save(path, np.array([1.0, np.nan], np.float32))
    with pytest.raises(AudioError, match="not finite"):
        read_array(path)
    np.save(path, np.full((4, 40), -1.0, np.float32))
    with pytest.raises(AudioError, match="no power mels"):
        read_mels(path)
    np.save(path, np.zeros((4, 1000), np.float32))
    with pytest.raises(AudioError, match="neither"):
        read_waveform(path, 16_000)
    np.save(path, np.array([4.0, -2.0]))
    np.testing.assert_array_equal(read_waveform(path, 16_000), np.array([1.0, -0.5], np.float32))
