"""Where a generated audio file comes from: what made it, when, with which models and voice, and who consented.

    python -m cloning.provenance hello.wav

Every file that this toolkit writes has this in its comment, as one line of JSON. Copies and conversions that keep the
comment keep it. A watermark is detected too, if its package is installed. The exit code is 1 if a file has neither.
"""

from __future__ import annotations

import dataclasses
import datetime
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from speech.errors import AudioError, ConfigError, SpeechError, exit_on_speech_error, one_line
from speech.files import readable

if TYPE_CHECKING:
    from cloning.voices import Voice

STATEMENT = "synthetic speech"
MADE_BY = "sv2tts-toolkit"
MAX_TEXT = 100_000  # characters of a text; players and flac files have their limits
MAX_SHOWN = 1000
MAX_COMMENT = 10_000_000  # characters of a comment that is parsed


def toolkit_version() -> str:
    """The installed version, or "checkout"."""
    try:
        return metadata.version(MADE_BY)
    except metadata.PackageNotFoundError:
        return "checkout"


def _today() -> str:
    return datetime.datetime.now(datetime.UTC).date().isoformat()


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """The origin of a piece of synthetic speech.

    Attributes:
        voice: its name, or the file names of its clips.
        consent: the consent note of the voice.
        models: file name and hash of each model by stage, see `cloning.ModelFiles.digests`.
        watermark: name of the watermark that was detected in the audio before it was written; empty without.
        source: file name of the recording that was converted; empty for speech that was made of a text.
        date: ISO date of the synthesis, in UTC.
    """

    voice: str = ""
    consent: str = ""
    models: Mapping[str, str] = field(default_factory=dict)
    watermark: str = ""
    source: str = ""
    made_by: str = MADE_BY
    version: str = field(default_factory=toolkit_version)
    date: str = field(default_factory=_today)

    @classmethod
    def of(cls, voice: Voice, models: Mapping[str, str], watermark: str = "", source: str = "") -> Provenance:
        """That of speech which is generated now."""
        name = voice.name or ", ".join(voice.sources)
        return cls(voice=name, consent=voice.consent, models=dict(models), watermark=watermark, source=source)

    def as_json(self) -> dict[str, Any]:
        """JSON values, texts of at most `MAX_TEXT` characters."""
        values: dict[str, Any] = {name: _cut(value) for name, value in dataclasses.asdict(self).items()}
        return {"statement": STATEMENT} | values

    @classmethod
    def from_json(cls, values: Any) -> Provenance | None:
        """The opposite of `as_json`; None for other values. Raises: ValueError if a part has a wrong type."""
        if not isinstance(values, dict) or values.get("statement") != STATEMENT:
            return None
        names = [one.name for one in dataclasses.fields(cls)]
        parts: dict[str, Any] = {name: values.get(name, {} if name == "models" else "") for name in names}
        models = parts.pop("models")
        if not isinstance(models, dict) or not all(isinstance(one, str) for one in [*parts.values(), *models.values()]):
            raise ValueError("a part is not text")
        return cls(**parts, models=models)

    def tags(self) -> dict[str, str]:
        """The tags of an audio file. All are ASCII, so that any text survives any program."""
        return {
            "title": STATEMENT.capitalize(),
            "software": _ascii(f"{self.made_by} {self.version}"),
            "date": _ascii(self.date),
            "comment": json.dumps(self.as_json()),
        }

    def lines(self) -> list[str]:
        """One line for each known part, without control characters."""
        models = ", ".join(f"{stage} {digest}" for stage, digest in self.models.items())
        parts = {
            "made by": f"{self.made_by} {self.version}",
            "date": self.date,
            "voice": self.voice,
            "consent": self.consent or "no note",
            "models": models,
            "source": self.source,
        }
        return [f"{name:<10} {_printable(text)}" for name, text in parts.items() if text]


def read_provenance(path: Path) -> Provenance | None:
    """The provenance in a file's comment; None if there is none.

    Raises:
        AudioError: the file is missing or is not audio, or its provenance is damaged.
    """
    from speech.tags import read_tags

    comment = read_tags(path).get("comment", "")
    if STATEMENT not in comment:
        return None
    try:
        if len(comment) > MAX_COMMENT:
            raise ValueError("too long")
        return Provenance.from_json(json.loads(comment))
    except (ValueError, RecursionError) as error:
        if not comment.lstrip().startswith("{"):  # words of somebody else
            return None
        raise AudioError(f"The provenance of {readable(str(path))} is damaged: its comment was changed.") from error


def watermark_report(path: Path) -> tuple[bool, str]:
    """Whether the watermark is in a file, and a phrase about it.

    Raises:
        AudioError: the file cannot be decoded. ModelFileError: the weights are damaged.
    """
    from cloning.watermark import NAME, PACKAGE, THRESHOLD, load_watermarker, require_weights
    from speech.audio import SAMPLE_RATE, read_audio

    try:
        require_weights()
    except ConfigError:
        return False, f"not checked (pip install {PACKAGE})"
    scores = load_watermarker().scores(read_audio(path), SAMPLE_RATE)
    found = int((scores >= THRESHOLD).sum())
    if not found:
        return False, "not detected"
    parts = "" if len(scores) == 1 else f" in {found} of {len(scores)} parts"
    return True, f"{NAME}, detected{parts} (score {scores.max():.2f})"


@dataclass(frozen=True)
class Arguments:
    files: Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="FILE [FILE ...]")]
    """Audio files of any format."""


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> int:
    given = tyro.cli(Arguments, prog="python -m cloning.provenance", args=argv, description=__doc__)
    if not given.files:
        raise AudioError("There is no file to read: give one or more audio files.")
    return max(_show(path) for path in given.files)


def _show(path: Path) -> int:
    """Print what is known of one file. Returns 0 if it has provenance, 1 if not, 2 if it cannot be read."""
    name = readable(str(path))
    try:
        provenance = read_provenance(path)
        detected, watermark = watermark_report(path)
    except SpeechError as error:
        print(f"error: {one_line(error)}", file=sys.stderr)
        return 2
    if provenance is None and not detected:
        print(f"{name}: no provenance; watermark {watermark}")
        return 1
    print(f"{name}: {STATEMENT}")
    lines = ["no provenance in its comment"] if provenance is None else provenance.lines()
    print(*(f"  {line}" for line in [*lines, f"{'watermark':<10} {watermark}"]), sep="\n")
    return 0


def _cut(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= MAX_TEXT else f"{value[: MAX_TEXT - 3]}..."
    return {_cut(name): _cut(text) for name, text in value.items()}


def _ascii(text: str) -> str:
    """Text that any tag can hold: printable ASCII, at most 100 characters."""
    return _printable(text).encode("ascii", "replace").decode()[:100]


def _printable(text: str) -> str:
    """One line without control characters, which could change what a terminal shows."""
    text = text if len(text) <= MAX_SHOWN else f"{text[: MAX_SHOWN - 3]}..."
    return "".join(char if char.isprintable() else repr(char)[1:-1] for char in text)


if __name__ == "__main__":
    raise SystemExit(main())
