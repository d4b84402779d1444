"""The study of speech to speech: recordings converted to the voices of other speakers, beside the recordings."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from corpora.corpus import Utterance
from evaluation.measurements import Candidates, Row
from evaluation.natural_study import split_references
from evaluation.outputs import NATURAL, Output
from evaluation.sets import Material, read_recordings
from evaluation.similarity import embed_voices
from evaluation.study import Study
from speech.errors import AudioError, CorpusError

if TYPE_CHECKING:
    from cloning import Voice, VoiceCloner

CONVERTED = "converted"


@dataclass(frozen=True)
class ConversionPlan:
    """Which recordings are converted, each to the voice of another speaker.

    Attributes:
        limit: at most this many; None for all.
        held_out: only recordings that no stage is trained on.
        keep_pitch: see `VoiceCloner.convert`.
        seed: of the choice, and of the conversions.
    """

    corpora: Sequence[Path]
    limit: int | None = None
    held_out: bool = False
    keep_pitch: bool = False
    seed: int = 0


def conversion_rows(study: Study, cloner: VoiceCloner, plan: ConversionPlan) -> Iterator[Row]:
    """Measurements of transcribed recordings, each followed by those of its conversion.

    A voice is enrolled from one clip, and conversions are compared with up to four further clips of the speaker. The
    similarity of a conversion is also measured to the speaker of the recording.

    Raises:
        CorpusError: there are fewer than two speakers with two recordings.
    """
    material = Material(plan.corpora, study.notes.reject)
    everything = material.choose(held_out=plan.held_out, with_text=True, seed=plan.seed)
    compared, rest = split_references(everything)
    voices = dict(_enrolled(study, cloner, rest))
    if len(voices) < 2:
        raise CorpusError("Conversion needs two speakers with two recordings each: name a larger transcribed corpus.")
    sources = [item for item in rest if item.speaker in voices][: plan.limit]
    material.note_training(sources, study.notes)
    clips: dict[str, list[np.ndarray]] = {}
    for recording in read_recordings(compared, on_reject=study.notes.reject):
        clips.setdefault(recording.utterance.speaker, []).append(recording.wav)
    candidates = Candidates(None, {judge.name: embed_voices(judge, clips) for judge in study.metrics.judges.speakers})
    rng, names = np.random.default_rng(plan.seed), sorted(voices)
    recordings = read_recordings(sources, on_reject=study.notes.reject)
    for recording in study.progress(recordings, "conversions", len(sources)):
        item = recording.utterance
        target = str(rng.choice([name for name in names if name != item.speaker]))
        natural = Output(NATURAL, item.key, item.speaker, item.text, 0, recording.wav)
        yield study.measure(natural, candidates)
        started = time.perf_counter()
        try:
            made = cloner.convert(recording.wav, voices[target], seed=plan.seed, keep_pitch=plan.keep_pitch)
        except AudioError as error:
            study.notes.reject(item.key, str(error))
            continue
        yield study.measure(
            Output(
                condition=CONVERTED,
                key=item.key,
                voice=target,
                text=item.text,
                sentence=0,
                wav=made.wav,
                sample_rate=made.sample_rate,
                synthesis_seconds=time.perf_counter() - started,
                source=item.speaker,
            ),
            candidates,
        )
    study.notes.add(f"Conversions to {len(voices)} voices, each enrolled from one clip.")


def _enrolled(study: Study, cloner: VoiceCloner, utterances: Sequence[Utterance]) -> Iterator[tuple[str, Voice]]:
    """The voice of each speaker by name, enrolled from the first utterance; those that cannot be are noted."""
    first = {item.speaker: item for item in reversed(utterances)}
    for recording in read_recordings(first.values(), on_reject=study.notes.reject):
        item = recording.utterance
        try:
            yield item.speaker, cloner.enroll([recording.wav], name=item.speaker, on_remark=lambda *_: None)
        except AudioError as error:
            study.notes.reject(item.key, str(error))
