"""What a synthesis is made of: a text in lines to be spoken, and the mels of its sentences joined into one."""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from speech.errors import TextError
from speech.mel import MelConfig
from synthesizer.pacing import EDGE_SECONDS, SEAM_SECONDS, pace
from synthesizer.splitting import breaks_of
from synthesizer.tacotron.model import SILENCE
from synthesizer.tacotron.supervisor import SPLIT, Outcome, Part
from synthesizer.text.symbols import SYMBOLS
from synthesizer.text.transcript import Transcript, encode

if TYPE_CHECKING:
    from synthesizer.text.lexicon import Lexicon

Floats = NDArray[np.float32]
logger = logging.getLogger(__name__)

MAX_CHARACTERS = 120  # about the longest utterance of the training data
MARKS = tuple(".,;:!?-")
PAUSE_SECONDS = {",": 0.12, ";": 0.2, ":": 0.2, "-": 0.12}  # after a piece that ends so; else the pause of a full stop
FULL_STOP_SECONDS = 0.3
PARAGRAPH_SECONDS = 0.6
PARAGRAPHS = re.compile(r"\n[^\S\n]*\n\s*")
MAX_CELLS = 8_000_000  # 32 MB; the alignment of a text grows with the square of its length


@dataclass(frozen=True)
class Line:
    """A sentence to be spoken, and the seconds of silence after it."""

    transcript: Transcript
    pause: float


@dataclass(frozen=True, eq=False)
class Sentence:
    """One sentence of a synthesis.

    Attributes:
        text: as it was read.
        alignment: [tokens, steps], as it was decoded: before speed and pauses; of the pieces corner to corner, if the
            sentence was split.
        stopped: the stop token ended it (or all its pieces).
        attempts: readings of it and of its pieces.
        score: 0 to 1, see `synthesizer.tacotron.reading.judge`.
        rungs: what was tried after a first reading that had failed, in order.
        taken: the rung whose reading stayed; "" for the first reading.
        pieces: in how many the reading that stayed was split.
        dead_air: seconds that were cut out of pauses that no reader would make.
        remarks: what is still wrong, a plain phrase each.
        seconds: of its sound, without the pause after it.
    """

    text: str
    alignment: Floats
    stopped: bool
    attempts: int
    score: float = 1.0
    rungs: tuple[str, ...] = ()
    taken: str = ""
    pieces: int = 1
    dead_air: float = 0.0
    remarks: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def ok(self) -> bool:
        return not self.remarks

    @property
    def done(self) -> tuple[str, ...]:
        """What was done to it besides reading it once, a plain phrase each."""
        told = []
        if self.rungs:
            how = {"": "the first reading was the best", SPLIT: f"split into {self.pieces} pieces"}
            told.append(f"read {self.attempts} times: {how.get(self.taken, self.taken)}")
        if self.dead_air >= 0.1:
            told.append(f"{self.dead_air:.1f} s of dead air cut out")
        return tuple(told)


@dataclass(frozen=True, eq=False)
class Synthesis:
    """A synthesized text.

    Attributes:
        mel: float32 [80, frames], dB scaled to [-4, 4].
        alignment: float32 [tokens, steps], sentence after sentence; the steps of pauses have no weight. Of a very
            long text only every n-th step is kept, so that it stays below 32 MB; the sentences have all of theirs.
        tokens: name of each token.
        stopped: every sentence was ended by its stop token.
        sentences: the parts.
    """

    mel: Floats
    alignment: Floats
    tokens: list[str]
    stopped: bool
    sentences: tuple[Sentence, ...]


def read_lines(text: str, lexicon: Lexicon | None = None) -> list[Line]:
    """Split a text into sentences and look their words up; each ends in a punctuation mark, as in training.

    Raises:
        TextError: nothing in the text can be spoken.
    """
    lines: list[Line] = []
    unspeakable = TextError("The text is empty: give something to say.")
    for paragraph in PARAGRAPHS.split(text):
        try:
            transcripts = _read_paragraph(paragraph, lexicon)
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


def read_sentences(text: str, lexicon: Lexicon | None = None) -> list[Transcript]:
    """The sentences of `read_lines`."""
    return [line.transcript for line in read_lines(text, lexicon)]


