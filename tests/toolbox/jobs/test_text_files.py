"""Text files spoken into numbered audio files."""

import json
from pathlib import Path

import numpy as np
import pytest

from speech.audio import read_audio
from speech.errors import StorageError, TextError, WorkCancelled
from toolbox import jobs
from toolbox.jobs.context import JobContext
from toolbox.storage.settings import SpeechSettings


@pytest.fixture
def text_file(tmp_path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text("First line.\n\nSecond one.\nThird.\n", encoding="utf-8")
    return path


def test_a_text_file_becomes_numbered_files_and_a_manifest(models, files, voice, text_file, tmp_path, recorder):
    folder, settings = tmp_path / "new" / "out", SpeechSettings(speed=1.5, pitch_range=0.5)
    written = jobs.speak_file(recorder.context, models, files, jobs.FileRequest(text_file, folder, voice, 1, settings))
    names = ["001.wav", "002.wav", "003.wav"]
    assert [one.path.name for one in written] == names == sorted(path.name for path in folder.glob("*.wav"))
    assert recorder.chunks == written and [one.text for one in written] == ["First line.", "Second one.", "Third."]
    single = jobs.speak(JobContext(), models, files, jobs.SpeechRequest("Second one.", voice, 1, settings))
    np.testing.assert_allclose(read_audio(folder / "002.wav"), single.wav, atol=1e-4)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["voice"], manifest["speed"], manifest["pitch_range"]) == ("toy", 1.5, 0.5)
    assert [one["file"] for one in manifest["outputs"]] == names
    recorder.check_progress()
    with pytest.raises(StorageError, match="exists already"):
        jobs.speak_file(JobContext(), models, files, jobs.FileRequest(text_file, folder, voice, seed=1))


def test_finished_files_and_their_manifest_remain_after_a_cancel(
    models, files, voice, text_file, tmp_path, make_recorder
):
    recorder = make_recorder(cancel_at="WrittenFile")
    with pytest.raises(WorkCancelled):
        jobs.speak_file(recorder.context, models, files, jobs.FileRequest(text_file, tmp_path / "out", voice))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["001.wav", "manifest.json"]
    assert len(json.loads((tmp_path / "out" / "manifest.json").read_text())["outputs"]) == 1


def test_unusable_text_files_and_folders_are_refused(models, files, voice, tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "snow.txt").write_text("Yes.\n☃☃\n", encoding="utf-8")
    for name in ("empty.txt", "binary.txt", "snow.txt", "gone.txt"):
        with pytest.raises(TextError, match=name):
            jobs.speak_file(JobContext(), models, files, jobs.FileRequest(tmp_path / name, tmp_path / "out", voice))
    assert not (tmp_path / "out").exists()
    (tmp_path / "good.txt").write_text("Yes.\n")
    with pytest.raises(StorageError):
        folder = tmp_path / "good.txt" / "folder"
        jobs.speak_file(JobContext(), models, files, jobs.FileRequest(tmp_path / "good.txt", folder, voice))
