"""All measurements of an output, and the figures that summarise them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from evaluation.distances import mel_cepstral_distortion
from evaluation.f0_errors import f0_errors
from evaluation.figures import Figure, fraction, mean, ratio
from evaluation.judges import Judges
from evaluation.outputs import Output
from evaluation.signal_checks import check_signal
from evaluation.similarity import nearest
from evaluation.words import SentenceChooser, WordRecogniser, edit_distance

Row = dict[str, Any]


@dataclass(frozen=True, eq=False)
class Candidates:
    """What an output is compared with: the sentences of the closed set, and the voices.

    Attributes:
        sentences: the closed set; None to skip this measurement.
        voices: the embedding of each voice, [dim], L2 norm 1, by name of the speaker judge and then by voice.
    """

    sentences: SentenceChooser | None
    voices: Mapping[str, Mapping[str, np.ndarray]]


class Metrics:
    """Measures outputs.

    Args:
        open_limit: number of outputs of each condition that are also transcribed without a closed set, which takes
            several times as long as choosing a sentence; None for all.
    """

    def __init__(self, judges: Judges, open_limit: int | None = None) -> None:
        self.judges = judges
        self.open_limit = open_limit
        self._count: Counter[str] = Counter()  # outputs with a text, by condition

    def measure(self, output: Output, candidates: Candidates, original: np.ndarray | None = None) -> Row:
        """All measurements of one output as JSON values.

        Args:
            original: the recording of a copy synthesis, float32 [samples] at 16 kHz.
        """
        row: Row = {
            "condition": output.condition,
            "key": output.key,
            "voice": output.voice,
            "text": output.text,
            "synthesis_seconds": output.synthesis_seconds,
            "vocoder_seconds": output.vocoder_seconds,
            "attempts": output.attempts,
            "attention": [asdict(report) for report in output.attention],
        }
        row |= self._signal(output) | self._words(output, candidates.sentences)
        if self.judges.naturalness is not None:
            row["naturalness"] = {self.judges.naturalness.name: self.judges.naturalness(output.measured)}
        row["similarity"] = self._similarity(output, candidates)
        if original is not None:
            row["mel_cepstral_distortion"] = mel_cepstral_distortion(output.measured, original)
            row["pesq"] = self.judges.pesq(output.measured, original) if self.judges.pesq else None
            errors = f0_errors(output.measured, original)
            row["f0_error_cents"], row["voicing_errors"] = errors.cents, errors.voicing
        return row

    def _signal(self, output: Output) -> Row:
        report = check_signal(output.measured, output.text)
        checks = {name: getattr(report, name) for name in ("plausible_length", "clipped", "dead_air")}
        levels = asdict(report)
        if not np.isfinite(report.rms_dbfs):  # digital silence; JSON has no infinity
            levels["rms_dbfs"] = None
        return {**levels, **checks, "signal_ok": report.ok}

    def _words(self, output: Output, sentences: SentenceChooser | None) -> Row:
        recogniser = self.judges.recogniser
        if recogniser is None or not output.text:
            return {}
        row: Row = {"recogniser": recogniser.name}
        if self._is_transcribed(output.condition):
            row |= _transcribed(recogniser, output)
        if sentences is not None:
            row["chosen"] = sentences.choose(output.measured)
            row["chosen_right"] = row["chosen"] == output.sentence
        return row

    def _is_transcribed(self, condition: str) -> bool:
        self._count[condition] += 1
        return self.open_limit is None or self._count[condition] <= self.open_limit

    def _similarity(self, output: Output, candidates: Candidates) -> dict[str, Row]:
        """By speaker judge; those that do not know the output's voice are left out."""
        found = {}
        for judge in self.judges.speakers:
            voices = candidates.voices.get(judge.name, {})
            if output.voice not in voices:
                continue
            embedding = judge.embed(output.measured)
            cosine = None if embedding is None else float(voices[output.voice] @ embedding)
            best = nearest(embedding, voices)
            row: Row = {"cosine": cosine, "nearest": best, "nearest_right": best == output.voice}
            if judge.threshold is not None:
                row["accepted"] = cosine is not None and cosine >= judge.threshold
            if output.source in voices:
                row["source_cosine"] = None if embedding is None else float(voices[output.source] @ embedding)
                row["nearer"] = cosine is not None and cosine > row["source_cosine"]
            found[judge.name] = row
        return found


