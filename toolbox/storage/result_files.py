"""The content of a stored result, in memory and in its files."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from cloning.provenance import Provenance
from cloning.voices import Voice
from speech.errors import ModelFileError
from speech.wav_header import append_tags
from toolbox.storage.settings import DEFAULTS, SpeechSettings

FORMAT = 1
AUDIO, ARRAYS, CARD = "sound.wav", "arrays.safetensors", "result.json"
VOICE = "voice.safetensors"  # only of voices with more than the card holds
MAX_REFERENCE_FRAMES = 2400  # 30 seconds with the default mel settings
MAX_TITLE = 60  # characters
MAX_NAME = 40  # characters of the voice and of the text in a proposed file name


@dataclass(frozen=True, eq=False)
class Line:
    """One synthesized line of a text.

    Attributes:
        mel: float32 [n_mels, frames] in [-4, 4].
        alignment: float32 [tokens, steps].
        score: see `cloning.Speech.alignment_score`.
        remarks: faults of the alignment, a sentence each.
        sentence_seconds: duration of each sentence with the pause after it; empty if unknown.
    """

    text: str
    mel: np.ndarray
    alignment: np.ndarray
    tokens: tuple[str, ...] = ()
    score: float = 0.0
    remarks: tuple[str, ...] = ()
    sentence_seconds: tuple[float, ...] = ()


@dataclass(frozen=True, eq=False)
class Result:
    """A text that was spoken, or only synthesized (then `wav` is empty), with everything needed to repeat it.

    Attributes:
        wav: float32 [samples] in [-1, 1].
        models: file name and step by stage, for example {"synthesizer": "synthesizer.safetensors, step 5852"}.
        files: path by stage, or the name of a vocoder without a file.
        embedding: float32 [embedding_size] of the speech; empty if no speech was detected in it.
        similarity: cosine of that and the voice; None if it was not measured.
        reference: float32 [n_mels, frames] of the recording that the voice was made from; empty if unknown.
        seconds_taken: from the request to the end.
        provenance: where the audio comes from; written into its files.
    """

    lines: tuple[Line, ...]
    wav: np.ndarray
    sample_rate: int
    seed: int
    voice: Voice
    settings: SpeechSettings = DEFAULTS
    models: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    embedding: np.ndarray = field(default_factory=lambda: np.zeros(0, np.float32))
    similarity: float | None = None
    seconds_taken: float = 0.0
    created: str = ""
    reference: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))
    provenance: Provenance = field(default_factory=Provenance)

    @property
    def text(self) -> str:
        return "\n".join(line.text for line in self.lines)

    @property
    def seconds(self) -> float:
        return len(self.wav) / self.sample_rate

    @property
    def mel(self) -> np.ndarray:
        """float32 [n_mels, frames] of all lines, end to end."""
        return np.concatenate([line.mel for line in self.lines], axis=1)

    @property
    def remarks(self) -> tuple[str, ...]:
        several = len(self.lines) > 1
        return tuple(
            f"line {number}, {remark}" if several else remark
            for number, line in enumerate(self.lines, start=1)
            for remark in line.remarks
        )


@dataclass(frozen=True)
class Entry:
    """The card of a stored result, without its audio."""

    key: str
    text: str
    voice: str
    seed: int
    seconds: float
    similarity: float | None
    remarks: tuple[str, ...]
    models: dict[str, str]
    files: dict[str, str]
    settings: SpeechSettings
    created: str
    provenance: Provenance

    @property
    def title(self) -> str:
        """The start of the text, for a list."""
        start = " ".join(self.text.split())
        return start if len(start) <= MAX_TITLE else start[: MAX_TITLE - 3] + "..."


def proposed_name(voice: str, text: str) -> str:
    """A file name, without suffix, for the audio of a text: "slt - hello i have never said"."""
    words = re.findall(r"[\w']+", text.lower())
    start = ""
    for word in words:
        if len(start) + len(word) >= MAX_NAME:
            break
        start = f"{start} {word}".strip()
    start = start or "".join(words)[:MAX_NAME]
    voice = " ".join(re.findall(r"[\w'-]+", Path(voice).stem))[:MAX_NAME].strip()
    return " - ".join(part for part in (voice, start) if part) or "result"


def card_of(result: Result, created: str) -> dict[str, Any]:
    voice = result.voice
    return {
        "format": FORMAT,
        "lines": [
            {
                "text": line.text,
                "tokens": line.tokens,
                "score": line.score,
                "remarks": line.remarks,
                "sentence_seconds": line.sentence_seconds,
            }
            for line in result.lines
        ],
        "remarks": result.remarks,
        "sample_rate": result.sample_rate,
        "seconds": round(result.seconds, 3),
        "seed": result.seed,
        "voice": {
            "name": voice.name,
            "embedding_space": voice.embedding_space,
            "sources": voice.sources,
            "created": voice.created,
            "consent": voice.consent,
            "pitch": voice.pitch,
        },
        **result.settings.as_json(),
        "models": dict(result.models),
        "files": dict(result.files),
        "similarity": None if result.similarity is None else round(result.similarity, 4),
        "seconds_taken": round(result.seconds_taken, 3),
        "created": created,
        "provenance": result.provenance.as_json(),
    }


def contents_of(result: Result, card: dict[str, Any]) -> dict[str, bytes]:
    """The files of a result. The audio is stored as float32, so that replay gives the same samples."""
    import soundfile
    from safetensors.numpy import save

    audio = io.BytesIO()
    soundfile.write(audio, result.wav.astype(np.float32), result.sample_rate, format="WAV", subtype="FLOAT")
    arrays = {"voice": np.array(result.voice.embedding), "embedding": np.asarray(result.embedding, np.float32)}
    if result.reference.size:  # only drawn
        arrays["reference"] = np.ascontiguousarray(result.reference[:, :MAX_REFERENCE_FRAMES], np.float16)
    for number, line in enumerate(result.lines):
        arrays[f"mel.{number}"] = np.ascontiguousarray(line.mel, np.float32)
        arrays[f"alignment.{number}"] = np.ascontiguousarray(line.alignment, np.float16)  # only drawn
    voice = result.voice
    more = voice.reference is not None or voice.adapter is not None
    return ({VOICE: save(voice.tensors(), voice.header())} if more else {}) | {
        AUDIO: append_tags(audio.getvalue(), result.provenance.tags()),
        ARRAYS: save(arrays),
        CARD: (json.dumps(card, indent=1, ensure_ascii=False, allow_nan=False) + "\n").encode(),
    }


def entry_of(key: str, card: dict[str, Any]) -> Entry:
    if card["format"] > FORMAT:
        raise ModelFileError("a newer version of the program wrote it")
    return Entry(
        key=key,
        text="\n".join(str(line["text"]) for line in card["lines"]),
        voice=str(card["voice"]["name"]),
        seed=int(card["seed"]),
        seconds=float(card["seconds"]),
        similarity=None if card["similarity"] is None else float(card["similarity"]),
        remarks=tuple(str(remark) for remark in card["remarks"]),
        models={str(stage): str(name) for stage, name in card["models"].items()},
        files={str(stage): str(name) for stage, name in card["files"].items()},
        settings=SpeechSettings.from_json(card),
        created=str(card["created"]),
        provenance=_provenance_of(card),
    )


def _provenance_of(card: dict[str, Any]) -> Provenance:
    """That of a card; results of older versions have the parts that their cards hold."""
    voice, created = card["voice"], str(card["created"])
    known = Provenance(voice=str(voice["name"]), consent=str(voice.get("consent", "")), version="", date=created[:10])
    return Provenance.from_json(card.get("provenance")) or known


def result_of(folder: Path, card: dict[str, Any]) -> Result:
    import soundfile
    from safetensors.numpy import load

    entry = entry_of(folder.name, card)
    arrays = load((folder / ARRAYS).read_bytes())
    wav, sample_rate = soundfile.read(folder / AUDIO, dtype="float32")
    about = dict(card["voice"], sources=tuple(map(str, card["voice"]["sources"])))
    if (folder / VOICE).is_file():
        stored = Voice.load(folder / VOICE)
        about |= {"reference": stored.reference, "adapter": stored.adapter}
    lines = tuple(
        Line(
            text=str(line["text"]),
            mel=arrays[f"mel.{number}"],
            alignment=arrays[f"alignment.{number}"].astype(np.float32),
            tokens=tuple(map(str, line["tokens"])),
            score=float(line["score"]),
            remarks=tuple(map(str, line["remarks"])),
            sentence_seconds=tuple(map(float, line.get("sentence_seconds", ()))),
        )
        for number, line in enumerate(card["lines"])
    )
    return Result(
        lines=lines,
        wav=wav,
        sample_rate=sample_rate,
        seed=entry.seed,
        voice=Voice(arrays["voice"], **about),
        settings=entry.settings,
        models=entry.models,
        files=entry.files,
        embedding=arrays["embedding"],
        similarity=entry.similarity,
        reference=arrays.get("reference", np.zeros((0, 0))).astype(np.float32),
        seconds_taken=float(card["seconds_taken"]),
        created=entry.created,
        provenance=entry.provenance,
    )
