"""The files of a chain of models: found in a folder, loaded, put together. Finding them needs no PyTorch."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelfile.families import family_of
from modelfile.header import read_header
from modelfile.locations import DEFAULT_MODELS, models_folder
from speech.errors import ConfigError, ModelFileError, SpeechError
from speech.files import readable

if TYPE_CHECKING:
    from cloning.speech_model import SynthesizerModel
    from encoder import SpeakerEncoder
    from synthesizer import Synthesizer
    from synthesizer.units import UnitEncoder
    from vocoder import Vocoder

logger = logging.getLogger(__name__)

CONVERSION, UNITS = "conversion.safetensors", "units.safetensors"  # files of a folder, for speech to speech
STAGES = ("encoder", "synthesizer", "vocoder")


@dataclass(frozen=True)
class ModelFiles:
    """The model file of each stage.

    `vocoder` is None for a family without a model file (Griffin-Lim), and where an end-to-end synthesizer needs none.
    `units`, the unit encoder, is only set by `find_conversion`.
    """

    encoder: Path
    synthesizer: Path
    vocoder: Path | None = None
    units: Path | None = None

    @classmethod
    def find(
        cls,
        directory: str | Path = DEFAULT_MODELS,
        *,
        encoder: str | Path | None = None,
        synthesizer: str | Path | None = None,
        vocoder: str | Path | None = None,
    ) -> ModelFiles:
        """The files of a models folder; each may be replaced by another file.

        A folder holds `encoder.safetensors`, `synthesizer.safetensors` and usually `vocoder.safetensors`. The entry
        "vocoder" of its `defaults.json`, if there is one, names the vocoder file to use, or a vocoder without one.

        Args:
            directory: a folder, or the name of models that `modelfile.fetch` has downloaded.
            vocoder: a file, or a family name as `--vocoder` takes it.

        Raises:
            ModelFileError: a file is missing, or `defaults.json` cannot be read.
        """
        directory = models_folder(directory)
        files = cls(
            Path(encoder) if encoder else directory / "encoder.safetensors",
            Path(synthesizer) if synthesizer else directory / "synthesizer.safetensors",
        )
        if vocoder is not None or needs_vocoder(files.synthesizer):
            files = replace(files, vocoder=_chosen_vocoder(directory, vocoder))
        for stage, path in (("encoder", files.encoder), ("synthesizer", files.synthesizer), ("vocoder", files.vocoder)):
            if path is not None and not path.is_file():
                raise ModelFileError(
                    f"There is no {stage} model {path}: choose a folder of models (--models) or a file (--{stage})."
                )
        return files

    @classmethod
    def find_conversion(
        cls,
        directory: str | Path = DEFAULT_MODELS,
        *,
        encoder: str | Path | None = None,
        synthesizer: str | Path | None = None,
        units: str | Path | None = None,
    ) -> ModelFiles:
        """The files for speech to speech of a models folder; each may be replaced by another file.

        The synthesizer is `conversion.safetensors`, or else a `synthesizer.safetensors` that was trained with units.
        The unit encoder is `units.safetensors`, beside a given synthesizer or in the folder.

        Raises:
            ModelFileError: one of them is missing or has no units.
        """
        directory = models_folder(directory)
        chosen = Path(synthesizer) if synthesizer else directory / CONVERSION
        if not synthesizer and not chosen.is_file():
            chosen = directory / "synthesizer.safetensors"
        if synthesizer is None and not (chosen.is_file() and units_of(chosen)):
            raise ModelFileError(
                f"{directory} has no model for speech to speech: train one (train_synth.py STORE --model vits --units "
                f"100 --unit-pitch), and put it there as {CONVERSION}, with its unit encoder as {UNITS}."
            )
        if not units_of(chosen):
            raise ModelFileError(
                f"{chosen} reads text only: speech to speech needs a model that was trained with units (train_synth.py "
                "STORE --model vits --units 100 --unit-pitch)."
            )
        beside = chosen.with_name(UNITS)
        files = cls(
            Path(encoder) if encoder else directory / "encoder.safetensors",
            chosen,
            units=Path(units) if units else beside if beside.is_file() else directory / UNITS,
        )
        for path, what in ((files.encoder, "encoder model"), (files.units, "unit encoder")):
            if path is not None and not path.is_file():
                raise ModelFileError(f"There is no {what} {path}: put it there, or give another file.")
        return files

    def digests(self) -> dict[str, str]:
        """Name and the first 16 hexadecimal digits of the SHA-256 of each file, by stage."""
        paths = {"encoder": self.encoder, "synthesizer": self.synthesizer, "vocoder": self.vocoder}
        if self.units is not None:
            paths["units"] = self.units
        return {stage: "no file" if path is None else _named_digest(path) for stage, path in paths.items()}


def needs_vocoder(synthesizer: Path) -> bool:
    """Whether a synthesizer's file is of a family that makes mels; True for a file that cannot be read."""
    try:
        return not family_of("synthesizer", read_header(synthesizer).kind).end_to_end
    except SpeechError:
        return True  # loading it will say what is wrong


