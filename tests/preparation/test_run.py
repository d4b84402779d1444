"""A run over files that hang or crash the decoder."""

import sys
from pathlib import Path

import pytest

from corpora.store import FeatureStore, FeatureWriter
from preparation.encoder import Encoder
from preparation.run import run
from speech.audio import write_audio
from speech.errors import ConfigError, StorageError
from tests.preparation.toy_stage import Toy
from tests.toy_models import speech_like


@pytest.fixture(scope="module")
def corpus(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "toy"
    for number in range(10):
        for name in ("a", "b"):
            (folder / f"s{number}").mkdir(parents=True, exist_ok=True)
            write_audio(folder / f"s{number}/{name}.wav", speech_like(1.7, seed=number))
    for name in ("s3/hangs", "s5/kills", "s7/hangs"):
        write_audio(folder / f"{name}.wav", speech_like(1.7))
    return folder


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
@pytest.mark.parametrize("jobs", [1, 2])
def test_files_that_hang_or_crash_are_rejected_and_nothing_else_is_lost(tmp_path, corpus, capsys, jobs):
    settings = Toy(corpora=(corpus,), out=tmp_path, jobs=jobs, max_decode_seconds=0.3)
    run(settings)
    store = FeatureStore(tmp_path)
    assert store.keys == sorted(f"toy/s{number}/{name}.wav" for number in range(10) for name in "ab")
    assert [key for key, _ in store.rejected()] == ["toy/s3/hangs.wav", "toy/s5/kills.wav", "toy/s7/hangs.wav"]
    lines = [line for path in tmp_path.glob("index-*.jsonl") for line in path.read_bytes().splitlines()]
    assert len(lines) == len(store)  # nothing was stored twice
    assert {path.name for path in tmp_path.glob("rejected*") if path.stat().st_size} == {"rejected.jsonl"}
    assert "takes too long to decode, for example toy/s3/hangs.wav" in capsys.readouterr().out
    run(settings)  # what was rejected is not tried again
    assert "0 are to do" in capsys.readouterr().out
    assert len(FeatureStore(tmp_path).rejected()) == 3


def test_rejected_utterances_can_be_retried(tmp_path, capsys):
    corpus = tmp_path / "mine"
    (corpus / "ann").mkdir(parents=True)
    write_audio(corpus / "ann/good.wav", speech_like(2.0))
    (corpus / "ann/bad.wav").write_bytes(b"not copied yet")
    run(Encoder(corpora=(corpus,), out=tmp_path / "store", jobs=0, min_seconds=0.8))
    write_audio(corpus / "ann/bad.wav", speech_like(2.0), overwrite=True)
    run(Encoder(corpora=(corpus,), out=tmp_path / "store", jobs=0, min_seconds=0.8))
    assert len(FeatureStore(tmp_path / "store")) == 1
    run(Encoder(corpora=(corpus,), out=tmp_path / "store", jobs=0, min_seconds=0.8, retry=True))
    store = FeatureStore(tmp_path / "store")
    assert len(store) == 2 and store.rejected() == []


def test_a_second_run_into_the_same_store_is_refused(tmp_path, corpus, monkeypatch):
    monkeypatch.setattr("corpora.store_writer.LOCK_SECONDS", 0.0)
    with FeatureWriter(tmp_path, "main"), pytest.raises(StorageError, match="Another process"):
        run(Toy(corpora=(corpus,), out=tmp_path, jobs=0))


def test_settings_are_checked(tmp_path):
    with pytest.raises(ConfigError, match="--max-decode-seconds"):
        Toy(corpora=(tmp_path,), out=tmp_path, max_decode_seconds=0)
    with pytest.raises(ConfigError, match="--jobs"):
        Toy(corpora=(tmp_path,), out=tmp_path, jobs=-1)
