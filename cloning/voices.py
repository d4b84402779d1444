"""Voices on disk: one speaker's embedding with its name and origin, and a folder of them. Needs no PyTorch."""

from __future__ import annotations

import dataclasses
import datetime
import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from modelfile.checksum import save_arrays
from modelfile.voice_files import VOICE_FORMAT, VOICE_SUFFIX, damaged_voice, default_library, read_voice_file
from speech.errors import ConfigError, ModelFileError
from speech.files import readable, write_bytes
from speech.mel_config import MelConfig
from speech.reference_mel import ReferenceMel
from synthesizer.adapter import VoiceAdapter

ADAPTER = "adapter."  # prefix of its tensors

_NAME = re.compile(r"\w[\w .\-]{0,62}\w|\w")
_RESERVED = re.compile(
    r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE
)  # device names on Windows, with any suffix


def check_voice_name(name: str) -> str:
    """The name in its normal form (NFC, no space around it).

    Raises:
        ConfigError: it is empty, longer than 64 characters, or has characters that could name another folder or
            that some file systems refuse.
    """
    normal = unicodedata.normalize("NFC", name).strip()
    if not _NAME.fullmatch(normal) or _RESERVED.fullmatch(normal):
        raise ConfigError(
            f"{name!r} cannot name a voice: use 1 to 64 letters, digits, spaces, '-', '_' or '.', "
            "starting and ending with a letter or digit."
        )
    return normal


@dataclass(frozen=True, eq=False, repr=False)
class Voice:
    """A speaker as the synthesizer needs it: embedding and median F0, and where they come from.

    Attributes:
        embedding: float32 [256], L2 norm 1.
        embedding_space: name of the embedding space; a synthesizer of another space cannot use the voice.
        sources: file names of the clips, without folders.
        created: ISO date.
        consent: whose voice it is and who gave consent, as entered by the user.
        pitch: median F0 of the clips in Hz; None if unknown.
        reference: a few seconds of one clip, for synthesizers with a refiner; None in voices saved before there were
            such synthesizers, and in mixtures of voices.
        adapter: what a synthesizer was adapted to the voice with; None if it was not.
    """

    embedding: np.ndarray
    embedding_space: str
    name: str = ""
    sources: tuple[str, ...] = ()
    created: str = ""
    consent: str = ""
    pitch: float | None = None
    reference: ReferenceMel | None = None
    adapter: VoiceAdapter | None = None

    def __post_init__(self) -> None:
        if self.pitch is not None and not 20 <= self.pitch <= 2000:  # also refuses NaN
            raise ConfigError(f"The pitch of a voice must be between 20 and 2,000 Hz, not {self.pitch}.")
        embedding = np.array(self.embedding, dtype=np.float32)
        norm = float(np.linalg.norm(embedding)) if embedding.ndim == 1 and embedding.size else 0.0
        if not np.isfinite(norm) or norm < 1e-6:
            raise ConfigError("A voice needs an embedding: a vector of finite numbers that are not all zero.")
        embedding /= norm
        embedding.setflags(write=False)
        object.__setattr__(self, "embedding", embedding)

    def __repr__(self) -> str:
        pitch = "pitch unknown" if self.pitch is None else f"{self.pitch:.0f} Hz"
        return f"Voice({self.name!r}, {self.embedding_space!r}, {pitch}, {len(self.sources)} clips)"

    @classmethod
    def average(
        cls, voices: Sequence[Voice], name: str = "", consent: str = "", weights: Sequence[float] | None = None
    ) -> Voice:
        """The normalised weighted mean of several voices.

        Args:
            weights: one for each voice, at least 0 and not all 0; equal by default.

        Raises:
            ConfigError: there are no voices, their embedding spaces differ, or the weights do not fit them.
        """
        if len({voice.embedding_space for voice in voices}) != 1:
            raise ConfigError("Only voices of one embedding space can be averaged: make them with one encoder.")
        sources = tuple(source for voice in voices for source in voice.sources)
        factors = np.ones(len(voices)) if weights is None else np.asarray(weights, dtype=np.float64)
        if factors.shape != (len(voices),) or not np.isfinite(factors).all() or factors.min() < 0 or not factors.any():
            raise ConfigError(f"{len(voices)} voices need {len(voices)} weights that are not negative and not all 0.")
        mean = np.average([voice.embedding for voice in voices], axis=0, weights=factors)
        return cls(
            mean,
            voices[0].embedding_space,
            name,
            sources,
            _today(),
            consent,
            mean_pitch([voice.pitch for voice in voices], factors),
        )

    def save(self, path: str | Path, overwrite: bool = False) -> None:
        """Write the voice file atomically. Of two processes that save one name at once, the second is refused.

        Raises:
            StorageError: the file exists and `overwrite` is False, the folder cannot be written to, the disk is full.
        """
        write_bytes(Path(path), save_arrays(self.tensors(), self.header()), overwrite=overwrite)

    def tensors(self) -> dict[str, np.ndarray]:
        """The tensors of a voice file."""
        tensors = {"embedding": np.array(self.embedding)}
        if self.reference is not None:
            tensors["reference"] = np.array(self.reference.coded)
        if self.adapter is not None:
            tensors |= {f"{ADAPTER}{name}": np.array(values) for name, values in self.adapter.tensors.items()}
        return tensors

    def header(self) -> dict[str, str]:
        """The header entries of a voice file."""
        optional = {}
        if self.pitch is not None:
            optional["pitch"] = f"{self.pitch:.2f}"
        if self.reference is not None:
            optional["reference_mel_config"] = json.dumps(dataclasses.asdict(self.reference.config))
        if self.adapter is not None:
            optional["adapter_model"] = self.adapter.model
        return {
            "format_version": str(VOICE_FORMAT),
            "kind": "voice",
            "name": self.name,
            "embedding_space": self.embedding_space,
            "sources": json.dumps(self.sources, ensure_ascii=False),
            "created": self.created,
            "consent": readable(self.consent),
        } | optional

    @classmethod
    def load(cls, path: str | Path) -> Voice:
        """Raises: ModelFileError if the file is missing or is not a voice."""
        path = Path(path)
        metadata, tensors = read_voice_file(path)
        coded = tensors.get("reference")
        adapter = {name.removeprefix(ADAPTER): tensor for name, tensor in tensors.items() if name.startswith(ADAPTER)}
        try:
            return cls(
                tensors["embedding"],
                metadata.get("embedding_space", ""),
                metadata.get("name", ""),
                tuple(str(source) for source in json.loads(metadata.get("sources", "[]"))),
                metadata.get("created", ""),
                metadata.get("consent", ""),
                float(metadata["pitch"]) if "pitch" in metadata else None,
                None if coded is None else _reference(coded, metadata),
                VoiceAdapter(adapter, metadata["adapter_model"]) if adapter else None,
            )
        except (ValueError, TypeError, KeyError, ConfigError) as error:
            raise damaged_voice(path) from error