def _read_paragraph(text: str, lexicon: Lexicon | None) -> list[Transcript]:
    """Raises: TextError if it holds something, but nothing that can be spoken."""
    from synthesizer.text.front_end import text_to_transcript
    from synthesizer.text.sentences import split_sentences

    transcripts, unspeakable = [], None
    for sentence in split_sentences(text, MAX_CHARACTERS):
        try:
            transcript = text_to_transcript(sentence, lexicon)
        except TextError as error:
            if "{" in sentence:
                raise
            logger.warning("Left out: %s", error)
            unspeakable = error
            continue
        if not _bare(transcript).endswith(MARKS):
            transcript = text_to_transcript(sentence.rstrip() + ".", lexicon)
        transcripts.append(transcript)
    if not transcripts and unspeakable is not None:
        raise unspeakable
    return transcripts


def _bare(transcript: Transcript) -> str:
    """A sentence without the quotes and brackets that close it."""
    return transcript.text.rstrip("\"') ")


def _pause_after(transcript: Transcript) -> float:
    return PAUSE_SECONDS.get(_bare(transcript)[-1:], FULL_STOP_SECONDS)


def assemble(
    line: Line, outcome: Outcome, config: MelConfig, reduction_factor: int, speed: float = 1.0, pauses: float = 1.0
) -> Synthesis:
    """A sentence as it is heard: its parts at their tempo, with the pauses between and after them."""
    decoded = [part.decoded for part in outcome.parts]
    spoken, dead_air, frames, seam = [], 0.0, 0, False
    for number, part in enumerate(outcome.parts, start=1):
        last = number == len(outcome.parts)
        pause = line.pause if last else _pause_after(part.transcript) if part.pauses_after else 0.0
        breaks = np.array(breaks_of(part.transcript))
        edges = SEAM_SECONDS if seam else EDGE_SECONDS, EDGE_SECONDS if last or part.pauses_after else SEAM_SECONDS
        paced = pace(part.decoded.mel, part.decoded.alignment, breaks, config, reduction_factor, speed, pauses, edges)
        seam = not part.pauses_after
        steps = math.ceil(pause * pauses / speed * config.frames_per_second / reduction_factor)
        dead_air += paced.dead_air
        frames += paced.mel.shape[1] + (0 if last else steps * reduction_factor)
        spoken.append(_with_pause(part, paced.mel, paced.alignment, steps, reduction_factor))
    whole = join_syntheses(spoken)
    sentence = Sentence(
        text=line.transcript.text,
        alignment=_corner_to_corner([one.alignment for one in decoded]),
        stopped=outcome.stopped,
        attempts=outcome.attempts,
        score=outcome.score,
        rungs=outcome.rungs,
        taken=outcome.taken,
        pieces=len(outcome.parts),
        dead_air=dead_air,
        remarks=outcome.remarks,
        seconds=frames / config.frames_per_second,
    )
    return Synthesis(whole.mel, whole.alignment, whole.tokens, whole.stopped, (sentence,))


def _with_pause(part: Part, mel: Floats, alignment: Floats, steps: int, reduction_factor: int) -> Synthesis:
    silence = np.full((len(mel), steps * reduction_factor), SILENCE, np.float32)
    return Synthesis(
        mel=np.concatenate([mel, silence], 1),
        alignment=np.pad(alignment, ((0, 0), (0, steps))),
        tokens=[SYMBOLS[symbol] for symbol in encode(part.transcript, 1.0)],
        stopped=part.decoded.stopped,
        sentences=(),
    )


def join_syntheses(parts: Sequence[Synthesis]) -> Synthesis:
    """Consecutive parts of a text as one: their mels end to end, their alignments from corner to corner."""
    return Synthesis(
        mel=np.concatenate([part.mel for part in parts], 1),
        alignment=_corner_to_corner([part.alignment for part in parts]),
        tokens=[token for part in parts for token in part.tokens],
        stopped=all(part.stopped for part in parts),
        sentences=tuple(sentence for part in parts for sentence in part.sentences),
    )


def _corner_to_corner(alignments: Sequence[Floats]) -> Floats:
    """Alignments [tokens, steps] as the blocks of one; of more than the most cells, every second, third ... step."""
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
