"""The vocoders of an evaluation by their labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from evaluation.settings import labelled
from modelfile.families import families_of
from speech.errors import ConfigError
from speech.mel_config import MelConfig
from vocoder.families import find_vocoder, load_vocoder

if TYPE_CHECKING:
    from vocoder import Vocoder

WARM_UP_SECONDS = 0.1


def fileless_vocoder() -> str:
    """Name of the vocoder family that needs no model file."""
    return next(kind for kind, family in families_of("vocoder").items() if not family.needs_file)


def find_vocoders(names: Sequence[str], models: Path) -> dict[str, Path | None]:
    """The model file of each vocoder by its label; None for a family that needs none.

    Args:
        names: family names, files, or label=FILE.
        models: folder in which family names are looked up.

    Raises:
        ConfigError: two have the same label.
        ModelFileError: a name is unknown, or the folder has no such vocoder.
    """
    files: dict[str, Path | None] = {}
    for name in names:
        label, file = labelled(name)
        if label in files:
            raise ConfigError(f"Two vocoders are called {label!r}: give label=FILE, so that the report is clear.")
        files[label] = find_vocoder(models, file)
    return files


def load_vocoders(files: Mapping[str, Path | None], mel_config: MelConfig, device: Any) -> dict[str, Vocoder]:
    """The vocoders by label.

    Args:
        mel_config: mel settings of a vocoder without a model file.

    Raises:
        ModelFileError
    """
    return {label: load_vocoder(file, mel_config, device) for label, file in files.items()}


def warm_up(vocoder: Vocoder) -> None:
    """Vocode 0.1 s, so that what is done only once, such as compilation, does not count as vocoding time."""
    config = vocoder.mel_config
    frames = round(WARM_UP_SECONDS * config.frames_per_second)
    vocoder.vocode(np.full((config.n_mels, frames), -config.max_abs_value, np.float32), seed=0)
