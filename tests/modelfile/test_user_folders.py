"""Folders of this user."""

import sys

import pytest

from modelfile.user_folders import config_folder


@pytest.mark.parametrize(
    ("platform", "variable", "tail"),
    [("linux", "XDG_CONFIG_HOME", ".config"), ("win32", "APPDATA", "Roaming"), ("darwin", None, "Preferences")],
)
def test_the_settings_folder_follows_the_platform(tmp_path, monkeypatch, platform, variable, tail):
    monkeypatch.setattr(sys, "platform", platform)
    if variable:
        monkeypatch.setenv(variable, str(tmp_path))
        assert config_folder() == tmp_path / "sv2tts-toolkit"
        monkeypatch.delenv(variable)
    assert config_folder().parts[-2:] == (tail, "sv2tts-toolkit")
