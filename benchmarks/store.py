"""Feature stores of a thousand to ten million utterances: time to open, memory, and random access.

    python benchmarks/store.py                      # a thousand, a hundred thousand, ten million
    python benchmarks/store.py --quick              # a thousand, a hundred thousand

The stores are made up: the index is a real one, the shards are sparse files of the right size. Each is measured in a
process of its own. Figures are processor time, so that other programs have little effect. Needs Linux.
"""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.measuring import ROOT, BenchmarkArguments, Rows, report
from corpora.store import FeatureStore
from corpora.store_compiled import COMPILED_NAME, compile_index, write_index
from corpora.store_files import FORMAT_VERSION, INFO_NAME, Item

FRAMES, BANDS = 500, 40  # 5 s of speech for the speaker encoder
ITEM_BYTES = FRAMES * BANDS * 2
ITEMS_PER_SHARD = (256 << 20) // ITEM_BYTES
ITEMS_PER_SPEAKER = 100
ACCESSES = 2000
MOST_COMPILED = 1_000_000
KEY = "voxceleb2/dev/aac/id%07d/%07d/%05d.m4a"


@dataclass(frozen=True)
class Arguments(BenchmarkArguments):
    sizes: tuple[int, ...] = ()
    """Numbers of utterances to measure instead of the usual ones."""
    folder: Path | None = None
    """Folder for the stores, about 1.7 GB for ten million; by default a temporary one."""
    usual: ClassVar[tuple[int, ...]] = (1_000, 100_000, 10_000_000)


