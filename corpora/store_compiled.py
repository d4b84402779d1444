"""The compiled index of a feature store: one file that is mapped into memory, whatever the number of items.

Preprocessing writes lines of JSON, which survive a kill but take minutes to read for millions of items. At its end it
compiles them into `index.safetensors`, which is opened without being read. It is a copy: if it is missing, or the lines
have changed since, the lines are read instead.

The file has the layout of safetensors (a length, a JSON header, tensors). Its tensors for N items, sorted by key:

    keys, key_ends             UTF-8 of all keys, and the end of each [N]
    meta, meta_ends            JSON of what `speaker`, `corpus`, `split` and `seconds` do not hold
    speaker.codes [N], speaker.values, speaker.ends    index into the sorted values, -1 if the item has none
    seconds [N]                NaN if the item has none
    shard [N]                  index into the list of shards
    array.<n>.kind [N]         index into the dtypes of that array, -1 if the item has none
    array.<n>.offset [N], array.<n>.shape [N, dimensions]
"""

from __future__ import annotations

import json
import math
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from corpora.store_files import Item
from speech.errors import StorageError
from speech.files import write_atomically

COMPILED_NAME = "index.safetensors"
COMPILED_VERSION = "1"
TEXT_COLUMNS = ("speaker", "corpus", "split")
MAX_HEADER = 100 << 20
DTYPES = {"U8": np.uint8, "I8": np.int8, "I32": np.int32, "I64": np.int64, "F64": np.float64}
NAMES = {np.dtype(dtype): name for name, dtype in DTYPES.items()}

Location = tuple[np.dtype, tuple[int, ...], int]


class Texts(Sequence[str]):
    """Texts that are decoded when they are asked for. Args: content: UTF-8; ends: of each text [N]."""

    def __init__(self, content: np.ndarray, ends: np.ndarray) -> None:
        self._content, self._ends = content, ends

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, i: Any) -> Any:
        if isinstance(i, slice):
            return [self[index] for index in range(*i.indices(len(self)))]
        if not -len(self) <= i < len(self):
            raise IndexError(i)
        i %= len(self)
        return self.raw(i).decode("utf-8", "surrogatepass")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(other) == len(self) and all(map(str.__eq__, self, other))

    __hash__ = None  # type: ignore[assignment]

    def raw(self, i: int) -> bytes:
        start = int(self._ends[i - 1]) if i else 0
        return self._content[start : int(self._ends[i])].tobytes()

    def position(self, text: str) -> int | None:
        """The index of a text if they are sorted by code point, as UTF-8 is; None if it is not there."""
        wanted, low, high = encoded(text), 0, len(self)
        while low < high:
            middle = (low + high) // 2
            if self.raw(middle) < wanted:
                low = middle + 1
            else:
                high = middle
        return low if low < len(self) and self.raw(low) == wanted else None


