"""CHiME-3 and CHiME-4: noisy speech in `data/audio/16kHz/isolated`, noise in `data/audio/16kHz/backgrounds`.

Every recording was made by several microphones, each in a file of its own (`.CH1.wav` to `.CH6.wav`, `.CH0.wav` near
the mouth). One file of each recording is listed. CHiME-5 and later have lhotse recipes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from corpora.recordings import Found, is_audio, read_text

SPEECH_FOLDER = re.compile(r"(tr|dt|et)05_(bus|caf|ped|str|bth|org)(?:_(real|simu))?")
ENVIRONMENTS = {
    "bus": "bus",
    "caf": "cafe",
    "ped": "pedestrian area",
    "str": "street",
    "bth": "booth",
    "org": "studio",
}
ORIGINS = {"real": "real", "simu": "simulated", None: "clean"}
TRACKS = ("isolated", "isolated_6ch_track", "isolated_2ch_track", "isolated_1ch_track")
ABOVE = ("", "16kHz", "audio/16kHz", "data/audio/16kHz", "*/data/audio/16kHz")
CHANNELS = "546312"  # the fifth, below the middle of the screen, is the one of the challenge; the second faces away


def find_chime_speech(folder: Path) -> list[Path]:
    """The folders of utterances of one track, for example `dt05_bus_real`."""
    candidates = [folder, *(found for track in TRACKS for found in _below(folder, track))]
    for track in candidates:
        parts = [path for path in track.iterdir() if path.is_dir() and SPEECH_FOLDER.fullmatch(path.name)]
        if parts:
            return sorted(parts)
    return []


def read_chime_speech(parts: list[Path], folder: Path) -> Iterator[Found]:
    """Every utterance once, with the labels `environment` and `origin` (real, simulated, or clean)."""
    texts = _transcripts(parts[0])
    for part in parts:
        match = SPEECH_FOLDER.fullmatch(part.name)
        assert match is not None
        labels = (("environment", ENVIRONMENTS[match[2]]), ("origin", ORIGINS[match[3]]))
        for stem, path in _one_channel(part).items():
            speaker = stem.split("_")[0]
            yield Found(path.relative_to(folder).as_posix(), path, speaker, texts.get(stem, ""), labels)


def find_chime_noise(folder: Path) -> Path | None:
    """The folder of long recordings of background noise, if it is in a CHiME corpus."""
    candidates = [folder] if folder.name == "backgrounds" else _below(folder, "backgrounds")
    return next((path for path in candidates if any(path.glob("*.CH[0-9].wav"))), None)


def read_chime_noise(backgrounds: Path, folder: Path) -> Iterator[Found]:
    """Every recording of noise once; its environment takes the place of the speaker."""
    for stem, path in _one_channel(backgrounds).items():
        code = stem.rpartition("_")[2].lower()
        environment = ENVIRONMENTS.get(code, code)
        labels = (("environment", environment),)
        yield Found(path.relative_to(folder).as_posix(), path, environment, "", labels)


def _below(folder: Path, name: str) -> list[Path]:
    return [path for above in ABOVE for path in sorted(folder.glob(f"{above}/{name}".lstrip("/"))) if path.is_dir()]


def _one_channel(folder: Path) -> dict[str, Path]:
    """The file of the best channel there is, by the name without the channel, in the order of the names."""
    takes: dict[str, dict[str, Path]] = {}
    for path in sorted(path for path in folder.iterdir() if is_audio(path)):
        match = re.fullmatch(r"(.+)\.CH(\d)", path.stem)
        stem, channel = (match[1], match[2]) if match else (path.stem, "")
        takes.setdefault(stem, {})[channel] = path
    order = [*CHANNELS, "", "0"]
    return {stem: files[min(files, key=order.index)] for stem, files in takes.items() if set(files) & set(order)}


def _transcripts(part: Path) -> dict[str, str]:
    """Texts by utterance, from `transcriptions`: `text (F01_050C0101_BUS)` in .dot_all, the name first in .trn_all."""
    found: dict[str, str] = {}
    folder = next((above / "transcriptions" for above in part.parents if (above / "transcriptions").is_dir()), None)
    if folder is None:
        return found
    files = [path for suffix in ("dot_all", "trn_all", "dot", "trn") for path in sorted(folder.rglob(f"*.{suffix}"))]
    for path in files:
        for line in (read_text(path) or "").splitlines():
            if match := re.fullmatch(r"(.*)\((\w+)\)\s*", line):
                found.setdefault(match[2], match[1].strip())
            elif match := re.fullmatch(r"(\w+_\w+_[A-Z]{3})\s+(.*)", line):
                found.setdefault(match[1], match[2].strip())
    return found
