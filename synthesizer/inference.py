"""The facade: a trained synthesizer, from text and an embedding to a mel spectrogram."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray

from speech.errors import ConfigError, TextError
from speech.mel import MelConfig
from synthesizer.alignment_score import alignment_report
from synthesizer.config import SynthesizerConfig
from synthesizer.decoding import Decoded, free_run
from synthesizer.model import SILENCE, Tacotron2
from synthesizer.text.symbols import SYMBOLS
from synthesizer.text.transcript import Transcript, encode

Floats = NDArray[np.float32]
logger = logging.getLogger(__name__)

STAGE = "synthesizer"
SENTENCES_PER_PASS = 8
MAX_CHARACTERS = 120  # about the longest utterance of the training data
ATTEMPTS = 3  # a reading that failed is tried again with other dropout masks
PAUSE_SECONDS = {",": 0.12, ";": 0.2, ":": 0.2, "-": 0.12}  # after a piece that ends so; else the pause of a full stop
FULL_STOP_SECONDS = 0.3


@dataclass(frozen=True, eq=False)
class Sentence:
    """One sentence of a synthesis: its text as it was read, its alignment [tokens, steps], whether the stop token ended
    it, and the number of attempts it took."""

    text: str
    alignment: Floats
    stopped: bool
    attempts: int


@dataclass(frozen=True, eq=False)
class Synthesis:
    """A synthesized text.

    Attributes:
        mel: float32 [80, frames], dB scaled to [-4, 4].
        alignment: float32 [tokens, steps], sentence after sentence; the steps of pauses have no weight.
        tokens: name of each token.
        stopped: every sentence was ended by its stop token.
        sentences: the parts.
    """

    mel: Floats
    alignment: Floats
    tokens: list[str]
    stopped: bool
    sentences: tuple[Sentence, ...]


class Synthesizer:
    """Says a text in a voice: `str`, `float32 [256]` -> `Synthesis`. Holds no state besides the weights."""

    def __init__(
        self,
        model: Tacotron2,
        *,
        embedding_space: str,
        device: str | torch.device = "cpu",
        licence: str = "",
        trained_on: str = "",
        step: int = 0,
    ):
        self.device = torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.embedding_space = embedding_space
        self.licence = licence
        self.trained_on = trained_on
        self.step = step

    @property
    def config(self) -> SynthesizerConfig:
        return self.model.config

    @property
    def mel_config(self) -> MelConfig:
        return self.model.config.mel

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Self:
        """Loads a model file.

        Raises:
            ModelFileError: if it is missing, damaged, or not a synthesizer.
        """
        from training.checkpoint import config_from_header, load_into, load_model_file

        header, weights = load_model_file(path, STAGE)
        config = config_from_header(SynthesizerConfig, header)
        if config.n_symbols != len(SYMBOLS):
            raise ConfigError(
                f"{path} reads {config.n_symbols} symbols, but this version writes {len(SYMBOLS)}: "
                "use the version of the toolkit that it was trained with, or train it anew."
            )
        model = Tacotron2(config)
        load_into(model, weights)
        return cls(
            model,
            embedding_space=header.embedding_space,
            device=device,
            licence=header.licence,
            trained_on=header.trained_on,
            step=header.step,
        )

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        """Writes a model file, as float32 or, for half the size, as `dtype=torch.float16`."""
        from training.checkpoint import save_model

        extra = {"embedding_space": self.embedding_space, "licence": self.licence, "trained_on": self.trained_on}
        save_model(path, self.model, stage=STAGE, config=self.config, step=self.step, extra=extra, dtype=dtype)

    def synthesize(
        self,
        text: str,
        embedding: Floats,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> Synthesis:
        """Say a text of any length, sentence by sentence.

        Args:
            text: Unicode; `{HH AH0 L OW1}` is read as phonemes.
            embedding: [256], of the space that `embedding_space` names.
            seed: of the prenet's dropout, which varies the reading. The same seed gives the same mel.
            progress: called with (sentences done, sentences in all).

        Raises:
            TextError: nothing in the text can be spoken.
            ConfigError: the embedding has another size.
        """
        embedding = self._checked(embedding)
        transcripts = read_sentences(text)
        results: list[tuple[Decoded, int]] = []
        for first in range(0, len(transcripts), SENTENCES_PER_PASS):
            part = transcripts[first : first + SENTENCES_PER_PASS]
            results += self._speak(part, embedding, seed, first)
            if progress is not None:
                progress(len(results), len(transcripts))
        last = len(transcripts) - 1
        return join_syntheses(
            [self._with_pause(*one, k < last) for k, one in enumerate(zip(transcripts, results, strict=True))]
        )

    def stream(self, text: str, embedding: Floats, seed: int = 0) -> Iterator[Synthesis]:
        """Say a text sentence by sentence, each as soon as it is asked for.

        Arguments and errors are those of `synthesize`. Joined, the parts are what it gives, to within the rounding of
        a batch; a pause belongs to the sentence before it.
        """
        embedding = self._checked(embedding)
        return self._stream(read_sentences(text), embedding, seed)

    def _stream(self, transcripts: list[Transcript], embedding: Floats, seed: int) -> Iterator[Synthesis]:
        for k, transcript in enumerate(transcripts):
            (result,) = self._speak([transcript], embedding, seed, k)
            yield self._with_pause(transcript, result, k + 1 < len(transcripts))

    def _checked(self, embedding: Floats) -> Floats:
        embedding = np.asarray(embedding, np.float32)
        if embedding.shape != (self.config.speaker_embedding_size,):
            raise ConfigError(
                f"the voice has an embedding of shape {embedding.shape}, but this synthesizer wants "
                f"({self.config.speaker_embedding_size},)"
            )
        if not np.isfinite(embedding).all():
            raise ConfigError("the voice's embedding holds values that are not numbers")
        return embedding

    def _speak(
        self, transcripts: list[Transcript], embedding: Floats, seed: int, first: int
    ) -> list[tuple[Decoded, int]]:
        """Decode sentences together; those whose attention failed again, each keeping its best attempt."""
        texts = [encode(transcript, 1.0) for transcript in transcripts]
        best: dict[int, tuple[Decoded, int]] = {}
        scores: dict[int, float] = {}
        waiting = list(range(len(texts)))
        for attempt in range(ATTEMPTS):
            seeds = [
                int(np.random.SeedSequence((seed, first + k, attempt)).generate_state(1, np.uint64)[0] >> np.uint64(1))
                for k in waiting
            ]
            rows = np.repeat(embedding[None], len(waiting), 0)
            failed = []
            for k, decoded in zip(waiting, free_run(self.model, [texts[k] for k in waiting], rows, seeds), strict=True):
                score, fine = _score(decoded)
                if k not in best or score > scores[k]:
                    best[k], scores[k] = (decoded, attempt + 1), score
                if not fine:
                    failed.append(k)
            waiting = failed
            if not waiting:
                break
            logger.info("attempt %d: attention failed in %d of %d sentences", attempt + 1, len(failed), len(texts))
        return [best[k] for k in range(len(texts))]

    def _with_pause(self, transcript: Transcript, result: tuple[Decoded, int], goes_on: bool) -> Synthesis:
        """One sentence, and the silence after it if another one follows."""
        decoded, attempts = result
        factor = self.config.reduction_factor
        pause = PAUSE_SECONDS.get(transcript.text.rstrip("\"') ")[-1:], FULL_STOP_SECONDS) if goes_on else 0.0
        steps = math.ceil(pause * self.mel_config.frames_per_second / factor)
        silence = np.full((self.mel_config.n_mels, steps * factor), SILENCE, np.float32)
        return Synthesis(
            mel=np.concatenate([decoded.mel, silence], 1),
            alignment=np.pad(decoded.alignment, ((0, 0), (0, steps))),
            tokens=[SYMBOLS[symbol] for symbol in encode(transcript, 1.0)],
            stopped=decoded.stopped,
            sentences=(Sentence(transcript.text, decoded.alignment, decoded.stopped, attempts),),
        )


def join_syntheses(parts: Sequence[Synthesis]) -> Synthesis:
    """Consecutive parts of a text as one: their mels end to end, their alignments from corner to corner."""
    rows, columns = np.cumsum([part.alignment.shape for part in parts], axis=0).T
    alignment = np.zeros((rows[-1], columns[-1]), np.float32)
    for part, bottom, right in zip(parts, rows, columns, strict=True):
        height, width = part.alignment.shape
        alignment[bottom - height : bottom, right - width : right] = part.alignment
    return Synthesis(
        mel=np.concatenate([part.mel for part in parts], 1),
        alignment=alignment,
        tokens=[token for part in parts for token in part.tokens],
        stopped=all(part.stopped for part in parts),
        sentences=tuple(sentence for part in parts for sentence in part.sentences),
    )


def read_sentences(text: str) -> list[Transcript]:
    """Split a text into sentences and look their words up; each ends in a punctuation mark, as in training.

    Raises:
        TextError: nothing in the text can be spoken.
    """
    from synthesizer.text.front_end import text_to_transcript
    from synthesizer.text.sentences import split_sentences

    sentences = split_sentences(text, MAX_CHARACTERS)
    if not sentences:
        raise TextError("The text is empty: give something to say.")
    transcripts, unspeakable = [], None
    for sentence in sentences:
        try:
            transcript = text_to_transcript(sentence)
        except TextError as error:
            unspeakable = error
            continue
        if transcript.text.rstrip("\"') ")[-1:] not in tuple(".,;:!?-"):
            transcript = text_to_transcript(sentence.rstrip() + ".")
        transcripts.append(transcript)
    if not transcripts and unspeakable is not None:
        raise unspeakable
    return transcripts


def _score(decoded: Decoded) -> tuple[float, bool]:
    report = alignment_report(decoded.alignment, decoded.stopped)
    faults = report.backward_jumps + report.forward_jumps + (not report.reached_end) + (not report.stopped)
    return report.coverage - faults, report.ok