class CompiledIndex:
    """Access to the items of a compiled index. Args: path: of the file."""

    def __init__(self, path: Path) -> None:
        self._tensors, self._about = _mapped(path)
        self.keys: Sequence[str] = Texts(self._tensors["keys"], self._tensors["key_ends"])
        self._meta = Texts(self._tensors["meta"], self._tensors["meta_ends"])
        self._columns = {
            name: Texts(self._tensors[f"{name}.values"], self._tensors[f"{name}.ends"]) for name in TEXT_COLUMNS
        }
        self._shards: list[str] = self._about["shards"]
        self._arrays: dict[str, int] = {name: number for number, name in enumerate(self._about["arrays"])}
        self._kinds = [[(np.dtype(dtype), ndim) for dtype, ndim in kinds] for kinds in self._about["kinds"]]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def sources(self) -> dict[str, int]:
        """Sizes of the files of lines that were compiled, by name."""
        return self._about["sources"]

    @property
    def shard_sizes(self) -> dict[str, int]:
        """The size that each shard has at least, by name."""
        return dict(zip(self._shards, self._about["shard_sizes"], strict=True))

    @property
    def fields(self) -> tuple[str, ...]:
        return tuple(sorted(self._arrays))

    def find(self, key: str) -> int | None:
        """The index of a key; None if it is not there."""
        assert isinstance(self.keys, Texts)
        return self.keys.position(key)

    def meta(self, i: int) -> dict[str, Any]:
        i = range(len(self))[i]
        found: dict[str, Any] = json.loads(self._meta.raw(i))
        for name, values in self._columns.items():
            code = int(self._tensors[f"{name}.codes"][i])
            if code >= 0:
                found[name] = values[code]
        seconds = float(self._tensors["seconds"][i])
        if not math.isnan(seconds):
            found["seconds"] = seconds
        return found

    def select(self, wanted: Mapping[str, Any]) -> np.ndarray:
        """Indices of the items whose meta has all these values, int64 [found]."""
        chosen = np.ones(len(self), bool)
        rest: dict[str, Any] = {}
        for name, value in wanted.items():
            if name in self._columns and isinstance(value, str):
                codes = self._tensors[f"{name}.codes"]
                code = self._columns[name].position(value)
                chosen &= (codes == code) if code is not None else False
            else:
                rest[name] = value
        found = np.flatnonzero(chosen)
        if rest:
            metas = ((i, self.meta(int(i))) for i in found)
            matching = [i for i, meta in metas if all(meta.get(name) == value for name, value in rest.items())]
            found = np.array(matching, np.int64)
        return found

    def groups(self, name: str, indices: np.ndarray) -> dict[str, np.ndarray]:
        """Indices by the value of a text column, in the order of the indices; those without a value are left out."""
        codes = np.asarray(self._tensors[f"{name}.codes"])[indices]
        order = np.argsort(codes, kind="stable")
        ordered = codes[order]
        firsts = np.flatnonzero(np.diff(ordered, prepend=-2)) if len(ordered) else np.zeros(0, np.int64)
        parts = np.split(indices[order], firsts[1:]) if len(firsts) else []
        values = self._columns[name]
        pairs = zip(firsts, parts, strict=True)
        return {values[int(ordered[first])]: part for first, part in pairs if ordered[first] >= 0}

    def lengths(self, name: str, indices: np.ndarray) -> np.ndarray:
        """The first dimension of an array for each index, int64; 0 for items without it or with a scalar."""
        if name not in self._arrays:
            return np.zeros(len(indices), np.int64)
        number = self._arrays[name]
        shape = self._tensors[f"array.{number}.shape"]
        return np.asarray(shape)[indices, 0] if shape.shape[1] else np.zeros(len(indices), np.int64)

    def shard(self, i: int) -> str:
        return self._shards[int(self._tensors["shard"][i])]

    def names(self, i: int) -> list[str]:
        """The names of the arrays of item `i`."""
        i = range(len(self))[i]
        return [name for name, number in self._arrays.items() if self._tensors[f"array.{number}.kind"][i] >= 0]

    def location(self, i: int, name: str) -> Location | None:
        """(dtype, shape, offset in the shard) of an array; None if the item has no such array."""
        number = self._arrays.get(name)
        kind = -1 if number is None else int(self._tensors[f"array.{number}.kind"][i])
        if number is None or kind < 0:
            return None
        dtype, ndim = self._kinds[number][kind]
        shape = tuple(self._tensors[f"array.{number}.shape"][i, :ndim].tolist())
        return dtype, shape, int(self._tensors[f"array.{number}.offset"][i])


def encoded(text: str) -> bytes:
    """UTF-8, also of file names that are not Unicode. Its order is that of the code points."""
    return text.encode("utf-8", "surrogatepass")


# ---- the file --------------------------------------------------------------------------------------------------------


