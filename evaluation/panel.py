"""The panel of judges: every output is measured once, by all of them, and the measurements become figures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np

from evaluation.distances import Pesq, mel_cepstral_distortion, spectral_distance
from evaluation.figures import Figure, mean, ratio, share
from evaluation.judge import nearest
from evaluation.outputs import Output
from evaluation.pitch import pitch_error
from evaluation.signal_checks import check_signal
from evaluation.words import edit_distance, spoken_words

Row = dict[str, Any]


class SentenceChooser(Protocol):
    """See `evaluation.recogniser.SentenceSet`."""

    def choose(self, wav: np.ndarray) -> int | None: ...


class Listener(Protocol):
    """See `evaluation.recogniser.Recogniser`."""

    def transcribe(self, wav: np.ndarray) -> list[str]: ...

    def sentence_set(self, sentences: Sequence[str]) -> SentenceChooser: ...


class EarForVoices(Protocol):
    """See `evaluation.judge.VoiceJudge`."""

    def embed(self, wav: np.ndarray) -> np.ndarray | None: ...


@dataclass(frozen=True, eq=False)
class Candidates:
    """What an output is chosen from: the sentences it may say, and the reference clips it may sound like.

    Attributes:
        sentences: the closed set, None to leave that out.
        voices: the speaker of each reference clip.
        embeddings: each clip's embedding by the judge, [256].
    """

    sentences: SentenceChooser | None
    voices: Sequence[str]
    embeddings: Sequence[np.ndarray]


class Panel:
    """Measures outputs. Each judge may be None, and then its figures are left out.

    Args:
        open_limit: how many outputs of each condition are also recognised openly, which takes several times as
            long as choosing a sentence; None for all.
    """

    def __init__(
        self,
        recogniser: Listener | None,
        judge: EarForVoices | None,
        pesq: Pesq | None = None,
        open_limit: int | None = None,
    ) -> None:
        self.recogniser = recogniser
        self.judge = judge
        self.pesq = pesq
        self.open_limit = open_limit
        self._count: Counter[str] = Counter()  # of outputs with words, by condition

    def measure(self, output: Output, candidates: Candidates, original: np.ndarray | None = None) -> Row:
        """Everything about one output, ready for JSON.

        Args:
            original: the recording that a copy synthesis is a copy of, float32 [samples] at 16 kHz.
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
            row["mel_cepstral_distortion"] = mel_cepstral_distortion(output.wav, original)
            row["spectral_distance"] = spectral_distance(output.wav, original)
            row["pesq"] = self.pesq(output.wav, original) if self.pesq else None
            pitch = pitch_error(output.wav, original)
            row["pitch_error_cents"], row["voicing_errors"] = pitch.cents, pitch.voicing
        return row

    def _signal(self, output: Output) -> Row:
        report = check_signal(output.wav, output.text)
        verdicts = {name: getattr(report, name) for name in ("plausible_length", "clipped", "dead_air")}
        levels = asdict(report)
        if not np.isfinite(report.rms_dbfs):  # digital silence; JSON has no infinity
            levels["rms_dbfs"] = None
        return {**levels, **verdicts, "signal_ok": report.ok}

    def _words(self, output: Output, sentences: SentenceChooser | None) -> Row:
        if self.recogniser is None or not output.text:
            return {}
        row = self._heard_openly(output) if self._is_heard_openly(output.condition) else {}
        if sentences is not None:
            row["chosen"] = sentences.choose(output.wav)
            row["chosen_right"] = row["chosen"] == output.sentence
        return row

    def _is_heard_openly(self, condition: str) -> bool:
        self._count[condition] += 1
        return self.open_limit is None or self._count[condition] <= self.open_limit

    def _heard_openly(self, output: Output) -> Row:
        assert self.recogniser is not None
        said, heard = spoken_words(output.text), self.recogniser.transcribe(output.wav)
        spelled, understood = " ".join(said), " ".join(heard)
        return {
            "heard": understood,
            "words": len(said),
            "word_errors": edit_distance(said, heard),
            "characters": len(spelled),
            "character_errors": edit_distance(spelled, understood),
        }

    def _voice(self, output: Output, candidates: Candidates) -> Row:
        if self.judge is None or not len(candidates.voices):
            return {}
        embedding = self.judge.embed(output.wav)
        place = nearest(embedding, candidates.embeddings)
        own = [vector for voice, vector in zip(candidates.voices, candidates.embeddings, strict=True)
               if voice == output.voice]  # fmt: skip
        similarity = None if embedding is None or not own else float(max(vector @ embedding for vector in own))
        found = None if place is None else candidates.voices[place]
        return {"similarity": similarity, "nearest": found, "nearest_right": found == output.voice}


def summarise(rows: Sequence[Row]) -> dict[str, Figure]:
    """The figures of one condition; those that none of its rows has are left out."""

    def column(name: str) -> list[Any]:
        return [row[name] for row in rows if row.get(name) is not None]

    def total(part: str, whole: str, percent: bool = False) -> Figure:
        both = [row for row in rows if row.get(part) is not None and row.get(whole)]
        return ratio([row[part] for row in both], [row[whole] for row in both], percent)

    alignments = [report for row in rows for report in row["attention"]]
    figures = {
        "words: error rate": total("word_errors", "words", True),
        "words: character error rate": total("character_errors", "characters", True),
        "words: right sentence chosen": share(column("chosen_right")),
        "voice: similarity": mean(column("similarity")),
        "voice: nearest reference right": share(column("nearest_right")),
        "attention: runs to the end": share(report["monotonic"] for report in alignments),
        "attention: failures": share(not report["ok"] for report in alignments),
        "attention: text covered": mean((report["coverage"] for report in alignments), True),
        "attention: more than one attempt": share(row["attempts"] > 1 for row in rows if row["attempts"]),
        "signal: all checks passed": share(column("signal_ok")),
        "signal: plausible length": share(column("plausible_length")),
        "signal: clipped": share(column("clipped")),
        "signal: dead air": share(column("dead_air")),
        "signal: level in dBFS": mean(column("rms_dbfs")),
        "copy: mel cepstral distortion in dB": mean(column("mel_cepstral_distortion")),
        "copy: spectral distance": mean(column("spectral_distance")),
        "copy: PESQ": mean(column("pesq")),
        "copy: pitch error in cents": mean(column("pitch_error_cents")),
        "copy: voicing errors": mean(column("voicing_errors"), True),
        "speed: real-time factor, synthesizer": total("synthesis_seconds", "seconds"),
        "speed: real-time factor, vocoder": total("vocoder_seconds", "seconds"),
    }
    return {name: figure for name, figure in figures.items() if figure.n}


def by_condition(rows: Iterable[Row]) -> dict[str, list[Row]]:
    """Rows sorted into their conditions, in the order in which these first occur."""
    conditions: dict[str, list[Row]] = {}
    for row in rows:
        conditions.setdefault(row["condition"], []).append(row)
    return conditions
