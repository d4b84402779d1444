"""Public corpora as unpacked: VoxCeleb 1 and 2, VCTK, Common Voice and TIMIT.

Each `find_...` looks for a corpus in a folder, and each `read_...` lists its recordings. Archives are unpacked in
different ways, so the corpus may be one or two levels below.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from corpora.recordings import Found, OnReject, audio_files, is_audio, leads_out, read_text
from speech.errors import CorpusError

# ---- VoxCeleb: id10001/<video>/00001.wav, or .m4a in VoxCeleb 2; no transcripts --------------------------------------


def find_voxceleb(folder: Path) -> list[Path]:
    """Folders with the speakers' folders in them: `wav`, `dev/aac` and the like."""
    for depth in ("", "*/", "*/*/"):
        speakers = [path for path in folder.glob(f"{depth}id[0-9][0-9][0-9][0-9][0-9]") if path.is_dir()]
        # Another corpus may have such speaker names, but has no folders of videos.
        if speakers and any(path.is_dir() for path in speakers[0].iterdir()):
            return sorted({path.parent for path in speakers})
    return []


def read_voxceleb(roots: list[Path], folder: Path, nationalities: Sequence[str]) -> Iterator[Found]:
    """All recordings, or those of speakers of some nationalities.

    Raises:
        CorpusError: there is no list of the speakers' nationalities.
    """
    for root in roots:
        speakers = sorted(path for path in root.iterdir() if re.fullmatch(r"id\d{5}", path.name))
        if nationalities:
            wanted = _speakers_from(_voxceleb_list(speakers[0], folder), nationalities)
            speakers = [speaker for speaker in speakers if speaker.name in wanted]
        for speaker in speakers:
            for path in audio_files(speaker):
                yield Found(path.relative_to(folder).as_posix(), path, speaker.name, "")


def _voxceleb_list(speaker: Path, folder: Path) -> Path:
    """The list of speakers, in any folder from the speaker's up to the one above `folder`."""
    # Speaker numbers of VoxCeleb 2 are 12 to 9272, those of VoxCeleb 1 are larger.
    name = "vox1_meta.csv" if speaker.name > "id10000" else "vox2_meta.csv"
    for parent in speaker.parents:
        if (parent / name).is_file():
            return parent / name
        if parent == folder.parent:
            break
    raise CorpusError(
        f"--nationalities needs VoxCeleb's list of speakers: put {name} into {folder}, or leave --nationalities out."
    )


def _speakers_from(path: Path, nationalities: Sequence[str]) -> set[str]:
    """Names of the speakers of these nationalities, compared without case."""
    lines = (read_text(path) or "").splitlines()
    separator = "\t" if lines and "\t" in lines[0] else ","
    rows = [[cell.strip() for cell in line.split(separator)] for line in lines if line.strip()]
    if not rows or "Nationality" not in rows[0]:
        raise CorpusError(f"{path} names no nationalities: read this corpus without --nationalities.")
    column = rows[0].index("Nationality")
    found = {row[0]: row[column] for row in rows[1:] if len(row) > column}
    wanted = {name.casefold() for name in nationalities}
    unknown = wanted - {name.casefold() for name in found.values()}
    if unknown:
        raise CorpusError(
            f"{path} has no speaker of the nationality {', '.join(sorted(unknown))}; it has: "
            f"{', '.join(sorted(set(found.values())))}."
        )
    return {speaker for speaker, nationality in found.items() if nationality.casefold() in wanted}


# ---- VCTK: wav48/p225/p225_001.wav or wav48_silence_trimmed/p225/p225_001_mic1.flac, texts in txt/p225 ---------------

VCTK_FOLDERS = ("wav48_silence_trimmed", "wav48", "wav16")


def find_vctk(folder: Path) -> Path | None:
    """The folder with the speakers' folders; the trimmed recordings if both kinds exist."""
    if folder.name in VCTK_FOLDERS:
        return folder
    for name in VCTK_FOLDERS:
        for root in (folder / name, *sorted(folder.glob(f"*/{name}"))):
            if root.is_dir():
                return root
    return None


