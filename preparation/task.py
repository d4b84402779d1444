"""One utterance on its way into a store, and the words for why it does not get there."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from speech.errors import AudioError

if TYPE_CHECKING:
    import numpy as np

    from corpora.corpus import Utterance
    from corpora.store_filling import Clip
    from corpora.workers import Timer

SHORTEST_PREPARED = 1600  # samples of speech that the encoder can make something of


@dataclass(frozen=True)
class Task:
    """An utterance to work on, and the split it belongs to."""

    utterance: Utterance
    split: str

    @property
    def key(self) -> str:
        return self.utterance.key

    def read(self, timer: Timer, seconds: float) -> np.ndarray:
        """The sound, float32 [samples] at 16 kHz in [-1, 1].

        Raises:
            Refused: it cannot be read.
        """
        from corpora.corpus import read_utterance

        try:
            with timer(self.key, seconds):
                return read_utterance(self.utterance)
        except AudioError as error:
            raise Refused(f"cannot be read ({error})") from error

    def meta(self, seconds: float) -> dict[str, Any]:
        """What the store notes beside the arrays; `seconds` of sound were kept."""
        spoken = self.utterance
        return {"speaker": spoken.speaker, "corpus": spoken.corpus, "split": self.split, "seconds": round(seconds, 3)}


class Refused(Exception):
    """Why a clip does not go into the store: a few words, particulars in brackets at the end."""


@contextlib.contextmanager
def refusing(key: str) -> Iterator[list[Clip]]:
    """Collects what is refused inside; a defect of ours keeps its traceback and names the utterance."""
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


def trimmed(wav: np.ndarray) -> np.ndarray:
    """Without silence at the edges, peak at 0.9: as the synthesizer and the vocoder hear it."""
    from speech.audio import normalize_peak, trim_edges

    wav = trim_edges(wav)
    if not len(wav):
        raise Refused("silent")
    return normalize_peak(wav)


def prepared(wav: np.ndarray) -> np.ndarray:
    """Without long silences, volume raised: as the speaker encoder hears it."""
    from speech.audio import prepare_reference

    try:
        wav = prepare_reference(wav)
    except AudioError as error:
        raise Refused(f"no speech ({error})") from error
    if len(wav) < SHORTEST_PREPARED:
        raise Refused("no speech (less than 0.1 s of it)")
    return wav


def encoder_input(wav: np.ndarray) -> np.ndarray:
    """Power mels of a prepared sound as the store keeps them: float16 [frames, 40]."""
    from preparation.float16 import to_float16
    from speech.mel import encoder_mel

    return to_float16(encoder_mel(wav))


def coded_mel(wav: np.ndarray) -> np.ndarray:
    """The log mel of a trimmed sound as the store keeps it: uint8 [frames, 80]."""
    import numpy as np

    from speech.mel import code_mel, synthesis_mel

    return np.ascontiguousarray(code_mel(synthesis_mel(wav)).T)


def mel_info() -> dict[str, Any]:
    """The mel settings of a store."""
    from speech.mel import MelConfig

    return asdict(MelConfig())
