"""Preferences on disk."""

import pytest

from speech.errors import StorageError
from toolbox.storage.preferences import Preferences, default_preferences_file


def test_settings_are_restored(tmp_path):
    path = tmp_path / "not" / "yet" / "toolbox.json"
    first = Preferences(path)
    assert first.get("volume", 0.5) == 0.5 and not first.remark
    for name, value in (("volume", 1), ("seed", 7), ("layout", "AAAA=="), ("files", {"encoder": "a"}), ("on", True)):
        first.set(name, value)
    first.save()
    again = Preferences(path)
    assert again.get("volume", 0.5) == 1.0 and isinstance(again.get("volume", 0.5), float)
    assert (again.get("seed", 0), again.get("layout", ""), again.get("on", False)) == (7, "AAAA==", True)
    assert again.get("files", {}) == {"encoder": "a"} and again.get("files", None) == {"encoder": "a"}


def test_a_value_of_a_different_type_counts_as_unset(tmp_path):
    preferences = Preferences(tmp_path / "a.json")
    for name, value, default in (("a", "text", 3), ("b", True, 3), ("c", 1, False), ("d", None, 3), ("e", [], {})):
        preferences.set(name, value)
        assert preferences.get(name, default) == default


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"settings": 3}', b"\xff\xfe", b"[" * 100_000])
def test_a_damaged_file_is_reported_once_and_renamed(tmp_path, content):
    path = tmp_path / "toolbox.json"
    path.write_bytes(content)
    preferences = Preferences(path)
    assert "could not be read" in preferences.remark and preferences.get("a", 1) == 1
    assert (tmp_path / "toolbox.json.damaged").read_bytes() == content
    preferences.set("a", 2)
    preferences.save()
    again = Preferences(path)
    assert again.get("a", 1) == 2 and not again.remark


def test_unchanged_settings_are_not_written_again(tmp_path):
    preferences = Preferences(tmp_path / "a.json")
    preferences.set("list", [1])
    preferences.save()
    before = preferences.path.stat().st_mtime_ns
    preferences.set("list", [1])
    preferences.save()
    assert preferences.path.stat().st_mtime_ns == before
    kept: list[int] = preferences.get("list", [])
    kept.append(2)
    preferences.save()
    assert Preferences(preferences.path).get("list", []) == [1, 2]


def test_values_that_json_cannot_hold_are_refused(tmp_path):
    preferences = Preferences(tmp_path / "a.json")
    with pytest.raises(TypeError):
        preferences.set("a", b"bytes")
    with pytest.raises(ValueError):
        preferences.set("a", float("nan"))


def test_a_folder_that_cannot_be_written_is_an_error(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    preferences = Preferences(tmp_path / "file" / "toolbox.json")
    with pytest.raises(StorageError):
        preferences.save()


def test_the_default_file_follows_the_platform(monkeypatch, tmp_path):
    monkeypatch.setattr("sys.platform", "linux")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    assert default_preferences_file() == tmp_path / "sv2tts-toolkit" / "toolbox.json"
    assert Preferences().path == default_preferences_file()
