"""Evaluation data: references, sentences, pairs of the two, and utterances of corpora."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corpora.corpus import Utterance, iter_utterances, read_utterance
from corpora.recordings import OnReject, audio_files
from corpora.splits import splits_of
from evaluation.report import Notes
from speech.audio import SAMPLE_RATE, normalize_peak
from speech.errors import AudioError, CorpusError, TextError
from speech.files import readable, refuse_special


@dataclass(frozen=True)
class Reference:
    """A clip to clone from. `voice` is the name of the speaker, who may have several clips."""

    voice: str
    path: Path


def find_references(paths: Sequence[Path]) -> list[Reference]:
    """Clips of files and folders. A metadata.csv of a folder names the speakers; elsewhere each file is its own voice.

    Raises:
        CorpusError: a path is missing or has no audio, or two voices have the same name.
    """
    found: list[Reference] = []
    for path in paths:
        here = list(_references_of(path))
        names = [reference.voice for reference in here]
        taken = {reference.voice for reference in found}.intersection(names)
        if not (path / "metadata.csv").is_file():
            taken |= {name for name in names if names.count(name) > 1}
        if taken:
            raise CorpusError(f"Two references are named {min(taken)!r}: rename one, so that the report is clear.")
        found += here
    return found


def _references_of(path: Path) -> Iterator[Reference]:
    if path.is_file():
        yield Reference(readable(path.stem), path)
    elif (path / "metadata.csv").is_file():
        for item in iter_utterances([path]):
            yield Reference(item.speaker, item.path)
    elif path.is_dir():
        clips = audio_files(path)
        if not clips:
            raise CorpusError(f"There is no audio file in {path}: name a folder of reference clips.")
        for clip in clips:
            yield Reference(readable(clip.stem), clip)
    else:
        raise CorpusError(f"There is nothing at {path}: name reference clips, or folders of them.")


def read_sentences(path: Path) -> list[str]:
    """One sentence per line; empty lines and lines that begin with # are skipped.

    Raises:
        TextError: the file is missing, is not text, or has fewer than two sentences.
    """
    try:
        refuse_special(path)
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"{path} is not a readable text file: write one sentence per line, as UTF-8.") from error
    sentences = [" ".join(line.split()) for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if len(sentences) < 2:
        raise TextError(f"{path} needs at least two sentences, one per line.")
    return sentences


def pairs(references: int, sentences: int, limit: int | None = None) -> list[tuple[int, int]]:
    """(reference, sentence) of the whole grid, ordered so that any first part uses both evenly.

    The order follows the diagonal, which is shifted by one where it closes (after their least common multiple).
    """
    period = math.lcm(references, sentences)
    grid = [(k % references, (k + k // period) % sentences) for k in range(references * sentences)]
    return grid if limit is None else grid[:limit]


@dataclass(frozen=True, eq=False)
class Recording:
    """A natural utterance and its audio: float32 [samples]."""

    utterance: Utterance
    wav: np.ndarray


class Material:
    """All utterances of some corpora, and their splits."""

    def __init__(self, corpora: Iterable[Path], on_reject: OnReject | None = None) -> None:
        """Arguments and errors as `corpora.corpus.iter_utterances`."""
        self.utterances = list(iter_utterances(corpora, on_reject))
        self.splits = splits_of(self.utterances)

    def trained_on(self, utterances: Iterable[Utterance]) -> list[Utterance]:
        """Those of the utterances that the stages are trained on."""
        return [item for item in utterances if self.splits[item.key] == "train"]

    def trained_speakers(self) -> set[str]:
        """Speakers with an utterance that the stages are trained on."""
        return {item.speaker for item in self.trained_on(self.utterances)}

    def note_training(self, utterances: Sequence[Utterance], notes: Notes) -> None:
        """Note how many of the utterances, or else which of their speakers, the stages are trained on."""
        trained = len(self.trained_on(utterances))
        known = sorted({item.speaker for item in utterances} & self.trained_speakers())
        if trained:
            notes.add(f"{trained} of the {len(utterances)} utterances are of the training split.")
        elif known:
            notes.add(f"No utterance is of the training split, but others of these speakers are: {', '.join(known)}.")

    def choose(
        self,
        limit: int | None = None,
        *,
        limit_per_speaker: int | None = None,
        held_out: bool = False,
        with_text: bool = False,
        distinct_texts: bool = False,
        seed: int = 0,
    ) -> list[Utterance]:
        """Utterances drawn at random but evenly over the speakers.

        Args:
            held_out: only those that no stage is trained on (`corpora.splits.splits_of`).
            with_text: only those with a transcript.
            distinct_texts: each transcript only once.

        Raises:
            CorpusError: nothing is left.
        """
        everything = self.utterances
        if held_out:
            everything = [item for item in everything if self.splits[item.key] != "train"]
        rng = np.random.default_rng(seed)
        counts: dict[str, int] = {}
        ranked: list[tuple[int, int, Utterance]] = []
        texts: set[str] = set()
        for item in (everything[index] for index in rng.permutation(len(everything))):
            text = " ".join(item.text.lower().split())
            if (with_text and not text) or (distinct_texts and text in texts):
                continue
            texts.add(text)
            counts[item.speaker] = counts.get(item.speaker, 0) + 1
            if limit_per_speaker is None or counts[item.speaker] <= limit_per_speaker:
                ranked.append((counts[item.speaker], len(ranked), item))
        ranked.sort(key=lambda entry: entry[:2])
        chosen = [item for _, _, item in ranked][:limit]
        if not chosen:
            wanted = " held-out" * held_out + " transcribed" * with_text
            raise CorpusError(f"The corpora have no{wanted} utterance to evaluate on: name others.")
        return chosen


def read_recordings(
    utterances: Iterable[Utterance],
    sample_rate: int = SAMPLE_RATE,
    on_reject: OnReject | None = None,
    normalized: bool = True,
) -> Iterator[Recording]:
    """Read utterances one by one; those that are unreadable or silent are passed to `on_reject(key, reason)`.

    Args:
        normalized: scale each to a peak of 0.9, as for mels.
    """
    for utterance in utterances:
        try:
            wav = read_utterance(utterance, sample_rate)
            if not len(wav) or np.abs(wav).max() == 0:
                raise AudioError("It is silent.")
        except AudioError as error:
            if on_reject is not None:
                # Without the folder, because a report may be published.
                on_reject(utterance.key, str(error).replace(str(utterance.path), utterance.path.name))
            continue
        yield Recording(utterance, normalize_peak(wav) if normalized else wav)
