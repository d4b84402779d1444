"""Watches how each sentence is read, and has what went wrong read again in another way.

All sentences are decoded together first. Those whose reading failed (see `reading`) go up a ladder, again
together at each rung:

    another seed   other dropout masks, another reading
    windowed       attention may look only from just behind its focus to a little ahead, so that it cannot leap
    split          in two at the mark nearest to the trouble, else before a conjunction, else in the middle; the
                   pieces are sentences of their own, which may climb the ladder once more

A reading that never came out of a pause is split at once, and windowed last: that fault lies in the text more than in
the seed (another one cured 2 of 21), and a window does not push. Where attention leaps or rushes, a window leaves the
sentence whole and takes half the readings that splitting takes.

The best attempt stays: one without a fault, else the one of the highest score (see `reading.judge`; of
pieces the mean, by their lengths). Everything follows from the seed alone, whatever is decoded beside it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from synthesizer.splitting import Cut, split_transcript
from synthesizer.tacotron.decoding import Decoded, free_run
from synthesizer.tacotron.intonation import rises
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.reading import Verdict, judge
from synthesizer.text.transcript import Transcript, encode

logger = logging.getLogger(__name__)

SENTENCES_PER_PASS = 8  # bounds the memory, whatever the length of the text
DEEPEST_SPLIT = 2  # halves of halves
# Tokens behind and ahead of the focus: two ahead are 40 a second at a reduction factor of 4, twice the fastest speech.
# It takes nothing from readings that are good, and holds those that rush: where attention was made to leap, 10 of 16
# sentences could be recognised with it and 1 without; with (1, 4) 4, with (2, 6) 2.
WINDOW = (1, 2)
SEED, SPLIT, WINDOWED = "another seed", "split", "windowed"
LEFT, RIGHT = 10, 11  # in the seeds of pieces; above any number of an attempt, so that no two readings share a seed


@dataclass(frozen=True, eq=False)
class Task:
    """A sentence to be read.

    Attributes:
        embedding: float32 [256].
        seed: numbers that name this reading among all others; the attempt is added to them.
        pitch_range: how far the voice goes up and down, in units of what is usual.
        middle: the median pitch of the voice in Hz, where it is known.
    """

    transcript: Transcript
    embedding: NDArray[np.float32]
    seed: tuple[int, ...]
    pitch_range: float = 1.0
    middle: float | None = None


@dataclass(frozen=True, eq=False)
class Part:
    """A stretch of a sentence that was read in one go.

    Attributes:
        pauses_after: a mark ends it, so that a pause belongs between it and the next part.
    """

    transcript: Transcript
    decoded: Decoded
    verdict: Verdict
    pauses_after: bool = True


@dataclass(frozen=True, eq=False)
class Outcome:
    """What became of a sentence.

    Attributes:
        parts: one, or several if it was split.
        attempts: readings that were made of it, or of pieces of it.
        rungs: what was tried after the first reading, in order.
        taken: the way in which the parts that stayed were read: "" for the first reading, or one of the rungs.
    """

    parts: tuple[Part, ...]
    attempts: int = 1
    rungs: tuple[str, ...] = ()
    taken: str = ""

    @property
    def ok(self) -> bool:
        return all(part.verdict.ok for part in self.parts)

    @property
    def stopped(self) -> bool:
        return all(part.decoded.stopped for part in self.parts)

    @property
    def score(self) -> float:
        """The parts' scores, weighted by their tokens: what is lost in one piece is lost, but not the rest."""
        tokens = [len(part.decoded.alignment) for part in self.parts]
        return float(np.average([part.verdict.score for part in self.parts], weights=tokens))

    @property
    def remarks(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(remark for part in self.parts for remark in part.verdict.remarks))

    def better_than(self, other: Outcome) -> bool:
        return (self.ok, self.score) > (other.ok, other.score)


