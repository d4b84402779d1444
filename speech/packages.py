"""Optional packages, imported when they are needed."""

import importlib
from typing import Any

from speech.errors import ConfigError


def require_package(name: str, purpose: str) -> Any:
    """Import an optional package.

    Args:
        purpose: what needs it, for the error.

    Raises:
        ConfigError: it is not installed.
    """
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ConfigError(f"{purpose} needs the package {name}: run pip install {name}.") from error
