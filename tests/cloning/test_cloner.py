"""The chain of the three stages, with models of toy width."""

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

import demo_cli
from cloning import (
    ModelFiles,
    Monitor,
    SpeechOptions,
    TwoStage,
    Voice,
    VoiceCloner,
    VoiceLibrary,
    read_provenance,
    resolve_device,
)
from cloning.finishing import UNINTELLIGIBLE, check_alignment, is_intelligible
from cloning.models import STAGES
from cloning.watermark import load_watermarker
from speech.audio import read_audio, write_audio
from speech.errors import AudioError, ConfigError, ModelFileError, StorageError, TextError
from speech.loudness import integrated_loudness
from speech.mel import MelConfig
from speech.quality import Remark
from synthesizer import Sentence
from synthesizer.text.lexicon import Entry, Lexicon
from tests.speech.clips import tune
from tests.toy_models import EMBEDDING_SIZE, TOY_SPACE, save_toy_models, speech_like, toy_encoder, toy_synthesizer
from vocoder import GriffinLimVocoder


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    return save_toy_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def cloner(models) -> VoiceCloner:
    return VoiceCloner.load(models, device="cpu")


@pytest.fixture(scope="module")
def voice(cloner) -> Voice:
    return cloner.enroll([speech_like(4.5)], name="toy")


# --- which models -----------------------------------------------------------------------------------------------------


def test_the_models_folder_names_the_default_vocoder(models, tmp_path):
    models = Path(shutil.copytree(models, tmp_path / "models"))
    (models / "defaults.json").unlink()
    assert ModelFiles.find(models).vocoder == models / "vocoder.safetensors"
    (models / "defaults.json").write_text('{"vocoder": "griffin-lim"}')
    assert ModelFiles.find(models).vocoder is None
    (models / "other.safetensors").write_bytes((models / "vocoder.safetensors").read_bytes())
    (models / "defaults.json").write_text('{"vocoder": "other.safetensors"}')
    assert ModelFiles.find(models).vocoder == models / "other.safetensors"
    for broken in ("", "[]", '{"vocoder": 3}', '{"vocoder": "../vocoder.safetensors"}', '{"vocoder": "gone"}'):
        (models / "defaults.json").write_text(broken)
        with pytest.raises(ModelFileError):
            ModelFiles.find(models)


def test_each_file_can_be_replaced(models, tmp_path):
    for stage in ("encoder", "synthesizer", "vocoder"):
        own = tmp_path / f"my {stage}.safetensors"
        shutil.copy(models / f"{stage}.safetensors", own)
        files = ModelFiles.find(models, **{stage: own})
        assert getattr(files, stage) == own
        others = {"encoder", "synthesizer"} - {stage}
        assert all(getattr(files, other).parent == models for other in others)
    assert ModelFiles.find(models, vocoder="Griffin-Lim").vocoder is None


@pytest.mark.parametrize("stage", ["encoder", "synthesizer", "vocoder"])
def test_a_missing_file_is_named_with_the_flag_that_helps(models, stage):
    with pytest.raises(ModelFileError, match=rf"{stage}.*gone.*--{stage}"):
        ModelFiles.find(models, **{stage: "gone.safetensors"})


def test_models_that_do_not_belong_together_are_refused():
    griffin_lim = GriffinLimVocoder()
    with pytest.raises(ConfigError, match=r"'toy'.*'elsewhere'"):
        VoiceCloner(toy_encoder(space="elsewhere"), TwoStage(toy_synthesizer(), griffin_lim))
    other_mels = GriffinLimVocoder(dataclasses.replace(MelConfig(), fmin=40.0))
    with pytest.raises(ConfigError, match="mel settings"):
        TwoStage(toy_synthesizer(), other_mels)


def test_devices():
    assert resolve_device("cpu") == "cpu"
    assert resolve_device("auto") in ("cpu", "cuda")
    for name in ("abacus", "cuda:99", ""):
        with pytest.raises(ConfigError, match="device"):
            resolve_device(name)


