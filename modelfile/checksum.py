"""Checksums of safetensors files, which have none of their own: a flipped bit is still a number.

The CRC-32 covers names, shapes and bytes of all tensors and all entries of the header. It finds damage, not forgery.
Files from before there were checksums are accepted.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Mapping

import numpy as np

CHECKSUM = "checksum"  # its entry in the header
DAMAGED = "its checksum differs: some bits have changed since it was written"


def with_checksum(metadata: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> dict[str, str]:
    """The entries of a header, with the checksum of the file. An older checksum is replaced."""
    return {**metadata, CHECKSUM: _checksum(metadata, arrays)}


def check(metadata: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> None:
    """Compare a file with the checksum in its header, if there is one.

    Args:
        metadata: all entries of the header.
        arrays: all tensors as they are stored.

    Raises:
        ValueError: they differ.
    """
    if CHECKSUM in metadata and metadata[CHECKSUM] != _checksum(metadata, arrays):
        raise ValueError(DAMAGED)


def save_arrays(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str]) -> bytes:
    """The content of a safetensors file with a checksum."""
    from safetensors.numpy import save

    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    return save(contiguous, with_checksum(metadata, contiguous))


def _checksum(metadata: Mapping[str, str], arrays: Mapping[str, np.ndarray]) -> str:
    """CRC-32 in hexadecimal digits, independent of the order of entries and tensors."""
    entries = sorted((key, text) for key, text in metadata.items() if key != CHECKSUM)
    shapes = sorted((name, array.shape) for name, array in arrays.items())
    value = zlib.crc32(json.dumps([entries, shapes]).encode())
    for name in sorted(arrays):
        value = zlib.crc32(np.ascontiguousarray(arrays[name]).reshape(-1).view(np.uint8).data, value)
    return f"{value:08x}"
