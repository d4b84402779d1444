"""Vocoders by name: the name of a family stands for its file in a models folder."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelfile.families import families_of
from speech.errors import ModelFileError

if TYPE_CHECKING:
    from speech.mel_config import MelConfig
    from vocoder.base import Vocoder

STAGE = "vocoder"


def vocoder_names() -> tuple[str, ...]:
    """Names of all families, the default first."""
    return tuple(families_of(STAGE))


def find_vocoder(directory: Path, name_or_path: str | Path) -> Path | None:
    """The file that a name or a path stands for; None for a family without model files.

    A family's name stands for `vocoder-<name>.safetensors` in the models folder, or else `vocoder.safetensors` if that
    is of the family. Anything else is a path.

    Raises:
        ModelFileError: the folder has no such vocoder, or there is neither a family nor a file of this name.
    """
    name, path = str(name_or_path).lower(), Path(name_or_path)
    family = families_of(STAGE).get(name)
    if family is None:
        if not path.exists() and path.name == str(name_or_path) and not path.suffix:
            choices = ", ".join(vocoder_names())
            raise ModelFileError(f"There is no vocoder {path.name!r}: choose {choices}, or give a file.")
        return path
    if not family.needs_file:
        return None
    named, default = directory / f"vocoder-{name}.safetensors", directory / "vocoder.safetensors"
    for path in (named, default):
        if path.is_file() and _kind(path) == name:
            return path
    raise ModelFileError(
        f"The models folder {directory} has no {name} vocoder: put {named.name} there, or give a file."
    )


def load_vocoder(path: Path | None, mel_config: "MelConfig", device: Any = "cpu", **options: Any) -> "Vocoder":
    """Load what `find_vocoder` found.

    Args:
        path: a model file; None is the family without model files.
        mel_config: mel settings for a vocoder without a model file; other vocoders have their own.
        options: as for `Vocoder.load`.

    Raises:
        ConfigError, ModelFileError: as `Vocoder.load`.
    """
    if path is not None:
        from vocoder.base import Vocoder

        return Vocoder.load(path, device, **options)
    family = next(family for family in families_of(STAGE).values() if not family.needs_file)
    return family.load(None, None, device, mel_config=mel_config, **options)


def _kind(path: Path) -> str:
    from modelfile.header import read_header

    return read_header(path).kind