# --- enrolling --------------------------------------------------------------------------------------------------------


def test_one_clip_gives_the_encoders_embedding(cloner, voice):
    np.testing.assert_allclose(voice.embedding, cloner.encoder.embed(speech_like(4.5)), atol=1e-5)
    assert (voice.name, voice.embedding_space, voice.sources) == ("toy", TOY_SPACE, ("a recording",))


def test_files_and_arrays_are_averaged_alike(cloner, tmp_path):
    clips = [speech_like(4.5, 110), speech_like(5.0, 220)]
    for number, clip in enumerate(clips):
        write_audio(tmp_path / f"{number}.wav", clip)
    from_files = cloner.enroll([tmp_path / "0.wav", str(tmp_path / "1.wav")])
    alone = [cloner.enroll([clip]).embedding for clip in clips]
    for weights, (first, second) in (("speech", (4.5, 5.0)), ("equal", (1, 1)), ((3, 1), (3, 1))):
        mean = first * alone[0] + second * alone[1]
        voice = cloner.enroll([tmp_path / "0.wav", tmp_path / "1.wav"], weights=weights)
        np.testing.assert_allclose(voice.embedding, mean / np.linalg.norm(mean), atol=3e-3)  # 16 bit in the files
    assert from_files.sources == ("0.wav", "1.wav")


def test_no_clip_or_a_bad_one_is_refused(cloner):
    with pytest.raises(AudioError, match="no reference clip"):
        cloner.enroll([])
    for bad in (tune(8.0), np.full(48_000, np.nan, np.float32), np.zeros((2, 48_000), np.float32)):
        with pytest.raises(AudioError, match=r"^a recording: "):
            cloner.enroll([speech_like(4.5), bad])


def test_a_clip_with_too_little_speech_is_skipped_with_a_warning(cloner, tmp_path):
    write_audio(tmp_path / "good.wav", speech_like(4.5))
    alone = cloner.enroll(tmp_path / "good.wav")
    for name, wav in {
        "short": speech_like(1.0, pitch=250),
        "silent": np.zeros(48_000, np.float32),
        "a word": np.concatenate([np.zeros(48_000, np.float32), speech_like(0.8, pitch=90)]),
    }.items():
        write_audio(tmp_path / f"{name}.wav", wav)
        remarks: list[tuple[str, Remark]] = []
        clips = [tmp_path / f"{name}.wav", tmp_path / "good.wav"]
        voice = cloner.enroll(clips, on_remark=lambda *remark, found=remarks: found.append(remark))
        assert any(source == f"{name}.wav" and "skipped" in remark.sentence for source, remark in remarks)
        np.testing.assert_allclose(voice.embedding, alone.embedding, atol=1e-6)
        assert voice.sources == ("good.wav",) and voice.pitch == alone.pitch
        assert voice.reference is not None and alone.reference is not None
        assert np.array_equal(voice.reference.coded, alone.reference.coded)
        with pytest.raises(AudioError, match=name):
            cloner.enroll([clips[0], clips[0]])


def test_warnings_of_the_quality_check_are_passed_on(cloner):
    remarks = []
    rng = np.random.default_rng(0)
    noisy = speech_like(4.5) + 0.05 * rng.standard_normal(72_000).astype(np.float32)
    cloner.enroll([noisy], on_remark=lambda source, remark: remarks.append((source, remark.severity)))
    assert remarks
    assert set(remarks) == {("a recording", "warning")}


# --- speaking ---------------------------------------------------------------------------------------------------------


def test_a_speech_holds_its_inputs(cloner, voice):
    speech = cloner.speak("Hello there. One.", voice, seed=4)
    assert speech.wav.dtype == np.float32
    assert integrated_loudness(speech.wav, 16_000) == pytest.approx(-23.0, abs=0.7)  # of two sentences and a pause
    assert speech.seconds == pytest.approx(speech.mel.shape[1] * 200 / 16_000)
    assert speech.alignment.shape[0] == len(speech.tokens)
    assert (speech.text, speech.seed, speech.sample_rate) == ("Hello there. One.", 4, 16_000)
    assert np.array_equal(cloner.speak("Hello there. One.", voice, seed=4).wav, speech.wav)


