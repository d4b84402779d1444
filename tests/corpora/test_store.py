"""The feature store loses nothing and stores nothing twice, even if a writer is killed."""

import json
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from corpora.store import FeatureStore, FeatureWriter
from corpora.store_compiled import COMPILED_NAME, CompiledIndex
from speech.errors import StorageError

HOSTILE = 'a|b, "c"\nd\r\te\\ é 漢字 \u2028 \x00 🎙'


def arrays(seed: int, frames: int = 7) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {"mel": rng.integers(0, 256, (frames, 5), dtype=np.uint8), "embedding": rng.random(4, dtype=np.float32)}


def fill(directory: Path, numbers, worker: str = "0", shard_bytes: int = 1 << 20) -> None:
    with FeatureWriter(directory, worker, shard_bytes) as writer:
        writer.write_info({"stage": "test"})
        for number in numbers:
            if f"{number:03d}" not in writer.done:
                writer.add(f"{number:03d}", arrays(number), {"number": number})


def check(store: FeatureStore, numbers) -> None:
    assert store.keys == [f"{number:03d}" for number in numbers]
    for index, number in enumerate(numbers):
        for name, expected in arrays(number).items():
            np.testing.assert_array_equal(store.array(index, name), expected)
        assert store.meta(index) == {"number": number}


def test_items_are_read_as_written(tmp_path):
    fill(tmp_path, range(20), shard_bytes=300)
    store = FeatureStore(tmp_path)
    check(store, range(20))
    assert len(list(tmp_path.glob("data-*.bin"))) > 3
    assert store.fields == ("embedding", "mel")
    assert store.info["stage"] == "test"
    assert store.find("007") == 7
    assert store.select(number=3) == [3]
    assert store.shape(0, "mel") == (7, 5)
    with pytest.raises(ValueError):
        store.array(0, "mel")[0] = 1


def test_order_does_not_depend_on_writers(tmp_path):
    context: Any = multiprocessing.get_context("fork" if sys.platform != "win32" else "spawn")
    workers = [
        context.Process(target=fill, args=(tmp_path, range(start, 40, 4), str(start), 400)) for start in (3, 0, 2, 1)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    check(FeatureStore(tmp_path), range(40))


def test_a_store_can_be_pickled_after_use(tmp_path):
    fill(tmp_path, range(5))
    store = FeatureStore(tmp_path)
    store.array(0, "mel")
    content = pickle.dumps(store)
    assert len(content) < 4000
    check(pickle.loads(content), range(5))


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_array_key_and_meta_come_back(tmp_path_factory, monkeypatch, data):
    monkeypatch.setattr("os.fsync", lambda file: None)  # most of the time of this test
    directory = tmp_path_factory.mktemp("store")
    dtypes = st.one_of(
        hnp.boolean_dtypes(), hnp.integer_dtypes(endianness="?"), hnp.floating_dtypes(), hnp.unicode_string_dtypes()
    )
    shapes = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
    json_values = st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4)
    items = data.draw(
        st.dictionaries(
            st.text(),
            st.tuples(
                st.dictionaries(st.text(), hnp.arrays(dtypes, shapes), max_size=3),
                st.dictionaries(st.text(), json_values, max_size=3),
            ),
            max_size=4,
        )
    )
    with FeatureWriter(directory, shard_bytes=data.draw(st.sampled_from([1, 200, 10_000]))) as writer:
        writer.write_info({})
        for key, (values, meta) in items.items():
            writer.add(key, values, meta)
    for compiled in (False, True):
        if compiled:
            FeatureWriter(directory).compile_index()
        store = FeatureStore(directory)
        assert compiled == isinstance(store._index, CompiledIndex)
        assert list(store.keys) == sorted(items)
        for index, key in enumerate(store.keys):
            values, meta = items[key]
            assert store.meta(index) == meta
            assert store.find(key) == index
            for name, value in values.items():
                found = store.array(index, name)
                assert found.dtype == value.dtype and found.shape == value.shape
                assert found.tobytes() == value.tobytes()


def test_hostile_texts(tmp_path):
    with FeatureWriter(tmp_path) as writer:
        writer.write_info({"text": HOSTILE})
        writer.add(HOSTILE, arrays(0), {HOSTILE: HOSTILE})
        writer.reject("undecodable \udcff name", HOSTILE)
    store = FeatureStore(tmp_path)
    assert store.keys == [HOSTILE]
    assert store.meta(0) == {HOSTILE: HOSTILE}
    assert store.info["text"] == HOSTILE
    assert store.rejected() == [("undecodable \udcff name", HOSTILE)]
    assert FeatureWriter(tmp_path, "1").done == {HOSTILE, "undecodable \udcff name"}


@pytest.mark.parametrize("cut", [1, 20, 150])
def test_an_incomplete_index_line_is_written_again(tmp_path, cut):
    fill(tmp_path, range(4))
    index = tmp_path / "index-0.jsonl"
    os.truncate(index, index.stat().st_size - cut)
    check(FeatureStore(tmp_path), range(3))
    fill(tmp_path, range(6))
    check(FeatureStore(tmp_path), range(6))


