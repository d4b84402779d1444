"""The file of the voice map."""

import numpy as np
import pytest

from toolbox.storage.map_file import StoredMap, read_map, write_map


@pytest.fixture
def path(tmp_path):
    rows = np.arange(12, dtype=np.float32).reshape(3, 4)
    stored = StoredMap(rows, rows[:, :2], ("ann", "ann", "Zoë"), ("a", "", "b \n c"), 2, 1, "space 1")
    write_map(tmp_path / "folder" / "map.safetensors", stored)
    return tmp_path / "folder" / "map.safetensors"


def test_a_map_is_read_as_it_was_written(path):
    found = read_map(path)
    assert found is not None
    np.testing.assert_array_equal(found.embeddings, np.arange(12).reshape(3, 4))
    np.testing.assert_array_equal(found.positions, found.embeddings[:, :2])
    assert (found.speakers, found.names) == (("ann", "ann", "Zoë"), ("a", "", "b \n c"))
    assert (found.fitted, found.fits, found.space) == (2, 1, "space 1")


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_a_missing_or_damaged_map_is_no_map(path, keep):
    path.write_bytes(path.read_bytes()[:keep])
    assert read_map(path) is None and read_map(path.with_name("other")) is None


def test_contents_that_do_not_fit_are_no_map(path):
    stored = read_map(path)
    assert stored is not None
    assert stored is not None
    for speakers, names, rows in (
        (("ann",), stored.names, stored.embeddings),
        (stored.speakers, ("a",), stored.embeddings),
        (stored.speakers, stored.names, stored.embeddings * np.nan),
    ):
        write_map(path, StoredMap(rows, stored.positions, speakers, names))
        assert read_map(path) is None


def test_an_empty_map_is_kept_empty(tmp_path):
    write_map(tmp_path / "map", StoredMap(np.zeros((0, 0)), np.zeros((0, 2)), (), ()))
    found = read_map(tmp_path / "map")
    assert found is not None and found.speakers == ()