class VoiceLibrary:
    """A folder of voice files, one per name; created when the first voice is saved.

    Args:
        directory: by default that of this user.
        require_consent: refuse to save, load and use voices without a consent note.
    """

    def __init__(self, directory: str | Path | None = None, require_consent: bool = False) -> None:
        self.directory = Path(directory) if directory is not None else default_library()
        self.require_consent = require_consent

    def path(self, name: str) -> Path:
        """The file of a voice. Raises: ConfigError for an invalid name, see `check_voice_name`."""
        return self.directory / f"{check_voice_name(name)}{VOICE_SUFFIX}"

    def names(self) -> list[str]:
        """All voices, sorted."""
        return sorted(path.stem for path in self.directory.glob(f"*{VOICE_SUFFIX}") if _NAME.fullmatch(path.stem))

    def __contains__(self, name: str) -> bool:
        return self.path(name).is_file()

    def load(self, name: str) -> Voice:
        """The voice of a name.

        Raises:
            ModelFileError: no voice has that name, or its file is damaged.
            ConfigError: the name is invalid, or the voice has no consent note and one is required.
        """
        if name not in self:
            known = ", ".join(self.names()[:20]) or "none yet"
            raise ModelFileError(f"There is no voice {name!r} in {self.directory}. It has: {known}.")
        return self.checked(Voice.load(self.path(name)))

    def save(self, voice: Voice, overwrite: bool = False) -> Path:
        """Save a voice under its own name; returns its file. Raises: ConfigError, StorageError."""
        path = self.path(self.checked(voice).name)
        voice.save(path, overwrite)
        return path

    def checked(self, voice: Voice) -> Voice:
        """The voice itself. Raises: ConfigError if it has no consent note and one is required."""
        if self.require_consent and not voice.consent.strip():
            which = f"The voice {voice.name!r}" if voice.name else "This voice"
            raise ConfigError(
                f"{which} has no consent note, which is required here: "
                "write down whose voice it is and who gave consent (--consent)."
            )
        return voice


def mean_pitch(pitches: Sequence[float | None], factors: np.ndarray) -> float | None:
    """Weighted geometric mean of the known pitches, in Hz; None if none is known."""
    known = [(np.log2(pitch), factor) for pitch, factor in zip(pitches, factors, strict=True) if pitch]
    total = sum(factor for _, factor in known)
    return float(2 ** (sum(octaves * factor for octaves, factor in known) / total)) if total > 0 else None


def _reference(coded: np.ndarray, metadata: Mapping[str, str]) -> ReferenceMel:
    return ReferenceMel(coded, MelConfig.from_json(json.loads(metadata["reference_mel_config"])))


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()
