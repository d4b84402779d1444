"""The file of the voice map, which keeps it between two starts."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from speech.files import write_bytes

FORMAT = "1"


@dataclass(frozen=True, eq=False)
class StoredMap:
    """The points of a map.

    Attributes:
        embeddings: float32 [points, embedding_size].
        positions: float32 [points, 2].
        speakers, names: of each point.
        fitted: points that the last fit of the layout included.
        fits: number of fits so far.
        space: embedding space of all points.
    """

    embeddings: np.ndarray
    positions: np.ndarray
    speakers: tuple[str, ...]
    names: tuple[str, ...]
    fitted: int = 0
    fits: int = 0
    space: str = ""


def write_map(path: Path, stored: StoredMap) -> None:
    """Raises: StorageError."""
    from safetensors.numpy import save

    tensors = {"embeddings": stored.embeddings, "positions": stored.positions}
    about = {"speakers": stored.speakers, "names": stored.names, "fitted": stored.fitted, "fits": stored.fits,
             "space": stored.space}  # fmt: skip
    header = {"format": FORMAT, "map": json.dumps(about, ensure_ascii=False)}
    write_bytes(path, save({name: np.ascontiguousarray(one, np.float32) for name, one in tensors.items()}, header))


def read_map(path: Path) -> StoredMap | None:
    """None if there is no map, or if its file is damaged or of a newer version."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            embeddings, positions = (file.get_tensor(name) for name in ("embeddings", "positions"))
        about = json.loads(header["map"])
        speakers, names = (tuple(map(str, about[name])) for name in ("speakers", "names"))
        count = len(speakers)
        fits = embeddings.shape[0] == len(names) == count and positions.shape == (count, 2) and embeddings.ndim == 2
        if header["format"] != FORMAT or not fits or not np.isfinite(embeddings).all():
            return None
        return StoredMap(
            embeddings, positions, speakers, names, int(about["fitted"]), int(about["fits"]), str(about["space"])
        )
    except (OSError, SafetensorError, ValueError, TypeError, KeyError):
        return None
