"""Which files make up a chain of models, and on what device they run. Needs torch only to ask for a device."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from modelfile.locations import DEFAULT_MODELS
from speech.errors import ConfigError, ModelFileError

GRIFFIN_LIM = "griffin-lim"


@dataclass(frozen=True)
class ModelFiles:
    """Which files make up a chain; `vocoder` is None for Griffin-Lim, which needs none."""

    encoder: Path
    synthesizer: Path
    vocoder: Path | None = None

    @classmethod
    def find(
        cls,
        directory: str | Path = DEFAULT_MODELS,
        *,
        encoder: str | Path | None = None,
        synthesizer: str | Path | None = None,
        vocoder: str | Path | None = None,
    ) -> ModelFiles:
        """The files of a models folder, each of which may be replaced by a file of one's own.

        A folder holds `encoder.safetensors`, `synthesizer.safetensors`, mostly `vocoder.safetensors`, and may hold a
        `defaults.json` whose entry "vocoder" is "griffin-lim" or the name of a file in the folder: whichever of
        the two was measured to be understood better with this synthesizer. Without it the vocoder file is taken if it
        is there.

        Args:
            vocoder: a file, or a name as `vocoder.names` has them.
        Raises:
            ModelFileError: a file is missing, or `defaults.json` is not readable.
        """
        directory = Path(directory)
        files = cls(
            Path(encoder) if encoder else directory / "encoder.safetensors",
            Path(synthesizer) if synthesizer else directory / "synthesizer.safetensors",
            _chosen_vocoder(directory, vocoder),
        )
        for stage, path in (("encoder", files.encoder), ("synthesizer", files.synthesizer), ("vocoder", files.vocoder)):
            if path is not None and not path.is_file():
                raise ModelFileError(
                    f"There is no {stage} model {path}: name a folder of models (--models) or a file (--{stage})."
                )
        return files


def _chosen_vocoder(directory: Path, wish: str | Path | None) -> Path | None:
    if wish is not None:
        from vocoder.names import find_vocoder

        return None if str(wish).lower() == GRIFFIN_LIM else find_vocoder(directory, wish)
    usual, defaults = directory / "vocoder.safetensors", directory / "defaults.json"
    if not defaults.is_file():
        return usual if usual.is_file() else None
    try:
        choice = json.loads(defaults.read_text(encoding="utf-8")).get("vocoder", usual.name)
    except (OSError, ValueError, AttributeError) as error:
        raise ModelFileError(
            f'{defaults} is not readable: it should hold {{"vocoder": "{GRIFFIN_LIM}"}} or a file.'
        ) from error
    if not isinstance(choice, str) or Path(choice).name != choice:
        raise ModelFileError(f'{defaults}: "vocoder" must be "{GRIFFIN_LIM}" or the name of a file in that folder.')
    return None if choice == GRIFFIN_LIM else directory / choice


def resolve_device(name: str) -> str:
    """ "auto" is the GPU where there is one. Raises: ConfigError for a device that torch does not have here."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"The device {name!r} is not there: choose cpu, cuda, cuda:1, mps or auto.") from error
    return name
