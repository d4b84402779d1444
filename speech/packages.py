"""Optional packages, imported when they are needed."""

import importlib
from typing import Any

from speech.errors import ConfigError


def require_package(name: str, purpose: str, install: str = "") -> Any:
    """Import an optional package.

    Args:
        purpose: what needs it, for the error.
        install: what pip installs, if that is not the name.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        package = name.partition(".")[0]
        raise ConfigError(f"{purpose} needs the package {package}: run pip install {install or package}.") from error
