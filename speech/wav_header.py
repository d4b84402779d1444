"""Headers of 16-bit mono wav files, with text tags in a LIST/INFO chunk.

libsndfile drops tags of more than a few thousand characters in wav files, and a stream needs its header first.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

UNKNOWN_SIZE = 0xFFFFFFFF  # wav readers interpret it as "until the end"
INFO_NAMES = {"title": b"INAM", "software": b"ISFT", "date": b"ICRD", "comment": b"ICMT"}


def wav_header(sample_rate: int, size: int | None, tags: Mapping[str, str] | None = None) -> bytes:
    """The header of 16-bit mono samples: 44 bytes without tags.

    Args:
        size: bytes of all samples; None if that is not known yet.
        tags: see `info_chunk`.
    """
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    chunks = form + info_chunk(tags or {})
    size = UNKNOWN_SIZE if size is None else min(size, UNKNOWN_SIZE)
    riff = struct.pack("<4sI4s", b"RIFF", min(len(chunks) + size + 12, UNKNOWN_SIZE), b"WAVE")
    return riff + chunks + struct.pack("<4sI", b"data", size)


def info_chunk(tags: Mapping[str, str]) -> bytes:
    """A LIST/INFO chunk of UTF-8 texts; nothing without tags.

    Args:
        tags: by name, of those in `INFO_NAMES`, without null characters and lone surrogates.
    """
    if not tags:
        return b""
    entries = b"INFO"
    for name, text in tags.items():
        value = text.encode() + b"\0"
        entries += struct.pack("<4sI", INFO_NAMES[name], len(value)) + value + bytes(len(value) % 2)
    return struct.pack("<4sI", b"LIST", len(entries)) + entries


def append_tags(wav: bytes, tags: Mapping[str, str]) -> bytes:
    """A whole wav file of any sample type with a LIST/INFO chunk at its end."""
    content = wav + bytes(len(wav) % 2) + info_chunk(tags)
    return content[:4] + struct.pack("<I", len(content) - 8) + content[8:]