def test_the_seed_that_was_drawn_repeats_the_speech(cloner, voice):
    drawn = cloner.speak("One.", voice)
    assert np.array_equal(cloner.speak("One.", voice, seed=drawn.seed).wav, drawn.wav)


def test_progress_is_reported_for_both_stages(cloner, voice):
    reports = []
    cloner.speak(
        "One.", voice, seed=0,
        monitor=Monitor(progress=lambda stage, done, total: reports.append((stage, done <= total))),
    )  # fmt: skip
    assert set(reports) == {("synthesizer", True), ("vocoder", True)}


@pytest.mark.parametrize("text", ["", " \n", "..."])
def test_texts_without_speech_are_refused(cloner, voice, text):
    with pytest.raises(TextError):
        cloner.speak(text, voice)


def test_voices_of_a_different_space_or_size_are_refused(cloner):
    with pytest.raises(ConfigError, match="elsewhere"):
        cloner.speak("One.", Voice(np.ones(EMBEDDING_SIZE), "elsewhere", "far"))
    with pytest.raises(ConfigError, match="embedding"):
        cloner.speak("One.", Voice(np.ones(EMBEDDING_SIZE + 1), TOY_SPACE))


def test_similarity_is_a_cosine_or_none(cloner, voice):
    speech = cloner.speak("One.", voice, seed=1)
    own = dataclasses.replace(speech, wav=speech_like(4.5))
    assert cloner.similarity(own, voice) == pytest.approx(1, abs=1e-4)
    twice = dataclasses.replace(speech, wav=np.repeat(speech_like(4.5), 2), sample_rate=32_000)
    assert cloner.similarity(twice, voice) > 0.9
    for nothing in (np.zeros(16_000, np.float32), np.zeros(10, np.float32)):
        assert cloner.similarity(dataclasses.replace(speech, wav=nothing), voice) is None


def test_the_alignment_score_is_that_of_the_worst_sentence():
    alignment = np.eye(5, dtype=np.float32)
    good = Sentence("one.", alignment, True, 1)
    bad = Sentence("two.", alignment, False, 4, score=0.25, remarks=('"two" is probably missing', "it hums"))
    assert check_alignment([good]) == (1.0, ())
    score, remarks = check_alignment([good, bad])
    assert score == 0.25
    assert remarks == ('sentence 2: "two" is probably missing', "sentence 2: it hums")


@pytest.mark.parametrize(("seconds", "intelligible"), [((3.0, 1.0), True), ((1.0, 3.0), False), ((0.0, 0.0), True)])
def test_speech_is_unintelligible_if_more_than_half_of_it_is(seconds, intelligible):
    alignment = np.eye(5, dtype=np.float32)
    good = Sentence("one.", alignment, True, 1, seconds=seconds[0])
    noise = Sentence("two.", alignment, True, 2, 0.0, remarks=("noise",), seconds=seconds[1], intelligible=False)
    remarks = check_alignment([good, noise])[1]
    assert remarks == (("sentence 2: noise",) if intelligible else (UNINTELLIGIBLE, "sentence 2: noise"))
    assert is_intelligible([good, noise]) == intelligible
    assert is_intelligible([good]) and not is_intelligible([noise])


def test_an_untrained_synthesizer_is_noticed(cloner, voice):
    speech = cloner.speak("A cat sat on the mat. Yes, indeed it did.", voice, seed=4)
    assert not speech.intelligible and speech.alignment_score == 0
    assert speech.remarks[0] == UNINTELLIGIBLE
    assert all(sentence.attempts == 2 for sentence in speech.sentences)  # no other fallback steps