def read_vctk(root: Path, folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """Every utterance once, of the first microphone, or of the second if the first is missing."""
    for speaker in sorted(path for path in root.iterdir() if path.is_dir()):
        takes: dict[str, Path] = {}
        for path in sorted(path for path in speaker.iterdir() if is_audio(path)):
            takes.setdefault(re.sub(r"_mic\d$", "", path.stem), path)  # sorted: mic1 comes before mic2
        for stem, path in takes.items():
            name = path.relative_to(folder).as_posix()
            transcript = root.parent / "txt" / speaker.name / f"{stem}.txt"
            text = read_text(transcript) if transcript.is_file() else ""
            if text is None:
                reject(f"{corpus}/{name}", "its transcript is not UTF-8 text")
            else:
                yield Found(name, path, speaker.name, text)


# ---- Common Voice: validated.tsv and clips/ --------------------------------------------------------------------------


def find_common_voice(folder: Path) -> list[Path]:
    """The lists of validated clips, one for each language."""
    for depth in ("", "*/", "*/*/"):
        tables = sorted(path for path in folder.glob(f"{depth}validated.tsv") if (path.parent / "clips").is_dir())
        if tables:
            return tables
    return []


def read_common_voice(tables: list[Path], folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """The clips of these lists; `client_id` is the speaker.

    Raises:
        CorpusError: a list lacks a column.
    """
    for table in tables:
        clips = table.parent / "clips"
        prefix = clips.relative_to(folder)
        with open(table, encoding="utf-8-sig", newline="", errors="replace") as file:
            rows = csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
            if not {"client_id", "path", "sentence"} <= set(rows.fieldnames or ()):
                raise CorpusError(f"{table} is not a list of Common Voice: it needs client_id, path and sentence.")
            for row in rows:
                clip, speaker = (row["path"] or "").strip(), (row["client_id"] or "").strip()
                clip += "" if Path(clip).suffix else ".mp3"  # the first releases omit it
                name = (prefix / clip).as_posix()
                if leads_out(clip):
                    reject(f"{corpus}/{name}", "the path leads out of the corpus")
                elif not speaker:
                    reject(f"{corpus}/{name}", "no speaker is named")
                else:
                    yield Found(name, clips / clip, speaker, row["sentence"] or "")


# ---- TIMIT: TRAIN/DR1/FCJF0/SA1.WAV with SA1.TXT and SA1.WRD ---------------------------------------------------------


def find_timit(folder: Path) -> list[Path]:
    """The folders of dialect regions, in upper or lower case."""
    region = "[Dd][Rr][1-8]"
    train, test = f"[Tt][Rr][Aa][Ii][Nn]/{region}", f"[Tt][Ee][Ss][Tt]/{region}"
    for depth in ("", "*/", "*/*/"):
        found = [*folder.glob(depth + train), *folder.glob(depth + test)]
        if found:
            return sorted(found)
    return sorted(folder.glob(region)) if folder.name.lower() in ("train", "test") else []


def read_timit(regions: list[Path], folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """Every sentence; of a file with a converted copy (SA1.WAV.wav), the original."""
    for region in regions:
        for speaker in sorted(path for path in region.iterdir() if path.is_dir()):
            for path in sorted(path for path in speaker.iterdir() if is_audio(path)):
                name = path.relative_to(folder).as_posix()
                stem = re.sub(r"\.wav$", "", path.stem, flags=re.IGNORECASE)
                if stem != path.stem and (speaker / path.stem).is_file():
                    continue
                text = _timit_text(speaker, stem)
                if text is None:
                    reject(f"{corpus}/{name}", "its transcript is not UTF-8 text")
                else:
                    yield Found(name, path, speaker.name.upper(), text)


def _timit_text(speaker: Path, stem: str) -> str | None:
    """The transcript. A line is `first sample, last sample, words`: one line in .TXT, one per word in .WRD."""
    for suffix in (".TXT", ".txt", ".WRD", ".wrd"):
        path = speaker / (stem + suffix)
        if path.is_file():
            text = read_text(path)
            return None if text is None else _words(text)
    return ""


def _words(text: str) -> str:
    return " ".join(line.split(maxsplit=2)[-1] for line in text.splitlines() if line.strip())
