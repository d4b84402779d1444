"""Speaker verification: error rates and thresholds of an encoder, on a list of trials or on all pairs of a corpus.

    python -m encoder.verification trials.txt --root wav --det det.png
    python -m encoder.verification recordings/
    python -m encoder.verification --library me.wav

A list has one trial per line, in VoxCeleb's format `1 path/a.wav path/b.wav` (1: same speaker, 0: different ones), or
in Kaldi's format `path/a.wav path/b.wav target` (or `nontarget`). A folder is a corpus, or has one folder per speaker.

With --library, it says whether a clip has one of the saved voices. The exit code is 1 if it has none of them.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import tyro

from encoder.clips import Clip, ClipReport, corpus_clips, embed_clips
from encoder.commands import CommandArguments, check_output, load_encoder, parse_arguments, progress, save_figure
from encoder.metrics import (
    all_pairs,
    det_figure,
    equal_error_rate,
    min_dcf,
    threshold_at_eer,
    threshold_at_min_dcf,
)
from speech.errors import ConfigError, CorpusError, exit_on_speech_error
from speech.files import readable, refuse_special

KALDI_LABELS = {"target": True, "nontarget": False}
VOXCELEB_LABELS = {"1": True, "0": False}
PRIORS = (0.01, 0.05)
MAX_PAIRS = 20_000_000  # 2 GB, and half a minute of sorting
TRIALS_PER_BLOCK = 65_536


def _library_flag() -> Any:
    """Annotation of a flag that takes a folder, a clip, both or nothing."""
    return tyro.constructors.PrimitiveConstructorSpec(
        nargs="*",
        metavar="[DIR]",
        instance_from_str=lambda given: tuple(map(Path, given)),
        is_instance=lambda value: value is None or isinstance(value, tuple),
        str_from_instance=lambda value: [str(path) for path in value or ()],
    )


@dataclass(frozen=True, kw_only=True)
class Arguments(CommandArguments):
    trials: Annotated[
        Path | None, tyro.conf.Positional, tyro.conf.arg(metavar="TRIALS.txt|FOLDER|CLIP", help_behavior_hint="")
    ] = None
    """List of trials, or folder of recordings: a corpus, or one folder per speaker. With --library, a clip."""
    library: Annotated[tuple[Path, ...] | None, _library_flag()] = None
    """Say whether the clip has one of the voices in this folder; by default those of this user."""
    threshold: float | None = None
    """With --library: cosine from which the clip counts as the same speaker, instead of the measured one."""
    root: Path | None = None
    """Folder that the paths in the list are relative to; by default that of the list."""
    det: Path | None = None
    """Write a DET curve to this picture (.png, .pdf, .svg, .jpg)."""
    scores: Path | None = None
    """Write the score of each trial to this text file: label, both names and the cosine, separated by tabs."""


@dataclass(frozen=True)
class Trial:
    """Two clips, and whether they are of the same speaker."""

    same: bool
    first: str
    second: str
    line: int


@dataclass(frozen=True, eq=False)
class Scores:
    """Scores of trials: cosines `values` [trials], `same` speaker [trials], and both sides as indices into `names`."""

    values: np.ndarray
    same: np.ndarray
    names: Sequence[str]
    first: np.ndarray
    second: np.ndarray

    def lines(self) -> str:
        """One line per trial: label, names, cosine."""
        columns = zip(self.same, self.first, self.second, self.values, strict=True)
        return "".join(f"{same:d}\t{self.names[a]}\t{self.names[b]}\t{value:.6f}\n" for same, a, b, value in columns)


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> int:
    given = parse_arguments(Arguments, "verification", argv, __doc__)
    logging.basicConfig(format="%(message)s")
    if given.library is not None:
        return identify_clip(given, given.library)
    if given.trials is None:
        raise CorpusError("There is nothing to score: give a list of trials, or a folder of recordings.")
    return score_trials(given, given.trials)


def identify_clip(given: Arguments, library: Sequence[Path]) -> int:
    """Print whether a clip has one of the voices of a library. Returns 0 if so, else 1. Raises: SpeechError."""
    from encoder.identification import identify
    from modelfile.voice_files import default_library

    paths = [*library, *([] if given.trials is None else [given.trials])]
    if len(paths) not in (1, 2):
        raise ConfigError("--library takes one clip, and perhaps a folder of voices before it.")
    folder = paths[0] if len(paths) == 2 else default_library()
    found, sentence = identify(paths[-1], folder, load_encoder(given.encoder), given.threshold)
    print(sentence)
    return 0 if found else 1


def score_trials(given: Arguments, source: Path) -> int:
    """Print the metrics of a list or a folder. Raises: SpeechError."""
    check_output(given.det, given.force, picture=True)
    check_output(given.scores, given.force)
    report = ClipReport(given.strict)
    scores = (score_folder if source.is_dir() else score_list)(given, source, report)
    report.print()
    print(summary(scores, source))
    if given.scores is not None:
        from modelfile.files import write_text

        write_text(given.scores, scores.lines())
        print(f"scores written to {given.scores}")
    if given.det is not None:
        save_figure(det_figure({readable(given.encoder.stem): (scores.values, scores.same)}), given.det)
        print(f"picture written to {given.det}")
    return 0


def read_trials(path: Path) -> list[Trial]:
    """Read a list of trials. Empty lines and lines that start with # are skipped.

    Columns are separated by tabs if a line has any, else by blanks.

    Raises:
        CorpusError: the list is missing, not text or empty, or a line has neither of the two formats.
    """
    try:
        refuse_special(path)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except FileNotFoundError:
        raise CorpusError(f"There is nothing at {path}: give a list of trials, or a folder of recordings.") from None
    except (OSError, UnicodeDecodeError):
        raise CorpusError(f"{path} is not a readable text file: write one trial per line, in UTF-8.") from None
    trials = []
    for number, line in enumerate(lines, start=1):
        columns = line.strip().split("\t" if "\t" in line.strip() else None)
        if not columns or columns[0].startswith("#"):
            continue
        if len(columns) == 3 and columns[2] in KALDI_LABELS:
            trials.append(Trial(KALDI_LABELS[columns[2]], columns[0], columns[1], number))
        elif len(columns) == 3 and columns[0] in VOXCELEB_LABELS:
            trials.append(Trial(VOXCELEB_LABELS[columns[0]], columns[1], columns[2], number))
        else:
            raise CorpusError(
                f"Line {number} of {path} is not a trial: write '1 a.wav b.wav' (0 for different speakers), "
                "or 'a.wav b.wav target' (or nontarget)."
            )
    if not trials:
        raise CorpusError(f"{path} has no trials: write one per line, as '1 a.wav b.wav'.")
    return trials


def list_clips(trials: Sequence[Trial], path: Path, root: Path) -> dict[str, Clip]:
    """All files of the trials by name. Raises: CorpusError with the line number if a file is missing."""
    from speech.audio import read_audio

    clips: dict[str, Clip] = {}
    for trial in trials:
        for name in (trial.first, trial.second):
            if name in clips:
                continue
            file = root / name
            if not file.is_file():
                raise CorpusError(f"Line {trial.line} of {path}: there is no file {file}. Check the path and --root.")
            clips[name] = Clip(name, "", lambda file=file: read_audio(file))  # type: ignore[misc]
    return clips


def score_list(given: Arguments, source: Path, report: ClipReport) -> Scores:
    """Scores of the trials in a list, without those of unusable clips. Raises: SpeechError."""
    if given.limit_per_speaker is not None:
        raise ConfigError("--limit-per-speaker is only for folders: leave it out for a list of trials.")
    trials = read_trials(source)
    clips = list_clips(trials, source, given.root or source.parent)
    check_kinds(np.array([trial.same for trial in trials]), "The list")
    embeddings = embed_clips(load_encoder(given.encoder), progress(clips, "embedding"), report)
    usable = [trial for trial in trials if trial.first in embeddings and trial.second in embeddings]
    if len(usable) < len(trials):
        print(f"{len(trials) - len(usable)} of {len(trials)} trials left out with their clips")
    same = np.array([trial.same for trial in usable], dtype=bool)
    check_kinds(same, "The rest of the list")
    names = list(embeddings)
    index = {name: number for number, name in enumerate(names)}
    first = np.array([index[trial.first] for trial in usable])
    second = np.array([index[trial.second] for trial in usable])
    rows = np.stack([embeddings[name] for name in names])
    values = [
        np.einsum("ij,ij->i", rows[first[block]], rows[second[block]])
        for block in (slice(at, at + TRIALS_PER_BLOCK) for at in range(0, len(first), TRIALS_PER_BLOCK))
    ]
    return Scores(np.concatenate(values), same, names, first, second)


def score_folder(given: Arguments, source: Path, report: ClipReport) -> Scores:
    """Scores of all pairs of clips in a folder. Raises: SpeechError."""
    if given.root is not None:
        raise ConfigError("--root is only for lists of trials: leave it out for a folder.")
    clips = corpus_clips(source, given.limit_per_speaker, report)
    pairs = len(clips) * (len(clips) - 1) // 2
    if pairs > MAX_PAIRS:
        raise ConfigError(f"{len(clips)} clips make {pairs:,} pairs, which are too many: give --limit-per-speaker.")
    speakers = {clip.name: clip.speaker for clip in clips}
    embeddings = embed_clips(load_encoder(given.encoder), progress(clips, "embedding"), report)
    names = list(embeddings)
    if len(names) < 2:
        raise CorpusError(f"There are fewer than two clips with speech in {source}: give more recordings.")
    values, same = all_pairs(np.stack(list(embeddings.values())), [speakers[name] for name in names])
    check_kinds(same, f"The folder {source}")
    return Scores(values, same, names, *np.triu_indices(len(names), k=1))


def check_kinds(same: np.ndarray, what: str) -> None:
    """Raise CorpusError unless there are trials of both kinds."""
    if same.all() or not same.any():
        missing = "different speakers" if same.any() else "the same speaker"
        raise CorpusError(f"{what} has no trial of {missing}: error rates need both kinds.")


def summary(scores: Scores, source: Path) -> str:
    """The metrics as lines of text."""
    values, same = scores.values, scores.same
    lines = [
        f"{source}: {len(same):,} trials ({same.sum():,} of the same speaker) of {len(scores.names):,} clips",
        f"EER               {equal_error_rate(values, same):7.2%}   threshold {threshold_at_eer(values, same):.3f}",
    ]
    for prior in PRIORS:
        cost, threshold = min_dcf(values, same, prior), threshold_at_min_dcf(values, same, prior)
        lines.append(f"minDCF (p = {prior:g})".ljust(18) + f"{cost:7.3f}   threshold {threshold:.3f}")
    return "\n".join(lines)


if __name__ == "__main__":
    raise SystemExit(main())
