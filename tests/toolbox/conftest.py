"""A window without a screen, with toy models, fake audio devices and temporary folders."""

import os

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("PYTEST_QT_API", "pyqt5")

import pytest

from tests.toolbox.fakes import AppDriver, save_speech
from tests.toy_models import save_toy_models


@pytest.fixture(scope="session")
def toy_folder(tmp_path_factory):
    """Toy models. Everything that they need is imported here, so that no test waits for it."""
    from toolbox.jobs.quiet_imports import import_quietly

    import_quietly()
    return save_toy_models(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="session")
def clips(tmp_path_factory):
    """Three recordings that pass for speech."""
    folder = tmp_path_factory.mktemp("clips")
    return [save_speech(folder / f"clip {number}.wav", 3.0, 110 + 30 * number, number) for number in range(3)]


@pytest.fixture
def app(qtbot, toy_folder, tmp_path):
    """See `AppDriver`; `app.open()` opens the window."""
    driver = AppDriver(qtbot, toy_folder, tmp_path)
    yield driver
    driver.close()