@pytest.mark.slow
def test_speech_of_the_default_models_is_intelligible(samples_dir):
    cloner = VoiceCloner.load(device="cpu")
    texts = ["Yes.", "Really?", "Bring me warm water.", "Hello. I have never said this sentence before.",
             "Snow covered the railway station and the fields around it, but the last train still came."]  # fmt: skip
    for name in ("awb", "kal", "rms", "slt"):
        for speech in cloner.speak(texts, cloner.enroll(samples_dir / f"{name}.flac"), seed=1):
            assert speech.intelligible and all(sentence.intelligible for sentence in speech.sentences)


def test_speed_pauses_and_lexicon_reach_the_synthesizer(cloner, voice):
    usual = cloner.speak("Hello there.", voice, seed=4)
    slow = cloner.speak("Hello there.", voice, seed=4, speed=0.5)
    assert slow.seconds == pytest.approx(2 * usual.seconds, rel=0.2)
    other = cloner.speak("Hello there.", voice, seed=4, lexicon=Lexicon((Entry("hello", (("Y", "OW1"),), False),)))
    assert other.tokens[:2] == ("@Y", "@OW1")
    assert [sentence.text for sentence in usual.sentences] == ["hello there."]
    with pytest.raises(ConfigError, match="Speed"):
        cloner.speak("Hello.", voice, speed=7)


def test_overlong_clips_are_refused(cloner, tmp_path, monkeypatch):
    write_audio(tmp_path / "long.wav", speech_like(4.5))
    monkeypatch.setattr("encoder.enrolment.MAX_SECONDS", 2)
    with pytest.raises(AudioError, match=r"long\.wav"):
        cloner.enroll([tmp_path / "long.wav"])


# --- conventions of a library -----------------------------------------------------------------------------------------


def test_one_reference_needs_no_list(cloner, tmp_path):
    write_audio(tmp_path / "a.wav", speech_like(4.5))
    alone, listed = cloner.enroll(str(tmp_path / "a.wav")), cloner.enroll([tmp_path / "a.wav"])
    assert np.array_equal(alone.embedding, listed.embedding)
    assert np.array_equal(cloner.enroll(speech_like(4.5)).embedding, cloner.enroll([speech_like(4.5)]).embedding)


def test_a_voice_may_be_given_by_its_name(cloner, voice, tmp_path):
    library = VoiceLibrary(tmp_path)
    library.save(voice)
    named = VoiceCloner(cloner.encoder, cloner.model, library)
    by_name, itself = named.speak("One.", "toy", seed=1), named.speak("One.", voice, seed=1)
    assert np.array_equal(by_name.wav, itself.wav)
    assert named.similarity(by_name, "toy") == named.similarity(itself, voice)
    with pytest.raises(ModelFileError, match="nobody"):
        named.speak("One.", "nobody")


def test_several_texts_give_several_speeches(cloner, voice):
    one, two = cloner.speak(["One.", "Two."], voice, seed=1)
    assert (one.text, two.text) == ("One.", "Two.")
    assert np.array_equal(two.wav, cloner.speak("Two.", voice, SpeechOptions(seed=1)).wav)
    assert cloner.speak([], voice) == []


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda cloner, voice: cloner.speak(3, voice), "text must be a string or a list of strings, not int"),
        (lambda cloner, voice: cloner.speak(b"One.", voice), "text must be a string or a list of strings, not bytes"),
        (lambda cloner, voice: cloner.speak(["One.", 2], voice), "text must be a string"),
        (lambda cloner, voice: cloner.stream(["One."], voice), "text must be a string, not list"),
        (lambda cloner, voice: cloner.speak("One.", None), "voice must be a Voice or the name of a saved one"),
        (lambda cloner, voice: cloner.speak("One.", voice.embedding), "voice must be a Voice"),
        (lambda cloner, voice: cloner.speak("One.", voice, 3), "options must be a SpeechOptions, not int"),
        (lambda cloner, voice: cloner.speak("One.", voice, sped=1.0), "sped"),
        (lambda cloner, voice: cloner.enroll(3), "references must be paths or arrays of samples, not int"),
        (lambda cloner, voice: cloner.enroll(b"a.wav"), "references must be"),
        (lambda cloner, voice: cloner.enroll(["a.wav", 3]), "a reference must be a path or an array"),
    ],
)
def test_wrong_types_are_named(cloner, voice, call, expected):
    with pytest.raises(TypeError, match=expected):
        call(cloner, voice)


