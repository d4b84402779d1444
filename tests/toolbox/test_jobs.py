"""What the worker runs, with models of toy width: loading, listening, speaking, text files."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloning import ModelFiles, VoiceCloner
from cloning.voices import Voice
from speech.audio import read_audio, write_audio
from speech.errors import AudioError, ConfigError, ModelFileError, StorageError, TextError
from tests.toy_models import TOY_SPACE, save_toy_models, speech_like, toy_encoder
from toolbox import jobs
from toolbox.jobs.context import JobCancelled, JobContext
from toolbox.storage.datasets import Utterance
from toolbox.storage.result_files import Line

RATE = 16_000


class Listener:
    """A context that remembers what it was told, and may cancel at some point."""

    def __init__(self, cancel_at: str = "") -> None:
        self.progress: list[tuple[str, int, int]] = []
        self.chunks: list[object] = []
        self.cancel_at = cancel_at
        self.context = JobContext(self._tell)

    def _tell(self, kind: str, value) -> None:
        if kind == "progress":
            self.progress.append(value)
            if self.cancel_at and value[0].startswith(self.cancel_at):
                self.context.cancel()
        else:
            self.chunks.append(value)
            if self.cancel_at == type(value).__name__:
                self.context.cancel()

    def sounds(self) -> np.ndarray:
        return np.concatenate([chunk.wav for chunk in self.chunks if isinstance(chunk, jobs.Sound)])


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return save_toy_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def files(folder) -> ModelFiles:
    return ModelFiles.find(folder)


@pytest.fixture(scope="module")
def models() -> jobs.Models:
    return jobs.Models("cpu")


@pytest.fixture(scope="module")
def voice(models, files) -> Voice:
    made = jobs.enrol(JobContext(), models, files, [("a", speech_like(4.5))], "toy")
    assert made.voice is not None
    return made.voice


def assert_counts_up(progress: list[tuple[str, int, int]]) -> None:
    """Progress never goes back while its total stays, and never beyond it."""
    for (_, done, total), (_, next_done, next_total) in zip(progress, progress[1:], strict=False):
        assert total != next_total or done <= next_done
        assert not total or 0 <= done <= total


# --- models -----------------------------------------------------------------------------------------------------------


def test_each_stage_is_loaded_once_and_again_when_its_file_changes(folder, tmp_path):
    here = Path(shutil.copytree(folder, tmp_path / "models"))
    models, listener, files = jobs.Models("cpu"), Listener(), ModelFiles.find(here)
    first = models.load(listener.context, files)
    stages = ("encoder", "synthesizer", "vocoder")
    assert [stage for stage, *_ in listener.progress] == [f"Loading the {stage}" for stage in stages]
    assert isinstance(first, VoiceCloner)
    silent = Listener()
    again = models.load(silent.context, files)
    assert again.encoder is first.encoder and again.vocoder is first.vocoder and silent.progress == []
    toy_encoder(seed=1).save(here / "encoder.safetensors")
    changed = models.load(silent.context, files)
    assert changed.encoder is not first.encoder and changed.synthesizer is first.synthesizer
    other = models.load(silent.context, ModelFiles.find(here, vocoder=here / "vocoder.safetensors"))
    assert other.vocoder.kind == "wavernn" and other.synthesizer is first.synthesizer
    assert "vocoder.safetensors, step 0" in models.about(ModelFiles.find(here, vocoder="wavernn"))["vocoder"]


def test_loading_warms_up_and_tells_what_is_loaded(models, files):
    listener = Listener()
    about = jobs.load_models(listener.context, models, files)
    assert about == {
        "encoder": "encoder.safetensors, step 0",
        "synthesizer": "synthesizer.safetensors, step 0",
        "vocoder": "griffin-lim",
    }
    assert_counts_up(listener.progress)


def test_models_that_do_not_fit_or_are_gone_are_said(folder, tmp_path):
    here = Path(shutil.copytree(folder, tmp_path / "models"))
    files = ModelFiles.find(here)
    toy_encoder(space="elsewhere").save(here / "encoder.safetensors")
    with pytest.raises(ConfigError, match="'elsewhere'"):
        jobs.load_models(JobContext(), jobs.Models("cpu"), files)
    (here / "encoder.safetensors").unlink()
    with pytest.raises(ModelFileError, match="no model file"):
        jobs.load_models(JobContext(), jobs.Models("cpu"), files)


# --- references -------------------------------------------------------------------------------------------------------


def test_a_clip_is_heard_with_all_that_a_window_shows(models, files, tmp_path):
    write_audio(tmp_path / "a.flac", speech_like(4.5))
    heard = jobs.hear(JobContext(), models, files, tmp_path / "a.flac")
    assert heard.source == "a.flac" and heard.fit and heard.embedding is not None
    assert heard.mel.shape[0] == 80 and heard.mel.shape[1] * 200 == pytest.approx(len(heard.wav), abs=400)
    assert heard.embedding_space == TOY_SPACE and heard.seconds > 1.6 and "s of speech" in heard.lines[0]
    assert np.linalg.norm(heard.embedding) == pytest.approx(1, abs=1e-5)
    np.testing.assert_allclose(jobs.embed(JobContext(), models, files, tmp_path / "a.flac"), heard.embedding, atol=1e-5)


def test_what_is_unfit_is_told_and_makes_no_voice(models, files):
    silent = jobs.hear(JobContext(), models, files, ("silence", np.zeros(3 * RATE, np.float32)))
    assert not silent.fit and silent.embedding is None and silent.remarks[0].code == "silent"
    made = jobs.enrol(JobContext(), models, files, [("a", speech_like(4.5)), ("silence", np.zeros(RATE, np.float32))])
    assert made.voice is None and [clip.fit for clip in made.clips] == [True, False]
    with pytest.raises(AudioError, match="no reference clip"):
        jobs.enrol(JobContext(), models, files, [])


def test_a_voice_is_what_the_cloner_makes_of_its_clips(models, files, folder, tmp_path):
    clips = [speech_like(4.5), speech_like(3, pitch=180)]
    for number, clip in enumerate(clips):
        write_audio(tmp_path / f"{number}.wav", clip)
    listener = Listener()
    sources = [tmp_path / "0.wav", Utterance("corpus", "ann", "ann/1.wav", tmp_path / "1.wav")]
    made = jobs.enrol(listener.context, models, files, sources, "ann", "by letter")
    expected = VoiceCloner.load(folder, device="cpu").enroll([tmp_path / "0.wav", tmp_path / "1.wav"])
    assert made.voice is not None and (made.voice.name, made.voice.consent) == ("ann", "by letter")
    np.testing.assert_allclose(made.voice.embedding, expected.embedding, atol=1e-5)
    assert [clip.source for clip in made.clips] == ["0.wav", "1.wav"] and made.voice.sources == ("0.wav", "1.wav")
    assert [done for stage, done, total in listener.progress if stage == "Listening"] == [0, 1]


def test_a_broken_file_is_said(models, files, tmp_path):
    (tmp_path / "broken.wav").write_bytes(b"RIFF....WAVEfmt broken")
    for job in (jobs.hear, jobs.embed):
        with pytest.raises(AudioError, match="broken"):
            job(JobContext(), models, files, tmp_path / "broken.wav")


# --- speaking ---------------------------------------------------------------------------------------------------------


def test_one_line_is_one_utterance_with_breaks_between(models, files, voice):
    listener = Listener()
    result = jobs.speak(listener.context, models, files, jobs.Order("First line.\n\n  Second one. ", voice, seed=3))
    assert [line.text for line in result.lines] == ["First line.", "Second one."]
    assert (result.seed, result.sample_rate, result.voice) == (3, RATE, voice)
    first, second = (line.mel.shape[1] * 200 for line in result.lines)
    gap = round(0.15 * RATE)
    assert len(result.wav) == first + gap + second and not result.wav[first : first + gap].any()
    sounds = listener.sounds()
    assert len(sounds) == len(result.wav) and np.abs(result.wav).max() <= 0.901
    # what was heard is what is kept, but for the level
    part, heard = result.wav[200 : first - 200], sounds[200 : first - 200]
    assert np.corrcoef(part, heard)[0, 1] > 0.999
    lines = [chunk for chunk in listener.chunks if isinstance(chunk, Line)]
    assert [line.text for line in lines] == ["First line.", "Second one."]
    kinds = [type(chunk).__name__ for chunk in listener.chunks]
    assert kinds[0] == "Line" and kinds[1] == "Sound"
    assert_counts_up(listener.progress)
    assert result.models["vocoder"] == "griffin-lim" and result.files["vocoder"] == "griffin-lim"
    assert result.similarity is not None and -1 <= result.similarity <= 1 and result.embedding.shape == (16,)


def test_a_seed_gives_the_same_samples_and_none_draws_one(models, files, voice):
    one, same, other = (
        jobs.speak(JobContext(), models, files, jobs.Order("Hello there.", voice, seed)) for seed in (1, 1, None)
    )
    np.testing.assert_array_equal(one.wav, same.wav)
    again = jobs.speak(JobContext(), models, files, jobs.Order("Hello there.", voice, other.seed))
    np.testing.assert_array_equal(again.wav, other.wav)


def test_a_mel_first_and_its_sound_later_are_the_same_as_both_at_once(models, files, voice):
    order = jobs.Order("First line.\nSecond one.", voice, seed=3)
    listener = Listener()
    draft = jobs.synthesize(listener.context, models, files, order)
    assert draft.seconds == 0 and "vocoder" not in draft.models and len(listener.chunks) == 2
    assert_counts_up(listener.progress)
    listener = Listener()
    result = jobs.vocode(listener.context, models, files, draft)
    both = jobs.speak(JobContext(), models, files, order)
    np.testing.assert_allclose(result.mel, both.mel, atol=1e-5)
    assert np.corrcoef(result.wav, both.wav)[0, 1] > 0.99
    assert result.models == both.models and result.similarity == pytest.approx(both.similarity, abs=0.01)
    assert len(listener.sounds()) == len(result.wav)
    assert_counts_up(listener.progress)


def test_another_vocoder_can_have_a_go_at_a_mel(models, files, voice, folder):
    draft = jobs.synthesize(JobContext(), models, files, jobs.Order("Yes.", voice, seed=3))
    short = replace(draft, lines=(replace(draft.lines[0], mel=draft.lines[0].mel[:, :20]),))
    result = jobs.vocode(JobContext(), models, ModelFiles.find(folder, vocoder="wavernn"), short, seed=5)
    assert len(result.wav) == 20 * 200 and result.seed == 5 and "vocoder.safetensors" in result.models["vocoder"]


def test_a_mel_of_another_kind_is_refused(models, files, voice):
    draft = jobs.synthesize(JobContext(), models, files, jobs.Order("Yes.", voice, seed=3))
    with pytest.raises(ConfigError, match="22050 Hz"):
        jobs.vocode(JobContext(), models, files, replace(draft, sample_rate=22_050))
    bad = replace(draft.lines[0], mel=np.full((80, 20), np.nan, np.float32))
    with pytest.raises(AudioError):
        jobs.vocode(JobContext(), models, files, replace(draft, lines=(bad,)))


def test_a_vocoder_that_makes_no_sound_is_said_before_it_is_heard(models, files, voice, monkeypatch):
    broken = models.vocoder(JobContext(), files)
    monkeypatch.setattr(broken, "stream", lambda mel, **_: iter([np.full(800, np.nan, np.float32)]))
    draft = jobs.synthesize(JobContext(), models, files, jobs.Order("Yes.", voice, seed=3))
    listener = Listener()
    with pytest.raises(ModelFileError, match="no usable sound"):
        jobs.vocode(listener.context, models, files, draft)
    assert not listener.chunks


@pytest.mark.parametrize("at", ["Loading", "Synthesizing", "Line", "Vocoding", "Sound"])
def test_speaking_can_be_cancelled_anywhere(files, voice, at):
    listener = Listener(cancel_at=at)
    with pytest.raises(JobCancelled):
        jobs.speak(listener.context, jobs.Models("cpu"), files, jobs.Order("First line.\nSecond one.", voice))
    assert sum(isinstance(chunk, jobs.Sound) for chunk in listener.chunks) <= 1


@pytest.mark.parametrize(
    ("text", "words"), [("", "nothing to say"), (" \n\t", "nothing to say"), ("Yes.\n☃☃", "Line 2")]
)
def test_what_cannot_be_said_is_said_before_anything_is_loaded(files, voice, text, words):
    models = jobs.Models("cpu")
    for job in (jobs.speak, jobs.synthesize):
        with pytest.raises(TextError, match=words):
            job(JobContext(), models, files, jobs.Order(text, voice))
    assert models.about(files) == {}


def test_a_voice_of_another_space_is_refused(models, files):
    stranger = Voice(np.ones(16), "elsewhere", "bob")
    for job in (jobs.speak, jobs.synthesize):
        with pytest.raises(ConfigError, match="elsewhere"):
            job(JobContext(), models, files, jobs.Order("Yes.", stranger))


def test_long_silences_are_cut_out(models, files, voice):
    speech, silence = speech_like(2), np.zeros(2 * RATE, np.float32)
    wav = np.concatenate([speech, silence, speech])
    for rate in (RATE, 22_050):
        at_rate = wav if rate == RATE else np.interp(np.arange(0, len(wav), RATE / rate), np.arange(len(wav)), wav)
        short = jobs.trim_silences(at_rate.astype(np.float32), rate)
        assert 2 < len(short) / rate < 4.6
    assert jobs.trim_silences(silence, RATE) is silence
    order = jobs.Order("Yes.", voice, 1)
    plain, trimmed = (jobs.speak(JobContext(), models, files, replace(order, trim=trim)) for trim in (False, True))
    assert trimmed.trimmed and len(trimmed.wav) <= len(plain.wav)


def test_a_result_is_exported(models, files, voice, tmp_path):
    result = jobs.speak(JobContext(), models, files, jobs.Order("Yes.", voice, 1))
    path = jobs.export(JobContext(), result, tmp_path / "a.flac")
    np.testing.assert_allclose(read_audio(path), result.wav, atol=1e-4)
    with pytest.raises(StorageError, match="exists"):
        jobs.export(JobContext(), result, path)
    draft = jobs.synthesize(JobContext(), models, files, jobs.Order("Yes.", voice, 1))
    with pytest.raises(AudioError, match="no sound yet"):
        jobs.export(JobContext(), draft, tmp_path / "b.wav")


# --- text files -------------------------------------------------------------------------------------------------------


@pytest.fixture
def text_file(tmp_path) -> Path:
    path = tmp_path / "lines.txt"
    path.write_text("First line.\n\nSecond one.\nThird.\n", encoding="utf-8")
    return path


def test_a_text_file_becomes_numbered_sounds_and_a_manifest(models, files, voice, text_file, tmp_path):
    listener, folder = Listener(), tmp_path / "new" / "out"
    spoken = jobs.speak_file(listener.context, models, files, jobs.FileOrder(text_file, folder, voice, seed=1))
    assert (
        [one.path.name for one in spoken]
        == ["001.wav", "002.wav", "003.wav"]
        == sorted(path.name for path in folder.glob("*.wav"))
    )
    assert listener.chunks == spoken and [one.text for one in spoken] == ["First line.", "Second one.", "Third."]
    single = jobs.speak(JobContext(), models, files, jobs.Order("Second one.", voice, 1))
    np.testing.assert_allclose(read_audio(folder / "002.wav"), single.wav, atol=1e-4)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["voice"] == "toy"
    assert [one["file"] for one in manifest["outputs"]] == ["001.wav", "002.wav", "003.wav"]
    assert_counts_up(listener.progress)
    with pytest.raises(StorageError, match="exists already"):
        jobs.speak_file(JobContext(), models, files, jobs.FileOrder(text_file, folder, voice, seed=1))
    again = jobs.FileOrder(text_file, folder, voice, seed=1, overwrite=True, suffix=".flac")
    assert jobs.speak_file(JobContext(), models, files, again)[0].path.name == "001.flac"


def test_what_was_written_before_a_cancel_stays_and_is_told_of(models, files, voice, text_file, tmp_path):
    listener = Listener(cancel_at="Spoken")
    with pytest.raises(JobCancelled):
        jobs.speak_file(listener.context, models, files, jobs.FileOrder(text_file, tmp_path / "out", voice))
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["001.wav", "manifest.json"]
    assert len(json.loads((tmp_path / "out" / "manifest.json").read_text())["outputs"]) == 1


def test_a_text_file_that_cannot_be_is_said(models, files, voice, tmp_path):
    (tmp_path / "empty.txt").write_text("\n")
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    (tmp_path / "snow.txt").write_text("Yes.\n☃☃\n", encoding="utf-8")
    for name in ("empty.txt", "binary.txt", "snow.txt", "gone.txt"):
        with pytest.raises(TextError, match=name):
            jobs.speak_file(JobContext(), models, files, jobs.FileOrder(tmp_path / name, tmp_path / "out", voice))
    assert not (tmp_path / "out").exists()
    (tmp_path / "good.txt").write_text("Yes.\n")
    with pytest.raises(StorageError):
        in_the_way = tmp_path / "good.txt" / "folder"
        jobs.speak_file(JobContext(), models, files, jobs.FileOrder(tmp_path / "good.txt", in_the_way, voice))


def test_similarity_is_the_cosine():
    assert jobs.similarity(np.array([1, 0]), np.array([2, 2])) == pytest.approx(2**-0.5)
    assert jobs.similarity(np.zeros(2), np.ones(2)) == 0


def test_torch_leaves_a_processor_to_the_window(files):
    import torch

    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        jobs.Models("cpu", threads=2).load(JobContext(), files)
        assert torch.get_num_threads() == 2
        jobs.Models("cpu", threads=8).load(JobContext(), files)
        assert torch.get_num_threads() == 2  # never more than there were
        assert 1 <= jobs.Models("cpu").threads <= 4
    finally:
        torch.set_num_threads(before)
