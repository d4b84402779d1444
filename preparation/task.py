"""One utterance to prepare, and the reasons why it may be left out."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speech.errors import AudioError

if TYPE_CHECKING:
    import numpy as np

    from corpora.corpus import Utterance
    from corpora.store_filling import Clip
    from corpora.workers import Timer


@dataclass(frozen=True)
class Task:
    """An utterance to work on, and the split it belongs to."""

    utterance: Utterance
    split: str

    @property
    def key(self) -> str:
        return self.utterance.key

    def read(self, timer: Timer, seconds: float, sample_rate: int) -> np.ndarray:
        """The audio, float32 [samples] at `sample_rate` in [-1, 1].

        Args:
            seconds: time limit of the decoding.

        Raises:
            Refused: it cannot be read.
        """
        from corpora.corpus import read_utterance

        try:
            with timer(self.key, seconds):
                return read_utterance(self.utterance, sample_rate)
        except AudioError as error:
            raise Refused(f"cannot be read ({error})") from error

    def meta(self, seconds: float) -> dict[str, Any]:
        """What the store holds besides the arrays; `seconds` of audio were kept."""
        spoken = self.utterance
        labels = {"labels": dict(spoken.labels)} if spoken.labels else {}
        meta = {"speaker": spoken.speaker, "corpus": spoken.corpus, "split": self.split, "seconds": round(seconds, 3)}
        return {**meta, **labels}


class Refused(Exception):
    """Why a clip is left out of the store: a few words, details in brackets at the end."""


@contextlib.contextmanager
def refusing(key: str) -> Iterator[list[Clip]]:
    """Collect what is refused inside; any other error keeps its traceback and names the utterance."""
    from corpora.store_filling import Clip

    refused: list[Clip] = []
    try:
        yield refused
    except Refused as error:
        refused.append(Clip(key, None, {}, str(error)))
    except Exception as error:
        error.add_note(f"while preprocessing {key}")
        raise


def check_length(seconds: float, shortest: float, longest: float) -> None:
    """Refuse what is too short or too long; all in seconds."""
    if not shortest <= seconds <= longest:
        raise Refused(f"too {'short' if seconds < shortest else 'long'} ({seconds:.1f} s of speech)")
