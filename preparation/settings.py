"""What all subcommands of `preprocess.py` have in common."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from preparation.task import Task
from speech.errors import ConfigError

if TYPE_CHECKING:
    from corpora.corpus import Utterance
    from corpora.formats import Listing
    from corpora.store_filling import Clip
    from corpora.workers import Timer

Corpora = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CORPUS [CORPUS ...]")]


@dataclass(frozen=True, kw_only=True)
class Settings:
    """The flags of every subcommand; a stage adds its own and says what becomes of an utterance."""

    corpora: Corpora
    """Corpora as they were unpacked, folders with metadata.csv or a folder per speaker, or lhotse manifests."""
    out: Path
    """The feature store to write, or to go on with."""
    jobs: int = max(1, (os.cpu_count() or 2) // 2)
    """Processes, of one thread each. With 0 the work is done in this process, where nothing stops a file that hangs."""
    min_seconds: float = 1.6
    """Clips with less speech are left out."""
    max_decode_seconds: float = 30.0
    """A file that takes longer to decode (and a tenth of its own length) is left out."""
    retry: bool = False
    """Look again at what was left out before."""
    validation_speakers: tuple[str, ...] = ()
    """Hold out these speakers instead of those that the project holds out."""

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
        """What may not change while a store grows."""
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
        from corpora.corpus import splits_of

        return splits_of(utterances, self.validation_speakers)

    def clips(self, work: Sequence[Task], timer: Timer) -> Iterator[Clip]:
        """Turn a few utterances into what the store keeps of them, reading files under the timer."""
        raise NotImplementedError

    def decode_limit(self, task: Task) -> float:
        """Seconds that the decoding of an utterance may take: slow disks are bearable, hanging decoders are not."""
        return self.max_decode_seconds + task.utterance.duration / 10
