"""Speak texts into files and sinks, and print a line for each; or ask for sentences at the terminal."""

from __future__ import annotations

import itertools
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from cloning.monitor import Monitor
from speech.errors import SpeechError, TextError, one_line

if TYPE_CHECKING:
    from cloning.cloner import VoiceCloner
    from cloning.options import SpeechOptions
    from cloning.playback import Sinks
    from cloning.result import GeneratedAudio, Speech
    from cloning.voices import Voice
    from synthesizer import Sentence
    from synthesizer.text.lexicon import Lexicon

QUIT = ("quit", "exit")
PAUSE_SECONDS = 0.4  # between two texts


def speakable(text: str, where: str, lexicon: Lexicon | None = None) -> str:
    """The text without surrounding white space. Raises: TextError, beginning with `where`, if it cannot be spoken."""
    from synthesizer.text.front_end import text_to_transcript

    if not text.strip():
        raise TextError(f"{where} is empty: enter a text to speak.")
    try:
        text_to_transcript(text, lexicon)
    except TextError as error:
        raise TextError(f"{where} cannot be spoken: {error}") from error
    return text.strip()


@contextmanager
def _muted(name: str) -> Iterator[None]:
    """Suppress the warnings of a logger, which have been shown before."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


class Spoken(NamedTuple):
    """A speech, the seconds that it took, its similarity to the voice if that can be measured, and notes to print."""

    speech: Speech
    elapsed: float
    similarity: float | None
    notes: tuple[str, ...] = ()


def spoken_by(
    cloner: VoiceCloner, text: str, voice: Voice, options: SpeechOptions, monitor: Monitor | None = None
) -> Spoken:
    """Speak a text and measure its similarity to the voice."""
    started = time.perf_counter()
    with _muted("synthesizer.text"):  # `speakable` has shown its warnings
        speech = cloner.speak(text, voice, options, monitor=monitor or Monitor())
    elapsed = time.perf_counter() - started
    return Spoken(speech, elapsed, cloner.similarity(speech, voice))


class Narrator:
    """Speaks texts with one voice into files and sinks, and collects the figures of the summary.

    Args:
        options: of every text; without a seed, each text draws its own.
        sinks: receive the audio while it is generated, besides the files.
    """

    def __init__(self, cloner: VoiceCloner, voice: Voice, options: SpeechOptions, sinks: Sinks | None = None) -> None:
        self.cloner = cloner
        self.voice = voice
        self.options = options
        self.sinks = sinks
        self.speech_seconds = 0.0
        self.elapsed_seconds = 0.0
        self.similarities: list[float] = []
        self.sentences: list[Sentence] = []

    def speak(self, text: str, path: Path | None, overwrite: bool = False) -> dict[str, Any]:
        """Speak a text into a file, if there is a path, and into the sinks; returns its entry of the manifest."""
        if self.sinks:
            started = time.perf_counter()
            with _muted("synthesizer.text"):  # `speakable` has shown its warnings
                speech, waited = self._stream(self.sinks, text)
            elapsed, notes = time.perf_counter() - started, (f"first audio after {waited:.2f} s",)
            spoken = Spoken(speech, elapsed, self.cloner.similarity(speech, self.voice), notes)
        else:
            with progress_bars() as progress:
                spoken = spoken_by(self.cloner, text, self.voice, self.options, Monitor(progress=progress))
        return self.record(text, spoken, path, overwrite)

    def prepare(self, texts: Sequence[str]) -> None:
        """Learn which texts `speak` will be given, in this order. Here they are spoken when they come."""

    def record(self, text: str, spoken: Spoken, path: Path | None, overwrite: bool = False) -> dict[str, Any]:
        """Write a finished speech into its file, print its line, and return its entry of the manifest."""
        speech, similarity = spoken.speech, spoken.similarity
        self.sentences += speech.sentences
        self.elapsed_seconds += spoken.elapsed
        self.speech_seconds += speech.seconds
        if similarity is not None:
            self.similarities.append(similarity)
        if path is not None:
            write_result(path, speech, overwrite)
        where = "spoken" if path is None else str(path)
        notes = list(spoken.notes)
        if self.options.watermark:  # each sentence is checked before it is output
            notes.append("watermark detected")
        print(f"{where}: {speech.seconds:.1f} s, seed {speech.seed}", *notes, *speech.remarks, sep="; ")
        return {
            "text": text,
            "file": None if path is None else path.name,
            "seconds": round(speech.seconds, 3),
            "seed": speech.seed,
            "alignment_score": speech.alignment_score,
            "intelligible": speech.intelligible,
            "similarity": None if similarity is None else round(similarity, 4),
            "remarks": list(speech.remarks),
            "sentences": [sentence_entry(sentence) for sentence in speech.sentences],
        }

    def _stream(self, sinks: Sinks, text: str) -> tuple[Speech, float]:
        """Speak into the sinks; returns the finished speech and the seconds until its first chunk."""
        started, waited = time.perf_counter(), 0.0
        sinks.pause(PAUSE_SECONDS)
        stream = self.cloner.stream(text, self.voice, self.options)
        for chunk in stream:
            waited = waited or time.perf_counter() - started
            sinks.write(chunk)
        return stream.speech, waited

    def summary(self) -> str:
        """Duration, speed, similarity and decoding attempts of all texts, in one line."""
        factor = self.elapsed_seconds / self.speech_seconds
        count = len(self.similarities)
        similarity = f"{sum(self.similarities) / count:.2f}" if count else "not measurable"
        return (
            f"{self.speech_seconds:.1f} s of speech in {self.elapsed_seconds:.1f} s, real-time factor {factor:.2f}, "
            f"similarity to the reference {similarity}, {count_sentences(self.sentences)}"
        )


def sentence_entry(sentence: Sentence) -> dict[str, Any]:
    """The manifest's entry of one sentence: attempts, corrections, score and remaining faults."""
    return {
        "text": sentence.text,
        "seconds": round(sentence.seconds, 3),
        "score": round(sentence.score, 3),
        "intelligible": sentence.intelligible,
        "attempts": sentence.attempts,
        "fallbacks": list(sentence.fallbacks),
        "done": list(sentence.done),
        "remarks": list(sentence.remarks),
    }


