"""Summaries and statistics of a store."""

import json
from pathlib import Path

import numpy as np
import pytest

from corpora.store import FeatureStore, FeatureWriter
from corpora.summary import describe_store, statistics, write_statistics


def make(folder: Path, seconds: list[float]) -> FeatureStore:
    with FeatureWriter(folder) as writer:
        writer.write_info({})
        for number, length in enumerate(seconds):
            meta = {"speaker": f"s{number % 3}", "corpus": "c|\u0007", "split": "train", "seconds": length}
            writer.add(f"{number}", {"x": np.zeros(1)}, meta)
        writer.reject("a", "too short (0.1 s)")
        writer.reject("b", "too short (0.2 s)")
        writer.reject("c", "silent")
    return FeatureStore(folder)


def test_statistics_are_sums_that_agree(tmp_path):
    lengths = [1.0, 2.5, 3.0, 3.5, 7.0, 7.0, 9.9, 400.0]
    store = make(tmp_path, lengths)
    numbers = statistics(store)
    assert numbers["in_all"]["items"] == 8 and numbers["in_all"]["speakers"] == 3
    assert numbers["in_all"]["hours"] == pytest.approx(sum(lengths) / 3600, abs=1e-4)
    assert numbers["left_out"] == {"too short": 2, "silent": 1}
    for name, count in (("seconds_of_an_item", 8), ("items_of_a_speaker", 3), ("seconds_of_a_speaker", 3)):
        distribution = numbers[name]
        assert sum(distribution["counts"]) == count
        assert len(distribution["edges"]) == len(distribution["counts"]) + 1
        assert distribution["edges"] == sorted(distribution["edges"])
        assert distribution["edges"][-1] >= distribution["maximum"]
    assert numbers["seconds_of_an_item"]["median"] == 5.25
    assert max(numbers["seconds_of_an_item"]["counts"]) < 8  # one long item does not hide how the others differ
    write_statistics(store)
    assert json.loads((tmp_path / "statistics.json").read_text()) == numbers


def test_description(tmp_path):
    lines = describe_store(make(tmp_path, [1.0, 1.2, 3.0, 3.1])).splitlines()
    assert any(line.startswith("c|\\x07") for line in lines)
    assert [line.split() for line in lines if line.strip().endswith("#")][-1][0] == "2"  # items of s0
    assert "left out: 3; each with its reason in" in "\n".join(lines)
    assert "Nothing is held out" in lines[-1]


@pytest.mark.parametrize("seconds", [[], [0.0], [0.0004], [1e5]])
def test_odd_stores_are_described(tmp_path, seconds):
    store = make(tmp_path, seconds)
    assert "left out: 3" in describe_store(store)
    assert statistics(store)["in_all"]["items"] == len(seconds)
