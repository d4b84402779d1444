"""Preprocessed folders of Real-Time-Voice-Cloning: `SV2TTS/encoder`, `SV2TTS/synthesizer` and `SV2TTS/vocoder`.

They hold NumPy arrays instead of audio files: waveforms at 16 kHz in `synthesizer/audio`, listed with their texts by
`synthesizer/train.txt` and `vocoder/synthesized.txt`, and power mels of 10 ms in the speakers' folders of `encoder`,
listed by their `_sources.txt`. Mels and embeddings of the synthesizer are computed anew from the waveforms.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from corpora.recordings import Found, OnReject, leads_out, read_text
from speech.audio import SAMPLE_RATE, resample
from speech.errors import AudioError

SUFFIX = ".npy"
SOURCES = "_sources.txt"
SAMPLES_PER_FRAME = SAMPLE_RATE // 100  # of the encoder's mels
COLUMNS = 6  # audio, mel and embedding file, samples, frames, text
MAX_MEL_BANDS = 256
PARSING = threading.Lock()  # numpy parses a header with `ast`, which fails in several threads of Python 3.11


def find_preprocessed(folder: Path) -> tuple[Path, Path] | None:
    """A list of utterances and the folder of its audio, if a folder is `SV2TTS`, its `synthesizer` or `vocoder`."""
    for table, audio in (
        (folder / "train.txt", folder / "audio"),
        (folder / "synthesized.txt", folder.parent / "synthesizer" / "audio"),
        (folder / "synthesizer" / "train.txt", folder / "synthesizer" / "audio"),
    ):
        if audio.is_dir() and _is_list(table):
            return table, audio
    return None


def _is_list(path: Path) -> bool:
    try:
        with path.open("rb") as file:
            fields = file.readline(10_000).split(b"|")
    except OSError:
        return False
    return len(fields) >= COLUMNS and fields[0].endswith(SUFFIX.encode())


def read_preprocessed(table: Path, audio: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """The utterances of a list. The speaker is the first part of a file's name, as in LibriSpeech and VCTK."""
    text = read_text(table)
    if text is None:
        reject(f"{corpus}/{table.name}", "the list is not UTF-8 text")
        return
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        fields = line.split("|", COLUMNS - 1)
        name = fields[0]
        if len(fields) != COLUMNS or leads_out(name) or Path(name).suffix != SUFFIX:
            reject(f"{corpus}/{table.name}, line {number}", "it does not list a waveform, five values and a text")
            continue
        speaker = re.split(r"[-_]", name.removesuffix(SUFFIX).removeprefix("audio-"))[0]
        yield Found(f"audio/{name}", audio / name, speaker, fields[-1])


def find_speaker_mels(folder: Path) -> list[Path]:
    """The speakers' folders, if a folder is `SV2TTS/encoder`."""
    return sorted(path.parent for path in folder.glob(f"*/{SOURCES}"))


def read_speaker_mels(speakers: list[Path], folder: Path) -> Iterator[Found]:
    """The mels of all speakers; each folder is one speaker."""
    for speaker in speakers:
        for path in sorted(speaker.glob(f"*{SUFFIX}")):
            yield Found(path.relative_to(folder).as_posix(), path, speaker.name, "")


def array_samples(path: Path) -> int:
    """The length of a waveform or of mels in samples at 16 kHz; 0 if it is neither. Reads the header only."""
    try:
        with PARSING:
            array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return 0
    if not isinstance(array, np.ndarray) or array.dtype.kind != "f" or not 1 <= array.ndim <= 2:
        return 0
    if array.ndim == 2 and not 1 <= array.shape[1] <= MAX_MEL_BANDS:
        return 0
    return len(array) * (SAMPLES_PER_FRAME if array.ndim == 2 else 1)


def read_array(path: Path) -> np.ndarray:
    """Waveform float32 [samples], or mels float32 [frames, bands].

    Raises:
        AudioError: missing, damaged, neither of the two, or with values that are not finite.
    """
    if not array_samples(path):
        raise AudioError(f"{path} holds neither a waveform nor mels.")
    with PARSING:
        values = np.load(path, allow_pickle=False).astype(np.float32)
    if not np.isfinite(values).all():
        raise AudioError(f"{path} has values that are not finite.")
    return values


def read_waveform(path: Path, sample_rate: int) -> np.ndarray:
    """The waveform of a file: float32 [samples] at `sample_rate` in [-1, 1].

    Raises:
        AudioError: as `read_array`, or the file holds mels.
    """
    wav = read_array(path)
    if wav.ndim != 1:
        raise AudioError(f"{path} holds mels, which only the encoder stage can use.")
    wav = resample(wav, SAMPLE_RATE, sample_rate)
    return wav / max(1.0, float(np.abs(wav).max(initial=0)))


def read_mels(path: Path) -> np.ndarray:
    """The power mels of a file: float32 [frames, bands], 0 or more.

    Raises:
        AudioError: as `read_array`, or the file holds no power mels.
    """
    mels = read_array(path)
    if mels.ndim != 2 or mels.min() < 0:
        raise AudioError(f"{path} holds no power mels.")
    return mels