def units_of(synthesizer: Path) -> int:
    """Number of different units that a synthesizer's file converts; 0 if it reads text only.

    Raises:
        ModelFileError: it is missing, damaged, or not a synthesizer.
    """
    header = read_header(synthesizer)
    if header.stage != "synthesizer":
        raise ModelFileError(f"{synthesizer} is not a synthesizer: give one that was trained with units.")
    family = family_of("synthesizer", header.kind)
    return family.units(header) if family.units is not None else 0


def _named_digest(path: Path) -> str:
    status = path.stat()
    return _digest(path, status.st_mtime_ns, status.st_size)


@functools.lru_cache(maxsize=32)
def _digest(path: Path, _changed: int, _size: int) -> str:
    with path.open("rb") as file:
        return f"{readable(path.name)} {hashlib.file_digest(file, 'sha256').hexdigest()[:16]}"


def _chosen_vocoder(directory: Path, choice: str | Path | None) -> Path | None:
    from vocoder.families import find_vocoder, vocoder_names

    if choice is not None:
        return find_vocoder(directory, choice)
    usual, defaults = directory / "vocoder.safetensors", directory / "defaults.json"
    if not defaults.is_file():
        return usual if usual.is_file() else None
    advice = 'it must name a vocoder or a file of that folder, as in {"vocoder": "vocoder.safetensors"}.'
    try:
        choice = json.loads(defaults.read_text(encoding="utf-8")).get("vocoder", usual.name)
    except (OSError, ValueError, AttributeError) as error:
        raise ModelFileError(f"{defaults} cannot be read: {advice}") from error
    if not isinstance(choice, str) or Path(choice).name != choice:
        raise ModelFileError(f"{defaults} is wrong: {advice}")
    return find_vocoder(directory, choice) if choice in vocoder_names() else directory / choice


def resolve_device(name: str) -> str:
    """The name itself, or the best device for "auto". Raises: ConfigError for an unknown device."""
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=name)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        raise ConfigError(f"There is no device {name!r}: choose cpu, cuda, cuda:1, mps or auto.") from error
    return name


def use_threads(threads: int) -> None:
    """Let PyTorch compute on this many CPU threads in this process.

    The samples of a seed depend on the number, because sums are split differently. They are compared for one thread,
    which is the default of every entry point.

    Raises:
        ConfigError: the number is below 1.
    """
    import torch

    if threads < 1:
        raise ConfigError(f"The number of threads must be 1 or more, not {threads}.")
    if torch.get_num_threads() != threads:
        torch.set_num_threads(threads)


def load_encoder(files: ModelFiles, device: str = "auto") -> SpeakerEncoder:
    """Raises: ModelFileError, ConfigError."""
    from encoder import SpeakerEncoder

    return SpeakerEncoder.load(files.encoder, device=resolve_device(device))


def load_synthesizer(files: ModelFiles, device: str = "auto") -> Synthesizer:
    """Raises: ModelFileError, ConfigError."""
    from synthesizer import Synthesizer

    return Synthesizer.load(files.synthesizer, device=resolve_device(device))


def load_vocoder(files: ModelFiles, device: str = "auto", mel_config: Any = None) -> Vocoder:
    """The vocoder of these files.

    Args:
        mel_config: settings for a vocoder without a file; by default those of the synthesizer's file.

    Raises:
        ModelFileError, ConfigError.
    """
    from vocoder.families import load_vocoder as load_vocoder_file

    mel_config = _mel_config_of(files.synthesizer) if mel_config is None else mel_config
    return load_vocoder_file(files.vocoder, mel_config, resolve_device(device))


def load_units(files: ModelFiles, synthesizer: Synthesizer) -> UnitEncoder | None:
    """The unit encoder of these files, None without one.

    Raises:
        ModelFileError: it cannot be read. ConfigError: the synthesizer was trained with another one.
    """
    if files.units is None:
        return None
    from synthesizer.units.loading import file_digest, load_unit_encoder

    encoder = load_unit_encoder(files.units)
    if synthesizer.unit_settings.file not in ("", file_digest(files.units)):
        raise ConfigError(
            f"{files.synthesizer} was not trained with the units of {files.units}: give the unit encoder of its store."
        )
    return encoder


LOADERS: dict[str, Callable[[ModelFiles, str], Any]] = {
    "encoder": load_encoder,
    "synthesizer": load_synthesizer,
    "vocoder": load_vocoder,
}


def load_speech_model(
    files: ModelFiles, device: str = "auto", synthesizer: Synthesizer | None = None
) -> SynthesizerModel:
    """The synthesizer and the vocoder of these files as one model.

    A vocoder is not loaded for a synthesizer that generates audio itself.

    Args:
        synthesizer: that of these files, if it is loaded already.

    Raises:
        ModelFileError, ConfigError.
    """
    from cloning.speech_model import EndToEnd, TwoStage

    synthesizer = synthesizer or load_synthesizer(files, device)
    model: SynthesizerModel
    if synthesizer.end_to_end:
        if files.vocoder is not None:
            logger.warning("%s generates audio itself: the vocoder %s is not used.", files.synthesizer, files.vocoder)
        model = EndToEnd(synthesizer, load_units(files, synthesizer))
    else:
        model = TwoStage(synthesizer, load_vocoder(files, device, synthesizer.mel_config))
    model.digests = files.digests()
    return model


def _mel_config_of(path: Path) -> Any:
    from speech.mel_config import MelConfig

    return MelConfig.of_model(read_header(path).config)