def test_a_speech_can_be_saved_and_played_in_a_notebook(cloner, voice, tmp_path):
    speech = cloner.speak("One <b>.", voice, seed=1)
    assert speech.save(tmp_path / "one.wav") == tmp_path / "one.wav"
    with pytest.raises(StorageError, match="exists"):
        speech.save(tmp_path / "one.wav")
    speech.save(tmp_path / "one.wav", overwrite=True)
    np.testing.assert_allclose(read_audio(tmp_path / "one.wav", sample_rate=16_000), speech.wav, atol=1e-3)
    assert repr(speech) == f"Speech('One <b>.', {speech.seconds:.1f} s at 16000 Hz, seed=1)"
    page = speech._repr_html_()
    assert page.startswith('<audio controls src="data:audio/wav;base64,UklGR') and "<b>" not in page
    assert len(repr(voice)) < 100 and len(repr(cloner)) < 100


def test_consent_can_be_required(cloner, voice, tmp_path):
    library = VoiceLibrary(tmp_path, require_consent=True)
    strict = VoiceCloner(cloner.encoder, cloner.model, library)
    allowed = dataclasses.replace(voice, consent="a machine")
    VoiceLibrary(tmp_path).save(voice)
    for refused in (
        lambda: strict.speak("One.", voice, seed=1),
        lambda: strict.stream("One.", "toy"),
        lambda: library.save(dataclasses.replace(voice, name="other", consent=" ")),
        lambda: library.load("toy"),
    ):
        with pytest.raises(ConfigError, match="no consent note"):
            refused()
    library.save(allowed, overwrite=True)
    speech = strict.speak("One.", "toy", seed=1)
    assert np.array_equal(speech.wav, cloner.speak("One.", voice, seed=1).wav)
    assert speech.provenance.consent == "a machine" and set(speech.provenance.models) == set(STAGES)
    assert read_provenance(speech.save(tmp_path / "one.flac")) == speech.provenance


def test_a_watermark_without_its_package_is_refused_at_once(cloner, voice, monkeypatch):
    monkeypatch.setattr("cloning.watermark.PACKAGE", "no-such-package-anywhere")
    load_watermarker.cache_clear()
    for speak in (cloner.speak, cloner.stream):
        with pytest.raises(ConfigError, match="The watermark needs the package"):
            speak("One.", voice, watermark=True)


def test_library_stream_and_command_line_give_the_same_samples(models, voice, tmp_path):
    VoiceLibrary(tmp_path / "voices").save(voice)
    cloner = VoiceCloner.load(models, device="cpu")
    text = "Hello there. How are you? Fine, thanks."
    speech = cloner.speak(text, voice, seed=5)
    stream = cloner.stream(text, voice, seed=5)
    assert np.array_equal(np.concatenate(list(stream)), speech.wav)
    assert np.array_equal(stream.speech.wav, speech.wav)
    speech.save(tmp_path / "library.wav")
    for name, more in (("plain", []), ("streamed", ["--stream", str(tmp_path / "s.wav")])):
        code = demo_cli.main(
            ["--voice", "toy", "--voices", str(tmp_path / "voices"), "--text", text, "--seed", "5", "--device", "cpu",
             "--models", str(models), "--out", str(tmp_path / f"{name}.wav"), *more]
        )  # fmt: skip
        assert code == 0
        assert (tmp_path / f"{name}.wav").read_bytes() == (tmp_path / "library.wav").read_bytes()
    assert np.array_equal(read_audio(tmp_path / "s.wav"), read_audio(tmp_path / "library.wav"))
