"""Random changes of files: bits, bytes, blocks, sizes; and hostile JSON values."""

from __future__ import annotations

import random
from typing import Any

EXTREMES = (b"\x00", b"\xff", b"\x7f", b"\x80")
NUMBERS = (-1, 0, 1, 3, 2**15, 2**31, 2**62, 2**70, -(2**40), 0.5, -0.0, 1e308)
OTHERS: tuple[Any, ...] = (
    None, True, "", "x" * 5000, "../../etc/passwd", "/dev/zero", "\ud800", [], {}, [[[[]]]], {"a": {"b": []}},
)  # fmt: skip


def mutated(content: bytes, rng: random.Random, other: bytes = b"") -> bytes:
    """One to four changes; most are near the start, where headers are.

    Args:
        other: a file of which parts are put in.
    """
    data = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        if not data:
            break
        at = min(int(len(data) * rng.random() ** 3), len(data) - 1)
        length = rng.choice((1, 2, 4, 8, 64, 1024))
        kind = rng.randrange(8)
        if kind == 0:
            data[at] ^= 1 << rng.randrange(8)
        elif kind == 1:
            data[at : at + length] = rng.randbytes(length)
        elif kind == 2:  # sizes in headers
            data[at : at + length] = rng.choice(EXTREMES) * length
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data = data[:at]
        elif kind == 5:
            data[at:at] = data[at : at + length] * rng.choice((1, 2, 50))
        elif kind == 6:
            start = rng.randrange(max(1, len(other)))
            data[at : at + length] = other[start : start + length]
        else:
            data = data[:at] + other
    return bytes(data)


def hostile_value(rng: random.Random) -> Any:
    """A JSON value that a program may not expect."""
    return rng.choice((*NUMBERS, *OTHERS))


def hostile_json(value: Any, rng: random.Random, share: float = 0.15) -> Any:
    """A copy of a JSON value with some of its parts replaced, removed or repeated."""
    if rng.random() < share:
        return hostile_value(rng)
    if isinstance(value, dict):
        kept = {key: hostile_json(item, rng, share) for key, item in value.items() if rng.random() > share / 3}
        return {**kept, "unknown": hostile_value(rng)} if rng.random() < share / 3 else kept
    if isinstance(value, list):
        items = [hostile_json(item, rng, share) for item in value]
        return items * rng.choice((0, 1, 1, 1, 1, 1000 if len(items) < 10 else 1))
    return value
