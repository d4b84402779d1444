"""Texts spoken into files, one after another: a numbered batch with its manifest, or a conversation at the terminal."""

from __future__ import annotations

import itertools
import json
import logging
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from speech.errors import SpeechError, TextError, one_line

if TYPE_CHECKING:
    import numpy as np

    from cloning import Speech, Voice, VoiceCloner
    from cloning.playback import Outlets
    from synthesizer import Sentence, Synthesis
    from synthesizer.text.lexicon import Lexicon

MANIFEST = "manifest.json"
QUIT = ("quit", "exit")
PAUSE_SECONDS = 0.4  # heard between two texts


@dataclass(frozen=True)
class Manner:
    """How to say something: see `VoiceCloner.speak`."""

    speed: float = 1.0
    pauses: float = 1.0
    lexicon: Lexicon | None = None
    pitch_range: float = 1.0

    def settings(self) -> dict[str, Any]:
        return {
            "speed": self.speed, "pauses": self.pauses, "pitch_range": self.pitch_range, "lexicon": self.lexicon,
        }  # fmt: skip


def speakable(text: str, where: str, lexicon: Lexicon | None = None) -> str:
    """The text without space around it. Raises: TextError, which begins with `where`, if nothing in it can be said."""
    from synthesizer.text.front_end import text_to_transcript

    if not text.strip():
        raise TextError(f"{where} is empty: give something to say.")
    try:
        text_to_transcript(text, lexicon)
    except TextError as error:
        raise TextError(f"{where} cannot be spoken: {error}") from error
    return text.strip()