class Supervisor:
    """Reads sentences with a model, and again where that failed. Holds no state besides the model."""

    def __init__(self, model: Tacotron2) -> None:
        self.model = model

    def read(
        self,
        tasks: Sequence[Task],
        progress: Callable[[int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Outcome]:
        """Read sentences, each as well as can be; each gives what it would give alone.

        Args:
            progress: told how many sentences have been read for the first time.
            cancelled: asked while it decodes.

        Raises:
            DecodingCancelled: `cancelled` returned True.
        """
        return self._climb(tasks, 0, progress, cancelled)

    def _climb(
        self,
        tasks: Sequence[Task],
        depth: int,
        progress: Callable[[int], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> list[Outcome]:
        outcomes = self._decode(tasks, 0, None, progress, cancelled)
        cuts = {k: cut for k in _failed(outcomes) if depth < DEEPEST_SPLIT and (cut := _cut(tasks[k], outcomes[k]))}

        def windowed(chosen: Sequence[int]) -> None:
            again = [tasks[k] for k in chosen]
            self._retry(outcomes, chosen, WINDOWED, lambda: self._decode(again, 2, WINDOW, None, cancelled))

        paused = [k for k in _failed(outcomes) if k in cuts and outcomes[k].parts[0].verdict.in_pause]
        others = [k for k in _failed(outcomes) if k not in paused]
        again = [tasks[k] for k in others]
        self._retry(outcomes, others, SEED, lambda: self._decode(again, 1, None, None, cancelled))
        windowed([k for k in others if not outcomes[k].ok])

        split = [k for k in _failed(outcomes) if k in cuts]
        pieces = [piece for k in split for piece in _pieces(tasks[k], cuts[k])]
        chosen = [cuts[k] for k in split]
        self._retry(outcomes, split, SPLIT, lambda: _joined(self._climb(pieces, depth + 1, None, cancelled), chosen))
        windowed([k for k in paused if not outcomes[k].ok])
        return outcomes

    def _retry(
        self, outcomes: list[Outcome], chosen: Sequence[int], rung: str, read: Callable[[], list[Outcome]]
    ) -> None:
        """Read the chosen sentences again, and keep the better reading of each."""
        if not chosen:
            return
        for k, new in zip(chosen, read(), strict=True):
            old = outcomes[k]
            taken = replace(new, taken=rung) if new.better_than(old) else old
            outcomes[k] = replace(taken, attempts=old.attempts + new.attempts, rungs=(*old.rungs, rung))
        mended = sum(outcomes[k].ok for k in chosen)
        logger.info("%s: %d of %d sentences that had failed are well read now", rung, mended, len(chosen))

    def _decode(
        self,
        tasks: Sequence[Task],
        attempt: int,
        window: tuple[int, int] | None,
        progress: Callable[[int], None] | None,
        cancelled: Callable[[], bool] | None,
    ) -> list[Outcome]:
        """One reading of each, in groups of about the same length: the longest one decides how long a group takes."""
        texts = [encode(task.transcript, 1.0) for task in tasks]
        order = sorted(range(len(tasks)), key=lambda k: len(texts[k]))
        outcomes: dict[int, Outcome] = {}
        for chosen in _groups(order, SENTENCES_PER_PASS):
            decoded = free_run(
                self.model,
                [texts[k] for k in chosen],
                np.stack([tasks[k].embedding for k in chosen]),
                [_draw((*tasks[k].seed, attempt)) for k in chosen],
                cancelled=cancelled,
                window=window,
                pitch_ranges=[tasks[k].pitch_range for k in chosen],
                middles=[tasks[k].middle for k in chosen],
                rises=[rises(tasks[k].transcript) for k in chosen],
            )
            for k, one in zip(chosen, decoded, strict=True):
                verdict = judge(one, tasks[k].transcript, self.model.config.mel)
                outcomes[k] = Outcome((Part(tasks[k].transcript, one, verdict),))
            if progress is not None:
                progress(len(outcomes))
        return [outcomes[k] for k in range(len(tasks))]


def _failed(outcomes: Sequence[Outcome]) -> list[int]:
    return [k for k, outcome in enumerate(outcomes) if not outcome.ok]


def _groups(order: Sequence[int], size: int) -> Iterator[Sequence[int]]:
    for first in range(0, len(order), size):
        yield order[first : first + size]


def _draw(numbers: tuple[int, ...]) -> int:
    """A seed of 63 bits from the numbers that name a reading."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def _cut(task: Task, outcome: Outcome) -> Cut | None:
    return split_transcript(task.transcript, outcome.parts[0].verdict.stuck)


def _pieces(task: Task, cut: Cut) -> tuple[Task, Task]:
    left = replace(task, transcript=cut.left, seed=(*task.seed, LEFT))
    return left, replace(task, transcript=cut.right, seed=(*task.seed, RIGHT))


def _joined(pieces: Sequence[Outcome], cuts: Sequence[Cut]) -> list[Outcome]:
    """The two pieces of each cut as one outcome."""
    joined = []
    for left, right, cut in zip(pieces[::2], pieces[1::2], cuts, strict=True):
        bridge = replace(left.parts[-1], pauses_after=cut.at_mark)
        parts = (*left.parts[:-1], bridge, *right.parts)
        joined.append(Outcome(parts, left.attempts + right.attempts))
    return joined