def made_up_items(count: int) -> Iterator[Item]:
    """Items as `preprocess.py encoder` stores them, unsorted like those of several workers."""
    for number in range(count):
        at = number % ITEMS_PER_SHARD * ITEM_BYTES
        speaker = number // ITEMS_PER_SPEAKER
        key = KEY % (speaker, number * 7919 % 1_000_003, number % ITEMS_PER_SPEAKER)
        split = "validation" if speaker % 20 == 0 else "train"
        meta = {"speaker": f"id{speaker:07d}", "corpus": "voxceleb2", "split": split, "seconds": 5.0}
        mel = (np.dtype(np.float16), (FRAMES, BANDS), at)
        yield Item(key, shard_name(number // ITEMS_PER_SHARD), {"mel": mel}, at + ITEM_BYTES, 0, meta)


def shard_name(number: int) -> str:
    return f"data-0-{number:04d}.bin"


def made_up_index(folder: Path, count: int) -> None:
    """The index that such items have when they are compiled, made at once: for stores that are too large to make here
    item by item. The keys are in order.
    """
    numbers = np.arange(count)
    speakers = -(-count // ITEMS_PER_SPEAKER)
    keys = np.tile(np.frombuffer((KEY % (0, 0, 0)).encode(), np.uint8), (count, 1))
    for value, end, digits in ((numbers // ITEMS_PER_SPEAKER, 27, 7), (numbers % ITEMS_PER_SPEAKER, 41, 5)):
        for digit in range(digits):
            keys[:, end - 1 - digit] = 48 + value // 10**digit % 10
    names = "".join(f"id{speaker:07d}" for speaker in range(speakers)).encode()
    tensors = {
        "keys": keys.reshape(-1),
        "key_ends": (numbers + 1) * keys.shape[1],
        "meta": np.tile(np.frombuffer(b"{}", np.uint8), count),
        "meta_ends": (numbers + 1) * 2,
        "seconds": np.full(count, 5.0),
        "shard": (numbers // ITEMS_PER_SHARD).astype(np.int32),
        "speaker.codes": (numbers // ITEMS_PER_SPEAKER).astype(np.int32),
        "speaker.values": np.frombuffer(names, np.uint8),
        "speaker.ends": (np.arange(speakers) + 1) * 9,
        "array.0.kind": np.zeros(count, np.int32),
        "array.0.offset": numbers % ITEMS_PER_SHARD * ITEM_BYTES,
        "array.0.shape": np.tile(np.array([FRAMES, BANDS]), (count, 1)),
    }
    splits = (numbers // ITEMS_PER_SPEAKER % 20 == 0).astype(np.int32)
    for name, codes, values in (("split", splits, ("train", "validation")), ("corpus", splits * 0, ("voxceleb2",))):
        content = "".join(values).encode()
        tensors |= {f"{name}.codes": codes, f"{name}.values": np.frombuffer(content, np.uint8)}
        tensors[f"{name}.ends"] = np.cumsum([len(value) for value in values])
    shards = [shard_name(number) for number in range(-(-count // ITEMS_PER_SHARD))]
    about = {"shards": shards, "shard_sizes": [_size(number, count) for number in range(len(shards))], "sources": {}}
    write_index(folder, tensors, {**about, "arrays": ["mel"], "kinds": [[["<f2", 2]]]})


def _size(shard: int, count: int) -> int:
    return min(ITEMS_PER_SHARD, count - shard * ITEMS_PER_SHARD) * ITEM_BYTES


def make_store(folder: Path, count: int) -> float:
    """A made-up store. Returns the seconds of compiling its index; NaN above `MOST_COMPILED` items."""
    folder.mkdir(parents=True)
    (folder / INFO_NAME).write_text(json.dumps({"format_version": FORMAT_VERSION, "stage": "encoder"}))
    for number in range(-(-count // ITEMS_PER_SHARD)):
        with (folder / shard_name(number)).open("wb") as file:
            file.truncate(_size(number, count))
    if count > MOST_COMPILED:
        made_up_index(folder, count)
        return math.nan
    start = time.process_time()
    compile_index(folder, made_up_items(count), {})
    return time.process_time() - start


def measure_store(folder: Path) -> dict[str, float]:
    """Figures of one store, in this process."""
    FeatureStore(folder)  # imports and the page cache
    before = _resident_mb()
    wall, start = time.perf_counter(), time.process_time()
    store = FeatureStore(folder)
    figures = {"open_ms": 1000 * (time.process_time() - start), "open-wall_ms": 1000 * (time.perf_counter() - wall)}
    count = len(store)
    figures["open-memory_mb"] = _resident_mb() - before
    chosen = np.random.default_rng(0).integers(count, size=ACCESSES).tolist()
    for name, indices in (("first", chosen), ("again", chosen)):
        start = time.process_time()
        for index in indices:
            store.array(index, "mel")[250, 20]
        figures[f"array_{name}_us"] = 1e6 * (time.process_time() - start) / ACCESSES
    start = time.process_time()
    for index in chosen:
        store.meta(index)
    figures["meta_us"] = 1e6 * (time.process_time() - start) / ACCESSES
    keys = [store.keys[index] for index in chosen[:200]]
    start = time.process_time()
    assert [store.find(key) for key in keys] == chosen[:200]
    figures["find_us"] = 1e6 * (time.process_time() - start) / len(keys)
    start = time.process_time()
    found = len(store.select(split="train"))
    figures["select_ms"] = 1000 * (time.process_time() - start)
    assert 0.8 * count < found < count
    return figures


def _resident_mb() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    return next((float(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS")), math.nan)


def rows(arguments: Arguments) -> Rows:
    sizes = arguments.sizes or arguments.usual[: 2 if arguments.quick else 3]
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        for count in sizes:
            store = Path(folder) / str(count)
            seconds = make_store(store, count)
            if not math.isnan(seconds):
                yield f"{count} utterances: compile the index", seconds, "s"
            yield f"{count} utterances: size of the index", (store / COMPILED_NAME).stat().st_size / count, "bytes each"
            for name, value in _in_own_process(store).items():
                what, unit = name.rsplit("_", 1)
                yield f"{count} utterances: {NAMES[what]}", value, unit.replace("us", "µs").replace("mb", "MB")


NAMES = {
    "open": "open",
    "open-wall": "open, by the clock",
    "open-memory": "memory of the open store",
    "array_first": "an array at random, first time",
    "array_again": "an array at random, again",
    "meta": "the meta of an item at random",
    "find": "an item by its key",
    "select": "all training items",
}


def _in_own_process(store: Path) -> dict[str, float]:
    command = [sys.executable, str(Path(__file__).resolve()), "--measure", str(store)]
    result = subprocess.run(command, capture_output=True, text=True, check=True, cwd=ROOT, env=os.environ)
    return json.loads(result.stdout)


def main(argv: Sequence[str] | None = None) -> None:
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] == ["--measure"]:
        print(json.dumps(measure_store(Path(given[1]))))
        return
    arguments = Arguments.parse(given, __doc__)
    report(rows(arguments), arguments.json)


if __name__ == "__main__":
    main()
