"""All measurements of an output, and the figures that summarise them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from evaluation.distances import Pesq, mel_cepstral_distortion, spectral_distance
from evaluation.f0_errors import f0_errors
from evaluation.figures import Figure, fraction, mean, ratio
from evaluation.outputs import Output
from evaluation.signal_checks import check_signal
from evaluation.similarity import nearest
from evaluation.words import edit_distance, spoken_words

Row = dict[str, Any]


class SentenceChooser(Protocol):
    """See `evaluation.recogniser.SentenceSet`."""

    def choose(self, wav: np.ndarray) -> int | None: ...


class WordRecogniser(Protocol):
    """See `evaluation.recogniser.Recogniser`."""

    def transcribe(self, wav: np.ndarray) -> list[str]: ...

    def sentence_set(self, sentences: Sequence[str]) -> SentenceChooser: ...


class VoiceEncoder(Protocol):
    """See `evaluation.similarity.IndependentEncoder`."""

    def embed(self, wav: np.ndarray) -> np.ndarray | None: ...


@dataclass(frozen=True, eq=False)
class Candidates:
    """What an output is compared with: the sentences of the closed set, and the reference voices.

    Attributes:
        sentences: the closed set; None to skip this measurement.
        voices: the speaker of each reference.
        embeddings: the embedding of each reference, [embedding_size], L2 norm 1.
    """

    sentences: SentenceChooser | None
    voices: Sequence[str]
    embeddings: Sequence[np.ndarray]


class Metrics:
    """Measures outputs. The figures of a missing (None) recogniser, encoder or PESQ are left out.

    Args:
        open_limit: number of outputs of each condition that are also transcribed without a closed set, which takes
            several times as long as choosing a sentence; None for all.
    """

    def __init__(
        self,
        recogniser: WordRecogniser | None,
        encoder: VoiceEncoder | None,
        pesq: Pesq | None = None,
        open_limit: int | None = None,
    ) -> None:
        self.recogniser = recogniser
        self.encoder = encoder
        self.pesq = pesq
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
        row |= self._signal(output) | self._words(output, candidates.sentences) | self._voice(output, candidates)
        if original is not None:
            row["mel_cepstral_distortion"] = mel_cepstral_distortion(output.measured, original)
            row["spectral_distance"] = spectral_distance(output.measured, original)
            row["pesq"] = self.pesq(output.measured, original) if self.pesq else None
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
        if self.recogniser is None or not output.text:
            return {}
        row = self._transcribed(output) if self._is_transcribed(output.condition) else {}
        if sentences is not None:
            row["chosen"] = sentences.choose(output.measured)
            row["chosen_right"] = row["chosen"] == output.sentence
        return row

    def _is_transcribed(self, condition: str) -> bool:
        self._count[condition] += 1
        return self.open_limit is None or self._count[condition] <= self.open_limit

    def _transcribed(self, output: Output) -> Row:
        assert self.recogniser is not None
        expected, recognised = spoken_words(output.text), self.recogniser.transcribe(output.measured)
        spelled, transcript = " ".join(expected), " ".join(recognised)
        return {
            "recognised": transcript,
            "words": len(expected),
            "word_errors": edit_distance(expected, recognised),
            "characters": len(spelled),
            "character_errors": edit_distance(spelled, transcript),
        }

    def _voice(self, output: Output, candidates: Candidates) -> Row:
        if self.encoder is None or not len(candidates.voices):
            return {}
        embedding = self.encoder.embed(output.measured)
        index = nearest(embedding, candidates.embeddings)
        own = [vector for voice, vector in zip(candidates.voices, candidates.embeddings, strict=True)
               if voice == output.voice]  # fmt: skip
        similarity = None if embedding is None or not own else float(max(vector @ embedding for vector in own))
        found = None if index is None else candidates.voices[index]
        return {"similarity": similarity, "nearest": found, "nearest_right": found == output.voice}


def summarise(rows: Sequence[Row]) -> dict[str, Figure]:
    """The figures of one condition; those that no row has are left out."""

    def column(name: str) -> list[Any]:
        return [row[name] for row in rows if row.get(name) is not None]

    def total(part: str, whole: str, percent: bool = False) -> Figure:
        both = [row for row in rows if row.get(part) is not None and row.get(whole)]
        return ratio([row[part] for row in both], [row[whole] for row in both], percent)

    alignments = [report for row in rows for report in row["attention"]]
    figures = {
        "words: error rate": total("word_errors", "words", True),
        "words: character error rate": total("character_errors", "characters", True),
        "words: right sentence chosen": fraction(column("chosen_right")),
        "voice: similarity": mean(column("similarity")),
        "voice: nearest reference right": fraction(column("nearest_right")),
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
        "copy: spectral distance": mean(column("spectral_distance")),
        "copy: PESQ": mean(column("pesq")),
        "copy: F0 error in cents": mean(column("f0_error_cents")),
        "copy: voicing errors": mean(column("voicing_errors"), True),
        "speed: real-time factor, synthesizer": total("synthesis_seconds", "seconds"),
        "speed: real-time factor, vocoder": total("vocoder_seconds", "seconds"),
    }
    return {name: figure for name, figure in figures.items() if figure.n}


def by_condition(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows by condition, in the order in which the conditions first occur."""
    conditions: dict[str, list[Row]] = {}
    for row in rows:
        conditions.setdefault(row["condition"], []).append(row)
    return conditions
