"""The set-up of the recogniser, on natural speech."""

import csv
from types import SimpleNamespace

import numpy as np
import pytest

from evaluation.recogniser import PocketSphinx, SentenceSet, pronunciation
from evaluation.words import edit_distance, spoken_words
from speech.audio import read_audio
from speech.errors import ConfigError, TextError

pytest.importorskip("pocketsphinx")
SHORT_SECONDS = 4.5


@pytest.fixture(scope="module")
def recogniser():
    return PocketSphinx()


@pytest.fixture(scope="module")
def natural(shared_dir):
    """Eight short natural recordings and their texts."""
    folder = shared_dir / "data/librispeech_test_other"
    with (folder / "metadata.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if 2 < float(row["duration_s"]) < SHORT_SECONDS][:8]
    return [read_audio(folder / row["path"]) for row in rows], [row["text"] for row in rows]


def test_sentences_of_natural_speech_are_chosen_right(recogniser, natural):
    wavs, texts = natural
    sentences = recogniser.sentence_set(texts)
    assert len(sentences) == len(texts)
    right = sum(sentences.choose(wav) == number for number, wav in enumerate(wavs))
    assert right >= len(texts) - 1


def test_silence_chooses_any_sentence_or_none(recogniser):
    sentences = recogniser.sentence_set(["the first one", "something else altogether"])
    assert sentences.choose(np.zeros(16_000, np.float32)) in (None, 0, 1)
    assert sentences.choose(np.zeros(0, np.float32)) is None


@pytest.mark.slow
def test_free_transcription_finds_words_and_keeps_no_state(recogniser, natural):
    wavs, texts = natural
    transcripts = [recogniser.transcribe(wav) for wav in wavs[:3]]
    errors = sum(edit_distance(spoken_words(text), words) for text, words in zip(texts, transcripts, strict=False))
    assert errors < 0.8 * sum(len(spoken_words(text)) for text in texts[:3])
    assert recogniser.transcribe(wavs[0]) == transcripts[0]


def test_a_missing_last_word_leaves_the_choice_clear(recogniser):
    class Path:
        """A decoder that recognised the start of a sentence."""

        words = ""

        def hyp(self):
            return SimpleNamespace(hypstr=self.words)

        def __getattr__(self, name):
            return lambda *args, **kwargs: "AH"

    path = Path()
    sentences = SentenceSet(path, ["one two three four", "one two three five", "six seven eight nine"])
    for path.words, choice in (("six seven eight", 2), ("six seven", None), ("one two three", None), ("", None)):
        assert sentences.choose(np.ones(100, np.float32)) == choice
    path.words = "six(2) seven eight nine"
    assert sentences.choose(np.ones(100, np.float32)) == 2


def test_unknown_words_get_a_pronunciation():
    assert pronunciation("zarathustra")
    assert pronunciation("hello") in ("HH AH L OW", "HH EH L OW")
    assert pronunciation("'") == "AH"


@pytest.mark.parametrize("texts", [["One.", "one"], ["a b", "..."]])
def test_a_closed_set_needs_distinct_sentences(recogniser, texts):
    with pytest.raises((ConfigError, TextError)):
        recogniser.sentence_set(texts)
