"""Voice files as every layer can read them: the header and tensors of one, and the folder of this user's voices."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from modelfile import checksum
from modelfile.user_folders import user_data_folder
from speech.errors import ModelFileError

VOICE_FORMAT = 1
VOICE_SUFFIX = ".safetensors"


def default_library() -> Path:
    """Folder of this user's voices."""
    return user_data_folder() / "voices"


def read_voice_file(path: Path) -> tuple[dict[str, str], dict[str, np.ndarray]]:
    """The header entries and tensors of a voice; the tensor "embedding" is there and is a vector.

    Raises:
        ModelFileError: the file is missing, damaged, of a newer version, or is not a voice.
    """
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        raise ModelFileError(f"There is no voice file {path}: check the path, or save a voice first.")
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
        checksum.check(metadata, tensors)
        newer = int(metadata.get("format_version", "0")) > VOICE_FORMAT
    except (SafetensorError, OSError, ValueError, TypeError) as error:
        raise damaged_voice(path) from error
    if metadata.get("kind") != "voice" or "embedding" not in tensors or tensors["embedding"].ndim != 1:
        raise ModelFileError(f"{path} is not a voice file: give one that was saved by this toolkit.")
    if newer:
        raise ModelFileError(f"{path} was saved by a newer version of this toolkit: update to read it.")
    return metadata, tensors


def damaged_voice(path: Path) -> ModelFileError:
    """The error for a file that cannot be read as a voice."""
    return ModelFileError(f"{path} is not a voice file or is damaged: save the voice again.")
