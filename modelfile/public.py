"""Public PyTorch checkpoints (`.pt`), read for conversion to model files.

A separate process with few rights unpickles them (`checkpoint_process.py`), and nothing but tensors.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speech.errors import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

    from modelfile.header import ModelHeader

SUFFIXES = (".pt", ".pth", ".pyt")
FIRST_BYTES = (b"PK", b"\x80")  # of the two formats of PyTorch: a zip archive, a pickle
TIMEOUT_SECONDS = 300
PROCESS = Path(__file__).with_name("checkpoint_process.py")

PUBLIC_SPACE = "ge2e-public-256"
"""Name of the embedding space of the public SV2TTS encoder and of all encoders distilled from it."""


@dataclass(frozen=True, eq=False)
class PublicCheckpoint:
    """What a foreign checkpoint holds.

    Attributes:
        name: of the file, without its folder.
        tensors: by their public names; without a training step.
        step: training step; 0 if unknown.
        digest: SHA-256 of the file.
    """

    name: str
    tensors: Mapping[str, Tensor]
    step: int = 0
    digest: str = ""

    @property
    def provenance(self) -> dict[str, str]:
        """Entries of a model file's header that say where it came from."""
        return {"converted_from": self.name, "source_sha256": self.digest}

    def shape(self, name: str) -> tuple[int, ...]:
        """Raises: KeyError if there is no such tensor."""
        return tuple(self.tensors[name].shape)


Converted = tuple["ModelHeader", "dict[str, Tensor]"]
"""Header and weights of a model file of this toolkit."""


def is_public_checkpoint(path: str | Path) -> bool:
    """Whether the name is that of a PyTorch file."""
    return Path(path).suffix.lower() in SUFFIXES


def read_public_checkpoint(path: str | Path) -> PublicCheckpoint:
    """Read the tensors and the training step of a PyTorch checkpoint.

    They are those of the entry "model_state" or "state_dict", or of the file itself.

    Raises:
        ModelFileError: missing, damaged, or not a PyTorch file of plain tensors.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}: give the path of a .pt file.")
    with path.open("rb") as file:
        if not file.read(2).startswith(FIRST_BYTES):
            raise ModelFileError(f"{path} is not a PyTorch file: give a checkpoint of a public model (.pt).")
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    with _tensor_file(path) as output:
        from modelfile.checkpoint import load_weights
        from modelfile.header import open_tensors

        with open_tensors(output, "np") as tensors:
            step = int((tensors.metadata() or {}).get("step", "0"))
        try:
            weights = load_weights(output)
        except ModelFileError as error:
            raise ModelFileError(f"{path} cannot be converted: {str(error).replace(str(output), 'it')}") from error
        return PublicCheckpoint(path.name, weights, step, digest)


@contextmanager
def _tensor_file(path: Path) -> Iterator[Path]:
    """A temporary safetensors file of the tensors in a checkpoint."""
    with tempfile.TemporaryDirectory(prefix="sv2tts-") as folder:
        output = Path(folder) / "tensors.safetensors"
        with path.open("rb") as source, output.open("wb") as target:
            command: list[Any] = [sys.executable, "-P", "-W", "ignore", PROCESS]
            try:
                done = subprocess.run(
                    command, stdin=source, stdout=target, stderr=subprocess.PIPE, timeout=TIMEOUT_SECONDS, check=False
                )
            except subprocess.TimeoutExpired as error:
                raise ModelFileError(f"{path} is refused: reading it takes too long.") from error
        if done.returncode:
            reason = done.stderr.decode(errors="replace").strip() if done.returncode == 3 else "it is damaged"
            raise ModelFileError(f"{path} is not a PyTorch file of plain tensors: {reason}.")
        yield output
