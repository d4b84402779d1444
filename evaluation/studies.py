"""The two studies of sound: natural speech with its copy synthesis, and clones. Both give rows of measurements."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from corpora.corpus import Utterance
from evaluation.outputs import clone_outputs, copy_output, natural_output, warm_up
from evaluation.panel import Candidates, EarForVoices, Panel, Row
from evaluation.plots import Gallery
from evaluation.report import Notes
from evaluation.sets import Material, Reference, pairs, read_recordings
from speech.audio import read_audio
from speech.errors import AudioError, CorpusError

if TYPE_CHECKING:
    from cloning import Voice, VoiceCloner

Progress = Callable[[Iterable[Any], str, int], Iterable[Any]]


def natural_rows(
    panel: Panel,
    vocoders: dict[str, Any],
    corpora: Sequence[Path],
    limit: int | None,
    notes: Notes,
    gallery: Gallery,
    progress: Progress,
    *,
    held_out: bool = False,
    with_text: bool = False,
    seed: int = 0,
) -> Iterator[Row]:
    """Measurements of natural utterances, each followed by those of its copies.

    One more utterance of each speaker serves as the reference that similarity is measured to. The closed set are the
    texts of the utterances themselves.

    Args:
        vocoders: by label.
        with_text: only utterances with a transcript.
    Raises:
        CorpusError: there is nothing to measure.
    """
    material = Material(corpora, notes.reject)
    everything = material.choose(held_out=held_out, with_text=with_text, distinct_texts=with_text, seed=seed)
    references, rest = one_reference_each(everything)
    utterances = (rest or everything)[:limit]
    note_training(material, utterances, notes)
    candidates = _natural_candidates(panel, references if rest else [], utterances, notes)
    numbers = {item.key: number for number, item in enumerate(utterances)}
    for vocoder in vocoders.values():
        warm_up(vocoder)
    recordings = read_recordings(utterances, on_reject=notes.reject)
    for recording in progress(recordings, "natural speech", len(utterances)):
        item = recording.utterance
        natural = natural_output(item.key, item.speaker, item.text, numbers[item.key], recording.wav)
        gallery.keep(natural)
        yield panel.measure(natural, candidates)
        for label, vocoder in vocoders.items():
            copy = copy_output(natural, label, vocoder, seed)
            gallery.keep(copy)
            yield panel.measure(copy, candidates, recording.wav)


def note_training(material: Material, utterances: Sequence[Utterance], notes: Notes) -> None:
    """Notes which utterances, or else which speakers, the stages have been trained on."""
    trained = len(material.trained_on(utterances))
    known = sorted({item.speaker for item in utterances} & material.trained_speakers())
    if trained:
        notes.add(f"{trained} of the {len(utterances)} utterances are of the training split.")
    elif known:
        notes.add(f"No utterance is trained on, but others are of the speakers {', '.join(known)}.")


def one_reference_each(utterances: Sequence[Utterance]) -> tuple[list[Utterance], list[Utterance]]:
    """The first utterance of each speaker who has several, and all others of these speakers."""
    first: dict[str, Utterance] = {}
    rest = []
    for item in utterances:
        if first.setdefault(item.speaker, item) is not item:
            rest.append(item)
    several = {item.speaker for item in rest}
    return [item for item in first.values() if item.speaker in several], rest


def _natural_candidates(
    panel: Panel, references: Sequence[Utterance], utterances: Sequence[Utterance], notes: Notes
) -> Candidates:
    sentences = None
    texts = [item.text for item in utterances]
    if panel.recogniser is not None and len(texts) > 1 and all(texts) and len(set(texts)) == len(texts):
        sentences = panel.recogniser.sentence_set(texts)
        notes.add(
            f"Natural speech: the right one of {len(texts)} sentences is chosen by chance in {1 / len(texts):.1%}."
        )
    voices, embeddings = [], []
    if panel.judge is not None:
        for recording in read_recordings(references):
            embedding = panel.judge.embed(recording.wav)
            if embedding is not None:
                voices.append(recording.utterance.speaker)
                embeddings.append(embedding)
        if voices:
            notes.add(f"Natural speech: {len(voices)} references, so the right one by chance in {1 / len(voices):.1%}.")
    return Candidates(sentences, voices, embeddings)


def clone_rows(
    panel: Panel,
    cloner: VoiceCloner,
    vocoders: dict[str, Any],
    references: Sequence[Reference],
    sentences: Sequence[str],
    limit: int | None,
    notes: Notes,
    gallery: Gallery,
    progress: Progress,
    seed: int = 0,
    clips: int | None = None,
) -> Iterator[Row]:
    """Measurements of clones of each reference with each sentence, or of an even part of all these pairs.

    Args:
        clips: see `subjects`.

    Raises:
        CorpusError: none of the references can be cloned from.
    """
    voices, stems, embeddings = enrolled(panel, cloner, subjects(references, clips, notes), notes)
    closed = panel.recogniser.sentence_set(sentences) if panel.recogniser is not None else None
    candidates = Candidates(closed, [voice.name for voice in voices] if embeddings else [], embeddings)
    names = set(candidates.voices)
    if names:
        notes.add(f"Clones: {len(stems)} references of {len(names)} voices, so the right one by chance in "
                  f"{1 / len(names):.1%}.")  # fmt: skip
    if clips is not None:
        notes.add(f"Clones: of {clips} clips of a voice together; their likeness is to the mean of its other clips.")
    notes.add(f"Clones: the right one of {len(sentences)} sentences is chosen by chance in {1 / len(sentences):.1%}.")
    chosen = pairs(len(voices), len(sentences), limit)
    jobs = [
        (f"{voices[place].name}-{stems[place]}-{number + 1:03}", voices[place], sentences[number], number)
        for place, number in chosen
    ]
    for vocoder in vocoders.values():
        warm_up(vocoder)
    for output in progress(clone_outputs(cloner, vocoders, jobs, seed), "clones", len(jobs) * len(vocoders)):
        gallery.keep(output)
        yield panel.measure(output, candidates)


class Subject(NamedTuple):
    """A voice to clone: its clips that are cloned from, and those that its likeness is judged by."""

    name: str
    voice: str
    cloned_from: list[Path]
    judged_by: list[Path]


def subjects(references: Sequence[Reference], clips: int | None, notes: Notes) -> list[Subject]:
    """Every clip by itself; or every voice by its first `clips` together, judged by all others that it has."""
    if clips is None:
        return [Subject(item.path.stem, item.voice, [item.path], [item.path]) for item in references]
    paths: dict[str, list[Path]] = {}
    for item in references:
        paths.setdefault(item.voice, []).append(item.path)
    for voice, own in paths.items():
        if len(own) <= clips:
            notes.reject(voice, f"it has {len(own)} clips, so that none is left to judge by")
    return [Subject(f"{clips}-clips", voice, own[:clips], own[clips:]) for voice, own in paths.items()
            if len(own) > clips]  # fmt: skip


def enrolled(
    panel: Panel, cloner: VoiceCloner, chosen: Sequence[Subject], notes: Notes
) -> tuple[list[Voice], list[str], list[np.ndarray]]:
    """The voice of each usable subject for the chain, its name, and its embedding by the judge, of norm 1.

    Raises:
        CorpusError: none is usable.
    """
    voices, names, embeddings = [], [], []
    for subject in chosen:
        try:
            wavs = {path: read_audio(path) for path in dict.fromkeys(subject.cloned_from + subject.judged_by)}
            own = [wavs[path] for path in subject.cloned_from]
            voice = cloner.enroll(own, name=subject.voice, on_remark=lambda *_: None)
        except AudioError as error:
            notes.reject(names_of(subject.cloned_from), str(error))
            continue
        embedding = None if panel.judge is None else judged(panel.judge, [wavs[path] for path in subject.judged_by])
        if panel.judge is not None and embedding is None:
            notes.reject(names_of(subject.judged_by), "the judge hears no speech in it")
            continue
        voices.append(voice)
        names.append(subject.name)
        if embedding is not None:
            embeddings.append(embedding)
    if not voices:
        raise CorpusError("None of the references can be cloned from: name other clips.")
    return voices, names, embeddings


def names_of(paths: Sequence[Path]) -> str:
    """The files of a voice, for a note: which one of them is at fault is not known."""
    return ", ".join(path.name for path in paths)


def judged(judge: EarForVoices, wavs: Sequence[np.ndarray]) -> np.ndarray | None:
    """The mean of some clips' embeddings, [256], of norm 1; None where no speech is heard."""
    heard = [embedding for wav in wavs if (embedding := judge.embed(wav)) is not None]
    if not heard:
        return None
    middle = np.mean(heard, 0)
    return middle / np.linalg.norm(middle)
