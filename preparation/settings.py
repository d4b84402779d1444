"""The settings that all subcommands of `preprocess.py` share."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from preparation.task import Task
from speech.errors import ConfigError, CorpusError
from speech.mel_config import MelConfig

if TYPE_CHECKING:
    from corpora.corpus import Utterance
    from corpora.formats import Listing
    from corpora.store_filling import Clip
    from corpora.workers import Timer

Corpora = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CORPUS [CORPUS ...]")]

LISTED = 12  # values in an error message


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The flags of every subcommand. A stage adds its own and turns utterances into clips."""

    corpora: Corpora
    """Corpora as they were unpacked, folders with metadata.csv or a folder per speaker, or lhotse manifests."""
    out: Path
    """Feature store to create or to continue."""
    jobs: int = max(1, (os.cpu_count() or 2) // 2)
    """Worker processes, of one thread each. 0 works in the main process, where a file that hangs is not stopped."""
    scheduler: str = ""
    """Work on the Dask cluster of this scheduler (tcp://HOST:8786) instead. All machines need the same paths."""
    min_seconds: float = 1.6
    """Leave out clips with less speech."""
    max_decode_seconds: float = 30.0
    """Leave out files that take longer to decode (plus a tenth of their length)."""
    retry: bool = False
    """Try again what was left out before."""
    validation_speakers: tuple[str, ...] = ()
    """Hold out these speakers instead of the default ones."""
    labels: tuple[str, ...] = ()
    """Leave out recordings whose corpus gives them another value of these labels, for example: emotion=neutral."""

    def __post_init__(self) -> None:
        if not self.corpora:
            raise ConfigError("No corpus is given: name at least one folder of recordings.")
        if self.jobs < 0:
            raise ConfigError(f"--jobs must be at least 0, not {self.jobs}.")
        if not self.max_decode_seconds > 0:
            raise ConfigError(f"--max-decode-seconds must be above 0, not {self.max_decode_seconds:g}.")
        if any("=" not in label for label in self.labels):
            raise ConfigError("--labels takes names and values, for example emotion=neutral channel=speech.")
        if not 0.8 <= self.min_seconds < self.longest:
            raise ConfigError(f"--min-seconds must lie between 0.8 and {self.longest:g}, not {self.min_seconds:g}.")

    @property
    def longest(self) -> float:
        """Seconds of the longest clip that is kept."""
        raise NotImplementedError

    def info(self) -> dict[str, Any]:
        """Settings that may not change while a store grows."""
        return {
            "stage": type(self).__name__.lower(),
            "min_seconds": self.min_seconds,
            "max_seconds": self.longest,
            "validation_speakers": self.validation_speakers,
        }

    def listing(self) -> Listing:
        """How a corpus folder is read."""
        from corpora.formats import list_recordings

        return list_recordings

    def wanted(self, utterance: Utterance) -> bool:
        """Whether none of its labels has another value than the one that is asked for."""
        labels = dict(utterance.labels)
        asked = (label.split("=", 1) for label in self.labels)
        return all(labels.get(name, value) == value for name, value in asked)

    def check_labels(self, utterances: Sequence[Utterance]) -> None:
        """Raises: CorpusError if no utterance of the corpora has a label that is asked for."""
        known: dict[str, set[str]] = {}
        for utterance in utterances:
            for name, value in utterance.labels:
                known.setdefault(name, set()).add(value)
        for name, value in (label.split("=", 1) for label in self.labels):
            if value in known.get(name, ()):
                continue
            there = f"{name} is {enumerate_some(known[name])}" if name in known else f"there is {enumerate_some(known)}"
            raise CorpusError(f"No recording has the label {name}={value}: {there}.")

    def splits(self, utterances: Sequence[Utterance]) -> dict[str, str]:
        """The split of each utterance by its key."""
        from corpora.splits import splits_of

        return splits_of(utterances, self.validation_speakers)

    def clips(self, work: Sequence[Task], timer: Timer) -> Iterator[Clip]:
        """Turn a few utterances into clips for the store; files are read under the timer."""
        raise NotImplementedError

    def decode_limit(self, task: Task) -> float:
        """Seconds that the decoding of an utterance may take."""
        return self.max_decode_seconds + task.utterance.duration / 10


@dataclass(frozen=True, kw_only=True)
class MelSettings(Settings):
    """The settings of stores that hold log mels, for the synthesizer and the vocoder."""

    mel: MelConfig = field(default_factory=MelConfig)
    """Mel settings of the store, and of all models that are trained on it."""

    @property
    def sample_rate(self) -> int:
        return self.mel.sample_rate

    def info(self) -> dict[str, Any]:
        return {**super().info(), "mel_config": self.mel.to_json()}


def enumerate_some(names: Collection[str]) -> str:
    """Sorted names for a sentence, at most `LISTED` of them."""
    listed = sorted(names)
    more = f" and {len(listed) - LISTED} others" if len(listed) > LISTED else ""
    return (", ".join(listed[:LISTED]) or "no label in these corpora") + more