def test_truncated_arrays_are_written_again(tmp_path):
    fill(tmp_path, range(4))
    data = tmp_path / "data-0-0000.bin"
    whole = data.stat().st_size
    os.truncate(data, whole - 70)
    check(FeatureStore(tmp_path), range(3))
    fill(tmp_path, range(4))
    check(FeatureStore(tmp_path), range(4))
    assert data.stat().st_size == whole  # incomplete data of the killed run takes no space


def test_arrays_that_never_reached_the_disk_are_written_again(tmp_path):
    fill(tmp_path, range(4))
    with (tmp_path / "data-0-0000.bin").open("r+b") as file:
        file.seek(-128, os.SEEK_END)
        file.write(bytes(128))
    check(FeatureStore(tmp_path), range(3))
    fill(tmp_path, range(4))
    check(FeatureStore(tmp_path), range(4))


def test_damaged_lines_in_the_middle_are_skipped(tmp_path):
    fill(tmp_path, range(2))
    with (tmp_path / "index-0.jsonl").open("ab") as file:
        file.write(b"\x00\x00\x00\n[]\n{}\n\xff\xfe\n")
    fill(tmp_path, range(4))
    check(FeatureStore(tmp_path), range(4))


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_writer_loses_nothing_that_it_reported(tmp_path, repository):
    script = textwrap.dedent(
        """
        import sys, numpy as np
        from corpora.store import FeatureWriter
        writer = FeatureWriter(sys.argv[1], shard_bytes=20_000)
        writer.write_info({})
        for number in range(100_000):
            key = f"{number:06d}"
            if key not in writer.done:
                writer.add(key, {"x": np.full(100, number)}, {})
                print(number, flush=True)
        """
    )
    for round_ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", script, str(tmp_path)], cwd=repository, stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        reported = -1
        for line in process.stdout:
            reported = int(line)
            if reported >= 150 * (round_ + 1):
                process.send_signal(signal.SIGKILL)
                break
        process.wait()
        process.stdout.close()
        store = FeatureStore(tmp_path)
        assert len(store) > reported
        assert store.keys == [f"{number:06d}" for number in range(len(store))]
        assert all((store.array(index, "x") == index).all() for index in range(len(store)))


def test_keys_of_all_workers_are_done(tmp_path):
    fill(tmp_path, range(3), "a")
    with FeatureWriter(tmp_path, "b") as writer:
        writer.reject("x", "too short")
        writer.reject("x", "again")
        assert writer.done == {"000", "001", "002", "x"}
        with pytest.raises(StorageError, match="already"):
            writer.add("001", arrays(0), {})
    assert FeatureStore(tmp_path).rejected() == [("x", "too short")]


def test_settings_of_a_store_do_not_change(tmp_path):
    with FeatureWriter(tmp_path) as writer:
        writer.write_info({"hop": 200, "shape": (1, 2)})
        writer.write_info({"hop": 200, "shape": (1, 2)})
        with pytest.raises(StorageError, match="hop"):
            writer.write_info({"hop": 256, "shape": (1, 2)})


def test_other_folders_are_refused(tmp_path):
    with pytest.raises(StorageError, match=r"preprocess\.py"):
        FeatureStore(tmp_path)
    with pytest.raises(StorageError):
        FeatureStore(tmp_path / "missing")
    (tmp_path / "store.json").write_text(json.dumps({"format_version": 99}), encoding="utf-8")
    with pytest.raises(StorageError, match="newer"):
        FeatureStore(tmp_path)
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(StorageError, match="cannot be written"):
        FeatureWriter(tmp_path / "file")
    with pytest.raises(StorageError, match="letters"):
        FeatureWriter(tmp_path / "new", worker="../x")


def test_unstorable_values_are_refused_and_store_nothing(tmp_path):
    with FeatureWriter(tmp_path) as writer:
        writer.write_info({})
        with pytest.raises(StorageError, match="dtype"):
            writer.add("a", {"x": np.array([object()])}, {})
        with pytest.raises(StorageError, match="JSON"):
            writer.add("a", {"x": np.zeros(3)}, {"x": object()})
        writer.add("a", {"x": np.ones(3)}, {})
    store = FeatureStore(tmp_path)
    np.testing.assert_array_equal(store.array(0, "x"), np.ones(3))
    with pytest.raises(StorageError, match="no 'mel'"):
        store.array(0, "mel")
    with pytest.raises(StorageError, match="no item"):
        store.find("b")


def test_a_full_disk_is_reported_and_loses_no_item(tmp_path, monkeypatch):
    fill(tmp_path, range(2))
    with FeatureWriter(tmp_path) as writer:
        with monkeypatch.context() as patch:
            patch.setattr("corpora.store_writer._write_all", _full)
            with pytest.raises(StorageError, match="No space"):
                writer.add("002", arrays(2), {"number": 2})
        writer.add("002", arrays(2), {"number": 2})
    check(FeatureStore(tmp_path), range(3))


