"""Whisper with stand-ins for its packages: which models are loaded, when a download is announced, and normalisation."""

import re
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from evaluation.whisper import Whisper
from speech.errors import ConfigError, ModelFileError


class FasterWhisper(ModuleType):
    """The package, with an empty cache and a hub at `folder`; recognises the same two segments in everything."""

    def __init__(self, folder):
        super().__init__("faster_whisper")
        self.folder = folder
        self.calls = []
        self.hub_is_there = True

    def available_models(self):
        return ["tiny.en", "base.en"]

    def download_model(self, name, local_files_only=False):
        self.calls.append((name, local_files_only))
        if local_files_only or not self.hub_is_there:
            raise FileNotFoundError(name)
        return str(self.folder)

    def WhisperModel(self, path, device, compute_type, cpu_threads):
        if "broken" in path:
            raise RuntimeError("invalid model")
        assert (device, compute_type) == ("cpu", "float32") and cpu_threads >= 1
        segments = [SimpleNamespace(text=" Hello, "), SimpleNamespace(text=" There’s two.")]
        return SimpleNamespace(transcribe=lambda wav, **settings: (iter(segments), settings))


@pytest.fixture
def package(tmp_path, monkeypatch):
    def normaliser():
        return lambda text: re.sub(r"[^a-z0-9' ]", "", text.lower()).replace("two", "2")

    package = FasterWhisper(model_folder(tmp_path / "cache"))
    monkeypatch.setitem(sys.modules, "faster_whisper", package)
    monkeypatch.setitem(sys.modules, "whisper_normalizer", ModuleType("whisper_normalizer"))
    monkeypatch.setitem(sys.modules, "whisper_normalizer.english", SimpleNamespace(EnglishTextNormalizer=normaliser))
    return package


def model_folder(path):
    path.mkdir()
    for name in ("model.bin", "tokenizer.json"):
        (path / name).touch()
    return path


def test_a_folder_is_loaded_without_the_hub(package, tmp_path):
    recogniser = Whisper(str(model_folder(tmp_path / "small")))
    assert package.calls == []
    assert recogniser.name == "faster-whisper small"
    assert recogniser.transcribe(np.zeros(16_000, np.float32)) == ["hello", "there's", "2"]
    assert recogniser.transcribe(np.zeros(0, np.float32)) == []
    assert recogniser.words("There’s Two!") == ["there's", "2"]
    assert recogniser.sentence_set(["a", "b"]) is None


def test_a_named_model_is_downloaded_after_a_warning(package, caplog):
    assert Whisper("tiny.en").name == "faster-whisper tiny.en"
    assert package.calls == [("tiny.en", True), ("tiny.en", False)]
    assert "Downloading the Whisper model tiny.en" in caplog.text


def test_a_named_model_in_the_cache_is_not_downloaded(package, caplog, monkeypatch):
    monkeypatch.setattr(package, "download_model", lambda name, local_files_only: str(package.folder))
    Whisper("base.en")
    assert caplog.text == ""


def test_mistakes_are_reported(package, tmp_path):
    with pytest.raises(ConfigError, match=r"no Whisper model models/none: name a folder, or one of tiny\.en, base\.en"):
        Whisper("models/none")
    assert package.calls == []
    with pytest.raises(ModelFileError, match=r"broken \(invalid model\)"):
        Whisper(str(model_folder(tmp_path / "broken")))
    folder = model_folder(tmp_path / "incomplete")
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelFileError, match=r"no tokenizer\.json"):
        Whisper(str(folder))
    package.hub_is_there = False
    with pytest.raises(ConfigError, match=r"cannot be downloaded \(FileNotFoundError\)"):
        Whisper("tiny.en")


@pytest.mark.parametrize("name", ["faster_whisper", "whisper_normalizer.english"])
def test_missing_packages_are_named(package, name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ConfigError, match="run pip install faster-whisper whisper-normalizer"):
        Whisper("tiny.en")


def test_the_normaliser_of_whisper(package, monkeypatch):
    monkeypatch.delitem(sys.modules, "whisper_normalizer.english")
    monkeypatch.delitem(sys.modules, "whisper_normalizer")
    pytest.importorskip("whisper_normalizer.english")
    recogniser = Whisper(str(package.folder))
    assert " ".join(recogniser.words("Mr. Grey won’t see twenty-two colours.")) == "mister gray will not see 22 colors"
