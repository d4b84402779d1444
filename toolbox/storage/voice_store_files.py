"""The file of a voice with references: a voice file of `cloning.voices` with further tensors and one header entry.

`embedding` is the mean, as in every voice file; `references` [n, embedding_size] are its parts; `sound.<key>` is the
audio of one reference as the bytes of a flac file. The header entry "references" lists key, source, date, seconds,
pitch and transcript; "reference_of" is the key of the reference that the tensor `reference` is of.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from speech.errors import AudioError, ModelFileError
from speech.files import write_bytes
from toolbox.storage.references import Reference, StoredVoice

STORED_SECONDS = 30.0  # of each reference; enough to recognise the speaker
SAMPLE_RATE = 16_000


def write_voice_file(path: Path, voice: StoredVoice, audio: Mapping[str, bytes]) -> None:
    """Write a voice file with its references. Args: audio: flac by key. Raises: StorageError."""
    from safetensors.numpy import save

    whole = voice.voice
    tensors = whole.tensors() | {
        "references": np.stack([reference.embedding for reference in voice.references]).astype(np.float32),
    }
    tensors |= {
        f"sound.{reference.key}": np.frombuffer(audio[reference.key], np.uint8)
        for reference in voice.references
        if reference.key in audio
    }
    about = [
        {
            "key": one.key,
            "source": one.source,
            "date": one.date,
            "seconds": round(one.seconds, 3),
            "pitch": one.pitch,
        }
        for one in voice.references
    ]
    listed = json.dumps(about, ensure_ascii=False)
    header = whole.header() | {"references": listed, "reference_of": voice.reference_of}
    write_bytes(path, save(tensors, header))


def read_references(path: Path) -> tuple[tuple[Reference, ...], str]:
    """The references, () if there are none, and "reference_of". Raises: ModelFileError if they are damaged."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
            listed = header.get("references")
            names = set(file.keys())
            if listed is None or "references" not in names:
                return (), ""
            rows = np.asarray(file.get_tensor("references"), np.float32)
        about = json.loads(listed)
        if len(about) != len(rows) or rows.ndim != 2 or not np.isfinite(rows).all() or not len(rows):
            raise ValueError("the references are not complete")
        references = tuple(_reference(row, one, names) for row, one in zip(rows, about, strict=True))
        return references, header.get("reference_of", "")
    except (SafetensorError, OSError, ValueError, TypeError, KeyError) as error:
        raise ModelFileError(f"{path} is damaged: its references cannot be read, add them again.") from error


def _reference(row: np.ndarray, about: dict[str, Any], names: set[str]) -> Reference:
    key, seconds = str(about["key"]), float(about.get("seconds", 0.0))
    pitch = about.get("pitch")
    return Reference(
        row / max(float(np.linalg.norm(row)), 1e-8),
        str(about.get("source", "")),
        str(about.get("date", "")),
        seconds if np.isfinite(seconds) else 0.0,
        key,
        f"sound.{key}" in names,
        None if pitch is None else float(pitch),
    )


def read_audio_copies(path: Path) -> dict[str, bytes]:
    """Flac by the reference's key. Unreadable copies are skipped: the voice does not depend on them."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            names = [name for name in file.keys() if name.startswith("sound.")]  # noqa: SIM118
            return {name.removeprefix("sound."): file.get_tensor(name).tobytes() for name in names}
    except (SafetensorError, OSError):
        return {}


def as_flac(wav: np.ndarray) -> bytes:
    import soundfile

    from speech.audio import as_wav

    encoded = io.BytesIO()
    start = as_wav(wav)[: round(STORED_SECONDS * SAMPLE_RATE)]
    if not len(start):
        raise AudioError("This reference has no audio.")
    soundfile.write(encoded, np.clip(start, -1, 1), SAMPLE_RATE, format="FLAC", subtype="PCM_16")
    return encoded.getvalue()


def from_flac(data: bytes) -> np.ndarray:
    """float32 [samples] at 16 kHz."""
    import soundfile

    wav: np.ndarray = soundfile.read(io.BytesIO(data), dtype="float32")[0]
    return wav
