"""Reading `metadata.csv`: a table with a header, or the format of LJ Speech."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

from corpora.recordings import AUDIO_SUFFIXES, Found, OnReject, audio_files, leads_out, read_text
from speech.errors import CorpusError

NAME = "metadata.csv"
DELIMITERS = (",", ";", "\t", "|")
MAX_LINES = 50  # of one quoted field
TOO_MANY = "its line of metadata.csv has too many fields or no path: put a text with commas in double quotes"
OUTSIDE = "its absolute path is not in the corpus folder: write paths relative to metadata.csv"


def read_metadata(folder: Path, corpus: str, reject: OnReject) -> Iterator[Found]:
    """The recordings that the `metadata.csv` of a folder lists.

    Raises:
        CorpusError: it is not UTF-8, or has neither a header with "path" nor lines of the form name|text.
    """
    text = read_text(folder / NAME)
    if text is None:
        raise CorpusError(f"{folder / NAME} is not UTF-8 text: save it as UTF-8.")
    lines = re.split(r"\r\n|\r|\n", text)
    for delimiter in DELIMITERS:
        names = tuple(name.strip().strip('"').lower() for name in lines[0].split(delimiter))
        if "path" in names:
            yield from _read_table(_Table(folder, lines, names, delimiter), corpus, reject)
            return
    if "|" not in lines[0]:
        raise CorpusError(f"{folder / NAME} needs a header with 'path', or lines of the form name|text.")
    yield from _read_ljspeech(folder, lines, corpus, reject)


def _read_ljspeech(folder: Path, lines: Sequence[str], corpus: str, reject: OnReject) -> Iterator[Found]:
    by_stem = {path.stem: path for path in audio_files(folder)}
    for line in lines:
        name, *texts = line.split("|")
        if not line.strip():
            continue
        stem = PureWindowsPath(name.strip()).name  # both / and \ separate folders
        path = by_stem.get(stem) or by_stem.get(Path(stem).stem)
        if path is None or not texts:
            reject(f"{corpus}/{name}", "there is no recording of that name" if texts else "its line has no text")
            continue
        spoken = texts[1] if len(texts) > 1 and texts[1].strip() else texts[0]
        yield Found(path.relative_to(folder).as_posix(), path, corpus, spoken)


# ---- a table with a header -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Table:
    folder: Path
    lines: Sequence[str]
    names: tuple[str, ...]  # of the columns
    delimiter: str


def _read_table(table: _Table, corpus: str, reject: OnReject) -> Iterator[Found]:
    for fields, fits in _records(table):
        values = dict(zip(table.names, (field.strip() for field in fields), strict=False))
        name, reason = _relative(table.folder, values.get("path", ""))
        speaker = values.get("speaker", corpus)
        if not fits or not name:
            reject(f"{corpus}/{name}", TOO_MANY)
        elif reason or not speaker:
            reject(f"{corpus}/{name}", reason or "no speaker is named")
        else:
            yield Found(name, table.folder / name, speaker, values.get("text", ""))


def _records(table: _Table) -> Iterator[tuple[list[str], bool]]:
    """The fields of each record, and whether they fit the columns."""
    start = 1
    while start < len(table.lines):
        end, fields = _quoted_record(table, start)
        if fields is not None:
            fitting = _fitted(table, fields)
        else:  # quotes that do not match: take them literally
            end, fields = start + 1, table.lines[start].split(table.delimiter)
            fitting = _fitted(table, fields)
            fitting = None if fitting is None else [_unquoted(field) for field in fitting]
        if any(field.strip() for field in fields):
            yield (fields, False) if fitting is None else (fitting, True)
        start = end


def _quoted_record(table: _Table, start: int) -> tuple[int, list[str] | None]:
    """The line after the record that begins at line `start`, and its fields; None if its quotes do not match.

    A quoted field may have several lines, but none that begins a record.
    """
    for end in range(start + 1, min(start + MAX_LINES, len(table.lines)) + 1):
        if end > start + 1 and _begins_record(table, table.lines[end - 1]):
            break
        try:
            fields = _parse(table, table.lines[start:end], strict=True)
        except csv.Error as error:
            if "unexpected end of data" in str(error):  # the quote is still open
                continue
            break
        if len(fields) > len(table.names) or not _has_durations(table, fields):
            # Parts of a text, which will be joined with the spaces between them.
            spaced = _parse(table, table.lines[start:end], strict=False)
            fields = spaced if len(spaced) == len(fields) else fields
        return end, fields
    return start + 1, None


def _parse(table: _Table, lines: Sequence[str], strict: bool) -> list[str]:
    """The fields of the lines of one record. Raises: csv.Error if it is not valid CSV and `strict` is set."""
    rows = csv.reader(
        [line + "\n" for line in lines], delimiter=table.delimiter, skipinitialspace=strict, strict=strict
    )
    return next(rows, [])


def _begins_record(table: _Table, line: str) -> bool:
    fields, index = line.split(table.delimiter), table.names.index("path")
    return len(fields) > index and Path(_unquoted(fields[index])).suffix.lower() in AUDIO_SUFFIXES


def _unquoted(field: str) -> str:
    """A field without the quotes around it, or without the one that is open."""
    bare = field.strip()
    whole = len(bare) > 1 and bare[0] == bare[-1] == '"' and '"' not in bare[1:-1].replace('""', "")
    if whole or (bare.startswith('"') and bare.count('"') % 2):
        return bare[1 : -1 if whole else None].replace('""', '"')
    return field


def _fitted(table: _Table, fields: list[str]) -> list[str] | None:
    """The fields, one for each column, with a text that was split at its commas joined again; None if that fails."""
    names, extra = table.names, len(fields) - len(table.names)
    while extra > 0 and not fields[-1].strip():  # commas at the end
        fields, extra = fields[:-1], extra - 1
    text = names.index("text") if "text" in names else None
    if extra > 0:
        if text is None:
            return None
        fields = _joined(table, fields, text, extra)
    if _has_durations(table, fields):
        return fields
    # Not a duration, but the last part of a text, where the duration is left out?
    follows = text is not None and names[text + 1 :] == names[-1:] and extra == 0
    return _joined(table, fields, text, 1) if follows and text is not None else None


def _has_durations(table: _Table, fields: list[str]) -> bool:
    """Whether the columns of durations hold numbers or are empty."""
    columns = zip(table.names, fields, strict=False)
    return all(_is_number(field) for name, field in columns if name.startswith("duration"))


def _joined(table: _Table, fields: list[str], first: int, extra: int) -> list[str]:
    return [*fields[:first], table.delimiter.join(fields[first : first + extra + 1]), *fields[first + extra + 1 :]]


def _is_number(field: str) -> bool:
    try:
        return not field.strip() or float(_unquoted(field)) >= 0
    except ValueError:
        return False


def _relative(folder: Path, name: str) -> tuple[str, str]:
    """A listed path as one in the corpus with slashes, and the reason if it cannot be used or "".

    An absolute path must be in the corpus folder. If it does not exist on this machine, the part after a folder with
    the name of the corpus is used.
    """
    if "\\" in name and not (folder / name).is_file():
        name = name.replace("\\", "/")
    if not name.startswith("/") and not PureWindowsPath(name[:2]).drive:
        name = Path(name).as_posix() if name else ""
        return name, "the path leads out of the corpus" if leads_out(name) else ""
    listed = Path(name)
    for base in (folder.absolute(), folder.resolve()):
        if listed.is_relative_to(base) and ".." not in listed.parts:
            return listed.relative_to(base).as_posix(), ""
    parts = listed.parts
    if not listed.exists():
        for index in (index for index, part in enumerate(parts[:-1]) if part == folder.resolve().name):
            moved = Path(*parts[index + 1 :])
            if ".." not in moved.parts and (folder / moved).is_file():
                return moved.as_posix(), ""
    return name, OUTSIDE
