"""The study of natural speech and its copy synthesis."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from corpora.corpus import Utterance
from evaluation.measurements import Candidates, Row
from evaluation.outputs import NATURAL, Output, copy_output
from evaluation.sets import Material, read_recordings
from evaluation.similarity import REFERENCE_CLIPS, embed_voices
from evaluation.study import Study
from evaluation.vocoders import warm_up
from speech.audio import SAMPLE_RATE

if TYPE_CHECKING:
    from vocoder import Vocoder


@dataclass(frozen=True)
class NaturalPlan:
    """Which natural utterances are measured.

    Attributes:
        limit: at most this many; None for all.
        held_out: only utterances that no stage is trained on.
        with_text: only utterances with a transcript, each transcript once.
        seed: of the choice, and of the vocoders.
    """

    corpora: Sequence[Path]
    limit: int | None = None
    held_out: bool = False
    with_text: bool = False
    seed: int = 0


def natural_rows(study: Study, vocoders: Mapping[str, Vocoder], plan: NaturalPlan) -> Iterator[Row]:
    """Measurements of natural utterances, each followed by those of its copies.

    Up to four further utterances of each speaker are the reference for similarity. The closed set is the texts of the
    utterances.

    Args:
        vocoders: by label.

    Raises:
        CorpusError: there is nothing to measure.
    """
    material = Material(plan.corpora, study.notes.reject)
    everything = material.choose(
        held_out=plan.held_out, with_text=plan.with_text, distinct_texts=plan.with_text, seed=plan.seed
    )
    references, rest = split_references(everything)
    utterances = (rest or everything)[: plan.limit]
    material.note_training(utterances, study.notes)
    candidates = _candidates(study, references if rest else [], utterances)
    indices = {item.key: index for index, item in enumerate(utterances)}
    for vocoder in vocoders.values():
        warm_up(vocoder)
    # A recording is read at the highest rate of a vocoder, so that no band of its mel is empty.
    rate = max([SAMPLE_RATE, *(vocoder.mel_config.sample_rate for vocoder in vocoders.values())])
    recordings = read_recordings(utterances, rate, on_reject=study.notes.reject)
    for recording in study.progress(recordings, "natural speech", len(utterances)):
        item = recording.utterance
        natural = Output(NATURAL, item.key, item.speaker, item.text, indices[item.key], recording.wav, rate)
        yield study.measure(natural, candidates)
        for label, vocoder in vocoders.items():
            yield study.measure(copy_output(natural, label, vocoder, plan.seed), candidates, natural.measured)


def split_references(utterances: Sequence[Utterance]) -> tuple[list[Utterance], list[Utterance]]:
    """Up to four utterances of each speaker with several, at most half of them; and all others of these speakers."""
    counts = Counter(item.speaker for item in utterances)
    taken: Counter[str] = Counter()
    references, rest = [], []
    for item in utterances:
        if taken[item.speaker] < min(REFERENCE_CLIPS, counts[item.speaker] // 2):
            taken[item.speaker] += 1
            references.append(item)
        elif counts[item.speaker] > 1:
            rest.append(item)
    return references, rest


def _candidates(study: Study, references: Sequence[Utterance], utterances: Sequence[Utterance]) -> Candidates:
    sentences, judges = None, study.metrics.judges
    texts = [item.text for item in utterances]
    if judges.recogniser is not None and len(texts) > 1 and all(texts) and len(set(texts)) == len(texts):
        sentences = judges.recogniser.sentence_set(texts)
        if sentences is not None:
            study.notes.add(
                f"Natural speech: {len(texts)} sentences; chance level of the right one: {1 / len(texts):.1%}."
            )
    clips: dict[str, list[np.ndarray]] = {}
    if judges.speakers:
        for recording in read_recordings(references):
            clips.setdefault(recording.utterance.speaker, []).append(recording.wav)
    if clips:
        study.notes.add(f"Natural speech: {len(clips)} voices; chance level of the right one: {1 / len(clips):.1%}.")
    return Candidates(sentences, {judge.name: embed_voices(judge, clips) for judge in judges.speakers})
