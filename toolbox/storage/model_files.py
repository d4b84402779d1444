"""The model files in some folders, described by their headers. Needs no PyTorch."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cloning.compatibility import require_fitting_vocoder, require_same_space
from cloning.models import STAGES, ModelFiles
from modelfile.families import families_of, family_of
from modelfile.header import ModelHeader, NotAModelError, read_header
from speech.errors import ConfigError, ModelFileError, one_line
from speech.mel_config import MelConfig

__all__ = ["STAGES", "ModelFile", "incompatibility", "list_models", "paths_of", "read_model_file"]

logger = logging.getLogger(__name__)

SUFFIX = ".safetensors"
DEPTH = 3  # levels of subfolders that are searched


@dataclass(frozen=True)
class ModelFile:
    """A model that can be chosen. Attributes: path: None for a vocoder family that needs no file."""

    path: Path | None
    header: ModelHeader
    size: int = 0

    @property
    def family(self) -> str:
        """The model family; older files without one are of the first."""
        return self.header.kind or next(iter(families_of(self.header.stage)), "")

    @property
    def name(self) -> str:
        """File name and family, for a list."""
        kind = self.family
        if self.path is None:
            return f"{kind} (no model file)"
        stem = self.path.stem
        # names that training or a conversion gives; the folder is more informative
        generic = stem in ("best", "model") or (stem in STAGES and "converted_from" in self.header.extra)
        shown = f"{self.path.parent.name}/{stem}" if generic else stem
        return f"{shown} ({kind})" if kind and kind not in shown else shown

    @property
    def description(self) -> str:
        """The content of the header, one fact per line."""
        header = self.header
        if self.path is None:
            return f"{self.family} {header.stage}\nneeds no training and no model file"
        lines = [
            f"{self.family} {header.stage}".strip(),
            f"step {header.step:,}" if header.step else "",
            f"converted from {header.extra['converted_from']}" if "converted_from" in header.extra else "",
            f"trained on {header.trained_on}" if header.trained_on else "",
            f"licence {header.licence}" if header.licence else "licence not stated",
            f"embedding space {header.embedding_space}" if header.embedding_space else "",
            f"{self.size / 1e6:.1f} MB",
            str(self.path),
        ]
        return "\n".join(line for line in lines if line)


def read_model_file(path: str | Path) -> ModelFile:
    """Raises: ModelFileError if the file is not a model of this toolkit."""
    path = Path(path)
    header = read_header(path)
    if header.stage not in STAGES:
        raise NotAModelError(f"{path} is of the unknown stage {header.stage!r}: choose a different file.")
    return ModelFile(path, header, path.stat().st_size)


def list_models(
    folders: Iterable[str | Path], on_reject: Callable[[Path, str], None] | None = None
) -> dict[str, list[ModelFile]]:
    """The models of each stage in some folders and a few levels of subfolders.

    Vocoder families that need no file are listed last.

    Args:
        on_reject: called with each damaged file and the reason; logged if None.
    """
    reject = on_reject or (lambda path, reason: logger.warning("%s skipped: %s", path, reason))
    found: dict[str, list[ModelFile]] = {stage: [] for stage in STAGES}
    seen: set[Path] = set()
    for folder in map(Path, folders):
        for path in sorted(_files(folder, DEPTH)):
            resolved = path.resolve()
            if resolved in seen:
                continue
            seen.add(resolved)
            try:
                model = read_model_file(path)
            except NotAModelError:  # voices and other data
                continue
            except (ModelFileError, OSError) as error:
                reject(path, one_line(error))
                continue
            found[model.header.stage].append(model)
    found["vocoder"] += [ModelFile(None, ModelHeader("vocoder", kind)) for kind in fileless_vocoders()]
    return found


def fileless_vocoders() -> list[str]:
    """Names of the vocoder families that need no model file."""
    return [kind for kind, family in families_of("vocoder").items() if not family.needs_file]


def paths_of(files: ModelFiles) -> dict[str, str]:
    """What `ModelFiles.find` needs to find these files again: a path by stage, or the name of a vocoder family."""
    vocoder = fileless_vocoders()[0] if files.vocoder is None else str(files.vocoder)
    return {"encoder": str(files.encoder), "synthesizer": str(files.synthesizer), "vocoder": vocoder}


def _files(folder: Path, depth: int) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "state":  # training state, not a finished model
            continue
        if entry.suffix == SUFFIX and entry.is_file():
            yield entry
        elif depth > 0 and entry.is_dir():
            yield from _files(entry, depth - 1)


def incompatibility(encoder: ModelFile, synthesizer: ModelFile, vocoder: ModelFile) -> str:
    """One sentence if these three cannot work together, else ""."""
    try:
        require_same_space(
            encoder.header.embedding_space,
            synthesizer.header.embedding_space,
            f"the encoder {encoder.name}",
            f"the synthesizer {synthesizer.name}",
        )
        end_to_end = family_of("synthesizer", synthesizer.header.kind).end_to_end
        if vocoder.path is not None and not end_to_end:  # else it has the settings of the synthesizer
            require_fitting_vocoder(
                MelConfig.of_model(synthesizer.header.config),
                MelConfig.of_model(vocoder.header.config),
                f"the synthesizer {synthesizer.name}",
                f"the vocoder {vocoder.name}",
            )
    except ConfigError as error:
        return str(error)
    return ""
