"""Nested tuples of arrays and numbers as arguments of compiled functions: a table of addresses, sizes and numbers.

A compiled function with many arrays takes one table, int64 [entries], in which each value has its place:

| value | entries |
|---|---|
| array, contiguous | its address, then its shape |
| int | itself |
| np.float32 | its bits |
| tuple | those of its items |

`kernels.parts.reader` builds the compiled code that reads such a table. Imports no numba.
"""

from collections.abc import Iterator
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray


class ArrayKind(NamedTuple):
    """Annotation of an array: what its numbers are called in numpy, and how many dimensions it has."""

    dtype: str
    dimensions: int


Vector = Annotated[NDArray[np.float32], ArrayKind("float32", 1)]
Matrix = Annotated[NDArray[np.float32], ArrayKind("float32", 2)]
Blocks = Annotated[NDArray[np.float32], ArrayKind("float32", 3)]


def table_of(*values: Any) -> NDArray[np.int64]:
    """The entries of some values, one after the other; the caller keeps the arrays alive while the table is used.

    Raises:
        ValueError: an array that is not contiguous.
    """
    return np.array([entry for value in values for entry in _entries(value)], np.int64)


def _entries(value: Any) -> Iterator[int]:
    if isinstance(value, np.ndarray):
        if not value.flags.c_contiguous:
            raise ValueError("an array for compiled code is not contiguous")
        yield value.ctypes.data
        yield from value.shape
    elif isinstance(value, tuple):
        for item in value:
            yield from _entries(item)
    elif isinstance(value, np.float32):
        yield int(value.view(np.int32))
    else:
        yield int(value)


def fields_of(kind: type) -> dict[str, Any]:
    """The annotated types of a NamedTuple's fields."""
    return get_type_hints(kind, include_extras=True)


def array_kind(hint: Any) -> ArrayKind | None:
    """The ArrayKind of an annotation, None where it is not an array's."""
    if get_origin(hint) is Annotated:
        return next((extra for extra in get_args(hint)[1:] if isinstance(extra, ArrayKind)), None)
    return None
