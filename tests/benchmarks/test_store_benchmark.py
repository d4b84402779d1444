"""The benchmark of feature stores, with small ones."""

from pathlib import Path

from benchmarks.store import make_store, measure_store


def test_a_made_up_store_is_measured(tmp_path: Path) -> None:
    make_store(tmp_path / "store", 2500)
    figures = measure_store(tmp_path / "store")
    assert {"open_ms", "array_first_us", "find_us", "select_ms"} <= figures.keys()
    assert all(value >= 0 for name, value in figures.items() if name != "open-memory_mb")
