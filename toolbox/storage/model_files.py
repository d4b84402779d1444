"""Which model files there are, and what is inside: read from the headers alone, without torch."""

from __future__ import annotations

import contextlib
import json
import logging
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from vocoder.names import GRIFFIN_LIM

logger = logging.getLogger(__name__)

STAGES = ("encoder", "synthesizer", "vocoder")
SUFFIX = ".safetensors"
MAX_HEADER_BYTES = 16 * 2**20
DEPTH = 3  # folders below the one that was named
ANOTHER_STAGE = "it is no model of this toolkit"


@dataclass(frozen=True)
class ModelFile:
    """A model as its header tells of it; Griffin-Lim has no path.

    Attributes:
        stage: "encoder", "synthesizer" or "vocoder".
        kind: which of the stage's architectures; "" where it has one.
        mel: the settings of its mels, as the header has them; {} for an encoder and for Griffin-Lim.
    """

    path: Path | None
    stage: str
    kind: str = ""
    step: int = 0
    trained_on: str = ""
    licence: str = ""
    embedding_space: str = ""
    size: int = 0
    mel: dict[str, Any] = field(default_factory=dict, hash=False)

    @property
    def name(self) -> str:
        """For a list: the file's name, and what kind it is."""
        if self.path is None:
            return "Griffin-Lim (no model)"
        stem = self.path.stem
        generic = stem in ("best", "model")  # as training names them: the folder says more
        shown = f"{self.path.parent.name}/{stem}" if generic else stem
        return f"{shown} ({self.kind})" if self.kind and self.kind not in shown else shown

    @property
    def description(self) -> str:
        """What is inside, a line each."""
        if self.path is None:
            return "Griffin-Lim\nfinds a phase by search, needs no training; sounds metallic"
        lines = [
            f"{self.kind} {self.stage}".strip(),
            f"after step {self.step:,}" if self.step else "",
            f"trained on {self.trained_on}" if self.trained_on else "",
            f"licence {self.licence}" if self.licence else "licence not stated",
            f"embedding space {self.embedding_space}" if self.embedding_space else "",
            f"{self.size / 1e6:.1f} MB",
            str(self.path),
        ]
        return "\n".join(line for line in lines if line)


NO_VOCODER = ModelFile(None, "vocoder", "griffin-lim")


def read_model_file(path: str | Path) -> ModelFile:
    """What a model file's header says. Raises: ValueError, OSError if it is none (the reason is the message)."""
    path = Path(path)
    with open(path, "rb") as file:
        size = int.from_bytes(file.read(8), "little")
        if not 2 <= size <= MAX_HEADER_BYTES:
            raise ValueError("it is no safetensors file")
        content = json.loads(file.read(size))
    about = content.get("__metadata__", {}) if isinstance(content, dict) else {}
    if not isinstance(about, dict) or about.get("stage") not in STAGES:
        raise ValueError(ANOTHER_STAGE)
    config = json.loads(about.get("config", "{}"))
    mel = config.get("mel", {}) if isinstance(config, dict) else {}
    step = str(about.get("step", "0"))
    return ModelFile(
        path=path,
        stage=about["stage"],
        kind=str(about.get("kind", "")),
        step=int(step) if re.fullmatch(r"\d{1,18}", step) else 0,
        trained_on=str(about.get("trained_on", "")),
        licence=str(about.get("licence", "")),
        embedding_space=str(about.get("embedding_space", "")),
        size=path.stat().st_size,
        mel=mel if isinstance(mel, dict) else {},
    )


def list_models(
    folders: Iterable[str | Path], on_reject: Callable[[Path, str], None] | None = None
) -> dict[str, list[ModelFile]]:
    """The models of each stage in some folders and a few levels below; Griffin-Lim ends the vocoders.

    Args:
        on_reject: told of each damaged file with the reason; logged if None.
    """
    reject = on_reject or (lambda path, reason: logger.warning("%s left out: %s", path, reason))
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
            except (OSError, ValueError, RecursionError) as error:
                if str(error) != ANOTHER_STAGE:  # voices and the like are nothing to tell of
                    reject(path, "its header is damaged" if isinstance(error, json.JSONDecodeError) else str(error))
                continue
            found[model.stage].append(model)
    found["vocoder"].append(NO_VOCODER)
    return found


def _files(folder: Path, depth: int) -> Iterable[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if entry.name.startswith(".") or entry.name == "state":  # of a training run: not for use
            continue
        if entry.suffix == SUFFIX and entry.is_file():
            yield entry
        elif depth > 0 and entry.is_dir():
            yield from _files(entry, depth - 1)


def usual_vocoder(folder: str | Path, vocoders: Iterable[ModelFile]) -> ModelFile:
    """The one of these that the models folder's `defaults.json` names, or `vocoder.safetensors`, or Griffin-Lim."""
    folder, there = Path(folder), list(vocoders)
    choice = "vocoder" + SUFFIX
    with contextlib.suppress(OSError, ValueError, AttributeError):
        choice = str(json.loads((folder / "defaults.json").read_text(encoding="utf-8")).get("vocoder", choice))
    if choice == GRIFFIN_LIM:
        return NO_VOCODER
    wanted = (folder / choice).resolve()
    return next((model for model in there if model.path is not None and model.path.resolve() == wanted), NO_VOCODER)


def why_they_do_not_fit(encoder: ModelFile, synthesizer: ModelFile, vocoder: ModelFile) -> str:
    """One sentence if these three cannot work together, else ""."""
    if encoder.embedding_space != synthesizer.embedding_space:
        return (
            f"The synthesizer {synthesizer.name} expects voices of the space '{synthesizer.embedding_space}', but the "
            f"encoder {encoder.name} makes '{encoder.embedding_space}': choose two that were trained together."
        )
    if vocoder.path is not None and _common(vocoder.mel, synthesizer.mel) != _common(synthesizer.mel, vocoder.mel):
        return (
            f"The vocoder {vocoder.name} was trained on another kind of mels than {synthesizer.name} makes: choose "
            "two that belong together, or Griffin-Lim."
        )
    return ""


def _common(mel: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """The settings that both headers state; what one leaves out has its usual value."""
    return {name: value for name, value in mel.items() if name in other}
