"""The facade: text in, mel out; the same file gives the same mel."""

import numpy as np
import pytest
import torch

from speech.errors import ConfigError, ModelFileError, TextError
from synthesizer import Synthesizer
from synthesizer.options import EmbeddedVoice, SynthesisOptions
from synthesizer.tacotron.decoding import DecodingCancelled
from synthesizer.tacotron.inference import join_syntheses
from synthesizer.tacotron.model import Tacotron2
from synthesizer.text.symbols import SYMBOLS
from tests.synthesizer.toy import toy_config

VOICE = EmbeddedVoice(np.full(256, 1 / 16, np.float32))


@pytest.fixture(scope="module")
def synthesizer() -> Synthesizer:
    torch.manual_seed(0)
    return Synthesizer(Tacotron2(toy_config()), embedding_space="toy")


def test_shapes_of_a_synthesis(synthesizer) -> None:
    result = synthesizer.synthesize("Hello there. How are you?", VOICE, seed=1)
    assert result.mel.shape[0] == 80 and result.mel.dtype == np.float32
    assert np.abs(result.mel).max() <= 4
    assert result.alignment.shape == (len(result.tokens), result.mel.shape[1] // 4)
    assert len(result.sentences) == 2
    assert sum(len(sentence.alignment) for sentence in result.sentences) == len(result.tokens)
    assert set(result.tokens) <= set(SYMBOLS)


def test_a_text_streamed_sentence_by_sentence_is_the_text(synthesizer) -> None:
    text = "Hello there. How are you? Fine: thanks."
    whole = synthesizer.synthesize(text, VOICE, seed=1)
    parts = list(synthesizer.stream(text, VOICE, seed=1))
    assert [len(part.sentences) for part in parts] == [1] * len(whole.sentences)
    joined = join_syntheses(parts)
    np.testing.assert_allclose(joined.mel, whole.mel, atol=1e-4)
    np.testing.assert_allclose(joined.alignment, whole.alignment, atol=1e-4)
    assert (joined.tokens, joined.stopped) == (whole.tokens, whole.stopped)
    assert (parts[0].mel[:, -1] == -4).all()  # the pause belongs to the sentence before it


def test_a_stream_refuses_at_once(synthesizer) -> None:
    with pytest.raises(TextError):
        synthesizer.stream(" ", VOICE)
    with pytest.raises(ConfigError):
        synthesizer.stream("Hello.", EmbeddedVoice(VOICE.embedding[:9]))


def test_a_text_in_a_batch_of_eight_is_what_it_is_alone(synthesizer) -> None:
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
    assert paused >= usual + 0.5 * 80  # two times 0.3 s more between the sentences


def test_warming_up_changes_nothing(synthesizer) -> None:
    before = synthesizer.synthesize("One.", VOICE, seed=1).mel
    synthesizer.warm_up()
    np.testing.assert_array_equal(synthesizer.synthesize("One.", VOICE, seed=1).mel, before)


def test_progress_and_cancelling(synthesizer) -> None:
    told = []
    synthesizer.synthesize("One. Two. Three.", VOICE, seed=1, progress=lambda done, total: told.append((done, total)))
    assert told == [(3, 3)]
    with pytest.raises(DecodingCancelled):
        synthesizer.synthesize("One. Two. Three.", VOICE, seed=1, cancelled=lambda: True)


def test_the_seed_decides(synthesizer) -> None:
    first, again, other = (synthesizer.synthesize("Good morning.", VOICE, seed=seed).mel for seed in (5, 5, 6))
    np.testing.assert_array_equal(first, again)
    assert first.shape != other.shape or not np.array_equal(first, other)


def test_save_and_load(synthesizer, tmp_path) -> None:
    path = tmp_path / "synthesizer.safetensors"
    synthesizer.save(path)
    loaded = Synthesizer.load(path)
    assert loaded.embedding_space == "toy" and loaded.config == synthesizer.config
    text = "Save me, load me."
    np.testing.assert_array_equal(loaded.synthesize(text, VOICE).mel, synthesizer.synthesize(text, VOICE).mel)


def test_half_precision_files_load(synthesizer, tmp_path) -> None:
    path = tmp_path / "half.safetensors"
    synthesizer.save(path, dtype=torch.float16)
    assert next(Synthesizer.load(path).model.parameters()).dtype == torch.float32


@pytest.mark.parametrize("text", ["", "   ", "...", "\n\n"])
def test_nothing_to_say_is_said(synthesizer, text: str) -> None:
    with pytest.raises(TextError):
        synthesizer.synthesize(text, VOICE)


def test_wrong_voices_are_refused(synthesizer) -> None:
    with pytest.raises(ConfigError):
        synthesizer.synthesize("Hello.", EmbeddedVoice(np.zeros(10, np.float32)))
    with pytest.raises(ConfigError):
        synthesizer.synthesize("Hello.", EmbeddedVoice(np.full(256, np.nan, np.float32)))


def test_a_file_that_is_no_synthesizer_is_refused(tmp_path) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(b"not a model")
    with pytest.raises(ModelFileError):
        Synthesizer.load(path)
