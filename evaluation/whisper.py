"""Speech recognition by Whisper (Radford et al., arXiv 2212.04356), run by faster-whisper on the CPU."""

from __future__ import annotations

import logging
import unicodedata
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.words import SentenceChooser
from speech.errors import ConfigError, ModelFileError
from speech.packages import require_package

logger = logging.getLogger(__name__)

PACKAGES = "faster-whisper whisper-normalizer"
FILES = ("model.bin", "tokenizer.json")  # without a tokenizer, faster-whisper would download one


class Whisper:
    """Transcribes in English with a beam of 5 and without sampling, so that the same audio gives the same words.

    Args:
        model: folder of a CTranslate2 Whisper model, or a name that faster-whisper knows, such as base.en. A named
            model is downloaded once from the Hugging Face Hub, after a warning.

    Raises:
        ConfigError: a package is missing, the name is unknown, or the download fails.
        ModelFileError: the folder has no such model.
    """

    def __init__(self, model: str) -> None:
        import torch

        package = require_package("faster_whisper", "Whisper", PACKAGES)
        normaliser = require_package("whisper_normalizer.english", "Whisper", PACKAGES)
        folder = Path(model) if Path(model).is_dir() else _downloaded(package, model)
        for file in FILES:
            if not (folder / file).is_file():
                raise ModelFileError(f"{folder} has no {file}: name the folder of a Whisper model for faster-whisper.")
        try:
            self._model = package.WhisperModel(
                str(folder), device="cpu", compute_type="float32", cpu_threads=torch.get_num_threads()
            )
        except (RuntimeError, ValueError) as error:
            raise ModelFileError(f"faster-whisper cannot load {folder} ({error}): name another model.") from error
        self._normalise = normaliser.EnglishTextNormalizer()
        self.name = f"faster-whisper {Path(model).name}"
        self.note = f"Words: {self.name}, both sides normalised by Whisper's English normaliser."

    def transcribe(self, wav: np.ndarray) -> list[str]:
        """The normalised words of a clip. Args: wav: float32 [samples] at 16 kHz, in [-1, 1]."""
        if not len(wav):
            return []
        segments, _ = self._model.transcribe(
            wav, language="en", beam_size=5, temperature=0.0, condition_on_previous_text=False, without_timestamps=True
        )
        return self.words(" ".join(segment.text.strip() for segment in segments))

    def words(self, text: str) -> list[str]:
        """The words of a text after Whisper's normaliser: numbers in digits, British spelling as American."""
        return self._normalise(unicodedata.normalize("NFKC", text).replace("’", "'")).split()

    def sentence_set(self, sentences: Sequence[str]) -> SentenceChooser | None:
        """None: with few word errors, a closed set says nothing more."""
        return None


def _downloaded(package: Any, name: str) -> Path:
    """Folder of a named model in the cache of the Hugging Face Hub."""
    if name not in package.available_models():
        known = ", ".join(package.available_models())
        raise ConfigError(f"There is no Whisper model {name}: name a folder, or one of {known}.")
    try:
        return Path(package.download_model(name, local_files_only=True))
    except (OSError, ValueError):  # it is not in the cache
        logger.warning("Downloading the Whisper model %s from the Hugging Face Hub. Later runs use the cache.", name)
    try:
        return Path(package.download_model(name))
    except Exception as error:  # the hub's client has many kinds of errors
        raise ConfigError(
            f"The Whisper model {name} cannot be downloaded ({type(error).__name__}): name a local folder."
        ) from error
