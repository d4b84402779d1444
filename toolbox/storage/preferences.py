"""Settings and layout of the window, in one JSON file of the user."""

from __future__ import annotations

import contextlib
import json
import logging
from pathlib import Path
from typing import Any, TypeVar

from modelfile.files import write_json
from modelfile.user_folders import config_folder

logger = logging.getLogger(__name__)

Value = TypeVar("Value")

FILE_NAME = "toolbox.json"
FORMAT = 1


def default_preferences_file() -> Path:
    return config_folder() / FILE_NAME


class Preferences:
    """Settings by name. A damaged value or one of an unexpected type counts as unset.

    Args:
        path: the file; by default in the platform's folder for settings.

    Attributes:
        remark: a sentence if the file exists but could not be used, else "". The file is then renamed to
            `toolbox.json.damaged`.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self.path = Path(path) if path is not None else default_preferences_file()
        self.remark = ""
        self._values = self._read()
        self._saved = dict(self._values)

    def get(self, name: str, default: Value) -> Value:
        """The value of a setting, or `default` if it is unset or of another type than `default`.

        A default of None accepts any value. An int is accepted for a float.
        """
        value = self._values.get(name)
        if value is None or default is None:
            return default if value is None else value
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            return float(value)  # type: ignore[return-value]
        fits = isinstance(value, type(default)) and isinstance(value, bool) == isinstance(default, bool)
        return value if fits else default

    def set(self, name: str, value: Any) -> None:
        """Change a setting; `save` writes it. The value must be representable in JSON."""
        json.dumps(value, allow_nan=False)
        self._values[name] = value

    def save(self) -> None:
        """Write the file if a setting changed. Raises: StorageError."""
        if self._values != self._saved or not self.path.exists():
            write_json(self.path, {"format": FORMAT, "settings": self._values})
            self._saved = json.loads(json.dumps(self._values))

    def _read(self) -> dict[str, Any]:
        try:
            content = json.loads(self.path.read_text(encoding="utf-8"))
            settings = content["settings"]
            if not isinstance(settings, dict):
                raise TypeError("no table of settings")
        except FileNotFoundError:
            return {}
        except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
            logger.warning("%s: %s", self.path, error)
            self.remark = f"The settings file {self.path} could not be read: all settings are back to their defaults."
            with contextlib.suppress(OSError):
                self.path.replace(self.path.with_name(f"{self.path.name}.damaged"))
            return {}
        return {str(name): value for name, value in settings.items()}