def _transcribed(recogniser: WordRecogniser, output: Output) -> Row:
    expected, recognised = recogniser.words(output.text), recogniser.transcribe(output.measured)
    spelled, transcript = " ".join(expected), " ".join(recognised)
    return {
        "recognised": transcript,
        "words": len(expected),
        "word_errors": edit_distance(expected, recognised),
        "characters": len(spelled),
        "character_errors": edit_distance(spelled, transcript),
    }


def summarise(rows: Sequence[Row]) -> dict[str, Figure]:
    """The figures of one condition; those that no row has are left out."""

    def column(name: str) -> list[Any]:
        return [row[name] for row in rows if row.get(name) is not None]

    def total(part: str, whole: str, percent: bool = False) -> Figure:
        both = [row for row in rows if row.get(part) is not None and row.get(whole)]
        return ratio([row[part] for row in both], [row[whole] for row in both], percent)

    alignments = [report for row in rows for report in row["attention"]]
    recogniser = next(iter(column("recogniser")), "")
    figures = {
        f"words: error rate ({recogniser})": total("word_errors", "words", True),
        f"words: character error rate ({recogniser})": total("character_errors", "characters", True),
        f"words: right sentence chosen ({recogniser})": fraction(column("chosen_right")),
        **_by_judge(rows),
        "attention: runs to the end": fraction(report["monotonic"] for report in alignments),
        "attention: failures": fraction(not report["ok"] for report in alignments),
        "attention: text covered": mean((report["coverage"] for report in alignments), True),
        "attention: more than one attempt": fraction(row["attempts"] > 1 for row in rows if row["attempts"]),
        "signal: all checks passed": fraction(column("signal_ok")),
        "signal: plausible length": fraction(column("plausible_length")),
        "signal: clipped": fraction(column("clipped")),
        "signal: dead air": fraction(column("dead_air")),
        "signal: level in dBFS": mean(column("rms_dbfs")),
        "copy: mel cepstral distortion in dB": mean(column("mel_cepstral_distortion")),
        "copy: PESQ": mean(column("pesq")),
        "copy: F0 error in cents": mean(column("f0_error_cents")),
        "copy: voicing errors": mean(column("voicing_errors"), True),
        "speed: real-time factor, synthesizer": total("synthesis_seconds", "seconds"),
        "speed: real-time factor, vocoder": total("vocoder_seconds", "seconds"),
    }
    return {name: figure for name, figure in figures.items() if figure.n}


def _by_judge(rows: Sequence[Row]) -> dict[str, Figure]:
    """The figures of naturalness and of each speaker judge."""
    figures = {}
    for name in _names(rows, "naturalness"):
        figures[f"quality: 1 to 5 ({name})"] = mean(row["naturalness"][name] for row in rows)
    for name in _names(rows, "similarity"):
        known = [row["similarity"][name] for row in rows if name in row["similarity"]]
        figures[f"voice: cosine ({name})"] = mean(row["cosine"] for row in known)
        figures[f"voice: accepted as the speaker ({name})"] = fraction(
            row["accepted"] for row in known if "accepted" in row
        )
        figures[f"voice: cosine to the source ({name})"] = mean(row.get("source_cosine") for row in known)
        figures[f"voice: nearer to the target than to the source ({name})"] = fraction(
            row["nearer"] for row in known if "nearer" in row
        )
        figures[f"voice: nearest reference right ({name})"] = fraction(row["nearest_right"] for row in known)
    return figures


def _names(rows: Sequence[Row], part: str) -> list[str]:
    """The judges that have measured this part, in their order."""
    return list(dict.fromkeys(name for row in rows for name in row.get(part, {})))


def by_condition(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by condition, in the order in which the conditions first occur."""
    conditions: dict[str, list[Row]] = {}
    for row in rows:
        conditions.setdefault(row["condition"], []).append(row)
    return conditions
