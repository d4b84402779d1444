"""AudioSet as noise: clips that some tool has downloaded, beside the lists of segments of its authors.

AudioSet itself is only a list of segments of videos. Tools name the clips by the video, with or without the start
(`--Zn4ViKWcw.wav`, `Y--Zn4ViKWcw.wav`, `--Zn4ViKWcw_30.000.wav`, `--Zn4ViKWcw_30000_40000.wav`).
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from corpora.recordings import Found, OnReject, audio_files

LISTS = ("balanced_train_segments.csv", "unbalanced_train_segments.csv", "eval_segments.csv")
NAMES = "class_labels_indices.csv"
VIDEO_NAME_LENGTH = 11
# Clips in which somebody speaks or sings are no noise for the training on speech.
VOICES = {
    "/m/09x0r": "speech",
    "/m/05zppz": "male speech",
    "/m/02zsn": "female speech",
    "/m/0ytgt": "child speech",
    "/m/01h8n0": "conversation",
    "/m/02qldy": "narration",
    "/m/0brhx": "speech synthesizer",
    "/m/02rtxlg": "whispering",
    "/m/015lz1": "singing",
}


def find_audioset(folder: Path) -> list[Path]:
    """The lists of segments in the folder or one level below."""
    return [path for depth in ("", "*/") for name in LISTS for path in sorted(folder.glob(depth + name))]


def read_audioset(lists: list[Path], folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """The clips without voices; the first class of a clip takes the place of the speaker, all are its label `classes`.

    A clip that no list names is left out, because nothing says what it holds.
    """
    names = _class_names(lists[0].parent)
    classes = _classes_of_videos(lists)
    for path in audio_files(folder):
        key = path.relative_to(folder).as_posix()
        found = _classes_of(path.stem, classes)
        voices = [VOICES[mid] for mid in found if mid in VOICES]
        if not found:
            reject(f"{corpus}/{key}", "no list of AudioSet names it")
        elif voices:
            reject(f"{corpus}/{key}", f"it contains a voice ({voices[0]})")
        else:
            spoken = [names.get(mid, mid) for mid in found]
            yield Found(key, path, spoken[0], "", (("classes", "; ".join(spoken)),))


def _classes_of_videos(lists: list[Path]) -> dict[tuple[str, int], tuple[str, ...]]:
    """Class identifiers by video and start in whole seconds; -1 for the first segment of a video."""
    found: dict[tuple[str, int], tuple[str, ...]] = {}
    for table in lists:
        with open(table, encoding="utf-8", newline="", errors="replace") as file:
            for row in csv.reader(file, skipinitialspace=True):
                if len(row) < 4 or row[0].startswith("#"):
                    continue
                mids = tuple(mid.strip() for mid in ",".join(row[3:]).split(",") if mid.strip())
                found.setdefault((row[0], -1), mids)
                if re.fullmatch(r"\d+(\.\d*)?", row[1]):
                    found[row[0], int(float(row[1]))] = mids
    return found


def _classes_of(stem: str, classes: dict[tuple[str, int], tuple[str, ...]]) -> tuple[str, ...]:
    """The classes of a clip by its name; empty if it is in no list."""
    for skip in (0, 1):  # some tools put a Y before the video's name, because it may begin with a hyphen
        if skip and not stem.startswith("Y"):
            break
        video, rest = stem[skip : skip + VIDEO_NAME_LENGTH], stem[skip + VIDEO_NAME_LENGTH :]
        if (video, -1) not in classes:
            continue
        if match := re.match(r"_(\d+)(\.\d+)?", rest):
            start = int(match[1])
            for second in (start, start // 1000):
                if (video, second) in classes:
                    return classes[video, second]
        return classes[video, -1]
    return ()


def _class_names(folder: Path) -> dict[str, str]:
    """Names by class identifier, if their list is there."""
    path = folder / NAMES
    if not path.is_file():
        return {}
    with open(path, encoding="utf-8", newline="", errors="replace") as file:
        return {row[1]: row[2] for row in csv.reader(file) if len(row) > 2 and row[0].isdigit()}
