"""Decode sentences, check each one, and decode those that failed in a different way.

All sentences are decoded together first. Those that fail the check (see `decoding_check`) go through a sequence of
fallback steps, again together at each step:

    another seed   a different seed, so different dropout masks
    windowed       attention restricted to a few tokens around its last position, so that it cannot jump
    split          in two at the punctuation mark nearest to the fault, else before a conjunction, else in the middle.
                   The parts are decoded as sentences, with their own fallback steps

A sentence that got stuck in a pause is split first and windowed last: another seed fixed 2 of 21, and a window does
not move attention forward. If attention jumps or advances too fast, a window keeps the sentence whole at half the cost
of splitting.

A sentence whose mel cannot be speech is only decoded with another seed: the model is not trained, and the other steps
mend the alignment.

The best attempt is kept: one without a fault, else the one with the highest score. The result depends on the seed and
not on the rest of the batch.
"""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from speech.mel_config import MelConfig
from synthesizer.adapter import VoiceAdapter
from synthesizer.decoding_check import Decoded, DecodingCheck, check_decoding
from synthesizer.splitting import Cut, split_transcript
from synthesizer.text.transcript import Transcript

logger = logging.getLogger(__name__)

Progress = Callable[[int], None]
Cancelled = Callable[[], bool]

MAX_SPLIT_DEPTH = 2  # so that a part can be split once more
SEED, SPLIT, WINDOWED = "another seed", "split", "windowed"
MANY_ATTEMPTS, POOR_SCORE = 4, 0.25  # a sentence that still has this score after so many is not understood
LEFT, RIGHT = 10, 11  # in the seeds of parts; above any attempt's number, so that no two decodings share a seed


@dataclass(frozen=True, eq=False)
class SentenceRequest:
    """A sentence to decode.

    Attributes:
        embedding: float32 [embedding_size], L2 norm 1.
        seed: numbers that identify this decoding; each attempt appends its own number.
        pitch_range: scale of the F0 contour; 1 is the model's own.
        median_f0: of the voice in Hz; None if unknown.
        reference: mel of a recording of the speaker, float32 [n_mels, frames]; None if there is none.
        adapter: what the model was adapted to the voice with; None if it was not.
        speed, pauses: for a model that predicts durations. The mels of other models get their tempo afterwards.
    """

    transcript: Transcript
    embedding: NDArray[np.float32]
    seed: tuple[int, ...]
    pitch_range: float = 1.0
    median_f0: float | None = None
    reference: NDArray[np.float32] | None = None
    adapter: VoiceAdapter | None = None
    speed: float = 1.0
    pauses: float = 1.0

    @property
    def generator_seed(self) -> int:
        """A seed of 63 bits from the numbers that identify this decoding."""
        return generator_seed(self.seed)


def generator_seed(numbers: Sequence[int]) -> int:
    """A seed of 63 bits from several numbers."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))


def key_seed(key: str) -> int:
    """A seed of 32 bits from the name of a recording."""
    return zlib.crc32(key.encode("utf-8", "surrogatepass"))


class Decode(Protocol):
    """How a model decodes: one attempt at each request."""

    def __call__(
        self,
        requests: Sequence[SentenceRequest],
        *,
        windowed: bool = False,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> list[Decoded]:
        """Decode sentences; each result is independent of the rest of the batch.

        Args:
            windowed: restrict attention to a few tokens around its last position, if the model has attention.
            progress: called with the number of sentences decoded so far.
            cancelled: polled while decoding; True stops it.

        Raises:
            WorkCancelled: `cancelled` returned True.
        """
        ...


@dataclass(frozen=True, eq=False)
class Part:
    """A segment of a sentence that was decoded as one.

    Attributes:
        pauses_after: it ends in a punctuation mark, so that there is a pause before the next part.
    """

    transcript: Transcript
    decoded: Decoded
    check: DecodingCheck
    pauses_after: bool = True


@dataclass(frozen=True, eq=False)
class Outcome:
    """The decoding of a sentence that was kept.

    Attributes:
        parts: one, or several if it was split.
        attempts: decodings of the sentence and of its parts.
        fallbacks: the fallback steps that were tried, in order.
        kept: the fallback step whose result was kept; "" for the first attempt.
    """

    parts: tuple[Part, ...]
    attempts: int = 1
    fallbacks: tuple[str, ...] = ()
    kept: str = ""

    @property
    def ok(self) -> bool:
        return all(part.check.ok for part in self.parts)

    @property
    def stopped(self) -> bool:
        return all(part.decoded.stopped for part in self.parts)

    @property
    def score(self) -> float:
        """Mean of the parts' scores, weighted by their tokens."""
        tokens = [len(part.decoded.alignment) for part in self.parts]
        return float(np.average([part.check.score for part in self.parts], weights=tokens))

    @property
    def intelligible(self) -> bool:
        """False if it probably cannot be understood: not speech, or still mostly wrong after many attempts."""
        return not self._given_up and not any(part.check.silent or part.check.unintelligible for part in self.parts)

    @property
    def _given_up(self) -> bool:
        return self.attempts >= MANY_ATTEMPTS and self.score < POOR_SCORE

    @property
    def remarks(self) -> tuple[str, ...]:
        remarks = tuple(dict.fromkeys(remark for part in self.parts for remark in part.check.remarks))
        return (*remarks, f"all {self.attempts} attempts failed") if self._given_up else remarks

    def better_than(self, other: Outcome) -> bool:
        return (self.ok, self.score) > (other.ok, other.score)


