"""Vocoders by name."""

import pytest

from modelfile.checkpoint import save_model
from speech.errors import ModelFileError
from tests.toy_models import toy_vocoder
from vocoder.names import find_vocoder


def test_a_name_is_a_file_of_the_models_folder(tmp_path):
    with pytest.raises(ModelFileError, match="holds no wavernn"):
        find_vocoder(tmp_path, "wavernn")
    toy_vocoder().save(tmp_path / "vocoder.safetensors")
    assert find_vocoder(tmp_path, "WaveRNN") == tmp_path / "vocoder.safetensors"
    save_model(tmp_path / "vocoder.safetensors", {}, stage="vocoder", kind="theremin", config={}, step=0)
    with pytest.raises(ModelFileError, match="holds no wavernn"):
        find_vocoder(tmp_path, "wavernn")
    toy_vocoder().save(tmp_path / "vocoder-wavernn.safetensors")
    assert find_vocoder(tmp_path, "wavernn") == tmp_path / "vocoder-wavernn.safetensors"


def test_two_kinds_live_in_one_folder(tmp_path):
    usual, other = tmp_path / "vocoder.safetensors", tmp_path / "vocoder-spectral.safetensors"
    toy_vocoder().save(usual)
    save_model(other, {}, stage="vocoder", kind="spectral", config={}, step=0)
    assert (find_vocoder(tmp_path, "wavernn"), find_vocoder(tmp_path, "spectral")) == (usual, other)
    toy_vocoder().save(other)  # what a file says that it is counts, not its name
    with pytest.raises(ModelFileError, match="holds no spectral"):
        find_vocoder(tmp_path, "spectral")


def test_anything_else_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for wish in ("a/b", "my.safetensors", tmp_path / "x"):
        assert str(find_vocoder(tmp_path, wish)) == str(wish)
    with pytest.raises(ModelFileError, match=r"theremin.*choose wavernn, spectral, griffin-lim"):
        find_vocoder(tmp_path, "theremin")