def count_sentences(sentences: Sequence[Sentence]) -> str:
    """For example "7 sentences, 2 decoded again (1 split), 1 doubtful"."""
    counts = f"{len(sentences)} sentence{'' if len(sentences) == 1 else 's'}"
    again = [sentence for sentence in sentences if sentence.fallbacks]
    if again:
        split = sum(sentence.parts > 1 for sentence in again)
        counts += f", {len(again)} decoded again" + (f" ({split} split)" if split else "")
    doubtful = sum(not sentence.ok for sentence in sentences)
    unintelligible = sum(not sentence.intelligible for sentence in sentences)
    counts += f", {doubtful} doubtful" if doubtful else ""
    return counts + (f", {unintelligible} probably unintelligible" if unintelligible else "")


def write_result(path: Path, audio: GeneratedAudio, overwrite: bool) -> None:
    """Write a file and, if it is missing, its folder; a folder without a file is removed again."""
    new_folder = not path.parent.exists()
    path.parent.mkdir(exist_ok=True)
    try:
        audio.save(path, overwrite=overwrite)
    except SpeechError:
        if new_folder:
            path.parent.rmdir()
        raise


def converse(narrator: Narrator, folder: Path | None) -> None:
    """Ask for sentences until the end of input; write each into the next free number of the folder, if given."""
    prompt = "Text to speak (quit to end): " if sys.stdin.isatty() else ""
    while True:
        try:
            text = input(prompt).strip()
        except EOFError:
            return
        except UnicodeDecodeError as error:
            raise TextError("The input is not UTF-8 text: check the encoding of the terminal or file.") from error
        if text.lower() in QUIT:
            return
        if not text:
            continue
        path = None if folder is None else _free_path(folder)
        try:
            narrator.speak(speakable(text, "The text", narrator.options.lexicon), path)
        except TextError as error:
            print(f"error: {one_line(error)}", file=sys.stderr)


def _free_path(folder: Path) -> Path:
    return next(path for number in itertools.count(1) if not (path := folder / f"{number:03}.wav").exists())


@contextmanager
def progress_bars() -> Iterator[Callable[[str, int, int], None] | None]:
    """A progress bar for each stage on a terminal; None elsewhere."""
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
