"""What the commands `python -m encoder.verification`, `encoder.projection` and `encoder.enrolment` share."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import tyro

from modelfile.locations import DEFAULT_MODELS
from speech.errors import StorageError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from encoder.base import SpeakerEncoder

Item = TypeVar("Item")

DEFAULT_ENCODER = DEFAULT_MODELS / "encoder.safetensors"
PICTURE_FORMATS = (".png", ".pdf", ".svg", ".jpg")


@dataclass(frozen=True, kw_only=True)
class CommandArguments:
    """Arguments that the commands of this package share."""

    encoder: Path = DEFAULT_ENCODER
    """Encoder model file to use instead of the default."""
    limit_per_speaker: int | None = None
    """Use at most this many clips of each speaker in a folder."""
    strict: bool = False
    """Stop at a clip that cannot be used instead of leaving it out."""
    force: bool = False
    """Overwrite existing files."""


def parse_arguments(arguments: type[Item], name: str, argv: Sequence[str] | None, description: str | None) -> Item:
    """Parse the command line of `python -m encoder.<name>`."""
    return tyro.cli(
        arguments,
        prog=f"python -m encoder.{name}",
        args=argv,
        description=description,
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def load_encoder(path: Path) -> SpeakerEncoder:
    """Load an encoder, on the GPU if there is one. Raises: ModelFileError."""
    import torch

    from encoder.base import SpeakerEncoder

    return SpeakerEncoder.load(path, device="cuda" if torch.cuda.is_available() else "cpu")


def progress(items: Mapping[str, Item] | list[Item], what: str) -> Iterable[Item]:
    """A progress bar with an estimate on stderr, if that is a terminal."""
    from tqdm import tqdm

    return tqdm(
        items.values() if isinstance(items, Mapping) else items, what, len(items), file=sys.stderr, disable=None
    )


def check_output(path: Path | None, force: bool, picture: bool = False) -> None:
    """Check that an output file can be written. Raises: StorageError."""
    if path is None:
        return
    if picture and path.suffix.lower() not in PICTURE_FORMATS:
        raise StorageError(f"{path} must end in one of {', '.join(PICTURE_FORMATS)}.")
    if path.is_dir():
        raise StorageError(f"{path} is a folder: name a file.")
    if path.exists() and not force:
        raise StorageError(f"{path} exists already: give a different name, or --force to overwrite it.")


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure to a file, atomically. Raises: StorageError."""
    from speech.files import write_atomically

    write_atomically(path, lambda temporary: figure.savefig(temporary, format=path.suffix[1:].lower(), dpi=150))
