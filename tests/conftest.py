"""Fixtures for the tests of all packages."""

import os
import threading
from pathlib import Path

# Toy models gain nothing from threads, and threads of parallel test processes slow each other down.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

import pytest  # noqa: E402
from tqdm import tqdm  # noqa: E402

# By default, progress bars also share a lock between processes. One that a test kills may hold it for ever.
tqdm.set_lock(threading.RLock())

REPOSITORY = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def repository() -> Path:
    return REPOSITORY


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    """Recorded speech and reference values beside the checkout. Tests that need them are skipped without it."""
    path = REPOSITORY.parent / "shared"
    if not (path / "golden").is_dir():
        pytest.skip("recorded speech and reference values are not beside this checkout")
    return path


@pytest.fixture(scope="session")
def golden_dir(shared_dir: Path) -> Path:
    return shared_dir / "golden"


@pytest.fixture(scope="session")
def samples_dir(repository: Path) -> Path:
    return repository / "samples"
