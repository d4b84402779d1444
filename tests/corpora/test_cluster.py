"""Preprocessing on a Dask cluster of this machine, whose workers are killed."""

import multiprocessing
import os
import shutil
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from corpora.cluster import fill_store_on_cluster
from corpora.store import FeatureStore
from preparation.encoder import Encoder
from preparation.run import run
from speech.audio import write_audio
from speech.errors import ConfigError
from tests.preparation.toy_stage import Toy
from tests.toy_models import speech_like

distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(1200),
    pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL"),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator:
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        yield cluster


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "toy"
    for number in range(20):
        (folder / f"s{number}").mkdir(parents=True)
        for name in "ab":
            write_audio(folder / f"s{number}/{name}.wav", speech_like(1.8, seed=number))
    return folder


def contents(folder: Path) -> dict[str, tuple]:
    store = FeatureStore(folder)
    return {
        key: (store.meta(index), [store.array(index, name).tobytes() for name in store.fields])
        for index, key in enumerate(store.keys)
    }


def test_the_store_of_a_cluster_equals_that_of_local_processes(tmp_path, corpus, cluster) -> None:
    run(Encoder(corpora=(corpus,), out=tmp_path / "local", jobs=1))
    run(Encoder(corpora=(corpus,), out=tmp_path / "cluster", jobs=1, scheduler=cluster.scheduler_address))
    assert len(FeatureStore(tmp_path / "local")) == 40
    assert contents(tmp_path / "local") == contents(tmp_path / "cluster")
    assert len(list((tmp_path / "cluster").glob("index-dask-*.jsonl"))) == 2


def test_killed_workers_hanging_files_and_crashes(tmp_path, corpus, cluster) -> None:
    """A worker dies in the middle, one file hangs, one crashes: everything else is in the store."""
    trouble = shutil.copytree(corpus, tmp_path / "toy")
    for name in ("hangs", "kills"):
        (trouble / name).mkdir()
        write_audio(trouble / name / f"{name}.wav", speech_like(1.8))
    out = tmp_path / "store"
    before = process_ids(cluster)

    def kill_one() -> None:
        while not any(path.stat().st_size for path in out.glob("index-dask-*.jsonl")):
            time.sleep(0.05)
        os.kill(next(iter(before)), signal.SIGKILL)

    killer = threading.Thread(target=kill_one)
    killer.start()
    settings = Toy(corpora=(trouble,), out=out, jobs=1, max_decode_seconds=0.5, scheduler=cluster.scheduler_address)
    run(settings)
    killer.join()
    assert before != process_ids(cluster)
    store = FeatureStore(out)
    assert list(store.keys) == sorted(f"toy/s{number}/{name}.wav" for number in range(20) for name in "ab")
    reasons = {key: reason.split(" (")[0] for key, reason in store.rejected()}
    assert reasons == {
        "toy/hangs/hangs.wav": "takes too long to decode",
        "toy/kills/kills.wav": "crashed the process that worked on it, twice",
    }


def test_a_run_that_stops_goes_on(tmp_path, corpus, cluster) -> None:
    settings = Encoder(corpora=(corpus,), out=tmp_path / "store", jobs=1, scheduler=cluster.scheduler_address)
    process = multiprocessing.get_context("spawn").Process(target=run, args=(settings,))
    process.start()
    while not any(path.stat().st_size for path in (tmp_path / "store").glob("index-dask-*.jsonl")):
        assert process.is_alive()
        time.sleep(0.05)
    process.kill()
    process.join()
    run(settings)
    run(Encoder(corpora=(corpus,), out=tmp_path / "local", jobs=1))
    assert contents(tmp_path / "store") == contents(tmp_path / "local")


def test_errors_in_one_sentence(tmp_path) -> None:
    with pytest.raises(ConfigError, match="There is no Dask scheduler at nonsense"):
        next(iter(fill_store_on_cluster("nonsense", tmp_path, [], print)))  # type: ignore[arg-type]


def process_ids(cluster) -> set[int]:
    with distributed.Client(cluster) as client:
        return set(client.run(os.getpid).values())
