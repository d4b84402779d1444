"""Remains of killed writers."""

from __future__ import annotations

import contextlib
import shutil
import time
from pathlib import Path

from speech.files import TEMPORARY_SUFFIX

LEFTOVER_SECONDS = 3600


def remove_leftovers(folder: Path) -> None:
    """Delete incomplete files that killed writers left in `folder` over an hour ago. Newer ones may be in use."""
    with contextlib.suppress(OSError):
        for leftover in folder.glob(f".*{TEMPORARY_SUFFIX}"):
            if time.time() - leftover.stat().st_mtime < LEFTOVER_SECONDS:
                continue
            if leftover.is_dir():
                shutil.rmtree(leftover, ignore_errors=True)
            else:
                leftover.unlink(missing_ok=True)
