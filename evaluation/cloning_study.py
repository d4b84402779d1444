"""The study of cloned voices."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cloning.speech_model import SynthesizerModel, TwoStage
from evaluation.disturbances import Disturber, disturbances
from evaluation.measurements import Candidates, Row
from evaluation.noise import NoiseSet
from evaluation.outputs import CloneJob, clone_outputs
from evaluation.report import Notes
from evaluation.sets import Reference, pairs
from evaluation.similarity import REFERENCE_CLIPS, embed_voices
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
        noises, ratios: with noises, the same clones are also made from disturbed references, at these ratios in dB.
    """

    references: Sequence[Reference]
    sentences: Sequence[str]
    limit: int | None = None
    clips: int = 1
    seed: int = 0
    noises: NoiseSet | None = None
    ratios: Sequence[float] = ()


class Subject(NamedTuple):
    """A voice to clone: the clips that it is enrolled from, and those that outputs are compared with."""

    voice: str
    enrolled_from: list[Path]
    compared_with: list[Path]


def clone_rows(
    study: Study, cloner: VoiceCloner, models: Mapping[str, SynthesizerModel], plan: ClonePlan
) -> Iterator[Row]:
    """Measurements of clones: each sentence in each voice, with each vocoder.

    Args:
        cloner: enrols the voices.
        models: by the label of their vocoder; they share one synthesizer.

    Raises:
        CorpusError: no reference can be cloned from.
    """
    chosen = subjects(plan.references, plan.clips, study.notes)
    voices, clips = enrol(cloner, chosen, study.notes)
    candidates = _candidates(study, clips, plan.sentences)
    names = [voice.name for voice in voices]
    jobs = _jobs(names, dict(zip(names, voices, strict=True)), plan)
    if plan.noises is not None:
        usable = [subject for subject in chosen if subject.voice in names]
        jobs += _disturbed_jobs(cloner, usable, plan.noises, plan, study.notes)
    for model in models.values():
        if isinstance(model, TwoStage):
            warm_up(model.vocoder)
    yield from study.measure_all(clone_outputs(models, jobs, plan.seed), candidates, "clones", len(jobs) * len(models))


def _jobs(names: Sequence[str], voices: Mapping[str, Voice], plan: ClonePlan, reference: str = "") -> list[CloneJob]:
    """The sentences of each voice. Without those of the names that are not among the voices, the others stay equal."""
    return [
        CloneJob(f"{names[row]}-{column + 1:03}", voices[names[row]], plan.sentences[column], column, reference)
        for row, column in pairs(len(names), len(plan.sentences), plan.limit)
        if names[row] in voices
    ]


def _disturbed_jobs(
    cloner: VoiceCloner, chosen: Sequence[Subject], noises: NoiseSet, plan: ClonePlan, notes: Notes
) -> Iterator[CloneJob]:
    """The jobs of these voices from disturbed references. Voices that cannot be enrolled then are noted."""
    clips = {subject.voice: [read_audio(path) for path in subject.enrolled_from] for subject in chosen}
    disturb = Disturber(noises, clips, plan.seed)
    for disturbance in disturbances(plan.ratios, len(clips)):
        voices: dict[str, Voice] = {}
        for name, wavs in clips.items():
            try:
                noisy = [disturb(wav, name, f"{name}#{index}", disturbance) for index, wav in enumerate(wavs)]
                voices[name] = cloner.enroll(noisy, name=name, on_remark=lambda *_: None)
            except AudioError as error:
                notes.reject(f"{name}, {disturbance}", str(error))
        yield from _jobs(list(clips), voices, plan, str(disturbance))


def _candidates(study: Study, clips: Mapping[str, Sequence[np.ndarray]], texts: Sequence[str]) -> Candidates:
    judges, notes = study.metrics.judges, study.notes
    sentences = judges.recogniser.sentence_set(texts) if judges.recogniser is not None else None
    if sentences is not None:
        notes.add(f"Clones: {len(texts)} sentences; chance level of the right one: {1 / len(texts):.1%}.")
    if clips:
        notes.add(f"Clones: {len(clips)} voices; chance level of the right one: {1 / len(clips):.1%}.")
    return Candidates(sentences, {judge.name: embed_voices(judge, clips) for judge in judges.speakers})


def subjects(references: Sequence[Reference], clips: int, notes: Notes) -> list[Subject]:
    """The voices to clone, each enrolled from its first `clips` clips and compared with the next ones, up to four.

    Voices with fewer clips are left out. Those without a further clip are noted: a clip that a voice is enrolled from
    says little about the similarity.
    """
    paths: dict[str, list[Path]] = {}
    for item in references:
        paths.setdefault(item.voice, []).append(item.path)
    found = []
    for voice, own in paths.items():
        if len(own) < clips:
            notes.reject(voice, f"it has {len(own)} clips, but --clips {clips}")
        else:
            found.append(Subject(voice, own[:clips], own[clips : clips + REFERENCE_CLIPS]))
    alone = [subject.voice for subject in found if not subject.compared_with]
    if alone:
        notes.add(f"Clones: no similarity is measured without a further clip of the speaker: {', '.join(alone)}.")
    notes.add(f"Clones: each voice is enrolled from {clips} clip{'s' * (clips > 1)}.")
    return found


def enrol(
    cloner: VoiceCloner, chosen: Sequence[Subject], notes: Notes
) -> tuple[list[Voice], dict[str, list[np.ndarray]]]:
    """Enrol each usable subject; the others are noted.

    Returns:
        The voices, and the clips that outputs are compared with, by voice: float32 [samples] at 16 kHz each.

    Raises:
        CorpusError: no subject is usable.
    """
    voices: list[Voice] = []
    clips: dict[str, list[np.ndarray]] = {}
    for subject in chosen:
        try:
            own = [read_audio(path) for path in subject.enrolled_from]
            voice = cloner.enroll(own, name=subject.voice, on_remark=lambda *_: None)
            others = [read_audio(path) for path in subject.compared_with]
        except AudioError as error:
            names = [path.name for path in (*subject.enrolled_from, *subject.compared_with)]  # any may be the cause
            notes.reject(", ".join(names), str(error))
            continue
        voices.append(voice)
        if others:
            clips[subject.voice] = others
    if not voices:
        raise CorpusError("None of the references can be cloned from: name other clips.")
    return voices, clips
