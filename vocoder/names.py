"""Vocoders by name: `wavernn` for whichever file of a models folder holds one."""

from pathlib import Path

from speech.errors import ModelFileError

GRIFFIN_LIM = "griffin-lim"
KINDS = ("wavernn", "spectral")  # of model files; a new kind needs an entry here and one in `Vocoder.load`
NAMES = (*KINDS, GRIFFIN_LIM)


def find_vocoder(directory: Path, wish: str | Path) -> Path:
    """The file that a wish means.

    A name means `vocoder-<name>.safetensors` in the models folder, or else `vocoder.safetensors` if it is of that kind.
    Anything else is the path of a file.

    Raises:
        ModelFileError: the folder holds no such vocoder, or the wish is neither a name nor a file.
    """
    name = str(wish).lower()
    if name not in KINDS:
        path = Path(wish)
        if not path.exists() and path.name == str(wish) and not path.suffix:
            raise ModelFileError(f"There is no vocoder {str(wish)!r}: choose {', '.join(NAMES)}, or name a file.")
        return path
    own, usual = directory / f"vocoder-{name}.safetensors", directory / "vocoder.safetensors"
    for path in (own, usual):
        if path.is_file() and _kind(path) == name:
            return path
    raise ModelFileError(
        f"The models folder {directory} holds no {name} vocoder: put {own.name} there, or name a file."
    )


def _kind(path: Path) -> str:
    from modelfile.header import read_header

    return read_header(path).kind
