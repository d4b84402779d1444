"""Analysed clips, and voices made of them."""

import numpy as np
import pytest

from cloning import VoiceCloner
from detector.inference import Detection
from speech.audio import write_audio
from speech.errors import AudioError
from tests.speech.clips import tune
from tests.toy_models import TOY_SPACE, speech_like
from toolbox import jobs
from toolbox.jobs.context import JobContext
from toolbox.state.chosen_voice import voice_of
from toolbox.storage.datasets import Utterance

RATE = 16_000


def test_an_analysed_clip_has_everything_that_the_window_shows(models, files, tmp_path):
    write_audio(tmp_path / "a.flac", speech_like(4.5))
    clip = jobs.analyse_clip(JobContext(), models, files, tmp_path / "a.flac")
    assert clip.source == "a.flac" and clip.usable and clip.embedding is not None
    assert clip.mel.shape[0] == 80 and clip.mel.shape[1] * 200 == pytest.approx(len(clip.wav), abs=400)
    assert clip.embedding_space == TOY_SPACE and clip.seconds > 1.6
    assert np.linalg.norm(clip.embedding) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(jobs.embed(JobContext(), models, files, tmp_path / "a.flac"), clip.embedding, atol=1e-5)
    reference = clip.as_reference()
    assert reference.source == "a.flac" and reference.wav is clip.wav and reference.seconds == clip.seconds


def test_an_unusable_clip_is_reported_and_makes_no_voice(models, files):
    silent = jobs.analyse_clip(JobContext(), models, files, ("silence", np.zeros(3 * RATE, np.float32)))
    assert not silent.usable and silent.embedding is None and silent.remarks[0].code == "silent"
    made = jobs.enrol(JobContext(), models, files, [("a", speech_like(4.5)), ("music", tune(8.0))])
    assert made.voice is None and [clip.usable for clip in made.clips] == [True, False]
    with pytest.raises(AudioError, match="no reference clip"):
        jobs.enrol(JobContext(), models, files, [])


@pytest.mark.parametrize("short", [speech_like(1.0), np.zeros(RATE, np.float32), np.zeros(0, np.float32)], ids=len)
def test_a_clip_with_too_little_speech_is_skipped_with_a_warning(models, files, short):
    made = jobs.enrol(JobContext(), models, files, [("short", short), ("good", speech_like(4.5))])
    alone = jobs.enrol(JobContext(), models, files, [("good", speech_like(4.5))])
    assert made.voice is not None and alone.voice is not None
    assert [clip.source for clip in made.clips] == ["good"] and made.voice.sources == ("good",)
    np.testing.assert_allclose(made.voice.embedding, alone.voice.embedding, atol=1e-6)
    assert made.remarks[0].severity == "warning" and made.remarks[0].sentence.startswith("short: The clip is skipped")


def test_a_file_that_cannot_be_read_is_skipped_with_a_warning(models, files, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF....WAVEfmt broken")
    made = jobs.enrol(JobContext(), models, files, [tmp_path / "broken.wav", ("good", speech_like(4.5))])
    assert made.voice is not None and made.voice.sources == ("good",)
    assert made.remarks[0].sentence.startswith("broken.wav: The clip is skipped. ")
    with pytest.raises(AudioError, match="is not an audio file"):
        jobs.enrol(JobContext(), models, files, [tmp_path / "broken.wav"])


def test_a_voice_is_that_of_the_cloner(models, files, folder, tmp_path, recorder):
    for number, clip in enumerate([speech_like(4.5), speech_like(3, pitch=180)]):
        write_audio(tmp_path / f"{number}.wav", clip)
    sources = [tmp_path / "0.wav", Utterance("corpus", "ann", "ann/1.wav", tmp_path / "1.wav")]
    made = jobs.enrol(recorder.context, models, files, sources, "ann")
    expected = VoiceCloner.load(folder, device="cpu").enroll([tmp_path / "0.wav", tmp_path / "1.wav"])
    assert made.voice is not None and made.voice.name == "ann"
    np.testing.assert_allclose(made.voice.embedding, expected.embedding, atol=1e-5)
    assert made.voice.pitch == pytest.approx(expected.pitch)
    assert [clip.source for clip in made.clips] == ["0.wav", "1.wav"] and made.voice.sources == ("0.wav", "1.wav")
    assert [done for stage, done, total in recorder.progress if stage == "Analysing"] == [0, 1]


def test_a_broken_file_is_refused(models, files, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF....WAVEfmt broken")
    for job in (jobs.analyse_clip, jobs.embed):
        with pytest.raises(AudioError, match="broken"):
            job(JobContext(), models, files, tmp_path / "broken.wav")


def test_an_opened_clip_is_checked_for_synthesis_if_there_is_a_detector(models, files, monkeypatch):
    class Detector:
        def detect(self, wav):
            if len(wav) < 4 * RATE:
                raise AudioError("too short")
            return Detection(0.97)

    monkeypatch.setattr(models, "detector", Detector)
    sentence = "This is probably synthesized speech (97 %)."
    assert jobs.analyse_clip(JobContext(), models, files, ("a", speech_like(4.5))).detection == sentence
    assert jobs.analyse_clip(JobContext(), models, files, ("b", speech_like(3.0))).detection == ""
    two = [("a", speech_like(4.5)), ("b", speech_like(5.0))]
    assert voice_of("clips", "a", jobs.enrol(JobContext(), models, files, two[:1])).lines[1:] == (sentence,)
    lines = voice_of("clips", "a", jobs.enrol(JobContext(), models, files, two)).lines[1:]
    assert lines == (f"a: {sentence}", f"b: {sentence}")
    monkeypatch.setattr(models, "detector", lambda: None)
    assert jobs.analyse_clip(JobContext(), models, files, ("a", speech_like(4.5))).detection == ""
