"""Atomic writes, and incomplete files of killed writers."""

import os
import time

from toolbox.storage.files import remove_leftovers


def test_only_old_incomplete_files_are_removed(tmp_path):
    for name in (".a.1234.partial", ".b.1234.partial", "c", ".hidden"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".folder.partial").mkdir()
    long_ago = time.time() - 7200
    for name in (".a.1234.partial", ".folder.partial", "c"):
        os.utime(tmp_path / name, (long_ago, long_ago))
    remove_leftovers(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == [".b.1234.partial", ".hidden", "c"]
    remove_leftovers(tmp_path / "gone")
