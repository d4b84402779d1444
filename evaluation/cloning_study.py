"""The study of cloned voices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cloning.speech_model import TwoStage
from evaluation.measurements import Candidates, Row
from evaluation.outputs import CloneJob, clone_outputs
from evaluation.report import Notes
from evaluation.sets import Reference, pairs
from evaluation.similarity import mean_embedding
from evaluation.study import Study
from evaluation.vocoders import warm_up
from speech.audio import read_audio
from speech.errors import AudioError, CorpusError

if TYPE_CHECKING:
    from cloning import Voice, VoiceCloner


@dataclass(frozen=True)
class ClonePlan:
    """Which clones are measured.

    Attributes:
        limit: at most this many pairs of reference and sentence, spread evenly; None for all.
        clips: see `subjects`.
        seed: of the chain.
    """

    references: Sequence[Reference]
    sentences: Sequence[str]
    limit: int | None = None
    clips: int | None = None
    seed: int = 0


class Subject(NamedTuple):
    """A voice to clone: the clips that it is enrolled from, and those that outputs are compared with."""

    name: str
    voice: str
    enrolled_from: list[Path]
    compared_with: list[Path]


@dataclass(frozen=True, eq=False)
class Enrolled:
    """The voice of a subject, and its embedding by the independent encoder; None if that is missing."""

    name: str
    voice: Voice
    embedding: np.ndarray | None


def clone_rows(study: Study, cloner: VoiceCloner, models: Mapping[str, TwoStage], plan: ClonePlan) -> Iterator[Row]:
    """Measurements of clones: each sentence in the voice of each reference, with each vocoder.

    Args:
        cloner: enrols the voices.
        models: by the label of their vocoder; they share one synthesizer.

    Raises:
        CorpusError: no reference can be cloned from.
    """
    voices = enrol(study, cloner, subjects(plan.references, plan.clips, study.notes))
    candidates = _candidates(study, voices, plan)
    chosen = pairs(len(voices), len(plan.sentences), plan.limit)
    jobs = [
        CloneJob(
            f"{voices[row].voice.name}-{voices[row].name}-{column + 1:03}",
            voices[row].voice,
            plan.sentences[column],
            column,
        )
        for row, column in chosen
    ]
    for model in models.values():
        warm_up(model.vocoder)
    yield from study.measure_all(clone_outputs(models, jobs, plan.seed), candidates, "clones", len(jobs) * len(models))


def _candidates(study: Study, voices: Sequence[Enrolled], plan: ClonePlan) -> Candidates:
    recogniser, notes = study.metrics.recogniser, study.notes
    sentences = recogniser.sentence_set(plan.sentences) if recogniser is not None else None
    known = [(item.voice.name, item.embedding) for item in voices if item.embedding is not None]
    names = {name for name, _ in known}
    if names:
        notes.add(
            f"Clones: {len(voices)} references of {len(names)} voices; chance level of the right one: "
            f"{1 / len(names):.1%}."
        )
    if plan.clips is not None:
        notes.add(
            f"Clones: each voice is enrolled from {plan.clips} clips; similarity is measured to the mean of its other "
            "clips."
        )
    count = len(plan.sentences)
    notes.add(f"Clones: {count} sentences; chance level of the right one: {1 / count:.1%}.")
    return Candidates(sentences, [name for name, _ in known], [embedding for _, embedding in known])


def subjects(references: Sequence[Reference], clips: int | None, notes: Notes) -> list[Subject]:
    """The voices to clone.

    Args:
        clips: enrol each voice from its first `clips` clips and compare with all its others; None makes each clip a
            separate subject, enrolled from and compared with itself.
    """
    if clips is None:
        return [Subject(item.path.stem, item.voice, [item.path], [item.path]) for item in references]
    paths: dict[str, list[Path]] = {}
    for item in references:
        paths.setdefault(item.voice, []).append(item.path)
    found = []
    for voice, own in paths.items():
        if len(own) > clips:
            found.append(Subject(f"{clips}-clips", voice, own[:clips], own[clips:]))
        else:
            notes.reject(voice, f"it has {len(own)} clips, so none is left to compare with")
    return found


def enrol(study: Study, cloner: VoiceCloner, chosen: Sequence[Subject]) -> list[Enrolled]:
    """Enrol each usable subject; the others are noted.

    Raises:
        CorpusError: no subject is usable.
    """
    found = []
    for subject in chosen:
        try:
            wavs = {path: read_audio(path) for path in dict.fromkeys(subject.enrolled_from + subject.compared_with)}
            own = [wavs[path] for path in subject.enrolled_from]
            voice = cloner.enroll(own, name=subject.voice, on_remark=lambda *_: None)
        except AudioError as error:
            study.notes.reject(_names(subject.enrolled_from), str(error))
            continue
        embedding = None
        if study.metrics.encoder is not None:
            embedding = mean_embedding(study.metrics.encoder, [wavs[path] for path in subject.compared_with])
            if embedding is None:
                study.notes.reject(_names(subject.compared_with), "the independent encoder detects no speech in it")
                continue
        found.append(Enrolled(subject.name, voice, embedding))
    if not found:
        raise CorpusError("None of the references can be cloned from: name other clips.")
    return found


def _names(paths: Sequence[Path]) -> str:
    """The files of a subject, for a note: any of them may be the cause."""
    return ", ".join(path.name for path in paths)
