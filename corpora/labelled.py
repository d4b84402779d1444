"""Public corpora that label their recordings: RAVDESS, the Speech Accent Archive and CSTR NAM TIMIT Plus.

Each `find_...` looks for a corpus in a folder, and each `read_...` lists its recordings with their labels.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from corpora.recordings import Found, OnReject, audio_files, is_audio, leads_out, read_text
from speech.errors import CorpusError

# ---- RAVDESS: Actor_12/03-01-06-01-02-01-12.wav, all fields in the name ----------------------------------------------

RAVDESS_NAME = re.compile(r"(0[123])-(0[12])-(0[1-8])-(0[12])-(0[12])-(0[12])-(\d\d)")
AUDIO_VIDEO, VIDEO_ONLY = "01", "02"  # modality; 03 is audio alone
CHANNELS = {"01": "speech", "02": "song"}
EMOTIONS = dict(
    zip(
        (f"{number:02d}" for number in range(1, 9)),
        ("neutral", "calm", "happy", "sad", "angry", "fearful", "disgust", "surprised"),
        strict=True,
    )
)
INTENSITIES = {"01": "normal", "02": "strong"}
STATEMENTS = {"01": "Kids are talking by the door.", "02": "Dogs are sitting by the door."}


def find_ravdess(folder: Path) -> list[Path]:
    """The actors' folders, which have such names and hold files of such names."""
    if re.fullmatch(r"Actor_\d\d", folder.name) and _holds_ravdess(folder):
        return [folder]
    for depth in ("", "*/", "*/*/"):
        actors = sorted(path for path in folder.glob(f"{depth}Actor_[0-9][0-9]") if path.is_dir())
        if actors and any(_holds_ravdess(actor) for actor in actors):
            return actors
    return []


def _holds_ravdess(actor: Path) -> bool:
    return any(RAVDESS_NAME.fullmatch(path.stem) for path in actor.iterdir() if is_audio(path))


def read_ravdess(actors: list[Path], folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """All recordings with the labels `channel` (speech or song), `emotion` and `intensity`.

    Of a take with and without video, the file without is listed.
    """
    listed = {path.stem for actor in actors for path in actor.iterdir() if is_audio(path)}
    for actor in actors:
        for path in sorted(path for path in actor.iterdir() if is_audio(path)):
            name = path.relative_to(folder).as_posix()
            fields = RAVDESS_NAME.fullmatch(path.stem)
            if fields is None:
                reject(f"{corpus}/{name}", "its name does not have the seven fields of RAVDESS")
                continue
            modality, channel, emotion, intensity, statement, _, number = fields.groups()
            if modality == VIDEO_ONLY:
                reject(f"{corpus}/{name}", "it is a video without audio")
            elif modality == AUDIO_VIDEO and f"03{path.stem[2:]}" in listed:
                continue
            else:
                labels = (
                    ("channel", CHANNELS[channel]),
                    ("emotion", EMOTIONS[emotion]),
                    ("intensity", INTENSITIES[intensity]),
                )
                yield Found(name, path, f"Actor_{number}", STATEMENTS[statement], labels)


# ---- Speech Accent Archive: speakers_all.csv, reading-passage.txt, recordings/english1.mp3 ---------------------------

ACCENT_LIST, ACCENT_TEXT = "speakers_all.csv", "reading-passage.txt"
ACCENT_COLUMNS = ("native_language", "country", "sex")


def find_accent_archive(folder: Path) -> Path | None:
    """The list of the speakers."""
    for depth in ("", "*/"):
        for path in sorted(folder.glob(f"{depth}{ACCENT_LIST}")):
            if path.is_file():
                return path
    return None


def read_accent_archive(table: Path, folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """One recording of each speaker, all of the same text, with the labels `native_language`, `country` and `sex`.

    Raises:
        CorpusError: the list has no column with the names of the files.
    """
    by_stem = {path.stem: path for path in audio_files(table.parent)}
    passage = table.parent / ACCENT_TEXT
    text = (read_text(passage) if passage.is_file() else "") or ""
    with open(table, encoding="utf-8-sig", newline="", errors="replace") as file:
        rows = csv.DictReader(file)
        if "filename" not in (rows.fieldnames or ()):
            raise CorpusError(f"{table} is not the list of the Speech Accent Archive: it has no column 'filename'.")
        for row in rows:
            stem = (row["filename"] or "").strip()
            stem = stem.removesuffix(".mp3")
            if not stem:
                continue
            path = by_stem.get(stem)
            if path is None or leads_out(stem):
                reject(f"{corpus}/{stem}", "there is no recording of that name")
                continue
            values = ((column, (row.get(column) or "").strip()) for column in ACCENT_COLUMNS)
            labels = tuple((column, value) for column, value in values if value)
            yield Found(path.relative_to(folder).as_posix(), path, stem, text, labels)


# ---- CSTR NAM TIMIT Plus: HERALD-CLEAN/001_headset.wav and 001_nam.wav, texts in HERALD-TEXT -------------------------

WHISPERER = "cstr_nam_timit"
NAM_FOLDER = re.compile(r"(HERALD|TIMIT)-(CLEAN|NOISY)", re.IGNORECASE)


def find_nam_timit(folder: Path) -> list[Path]:
    """The folders of recordings, one for each set of sentences and background."""
    for depth in ("", "*/"):
        found = [path for path in folder.glob(f"{depth}*") if path.is_dir() and NAM_FOLDER.fullmatch(path.name)]
        if found:
            return sorted(found)
    return []


def read_nam_timit(parts: list[Path], folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """Whispered sentences of one speaker, each by two microphones at once.

    Labels: `style` (whispered), `microphone` (the end of the file name: headset or nam), `background` (clean or noisy),
    and `parallel`, which the two recordings of a sentence have in common.
    """
    for part in parts:
        sentences, background = part.name.upper().split("-")
        texts = part.parent / f"{sentences}-TEXT"
        for path in audio_files(part):
            name = path.relative_to(folder).as_posix()
            stem, _, microphone = path.stem.rpartition("_")
            transcript = texts / f"{stem}.txt"
            text = read_text(transcript) if stem and transcript.is_file() else ""
            if not stem:
                reject(f"{corpus}/{name}", "its name does not end in the microphone, as _headset or _nam")
            elif text is None:
                reject(f"{corpus}/{name}", "its transcript is not UTF-8 text")
            else:
                labels = (
                    ("style", "whispered"),
                    ("microphone", microphone.lower()),
                    ("background", background.lower()),
                    ("parallel", f"{part.name}/{stem}"),
                )
                yield Found(name, path, WHISPERER, text, labels)
