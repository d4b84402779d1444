"""What is evaluated on: references, sentences, pairs of the two, and a choice of a corpus' utterances."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from corpora.corpus import Utterance, iter_utterances, read_utterance
from corpora.splits import splits_of
from speech.audio import SAMPLE_RATE, normalize_peak
from speech.errors import AudioError, ConfigError, CorpusError, TextError

AUDIO_SUFFIXES = frozenset((".wav", ".flac", ".ogg", ".opus", ".mp3", ".m4a", ".aac", ".mp4", ".webm"))

OnReject = Callable[[str, str], None]


@dataclass(frozen=True)
class Reference:
    """A clip to clone from. `voice` names the speaker: two references of one voice are both right for it."""

    voice: str
    path: Path


def find_references(places: Sequence[Path]) -> list[Reference]:
    """Clips of files and folders. A folder with a metadata.csv says who speaks; elsewhere each file is its own voice.

    Raises:
        CorpusError: a place is missing, holds no sound, or two voices have the same name.
    """
    found: list[Reference] = []
    for place in places:
        here = list(_references_of(place))
        names = [reference.voice for reference in here]
        taken = {reference.voice for reference in found}.intersection(names)
        if not (place / "metadata.csv").is_file():
            taken |= {name for name in names if names.count(name) > 1}
        if taken:
            raise CorpusError(f"Two references are named {min(taken)!r}: rename one, so that the report is clear.")
        found += here
    return found


def _references_of(place: Path) -> Iterator[Reference]:
    if place.is_file():
        yield Reference(place.stem, place)
    elif (place / "metadata.csv").is_file():
        for item in iter_utterances([place]):
            yield Reference(item.speaker, item.path)
    elif place.is_dir():
        clips = sorted(path for path in place.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES)
        if not clips:
            raise CorpusError(f"There is no sound file in {place}: name a folder of reference clips.")
        for clip in clips:
            yield Reference(clip.stem, clip)
    else:
        raise CorpusError(f"There is nothing at {place}: name reference clips, or folders of them.")


def read_sentences(path: Path) -> list[str]:
    """One sentence a line; empty lines and those that begin with # are passed over.

    Raises:
        TextError: the file is missing, is no text, or holds fewer than two sentences.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TextError(f"{path} is not a text file that can be read: write one sentence a line, as UTF-8.") from error
    sentences = [" ".join(line.split()) for line in lines if line.strip() and not line.lstrip().startswith("#")]
    if len(sentences) < 2:
        raise TextError(f"{path} needs at least two sentences, one a line: a choice among one says nothing.")
    return sentences


def pairs(references: int, sentences: int, limit: int | None = None) -> list[tuple[int, int]]:
    """(reference, sentence) of the whole grid, in an order in which any first part uses both evenly.

    Walks the grid diagonally; where the diagonal closes (after their least common multiple), it is shifted by one.
    """
    turn = math.lcm(references, sentences)
    grid = [(k % references, (k + k // turn) % sentences) for k in range(references * sentences)]
    return grid if limit is None else grid[:limit]


@dataclass(frozen=True, eq=False)
class Recording:
    """A natural utterance that was read: wav float32 [samples] at `sample_rate`."""

    utterance: Utterance
    wav: np.ndarray


class Material:
    """All utterances of some corpora, and their splits."""

    def __init__(self, corpora: Iterable[Path], on_reject: OnReject | None = None) -> None:
        """Arguments and errors as `corpora.corpus.iter_utterances`."""
        self.utterances = list(iter_utterances(corpora, on_reject))
        self.splits = splits_of(self.utterances)

    def trained_on(self, utterances: Iterable[Utterance]) -> list[Utterance]:
        """Those of the utterances that the stages train on."""
        return [item for item in utterances if self.splits[item.key] == "train"]

    def trained_speakers(self) -> set[str]:
        """Speakers of whom some utterance is trained on."""
        return {item.speaker for item in self.trained_on(self.utterances)}

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
            held_out: only those that no stage trains on (`corpora.splits.splits_of`).
            with_text, distinct_texts: only those with a transcript, and each transcript once.
        Raises:
            CorpusError: nothing is left.
        """
        everything = self.utterances
        if held_out:
            everything = [item for item in everything if self.splits[item.key] != "train"]
        rng = np.random.default_rng(seed)
        turns: dict[str, int] = {}
        ranked: list[tuple[int, int, Utterance]] = []
        texts: set[str] = set()
        for item in (everything[place] for place in rng.permutation(len(everything))):
            text = " ".join(item.text.lower().split())
            if (with_text and not text) or (distinct_texts and text in texts):
                continue
            texts.add(text)
            turns[item.speaker] = turns.get(item.speaker, 0) + 1
            if limit_per_speaker is None or turns[item.speaker] <= limit_per_speaker:
                ranked.append((turns[item.speaker], len(ranked), item))
        ranked.sort(key=lambda entry: entry[:2])
        chosen = [item for _, _, item in ranked][:limit]
        if not chosen:
            wanted = " held-out" * held_out + " transcribed" * with_text
            raise CorpusError(f"The corpora hold no{wanted} utterance to evaluate on: name others.")
        return chosen


def read_recordings(
    utterances: Iterable[Utterance],
    sample_rate: int = SAMPLE_RATE,
    on_reject: OnReject | None = None,
    one_level: bool = True,
) -> Iterator[Recording]:
    """Read utterances one by one; those that cannot be read or are silent are handed to `on_reject(key, reason)`.

    Args:
        one_level: bring the peak of each to 0.9, as the synthesizer's and the vocoder's mels want it.
    """
    for utterance in utterances:
        try:
            wav = read_utterance(utterance, sample_rate)
            if not len(wav) or np.abs(wav).max() == 0:
                raise AudioError("It is silent.")
        except AudioError as error:
            if on_reject is not None:
                # Without the folder, which is nobody's business where a report is published.
                on_reject(utterance.key, str(error).replace(str(utterance.path), utterance.path.name))
            continue
        yield Recording(utterance, normalize_peak(wav) if one_level else wav)


def check_limit(name: str, value: int | None, least: int = 1) -> None:
    """Raises: ConfigError if a limit is too small to measure anything."""
    if value is not None and value < least:
        raise ConfigError(f"{name} must be at least {least}, not {value}.")


def labelled(name: str) -> tuple[str, str]:
    """The label and the file of "label=FILE"; a plain FILE is called by its name without the ending."""
    label, equals, file = name.partition("=")
    if equals and label and file and not Path(name).exists():
        return label, file
    return Path(name).stem, name
