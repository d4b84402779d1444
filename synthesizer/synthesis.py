"""Split a text into sentences, and join the mels of decoded sentences into a `Synthesis`."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speech.errors import TextError
from speech.mel_config import MelConfig
from synthesizer.fallbacks import SPLIT, Outcome, Part
from synthesizer.options import SynthesisOptions
from synthesizer.pacing import BOUNDARY_SECONDS, EDGE_SECONDS, Paced, pace
from synthesizer.splitting import breaks_of
from synthesizer.text.symbols import SYMBOLS
from synthesizer.text.transcript import Transcript, encode

if TYPE_CHECKING:
    from synthesizer.text.lexicon import Lexicon

Floats = NDArray[np.float32]
Transcribe = Callable[[str, "Lexicon | None"], Transcript]
logger = logging.getLogger(__name__)

MAX_CHARACTERS = 120  # about the longest utterance of the training data
PUNCTUATION = tuple(".,;:!?-")
PAUSE_SECONDS = {
    ",": 0.12,
    ";": 0.2,
    ":": 0.2,
    "-": 0.12,
}  # after a sentence or part that ends so; else FULL_STOP_SECONDS
FULL_STOP_SECONDS = 0.3
PARAGRAPH_SECONDS = 0.6
PARAGRAPHS = re.compile(r"\n[^\S\n]*\n\s*")
MAX_CELLS = 8_000_000  # 32 MB; the alignment of a text grows with the square of its length


@dataclass(frozen=True)
class Line:
    """A sentence, and the seconds of silence after it."""

    transcript: Transcript
    pause: float


@dataclass(frozen=True, eq=False)
class Sentence:
    """One sentence of a synthesis.

    Attributes:
        text: normalised.
        alignment: [tokens, steps], as decoded, before speed and pauses; block-diagonal if the sentence was split.
        stopped: the stop token ended it (or all its parts).
        attempts: decodings of the sentence and of its parts.
        score: 0 to 1, see `synthesizer.decoding_check.check_decoding`.
        fallbacks: fallback steps that were tried after the first attempt had failed, in order.
        kept: the fallback step whose result was kept; "" for the first attempt.
        parts: number of parts that the sentence was split into.
        excess_pause: seconds that were cut out of overlong pauses.
        remarks: remaining faults, one phrase each.
        seconds: duration without the pause after it.
        pause: seconds of silence after it.
        intelligible: False if it probably cannot be understood, see `synthesizer.fallbacks.Outcome`.
    """

    text: str
    alignment: Floats
    stopped: bool
    attempts: int
    score: float = 1.0
    fallbacks: tuple[str, ...] = ()
    kept: str = ""
    parts: int = 1
    excess_pause: float = 0.0
    remarks: tuple[str, ...] = ()
    seconds: float = 0.0
    pause: float = 0.0
    intelligible: bool = True

    @property
    def ok(self) -> bool:
        return not self.remarks

    @property
    def done(self) -> tuple[str, ...]:
        """What was done besides decoding it once, one phrase each."""
        phrases = []
        if self.fallbacks:
            how = {"": "the first attempt was the best", SPLIT: f"split into {self.parts} parts"}
            phrases.append(f"decoded {self.attempts} times: {how.get(self.kept, self.kept)}")
        if self.excess_pause >= 0.1:
            phrases.append(f"pauses shortened by {self.excess_pause:.1f} s")
        return tuple(phrases)


@dataclass(frozen=True, eq=False)
class Synthesis:
    """A synthesized text.

    Attributes:
        mel: float32 [n_mels, frames], dB scaled to [-4, 4].
        alignment: float32 [tokens, steps], block-diagonal; the steps of pauses have no weight. For a very long text
            only every n-th step is kept, so that it stays below 32 MB; `sentences` have all steps.
        tokens: name of each token.
        stopped: the stop token ended every sentence.
        sentences: one entry for each sentence.
        wav: float32 [frames * hop], the audio of an end-to-end model; None for other models.
    """

    mel: Floats
    alignment: Floats
    tokens: list[str]
    stopped: bool
    sentences: tuple[Sentence, ...]
    wav: Floats | None = None


def read_lines(text: str, lexicon: Lexicon | None = None, transcribe: Transcribe | None = None) -> list[Line]:
    """Split a text into sentences and transcribe them; each ends in a punctuation mark, as in training.

    Args:
        transcribe: reads a sentence, as the text front end does by default.

    Raises:
        TextError: nothing in the text can be spoken.
    """
    if transcribe is None:
        from synthesizer.text.front_end import text_to_transcript

        transcribe = text_to_transcript
    lines: list[Line] = []
    unspeakable = TextError("The text is empty: enter a text to speak.")
    for paragraph in PARAGRAPHS.split(text):
        try:
            transcripts = _read_paragraph(paragraph, lexicon, transcribe)
        except TextError as error:
            if "{" in paragraph:
                raise
            unspeakable = error
            continue
        lines += [Line(transcript, _pause_after(transcript)) for transcript in transcripts]
        if transcripts:
            lines[-1] = Line(transcripts[-1], PARAGRAPH_SECONDS)
    if not lines:
        raise unspeakable
    lines[-1] = Line(lines[-1].transcript, 0.0)
    return lines


def _read_paragraph(text: str, lexicon: Lexicon | None, transcribe: Transcribe) -> list[Transcript]:
    """Raises: TextError if the text is not empty, but nothing in it can be spoken."""
    from synthesizer.text.sentences import split_sentences

    transcripts, unspeakable = [], None
    for sentence in split_sentences(text, MAX_CHARACTERS):
        try:
            transcript = transcribe(sentence, lexicon)
        except TextError as error:
            if "{" in sentence:
                raise
            logger.warning("Skipped: %s", error)
            unspeakable = error
            continue
        if not _bare(transcript).endswith(PUNCTUATION):
            transcript = transcribe(sentence.rstrip() + ".", lexicon)
        transcripts.append(transcript)
    if not transcripts and unspeakable is not None:
        raise unspeakable
    return transcripts


def _bare(transcript: Transcript) -> str:
    """The text of a sentence without closing quotes and brackets."""
    return transcript.text.rstrip("\"') ")


def _pause_after(transcript: Transcript) -> float:
    return PAUSE_SECONDS.get(_bare(transcript)[-1:], FULL_STOP_SECONDS)


def assemble(
    line: Line, outcome: Outcome, config: MelConfig, reduction_factor: int, options: SynthesisOptions
) -> Synthesis:
    """Join the parts of a sentence at the requested tempo, with the pauses between and after them.

    Audio of an end-to-end model has its tempo already.

    Args:
        reduction_factor: mel frames per step of the alignment.
    """
    decoded = [part.decoded for part in outcome.parts]
    spoken, excess_pause, frames, continues = [], 0.0, 0, False
    for number, part in enumerate(outcome.parts, start=1):
        last = number == len(outcome.parts)
        pause = line.pause if last else _pause_after(part.transcript) if part.pauses_after else 0.0
        breaks = np.array(breaks_of(part.transcript))
        edges = (
            BOUNDARY_SECONDS if continues else EDGE_SECONDS,
            EDGE_SECONDS if last or part.pauses_after else BOUNDARY_SECONDS,
        )
        speed, pauses = options.speed, options.pauses
        if part.decoded.wav is None:
            paced = pace(
                part.decoded.mel, part.decoded.alignment, breaks, config, reduction_factor, speed, pauses, edges
            )
        else:
            paced = Paced(part.decoded.mel, part.decoded.alignment, 0.0)
        continues = not part.pauses_after
        steps = math.ceil(pause * pauses / speed * config.frames_per_second / reduction_factor)
        excess_pause += paced.excess_pause
        frames += paced.mel.shape[1] + (0 if last else steps * reduction_factor)
        spoken.append(_with_silence(part, paced, steps, reduction_factor, config))
    whole = join_syntheses(spoken)
    sentence = Sentence(
        text=line.transcript.text,
        alignment=_block_diagonal([one.alignment for one in decoded]),
        stopped=outcome.stopped,
        attempts=outcome.attempts,
        score=outcome.score,
        fallbacks=outcome.fallbacks,
        kept=outcome.kept,
        parts=len(outcome.parts),
        excess_pause=excess_pause,
        remarks=outcome.remarks,
        seconds=frames / config.frames_per_second,
        intelligible=outcome.intelligible,
        pause=(whole.mel.shape[1] - frames) / config.frames_per_second,
    )
    return replace(whole, sentences=(sentence,))


def _with_silence(part: Part, paced: Paced, steps: int, reduction_factor: int, config: MelConfig) -> Synthesis:
    """A part with some steps of silence after it."""
    silence = np.full((len(paced.mel), steps * reduction_factor), -config.max_abs_value, np.float32)
    wav = part.decoded.wav
    return Synthesis(
        mel=np.concatenate([paced.mel, silence], 1),
        alignment=np.pad(paced.alignment, ((0, 0), (0, steps))),
        tokens=[SYMBOLS[symbol] for symbol in encode(part.transcript, 1.0)],
        stopped=part.decoded.stopped,
        sentences=(),
        wav=None if wav is None else np.pad(wav, (0, silence.shape[1] * config.hop_length)),
    )


def join_syntheses(parts: Sequence[Synthesis]) -> Synthesis:
    """Concatenate consecutive parts of a text."""
    wavs = [part.wav for part in parts if part.wav is not None]
    return Synthesis(
        mel=np.concatenate([part.mel for part in parts], 1),
        alignment=_block_diagonal([part.alignment for part in parts]),
        tokens=[token for part in parts for token in part.tokens],
        stopped=all(part.stopped for part in parts),
        sentences=tuple(sentence for part in parts for sentence in part.sentences),
        wav=np.concatenate(wavs) if wavs else None,
    )


def _block_diagonal(alignments: Sequence[Floats]) -> Floats:
    """Alignments [tokens, steps] as the blocks of one; of more than MAX_CELLS values only every n-th step is kept."""
    if len(alignments) == 1:
        return alignments[0]
    tokens, steps = np.sum([alignment.shape for alignment in alignments], axis=0).tolist()
    every = -(-tokens * steps // MAX_CELLS) or 1
    joined = np.zeros((tokens, -(-steps // every)), np.float32)
    bottom = right = 0
    for alignment in alignments:
        top, left = bottom, right
        bottom, right = top + alignment.shape[0], left + alignment.shape[1]
        first = -left % every  # of this block's steps, the first that is kept
        joined[top:bottom, -(-left // every) : -(-right // every)] = alignment[:, first::every]
    return joined
