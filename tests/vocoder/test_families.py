"""Vocoders by name."""

import pytest

from modelfile.checkpoint import save_model
from modelfile.header import ModelHeader
from speech.errors import ModelFileError
from speech.mel import MelConfig
from tests.toy_models import toy_vocoder
from vocoder.families import find_vocoder, load_vocoder, vocoder_names


def test_names_are_those_of_the_families():
    assert vocoder_names() == ("wavernn", "spectral", "griffin-lim")


def test_a_name_is_a_file_of_the_models_folder(tmp_path):
    with pytest.raises(ModelFileError, match="has no wavernn"):
        find_vocoder(tmp_path, "wavernn")
    toy_vocoder().save(tmp_path / "vocoder.safetensors")
    assert find_vocoder(tmp_path, "WaveRNN") == tmp_path / "vocoder.safetensors"
    save_model(tmp_path / "vocoder.safetensors", {}, ModelHeader("vocoder", "theremin"))
    with pytest.raises(ModelFileError, match="has no wavernn"):
        find_vocoder(tmp_path, "wavernn")
    toy_vocoder().save(tmp_path / "vocoder-wavernn.safetensors")
    assert find_vocoder(tmp_path, "wavernn") == tmp_path / "vocoder-wavernn.safetensors"


def test_a_folder_can_hold_two_families(tmp_path):
    default, named = tmp_path / "vocoder.safetensors", tmp_path / "vocoder-spectral.safetensors"
    toy_vocoder().save(default)
    save_model(named, {}, ModelHeader("vocoder", "spectral"))
    assert (find_vocoder(tmp_path, "wavernn"), find_vocoder(tmp_path, "spectral")) == (default, named)
    toy_vocoder().save(named)  # the header counts, not the file's name
    with pytest.raises(ModelFileError, match="has no spectral"):
        find_vocoder(tmp_path, "spectral")


def test_anything_else_is_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path in ("a/b", "my.safetensors", tmp_path / "x"):
        assert str(find_vocoder(tmp_path, path)) == str(path)
    with pytest.raises(ModelFileError, match=r"theremin.*choose wavernn, spectral, griffin-lim"):
        find_vocoder(tmp_path, "theremin")


def test_griffin_lim_needs_no_file(tmp_path):
    assert find_vocoder(tmp_path, "griffin-lim") is None
    mel_config = MelConfig(fmin=40.0)
    vocoder = load_vocoder(None, mel_config)
    assert (vocoder.kind, vocoder.mel_config) == ("griffin-lim", mel_config)


def test_a_file_has_mel_settings_of_its_own(tmp_path):
    toy_vocoder().save(tmp_path / "v.safetensors")
    vocoder = load_vocoder(tmp_path / "v.safetensors", MelConfig(fmin=40.0), engine="torch")
    assert (vocoder.kind, vocoder.mel_config) == ("wavernn", MelConfig())