def _mapped(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """The tensors, mapped, and the description. Raises: ValueError, KeyError, OSError if it is not such a file."""
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if not 0 < length <= min(MAX_HEADER, size):
            raise ValueError("the header has an impossible length")
        header = json.loads(file.read(length))
    about = json.loads(header.pop("__metadata__")["index"])
    if about["version"] != COMPILED_VERSION:
        raise ValueError("another version")
    content = np.asarray(np.memmap(path, np.uint8, "r"))
    tensors = {}
    for name, entry in header.items():
        start, end = (8 + length + offset for offset in entry["data_offsets"])
        if not 0 <= start <= end <= size:
            raise ValueError("a tensor is not in the file")
        tensors[name] = content[start:end].view(DTYPES[entry["dtype"]]).reshape(entry["shape"])
    return tensors, about


def write_index(directory: Path, tensors: Mapping[str, np.ndarray], about: Mapping[str, Any]) -> None:
    """Write tensors and description of a compiled index, atomically."""
    path = directory / COMPILED_NAME
    header: dict[str, Any] = {"__metadata__": {"index": json.dumps({**about, "version": COMPILED_VERSION})}}
    offset = 0
    ordered = sorted(tensors.items(), key=lambda item: -item[1].dtype.itemsize)  # so that all are aligned
    for name, tensor in ordered:
        end = offset + tensor.nbytes
        header[name] = {"dtype": NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [offset, end]}
        offset = end
    content = json.dumps(header).encode()
    content += b" " * (-len(content) % 8)

    def write(temporary: Path) -> None:
        with temporary.open("wb") as file:
            file.write(len(content).to_bytes(8, "little") + content)
            for _, tensor in ordered:
                file.write(np.ascontiguousarray(tensor).tobytes())

    write_atomically(path, write)


# ---- compiling -------------------------------------------------------------------------------------------------------


class _Column:
    """Texts collected one by one: UTF-8 in one piece and the end of each."""

    def __init__(self) -> None:
        self.content, self.ends = bytearray(), array("q")

    def append(self, text: bytes) -> None:
        self.content += text
        self.ends.append(len(self.content))


class _Array(NamedTuple):
    """The places of one array in all items; `shapes` has a tuple of the present items only."""

    kinds: dict[tuple[str, int], int]
    kind: array
    offset: array
    shapes: array
    dimensions: array


def compile_index(directory: Path, items: Iterable[Item], sources: Mapping[str, int]) -> None:
    """Write the compiled index of a store. Its memory is that of the index, not that of the items.

    Args:
        items: in the order of their files; of items with the same key the first one counts.
        sources: sizes of the files of lines that the items come from, by name.

    Raises:
        StorageError: the file cannot be written.
    """
    try:
        tensors, about = _collected(items)
        write_index(directory, tensors, {**about, "sources": dict(sources)})
    except OSError as error:
        raise StorageError(f"{directory / COMPILED_NAME} cannot be written ({error.strerror or error}).") from error


def _collected(items: Iterable[Item]) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    keys, metas, seconds, shard = _Column(), _Column(), array("d"), array("i")
    shards: dict[str, int] = {}
    sizes: list[int] = []
    codes = {name: array("i") for name in TEXT_COLUMNS}
    values: dict[str, dict[str, int]] = {name: {} for name in TEXT_COLUMNS}
    arrays: dict[str, _Array] = {}
    for count, item in enumerate(items):
        keys.append(encoded(item.key))
        rest = dict(item.meta)
        for name in TEXT_COLUMNS:
            value = rest.pop(name, None) if isinstance(rest.get(name), str) else None
            codes[name].append(-1 if value is None else values[name].setdefault(value, len(values[name])))
        length = rest.get("seconds")
        plain = isinstance(length, float) and math.isfinite(length)
        seconds.append(rest.pop("seconds") if plain else math.nan)
        metas.append(json.dumps(rest).encode())
        number = shards.setdefault(item.shard, len(shards))
        sizes.extend([0] * (number + 1 - len(sizes)))
        sizes[number] = max(sizes[number], item.end)
        shard.append(number)
        for name in item.arrays.keys() - arrays.keys():
            missing = [-1] * count
            arrays[name] = _Array({}, array("h", missing), array("q", missing), array("q"), array("b", [0] * count))
        for name, places in arrays.items():
            _append_place(places, item.arrays.get(name))
    order = _order(keys)
    tensors: dict[str, np.ndarray] = {
        "seconds": _taken(seconds, np.float64, order),
        "shard": _taken(shard, np.int32, order),
    }
    tensors["keys"], tensors["key_ends"] = _reordered(keys, order)
    tensors["meta"], tensors["meta_ends"] = _reordered(metas, order)
    for name in TEXT_COLUMNS:
        tensors |= _coded(name, codes[name], values[name], order)
    for number, places in enumerate(arrays.values()):
        tensors |= _placed(number, places, order)
    kinds = [[list(kind) for kind in places.kinds] for places in arrays.values()]
    return tensors, {"shards": list(shards), "shard_sizes": sizes, "arrays": list(arrays), "kinds": kinds}


def _append_place(places: _Array, location: Location | None) -> None:
    if location is None:
        places.kind.append(-1)
        places.offset.append(-1)
        places.dimensions.append(0)
        return
    dtype, shape, offset = location
    places.kind.append(places.kinds.setdefault((dtype.str, len(shape)), len(places.kinds)))
    places.offset.append(offset)
    places.shapes.extend(shape)
    places.dimensions.append(len(shape))


def _order(keys: _Column) -> np.ndarray:
    """Positions sorted by key, of equal keys the first only, int64 [items]."""
    starts = [0, *keys.ends]
    content = bytes(keys.content)
    every = [content[start:end] for start, end in zip(starts, keys.ends, strict=False)]
    order = sorted(range(len(every)), key=every.__getitem__)  # stable
    kept = [at for place, at in enumerate(order) if not place or every[at] != every[order[place - 1]]]
    return np.array(kept, np.int64)


def _taken(numbers: array, dtype: Any, order: np.ndarray) -> np.ndarray:
    return np.array(numbers, dtype)[order] if len(numbers) else np.zeros(0, dtype)


def _reordered(texts: _Column, order: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Content and ends in a new order."""
    ends = np.array(texts.ends, np.int64)
    starts = np.concatenate([np.zeros(1, np.int64), ends[:-1]]) if len(ends) else ends
    content = memoryview(texts.content)
    joined = b"".join(content[start:end] for start, end in _spans(starts[order], ends[order]))
    return np.frombuffer(joined, np.uint8), np.cumsum((ends - starts)[order])


def _spans(starts: np.ndarray, ends: np.ndarray) -> Iterator[tuple[int, int]]:
    return zip(starts.tolist(), ends.tolist(), strict=True)


def _coded(name: str, codes: array, values: Mapping[str, int], order: np.ndarray) -> dict[str, np.ndarray]:
    """The tensors of a text column, its values sorted."""
    texts = _Column()
    renumbered = np.full(len(values) + 1, -1, np.int32)  # the last one stays -1, for items without a value
    for place, value in enumerate(sorted(values, key=encoded)):
        texts.append(encoded(value))
        renumbered[values[value]] = place
    own = _taken(codes, np.int64, order)
    content = np.frombuffer(bytes(texts.content), np.uint8)
    return {
        f"{name}.codes": renumbered[own],
        f"{name}.values": content,
        f"{name}.ends": np.array(texts.ends, np.int64),
    }


def _placed(number: int, places: _Array, order: np.ndarray) -> dict[str, np.ndarray]:
    dimensions = np.array(places.dimensions, np.int64)
    most = int(dimensions.max(initial=0))
    shapes = np.zeros((len(dimensions), most), np.int64)
    shapes[np.arange(most) < dimensions[:, None]] = np.array(places.shapes, np.int64)
    return {
        f"array.{number}.kind": _taken(places.kind, np.int32, order),
        f"array.{number}.offset": _taken(places.offset, np.int64, order),
        f"array.{number}.shape": shapes[order],
    }
