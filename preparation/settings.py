"""The settings that all subcommands of `preprocess.py` share."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from preparation.task import Task
from speech.errors import ConfigError
from speech.mel_config import MelConfig

if TYPE_CHECKING:
    from corpora.corpus import Utterance
    from corpora.formats import Listing
    from corpora.store_filling import Clip
    from corpora.workers import Timer

Corpora = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CORPUS [CORPUS ...]")]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The flags of every subcommand. A stage adds its own and turns utterances into clips."""

    corpora: Corpora
    """Corpora as they were unpacked, folders with metadata.csv or a folder per speaker, or lhotse manifests."""
    out: Path
    """Feature store to create or to continue."""
    jobs: int = max(1, (os.cpu_count() or 2) // 2)
    """Worker processes, of one thread each. 0 works in the main process, where a file that hangs is not stopped."""
    min_seconds: float = 1.6
    """Leave out clips with less speech."""
    max_decode_seconds: float = 30.0
    """Leave out files that take longer to decode (plus a tenth of their length)."""
    retry: bool = False
    """Try again what was left out before."""
    validation_speakers: tuple[str, ...] = ()
    """Hold out these speakers instead of the default ones."""

    def __post_init__(self) -> None:
        if not self.corpora:
            raise ConfigError("No corpus is given: name at least one folder of recordings.")
        if self.jobs < 0:
            raise ConfigError(f"--jobs must be at least 0, not {self.jobs}.")
        if not self.max_decode_seconds > 0:
            raise ConfigError(f"--max-decode-seconds must be above 0, not {self.max_decode_seconds:g}.")
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
