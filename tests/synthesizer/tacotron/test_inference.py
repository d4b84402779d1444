"""The facade of a Tacotron: text in, mel out; save and load."""

import itertools

import numpy as np
import pytest
import torch

from speech.errors import ConfigError, ModelFileError, TextError, WorkCancelled
from synthesizer import join_syntheses
from synthesizer.fallbacks import SentenceRequest
from synthesizer.options import EmbeddedVoice, SynthesisOptions
from synthesizer.tacotron.inference import SENTENCES_PER_PASS, TacotronSynthesizer
from synthesizer.tacotron.model import Tacotron2
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.symbols import SYMBOLS
from tests.synthesizer.toy import facade, load_file, toy_config

VOICE = EmbeddedVoice(np.full(256, 1 / 16, np.float32))


@pytest.fixture(scope="module")
def synthesizer() -> TacotronSynthesizer:
    torch.manual_seed(0)
    return facade(Tacotron2(toy_config()))


def test_shapes_of_a_synthesis(synthesizer) -> None:
    result = synthesizer.synthesize("Hello there. How are you?", VOICE, seed=1)
    assert result.mel.shape[0] == 80 and result.mel.dtype == np.float32
    assert np.abs(result.mel).max() <= 4
    assert result.alignment.shape == (len(result.tokens), result.mel.shape[1] // 4)
    assert len(result.sentences) == 2
    assert sum(len(sentence.alignment) for sentence in result.sentences) == len(result.tokens)
    assert set(result.tokens) <= set(SYMBOLS)


def test_stream_joined_equals_the_whole(synthesizer) -> None:
    text = "Hello there. How are you? Fine: thanks."
    whole = synthesizer.synthesize(text, VOICE, seed=1)
    parts = list(synthesizer.stream(text, VOICE, seed=1))
    assert [len(part.sentences) for part in parts] == [1] * len(whole.sentences)
    joined = join_syntheses(parts)
    np.testing.assert_allclose(joined.mel, whole.mel, atol=1e-4)
    np.testing.assert_allclose(joined.alignment, whole.alignment, atol=1e-4)
    assert (joined.tokens, joined.stopped) == (whole.tokens, whole.stopped)
    assert (parts[0].mel[:, -1] == -4).all()  # the pause belongs to the sentence before it


def test_stream_checks_its_arguments_at_once(synthesizer) -> None:
    with pytest.raises(TextError):
        synthesizer.stream(" ", VOICE)
    with pytest.raises(ConfigError):
        synthesizer.stream("Hello.", EmbeddedVoice(VOICE.embedding[:9]))


def test_text_is_the_same_alone_and_in_a_batch(synthesizer) -> None:
    texts = [
        "Yes.",
        "Hello there, you.",
        "A.",
        "One. Two. Three.",
        "no no no no no",
        "STOP",
        "Good night to you.",
        "I?",
    ]
    voices = [EmbeddedVoice(np.roll(VOICE.embedding * np.sign(np.arange(256) - 99), 9 * k)) for k in range(8)]
    together = synthesizer.synthesize_many(texts, voices, SynthesisOptions(pauses=0.5), seeds=range(8))
    for text, voice, seed, one in zip(texts, voices, range(8), together, strict=True):
        alone = synthesizer.synthesize(text, voice, SynthesisOptions(pauses=0.5), seed=seed)
        assert alone.tokens == one.tokens
        np.testing.assert_allclose(alone.mel, one.mel, atol=1e-4)


def test_speed_and_pauses(synthesizer) -> None:
    text = "Good morning. How do you do?"
    usual, slow, paused = (
        synthesizer.synthesize(text, VOICE, SynthesisOptions(**how), seed=1).mel.shape[1]
        for how in ({}, {"speed": 0.8}, {"pauses": 3})
    )
    assert slow == pytest.approx(usual / 0.8, abs=12)
    assert paused >= usual + 0.5 * 80  # 0.6 s more between the sentences


def test_warm_up_changes_nothing(synthesizer) -> None:
    before = synthesizer.synthesize("One.", VOICE, seed=1).mel
    synthesizer.warm_up()
    np.testing.assert_array_equal(synthesizer.synthesize("One.", VOICE, seed=1).mel, before)


def test_progress_and_cancelling(synthesizer) -> None:
    reported = []
    synthesizer.synthesize(
        "One. Two. Three.", VOICE, seed=1, progress=lambda done, total: reported.append((done, total))
    )
    assert reported == [(3, 3)]
    with pytest.raises(WorkCancelled):
        synthesizer.synthesize("One. Two. Three.", VOICE, seed=1, cancelled=lambda: True)


def test_seed_determines_the_mel(synthesizer) -> None:
    first, again, other = (synthesizer.synthesize("Good morning.", VOICE, seed=seed).mel for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_decoding_is_grouped_by_length(synthesizer, monkeypatch) -> None:
    lengths: list[list[int]] = []

    def record(model, sentences, settings, **options):
        lengths.append([len(sentence.symbols) for sentence in sentences])
        return [None] * len(sentences)

    monkeypatch.setattr("synthesizer.tacotron.inference.free_run", record)
    texts = ["one " * (k % 5 + 1) + "end." for k in range(20)]
    requests = [SentenceRequest(text_to_transcript(text), VOICE.embedding, (k,)) for k, text in enumerate(texts)]
    reported: list[int] = []
    synthesizer.decode(requests, progress=reported.append)
    assert [len(group) for group in lengths] == [SENTENCES_PER_PASS, SENTENCES_PER_PASS, 4] and reported == [8, 16, 20]
    assert list(itertools.chain(*lengths)) == sorted(itertools.chain(*lengths))


def test_save_and_load(synthesizer, tmp_path) -> None:
    path = tmp_path / "synthesizer.safetensors"
    synthesizer.save(path)
    loaded = load_file(path)
    assert loaded.embedding_space == "toy" and loaded.config == synthesizer.config
    text = "Save me, load me."
    np.testing.assert_array_equal(loaded.synthesize(text, VOICE).mel, synthesizer.synthesize(text, VOICE).mel)


def test_float16_file_loads(synthesizer, tmp_path) -> None:
    path = tmp_path / "half.safetensors"
    synthesizer.save(path, dtype=torch.float16)
    assert next(load_file(path).model.parameters()).dtype == torch.float32


@pytest.mark.parametrize("text", ["", "   ", "...", "\n\n"])
def test_text_without_speech_is_refused(synthesizer, text: str) -> None:
    with pytest.raises(TextError):
        synthesizer.synthesize(text, VOICE)


def test_bad_embeddings_are_refused(synthesizer) -> None:
    with pytest.raises(ConfigError):
        synthesizer.synthesize("Hello.", EmbeddedVoice(np.zeros(10, np.float32)))
    with pytest.raises(ConfigError):
        synthesizer.synthesize("Hello.", EmbeddedVoice(np.full(256, np.nan, np.float32)))


def test_file_that_is_not_a_model_is_refused(tmp_path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelFileError):
        load_file(path)