def _full(file, content):
    file.write(content[: len(content) // 2])
    raise OSError(28, "No space left on device")


def speech_meta(number: int) -> dict[str, Any]:
    split = "validation" if number % 5 == 0 else "train"
    return {"speaker": f"s{number % 3}", "corpus": "c", "split": split, "seconds": number + 0.5, "words": [number]}


def compiled_store(directory: Path, count: int = 20) -> FeatureStore:
    """Half of the items by each of two writers, with different arrays, compiled."""
    for worker in ("0", "1"):
        with FeatureWriter(directory, worker, 600) as writer:
            writer.write_info({"stage": "test"})
            for number in range(int(worker), count, 2):
                if f"{number:03d}" not in writer.done:
                    more = {"extra": np.arange(3.0)} if number % 2 else {}
                    writer.add(f"{number:03d}", arrays(number) | more, speech_meta(number))
    FeatureWriter(directory).compile_index()
    store = FeatureStore(directory)
    assert isinstance(store._index, CompiledIndex)
    return store


def test_a_compiled_store_answers_as_its_lines_do(tmp_path):
    compiled = compiled_store(tmp_path)
    copy = pickle.loads(pickle.dumps(compiled))
    (tmp_path / COMPILED_NAME).unlink()
    lines = FeatureStore(tmp_path)
    assert not isinstance(lines._index, CompiledIndex)
    for store in (compiled, copy):
        assert list(store.keys) == lines.keys and store.keys[-1] == "019" and store.keys[2:4] == ["002", "003"]
        assert store.fields == lines.fields == ("embedding", "extra", "mel")
        for wanted in ({"split": "train"}, {"speaker": "s1", "split": "validation"}, {"seconds": 3.5}, {"words": [4]}):
            assert store.select(**wanted) == lines.select(**wanted) != []
        assert store.select(speaker="nobody") == store.select(split=None) == []
        for index in range(len(lines)):
            assert store.meta(index) == lines.meta(index)
            for name in lines.fields:
                assert store.has(index, name) == lines.has(index, name)
                if lines.has(index, name):
                    assert store.shape(index, name) == lines.shape(index, name)
                    np.testing.assert_array_equal(store.array(index, name), lines.array(index, name))
        with pytest.raises(StorageError, match="holds no 'extra', only"):
            store.array(0, "extra")
        with pytest.raises(StorageError, match="no item named 'x'"):
            store.find("x")


def test_safetensors_reads_a_compiled_index(tmp_path):
    compiled_store(tmp_path)
    tensors = safetensors.numpy.load_file(tmp_path / COMPILED_NAME)
    assert tensors["keys"].tobytes().decode() == "".join(f"{number:03d}" for number in range(20))
    np.testing.assert_array_equal(np.sort(tensors["seconds"]), np.arange(20) + 0.5)


def test_a_compiled_index_that_is_not_up_to_date_is_not_used(tmp_path):
    compiled_store(tmp_path)
    with FeatureWriter(tmp_path, "2") as writer:
        writer.add("new", arrays(0), {})
    assert list(FeatureStore(tmp_path).keys)[-1] == "new"
    assert len(compiled_store(tmp_path)) == 21


@pytest.mark.parametrize("damage", ["cut", "rubbish", "empty", "header"])
def test_a_damaged_compiled_index_is_not_used(tmp_path, damage):
    compiled_store(tmp_path)
    path = tmp_path / COMPILED_NAME
    content = path.read_bytes()
    rubbish = {"cut": content[:-9], "rubbish": os.urandom(500), "empty": b"", "header": b"\xff" * 8 + content[8:]}
    path.write_bytes(rubbish[damage])
    assert list(FeatureStore(tmp_path).keys) == [f"{number:03d}" for number in range(20)]


def test_a_truncated_shard_is_noticed_in_a_compiled_store(tmp_path):
    compiled_store(tmp_path)
    shard = sorted(tmp_path.glob("data-1-*.bin"))[-1]
    os.truncate(shard, shard.stat().st_size - 70)
    assert list(FeatureStore(tmp_path).keys) == [f"{number:03d}" for number in range(19)]


def test_the_first_of_two_equal_keys_counts_also_when_compiled(tmp_path):
    for worker in ("0", "1"):
        with FeatureWriter(tmp_path, worker) as writer:
            writer.write_info({})
            writer.done.clear()
            writer.add("same", arrays(int(worker)), {"number": int(worker)})
    for _ in range(2):
        store = FeatureStore(tmp_path)
        assert list(store.keys) == ["same"] and store.meta(0) == {"number": 0}
        np.testing.assert_array_equal(store.array(0, "mel"), arrays(0)["mel"])
        FeatureWriter(tmp_path).compile_index()