class FallbackDecoder:
    """Decodes sentences with fallback steps. Holds no state besides the model."""

    def __init__(self, decode: Decode, mel: MelConfig) -> None:
        self._decode, self._mel = decode, mel

    def decode(
        self,
        requests: Sequence[SentenceRequest],
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> list[Outcome]:
        """Decode sentences; each result is independent of the rest of the batch.

        Args:
            progress: called with the number of sentences decoded for the first time.
            cancelled: polled while decoding; True stops it.

        Raises:
            WorkCancelled: `cancelled` returned True.
        """
        return self._with_fallbacks(requests, 0, progress, cancelled)

    def _with_fallbacks(
        self, requests: Sequence[SentenceRequest], depth: int, progress: Progress | None, cancelled: Cancelled | None
    ) -> list[Outcome]:
        outcomes = self._attempt(requests, 0, False, progress, cancelled)
        cuts = {
            k: cut for k in _hopeful(outcomes) if depth < MAX_SPLIT_DEPTH and (cut := _cut(requests[k], outcomes[k]))
        }

        def windowed(chosen: Sequence[int]) -> None:
            again = [requests[k] for k in chosen]
            self._retry(outcomes, chosen, WINDOWED, lambda: self._attempt(again, 2, True, None, cancelled))

        paused = [k for k in _failed(outcomes) if k in cuts and outcomes[k].parts[0].check.in_pause]
        others = [k for k in _failed(outcomes) if k not in paused]
        again = [requests[k] for k in others]
        self._retry(outcomes, others, SEED, lambda: self._attempt(again, 1, False, None, cancelled))
        windowed([k for k in _hopeful(outcomes) if k in others])

        split = [k for k in _hopeful(outcomes) if k in cuts]
        parts = [part for k in split for part in _halves(requests[k], cuts[k])]
        chosen = [cuts[k] for k in split]
        self._retry(
            outcomes, split, SPLIT, lambda: _joined(self._with_fallbacks(parts, depth + 1, None, cancelled), chosen)
        )
        windowed([k for k in paused if not outcomes[k].ok])
        return outcomes

    def _retry(
        self, outcomes: list[Outcome], chosen: Sequence[int], step: str, decode: Callable[[], list[Outcome]]
    ) -> None:
        """Decode the chosen sentences again, and keep the better result of each."""
        if not chosen:
            return
        for k, new in zip(chosen, decode(), strict=True):
            old = outcomes[k]
            kept = replace(new, kept=step) if new.better_than(old) else old
            outcomes[k] = replace(kept, attempts=old.attempts + new.attempts, fallbacks=(*old.fallbacks, step))
        passed = sum(outcomes[k].ok for k in chosen)
        logger.info("%s: %d of %d sentences that had failed pass the check now", step, passed, len(chosen))

    def _attempt(
        self,
        requests: Sequence[SentenceRequest],
        attempt: int,
        windowed: bool,
        progress: Progress | None,
        cancelled: Cancelled | None,
    ) -> list[Outcome]:
        """One decoding of each, checked."""
        numbered = [replace(request, seed=(*request.seed, attempt)) for request in requests]
        decoded = self._decode(numbered, windowed=windowed, progress=progress, cancelled=cancelled)
        return [
            Outcome((Part(request.transcript, one, check_decoding(one, request.transcript, self._mel)),))
            for request, one in zip(requests, decoded, strict=True)
        ]


def _failed(outcomes: Sequence[Outcome]) -> list[int]:
    return [k for k, outcome in enumerate(outcomes) if not outcome.ok]


def _hopeful(outcomes: Sequence[Outcome]) -> list[int]:
    """Those that failed although their mels could be speech. The others are signs of an untrained model."""
    return [k for k in _failed(outcomes) if not any(part.check.unlike_speech for part in outcomes[k].parts)]


def _cut(request: SentenceRequest, outcome: Outcome) -> Cut | None:
    return split_transcript(request.transcript, outcome.parts[0].check.stuck)


def _halves(request: SentenceRequest, cut: Cut) -> tuple[SentenceRequest, SentenceRequest]:
    left = replace(request, transcript=cut.left, seed=(*request.seed, LEFT))
    return left, replace(request, transcript=cut.right, seed=(*request.seed, RIGHT))


def _joined(halves: Sequence[Outcome], cuts: Sequence[Cut]) -> list[Outcome]:
    """The two halves of each cut as one outcome."""
    joined = []
    for left, right, cut in zip(halves[::2], halves[1::2], cuts, strict=True):
        last = replace(left.parts[-1], pauses_after=cut.at_punctuation)
        parts = (*left.parts[:-1], last, *right.parts)
        joined.append(Outcome(parts, left.attempts + right.attempts))
    return joined