@contextmanager
def _quietly(name: str) -> Iterator[None]:
    """Keep a part of the library from saying what it has said before."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class Speaker:
    """One voice and the models, and a tally of what was said.

    Args:
        seed: of everything that is said; None draws one for each text.
        outlets: where the sound goes while it is made, besides the files; None or empty if nowhere.
        manner: of everything that is said.
    """

    def __init__(
        self,
        cloner: VoiceCloner,
        voice: Voice,
        seed: int | None,
        outlets: Outlets | None = None,
        manner: Manner | None = None,
    ) -> None:
        self.cloner = cloner
        self.manner = manner or Manner()
        self.voice = voice
        self.seed = seed
        self.outlets = outlets
        self.speech_seconds = 0.0
        self.taken_seconds = 0.0
        self.similarities: list[float] = []
        self.sentences: list[Sentence] = []

    def say(self, text: str, path: Path | None, overwrite: bool = False, seed: int | None = None) -> dict[str, Any]:
        """Say a text into a file, if there is a path, and into the outlets; returns what the manifest tells of it."""
        started = time.perf_counter()
        notes: list[str] = []
        with _quietly("synthesizer.text"):  # `speakable` has warned already
            if self.outlets:
                speech, waited = self._say_aloud(self.outlets, text, self.seed if seed is None else seed)
                notes.append(f"first sound after {waited:.2f} s")
            else:
                with progress_bars() as progress:
                    seed = self.seed if seed is None else seed
                    speech = self.cloner.speak(text, self.voice, seed, progress, **self.manner.settings())
        self.sentences += speech.sentences
        self.taken_seconds += time.perf_counter() - started
        self.speech_seconds += speech.seconds
        similarity = self.cloner.similarity(speech, self.voice)
        if similarity is not None:
            self.similarities.append(similarity)
        if path is not None:
            _write(path, speech, overwrite)
        where = "said" if path is None else str(path)
        print(f"{where}: {speech.seconds:.1f} s, seed {speech.seed}", *notes, *speech.remarks, sep="; ")
        return {
            "text": text,
            "file": None if path is None else path.name,
            "seconds": round(speech.seconds, 3),
            "seed": speech.seed,
            "alignment_score": speech.alignment_score,
            "similarity": None if similarity is None else round(similarity, 4),
            "remarks": list(speech.remarks),
            "sentences": [told_of(sentence) for sentence in speech.sentences],
        }

    def _say_aloud(self, outlets: Outlets, text: str, seed: int | None) -> tuple[Speech, float]:
        """Speak into the outlets; returns the whole, finished as a file has it, and the seconds to its first chunk."""
        from cloning.streaming import as_speech

        seed = secrets.randbelow(2**31) if seed is None else seed
        sentences: list[Synthesis] = []
        chunks: list[np.ndarray] = []
        started, waited = time.perf_counter(), 0.0
        outlets.pause(PAUSE_SECONDS)
        for chunk in self.cloner.stream(text, self.voice, seed, sentences.append, **self.manner.settings()):
            if not chunks:
                waited = time.perf_counter() - started
            chunks.append(chunk)
            outlets.write(chunk)
        return as_speech(chunks, sentences, self.cloner.sample_rate, text, seed), waited

    def summary(self) -> str:
        factor = self.taken_seconds / self.speech_seconds
        count = len(self.similarities)
        likeness = f"{sum(self.similarities) / count:.2f}" if count else "not measurable"
        return (
            f"{self.speech_seconds:.1f} s of speech in {self.taken_seconds:.1f} s, real-time factor {factor:.2f}, "
            f"similarity to the reference {likeness}, {readings(self.sentences)}"
        )


def told_of(sentence: Sentence) -> dict[str, Any]:
    """What the manifest tells of one sentence: how it was read, what was done about it, what is still wrong."""
    return {
        "text": sentence.text,
        "seconds": round(sentence.seconds, 3),
        "score": round(sentence.score, 3),
        "attempts": sentence.attempts,
        "rungs": list(sentence.rungs),
        "done": list(sentence.done),
        "remarks": list(sentence.remarks),
    }


def readings(sentences: Sequence[Sentence]) -> str:
    """In a few words how well sentences were read: "7 sentences, 2 read again (1 split), 1 doubtful"."""
    told = f"{len(sentences)} sentence{'' if len(sentences) == 1 else 's'}"
    again = [sentence for sentence in sentences if sentence.rungs]
    if again:
        split = sum(sentence.pieces > 1 for sentence in again)
        told += f", {len(again)} read again" + (f" ({split} split)" if split else "")
    doubtful = sum(not sentence.ok for sentence in sentences)
    return told + (f", {doubtful} doubtful" if doubtful else "")


def _write(path: Path, speech: Speech, overwrite: bool) -> None:
    """Write a file, and its folder where that is missing; a folder in which nothing came to be goes away again."""
    from speech.audio import write_audio

    new_folder = not path.parent.exists()
    path.parent.mkdir(exist_ok=True)
    try:
        write_audio(path, speech.wav, speech.sample_rate, overwrite=overwrite)
    except SpeechError:
        if new_folder:
            path.parent.rmdir()
        raise


def say_all(speaker: Speaker, jobs: list[tuple[str, Path | None]], overwrite: bool) -> None:
    """Say one text after another with one seed, and keep a manifest of the files, also if it ends early."""
    seed = secrets.randbelow(2**31) if speaker.seed is None else speaker.seed
    outputs: list[dict[str, Any]] = []
    try:
        for text, path in jobs:
            outputs.append(speaker.say(text, path, overwrite, seed))
    finally:
        first = jobs[0][1]
        if outputs and first is not None:
            write_manifest(first.parent / MANIFEST, speaker, outputs)


def write_manifest(path: Path, speaker: Speaker, outputs: list[dict[str, Any]]) -> None:
    from modelfile.files import write_text

    origin = {
        "voice": speaker.voice.name,
        "references": list(speaker.voice.sources),
        "speed": speaker.manner.speed,
        "pauses": speaker.manner.pauses,
        "pitch_range": speaker.manner.pitch_range,
        "outputs": outputs,
    }
    write_text(path, json.dumps(origin, ensure_ascii=False, indent=2) + "\n")


def converse(speaker: Speaker, folder: Path | None) -> None:
    """Ask for sentences until the end of input; each goes into the next free number of the folder, if there is one."""
    prompt = "Say what? (quit ends) " if sys.stdin.isatty() else ""
    while True:
        try:
            text = input(prompt).strip()
        except EOFError:
            return
        except UnicodeDecodeError as error:
            raise TextError("What came in is not UTF-8 text: check the encoding of the terminal or file.") from error
        if text.lower() in QUIT:
            return
        if not text:
            continue
        try:
            speaker.say(
                speakable(text, "The text", speaker.manner.lexicon), None if folder is None else _free_path(folder)
            )
        except TextError as error:
            print(f"error: {one_line(error)}", file=sys.stderr)


def _free_path(folder: Path) -> Path:
    return next(path for number in itertools.count(1) if not (path := folder / f"{number:03}.wav").exists())


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None] | None]:
    """A bar with an estimate for each stage, where somebody is watching."""
    if not sys.stderr.isatty():
        yield None
        return
    from tqdm import tqdm

    bars: dict[str, tqdm] = {}

    def advance(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = tqdm(desc=stage, total=total, leave=False, unit_scale=True)
        bar = bars[stage]
        bar.total = total
        bar.update(done - bar.n)

    try:
        yield advance
    finally:
        for bar in bars.values():
            bar.close()
