"""Folders of this user, by the convention of the platform."""

from __future__ import annotations

import os
import sys
from pathlib import Path

NAME = "sv2tts-toolkit"


def user_data_folder() -> Path:
    """For voices and results."""
    return _folder("LOCALAPPDATA", "AppData/Local", "Library/Application Support", "XDG_DATA_HOME", ".local/share")


def config_folder() -> Path:
    """For settings."""
    return _folder("APPDATA", "AppData/Roaming", "Library/Preferences", "XDG_CONFIG_HOME", ".config")


def _folder(windows_variable: str, windows: str, mac: str, linux_variable: str, linux: str) -> Path:
    """The paths are those of each platform, relative to the home folder, for when its variable is not set."""
    if sys.platform == "darwin":
        return Path.home() / mac / NAME
    variable, usual = (windows_variable, windows) if sys.platform == "win32" else (linux_variable, linux)
    return Path(os.environ.get(variable) or Path.home() / usual) / NAME
