"""Speaking, synthesizing and vocoding with toy models."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import demo_cli
from cloning import ModelFiles, SpeechOptions, VoiceCloner, VoiceLibrary, read_provenance
from cloning.voices import Voice
from speech.audio import read_audio
from speech.errors import AudioError, ConfigError, ModelFileError, StorageError, TextError, WorkCancelled
from tests.synthesizer.vits.toy import toy_vits
from tests.toy_models import speech_like
from toolbox import jobs
from toolbox.jobs.context import JobContext
from toolbox.storage.result_files import Line
from toolbox.storage.settings import SpeechSettings

RATE = 16_000


def request(text: str, voice: Voice, seed: int | None = None, **settings) -> jobs.SpeechRequest:
    return jobs.SpeechRequest(text, voice, seed, SpeechSettings(**settings))


@pytest.fixture
def lexicon(tmp_path) -> Path:
    path = tmp_path / "words.csv"
    path.write_text("hello,Y EH1 S\n", encoding="utf-8")
    return path


def test_lines_are_utterances_with_breaks_between(models, files, voice, recorder):
    result = jobs.speak(recorder.context, models, files, request("First line.\n\n  Second one. ", voice, 3))
    assert [line.text for line in result.lines] == ["First line.", "Second one."]
    assert (result.seed, result.sample_rate, result.voice) == (3, RATE, voice)
    first, second = (line.mel.shape[1] * 200 for line in result.lines)
    gap = round(0.15 * RATE)
    assert len(result.wav) == first + gap + second and not result.wav[first : first + gap].any()
    live = recorder.audio()
    assert np.array_equal(live, result.wav)
    lines = [chunk for chunk in recorder.chunks if isinstance(chunk, Line)]
    assert [line.text for line in lines] == ["First line.", "Second one."]
    assert [type(chunk).__name__ for chunk in recorder.chunks[:2]] == ["Line", "AudioChunk"]
    recorder.check_progress()
    assert result.models["vocoder"] == "griffin-lim" and result.files["vocoder"] == "griffin-lim"
    assert result.similarity is not None and -1 <= result.similarity <= 1 and result.embedding.shape == (16,)


def test_an_end_to_end_synthesizer_speaks_without_a_vocoder(models, folder, voice, recorder, tmp_path):
    toy_vits().save(tmp_path / "vits.safetensors")
    files = ModelFiles.find(folder, synthesizer=tmp_path / "vits.safetensors", vocoder="griffin-lim")
    result = jobs.speak(recorder.context, models, files, request("Hello there. Yes.", voice, 3))
    assert "vocoder" not in result.models and result.models["synthesizer"] == "vits.safetensors, step 7"
    assert np.array_equal(recorder.audio(), result.wav) and np.abs(result.wav).max() > 0
    speech = VoiceCloner.load(files, device="cpu").speak("Hello there. Yes.", voice, SpeechOptions(seed=3))
    np.testing.assert_array_equal(result.wav, speech.wav)
    draft = jobs.synthesize(recorder.context, models, files, request("Yes.", voice, 3))
    assert len(jobs.vocode(recorder.context, models, files, draft).wav) == 200 * draft.lines[0].mel.shape[1]


@pytest.mark.parametrize(("vocoder", "text"), [("griffin-lim", "Hello there. And again."), ("wavernn", "Hello. Yes.")])
def test_toolbox_library_and_command_line_give_the_same_samples(
    models, folder, voice, lexicon, tmp_path, vocoder, text
):
    files = ModelFiles.find(folder, vocoder=vocoder)
    values: dict[str, Any] = {"speed": 1.4, "pauses": 0.5, "pitch_range": 1.5}
    result = jobs.speak(JobContext(), models, files, request(text, voice, 5, **values, lexicon=str(lexicon)))
    options = SpeechOptions(seed=5, **values, lexicon=jobs.load_lexicon(str(lexicon)))
    speech = VoiceCloner.load(files, device="cpu").speak(text, voice, options)
    np.testing.assert_array_equal(result.wav, speech.wav)
    np.testing.assert_array_equal(result.mel, speech.mel)

    VoiceLibrary(tmp_path / "voices").save(voice)
    flags = ["--voice", voice.name, "--voices", str(tmp_path / "voices"), "--models", str(folder), "--device", "cpu"]
    flags += ["--vocoder", vocoder, "--text", text, "--seed", "5", "--speed", "1.4", "--pauses", "0.5"]
    flags += ["--pitch-range", "1.5", "--lexicon", str(lexicon), "--out", str(tmp_path / "cli.wav")]
    assert demo_cli.main(flags) == 0
    path = jobs.export(JobContext(), result, tmp_path / "toolbox.wav")
    np.testing.assert_array_equal(read_audio(tmp_path / "cli.wav"), read_audio(path))


def test_a_seed_repeats_the_samples_and_none_draws_one(models, files, voice):
    one, same, other = (
        jobs.speak(JobContext(), models, files, request("Hello there.", voice, seed)) for seed in (1, 1, None)
    )
    np.testing.assert_array_equal(one.wav, same.wav)
    again = jobs.speak(JobContext(), models, files, request("Hello there.", voice, other.seed))
    np.testing.assert_array_equal(again.wav, other.wav)


def test_options_change_the_result_and_are_stored_in_it(models, files, voice, lexicon):
    plain = jobs.speak(JobContext(), models, files, request("Hello there.", voice, 1))
    slow = jobs.speak(JobContext(), models, files, request("Hello there.", voice, 1, speed=0.5))
    assert len(slow.wav) > 1.5 * len(plain.wav) and slow.settings.speed == 0.5
    other = jobs.speak(JobContext(), models, files, request("Hello there.", voice, 1, lexicon=str(lexicon)))
    assert other.settings.lexicon == str(lexicon) and other.lines[0].tokens != plain.lines[0].tokens
    with pytest.raises(ConfigError, match=r"0\.5 and 2"):
        jobs.speak(JobContext(), models, files, request("Hello there.", voice, 1, speed=3.0))


def test_a_lexicon_is_read_again_when_its_file_changes(lexicon, tmp_path):
    import os

    def entries() -> int:
        read = jobs.load_lexicon(str(lexicon))
        assert read is not None
        return len(read)

    assert jobs.load_lexicon("") is None and entries() == 1
    lexicon.write_text("hello,Y EH1 S\nthere,N OW1\n", encoding="utf-8")
    os.utime(lexicon, (1, 1))
    assert entries() == 2
    lexicon.write_text("hello\n", encoding="utf-8")
    os.utime(lexicon, (2, 2))
    with pytest.raises(TextError, match="Line 1"):
        jobs.load_lexicon(str(lexicon))
    with pytest.raises(TextError, match="gone"):
        jobs.load_lexicon(str(tmp_path / "gone.csv"))


def test_synthesizing_then_vocoding_gives_the_samples_of_speaking(models, files, voice, recorder, make_recorder):
    both_lines = request("First line. And more.\nSecond one.", voice, 3, speed=1.2, loudness=-20.0)
    draft = jobs.synthesize(recorder.context, models, files, both_lines)
    assert draft.seconds == 0 and "vocoder" not in draft.models and len(recorder.chunks) == 2
    recorder.check_progress()
    second = make_recorder()
    result = jobs.vocode(second.context, models, files, draft)
    spoken = jobs.speak(JobContext(), models, files, both_lines)
    np.testing.assert_array_equal(result.mel, spoken.mel)
    np.testing.assert_array_equal(result.wav, spoken.wav)
    assert (result.models, result.files, result.settings) == (spoken.models, spoken.files, spoken.settings)
    assert result.similarity == spoken.similarity and len(second.audio()) == len(result.wav)
    second.check_progress()


def test_a_mel_can_be_vocoded_by_a_different_vocoder(models, files, voice, folder):
    draft = jobs.synthesize(JobContext(), models, files, request("Yes.", voice, 3))
    short = replace(draft, lines=(replace(draft.lines[0], mel=draft.lines[0].mel[:, :20]),))
    result = jobs.vocode(JobContext(), models, ModelFiles.find(folder, vocoder="wavernn"), short, seed=5)
    assert len(result.wav) == 20 * 200 and result.seed == 5 and "vocoder.safetensors" in result.models["vocoder"]


def test_a_mel_that_does_not_fit_the_vocoder_is_refused(models, files, voice):
    draft = jobs.synthesize(JobContext(), models, files, request("Yes.", voice, 3))
    with pytest.raises(ConfigError, match="22050 Hz"):
        jobs.vocode(JobContext(), models, files, replace(draft, sample_rate=22_050))
    bad = replace(draft.lines[0], mel=np.full((80, 20), np.nan, np.float32))
    with pytest.raises(AudioError):
        jobs.vocode(JobContext(), models, files, replace(draft, lines=(bad,)))


def test_audio_that_is_not_finite_is_refused_before_playback(models, files, voice, monkeypatch, recorder):
    broken = models.two_stage(JobContext(), files).vocoder
    nan = np.full(800, np.nan, np.float32)
    monkeypatch.setattr(type(broken), "stream_segments", lambda self, segments, **_: (nan for _ in segments))
    draft = jobs.synthesize(JobContext(), models, files, request("Yes.", voice, 3))
    with pytest.raises(ModelFileError, match="no usable audio"):
        jobs.vocode(recorder.context, models, files, draft)
    assert not recorder.chunks


@pytest.mark.parametrize("at", ["Loading", "Synthesizing", "Line", "Vocoding", "AudioChunk"])
def test_speaking_can_be_cancelled_at_any_stage(files, voice, at, make_recorder):
    recorder = make_recorder(cancel_at=at)
    with pytest.raises(WorkCancelled):
        jobs.speak(recorder.context, jobs.Models("cpu"), files, request("First line.\nSecond one.", voice))
    assert sum(isinstance(chunk, jobs.AudioChunk) for chunk in recorder.chunks) <= 1


@pytest.mark.parametrize(
    ("text", "words"), [("", "no text to speak"), (" \n\t", "no text to speak"), ("Yes.\n☃☃", "Line 2")]
)
def test_an_unspeakable_text_is_refused_before_models_are_loaded(files, voice, text, words):
    models = jobs.Models("cpu")
    for job in (jobs.speak, jobs.synthesize):
        with pytest.raises(TextError, match=words):
            job(JobContext(), models, files, request(text, voice))
    assert models.descriptions(files) == {}


def test_a_voice_in_a_different_embedding_space_is_refused(models, files):
    stranger = Voice(np.ones(16), "elsewhere", "bob")
    for job in (jobs.speak, jobs.synthesize):
        with pytest.raises(ConfigError, match="elsewhere"):
            job(JobContext(), models, files, request("Yes.", stranger))


def test_long_silences_are_trimmed(models, files, voice):
    speech, silence = speech_like(2), np.zeros(2 * RATE, np.float32)
    wav = np.concatenate([speech, silence, speech])
    for rate in (RATE, 22_050):
        at_rate = wav if rate == RATE else np.interp(np.arange(0, len(wav), RATE / rate), np.arange(len(wav)), wav)
        short = jobs.trim_silences(at_rate.astype(np.float32), rate)
        assert 2 < len(short) / rate < 4.6
    assert jobs.trim_silences(silence, RATE) is silence
    plain, trimmed = (
        jobs.speak(JobContext(), models, files, request("Yes.", voice, 1, trim=trim)) for trim in (False, True)
    )
    assert trimmed.settings.trim and len(trimmed.wav) <= len(plain.wav)


def test_a_result_is_exported(models, files, voice, tmp_path):
    result = jobs.speak(JobContext(), models, files, request("Yes.", voice, 1))
    path = jobs.export(JobContext(), result, tmp_path / "a.flac")
    np.testing.assert_allclose(read_audio(path), result.wav, atol=1e-4)
    origin = read_provenance(path)
    assert origin is not None and origin.voice == voice.name
    assert list(origin.models) == ["encoder", "synthesizer", "vocoder"]
    with pytest.raises(StorageError, match="exists"):
        jobs.export(JobContext(), result, path)
    draft = jobs.synthesize(JobContext(), models, files, request("Yes.", voice, 1))
    with pytest.raises(AudioError, match="no audio yet"):
        jobs.export(JobContext(), draft, tmp_path / "b.wav")
