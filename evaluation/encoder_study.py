"""The study of encoders: error rates on each corpus, for whole and short clips, clean and in noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from corpora.corpus import Utterance
from evaluation.clip_tests import ClipSet, Condition, Embedder, conditions, run_tests, single_recordings
from evaluation.error_rates import MIN_SPEAKERS, ErrorRates, average, error_rates
from evaluation.figures import Figure
from evaluation.noise import NoiseSet
from evaluation.report import Notes
from evaluation.sets import Material, read_recordings
from evaluation.study import Progress
from speech.errors import CorpusError

OTHERS = "other corpora"
FEW_SPEAKERS = 10

Figures = dict[str, dict[str, Figure]]


@dataclass(frozen=True)
class EncoderPlan:
    """Which clips are measured: lengths in seconds of speech, signal-to-noise ratios in dB, choice of utterances."""

    lengths: Sequence[float]
    ratios: Sequence[float] = ()
    held_out: bool = False
    limit_per_speaker: int | None = None
    seed: int = 0


def encoder_figures(
    corpora: Sequence[Path],
    embedders: Mapping[str, Embedder],
    compared: Sequence[tuple[str, str]],
    plan: EncoderPlan,
    noises: NoiseSet | None,
    notes: Notes,
    progress: Progress,
) -> Figures:
    """Figures by column (metric and system), then by row (corpus, length, noise).

    Args:
        embedders: the systems to test, by label.
        compared: pairs of labels whose error rates are subtracted, for each bootstrap sample.
        noises: needed if the plan has signal-to-noise ratios.

    Raises:
        CorpusError: there is nothing to measure.
    """
    material = Material(corpora, notes.reject)
    chosen = material.choose(limit_per_speaker=plan.limit_per_speaker, held_out=plan.held_out, seed=plan.seed)
    material.note_training(chosen, notes)
    wanted = conditions(plan.lengths, plan.ratios)
    rates: dict[str, dict[Condition, dict[str, ErrorRates]]] = {}
    for number, (name, utterances) in enumerate(groups(chosen).items()):
        recordings = read_recordings(utterances, on_reject=notes.reject, normalized=False)
        single = single_recordings((item.speaker, item.key) for item in utterances)
        tests = run_tests(
            progress(recordings, name, len(utterances)), single, embedders, wanted, noises, plan.seed, notes.reject
        )
        _note_set(name, utterances, single, tests, notes)
        # A different seed for each set: the average over sets needs independent samples.
        measured = {test: _measure(tests[test], embedders, plan.seed + number) for test in wanted}
        rates[name] = {condition: rate for condition, rate in measured.items() if rate}
    if not any(rates.values()):
        raise CorpusError("An equal error rate needs two speakers, and two clips of one of them: name more corpora.")
    return _table(rates, list(embedders), compared, wanted)


def groups(utterances: Sequence[Utterance]) -> dict[str, list[Utterance]]:
    """The utterances by corpus, sorted by name; corpora of one speaker are merged."""
    corpora: dict[str, list[Utterance]] = {}
    for item in utterances:
        corpora.setdefault(item.corpus, []).append(item)
    several: dict[str, list[Utterance]] = {}
    others: list[Utterance] = []
    for name, members in sorted(corpora.items()):
        if len({item.speaker for item in members}) > 1:
            several[name] = members
        else:
            others += members
    return several | ({OTHERS: others} if others else {})


def _measure(clips: ClipSet, embedders: Mapping[str, Embedder], seed: int) -> dict[str, ErrorRates]:
    """Rates by label; empty if there are not pairs of both kinds."""
    if not clips.has_both_kinds:
        return {}
    return {
        label: error_rates(clips.finished(label, embedder), clips.speakers, seed)
        for label, embedder in embedders.items()
    }


def _table(
    rates: Mapping[str, Mapping[Condition, Mapping[str, ErrorRates]]],
    labels: Sequence[str],
    compared: Sequence[tuple[str, str]],
    wanted: Sequence[Condition],
) -> Figures:
    columns = [f"EER, {label}" for label in labels] + [f"{label} minus {other}" for label, other in compared]
    figures: Figures = {column: {} for column in [*columns, *(f"minDCF, {label}" for label in labels)]}

    def add(row: str, by_label: Mapping[str, ErrorRates]) -> None:
        for label, rate in by_label.items():
            figures[f"EER, {label}"][row] = rate.eer_figure()
            figures[f"minDCF, {label}"][row] = rate.cost_figure()
        for label, other in compared:
            figures[f"{label} minus {other}"][row] = by_label[label].eer_minus(by_label[other])

    for name, by_condition in rates.items():
        for condition, by_label in by_condition.items():
            add(f"{name}, {condition} ({by_label[labels[0]].clips} clips)", by_label)
    for condition in wanted:
        measured = [sets[condition] for sets in rates.values() if condition in sets]
        averaged = [by_label for by_label in measured if by_label[labels[0]].speakers >= MIN_SPEAKERS]
        if len(averaged) > 1:
            means = {label: average([by_label[label] for by_label in averaged]) for label in labels}
            add(f"mean of {len(averaged)} corpora, {condition} ({means[labels[0]].clips} clips)", means)
    return figures


def _note_set(
    name: str, utterances: Sequence[Utterance], single: set[str], tests: Mapping[Condition, ClipSet], notes: Notes
) -> None:
    counts = ", ".join(f"{len(clips.speakers)} ({condition})" for condition, clips in tests.items()
                       if condition.snr_db is None)  # fmt: skip
    speakers = len({item.speaker for item in utterances})
    notes.add(f"{name}: {speakers} speakers, {len(utterances)} recordings; clips: {counts}.")
    if speakers < FEW_SPEAKERS:
        notes.add(
            f"{name}: {speakers} speakers are few: error rates move in large steps, intervals are rough or missing."
        )
    if single:
        notes.add(
            f"{name}: of {len(single)} speakers there is one recording, which is cut into parts. Pairs within a "
            "recording are easier than pairs of different recordings."
        )
    lost = {str(condition): clips.lost for condition, clips in tests.items() if clips.lost}
    if lost:
        listed = ", ".join(f"{count} ({condition})" for condition, count in lost.items())
        notes.add(f"{name}: clips left out because too little speech was detected: {listed}.")
