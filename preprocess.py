"""From corpora to the feature stores that the three stages train on.

    python preprocess.py encoder     CORPUS [CORPUS ...] --out stores/encoder
    python preprocess.py synthesizer CORPUS [CORPUS ...] --out stores/synthesizer --encoder encoder.safetensors
    python preprocess.py vocoder     CORPUS [CORPUS ...] --out stores/vocoder

A run that was stopped, by whatever, goes on where it was when the same command is given again. More corpora can be
added to a finished store in the same way.
"""

from __future__ import annotations

import collections
import contextlib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import tyro

from speech.errors import AudioError, ConfigError, CorpusError, TextError, exit_on_speech_error

if TYPE_CHECKING:
    import numpy as np

    from encoder import SpeakerEncoder
    from speech.corpora import Utterance
    from speech.workers import Clip
    from synthesizer.text.transcript import Transcript

BATCH = 8  # utterances whose embeddings are computed together; what a kill costs at most, per process
EMBED_ALONE_SECONDS = 3.0  # a shorter piece takes the embedding of the whole utterance it was cut from
FLOAT16_MAX = 65504.0

Corpora = Annotated[tuple[Path, ...], tyro.conf.Positional, tyro.conf.arg(metavar="CORPUS [CORPUS ...]")]


@dataclass(frozen=True, kw_only=True)
class _Settings:
    corpora: Corpora
    """Corpus folders (metadata.csv, a folder per speaker) or lhotse manifests."""
    out: Path
    """The feature store to write, or to go on with."""
    jobs: int = max(1, (os.cpu_count() or 2) // 2)
    """Processes, of one thread each."""
    min_seconds: float = 1.6
    """Clips with less speech are left out."""
    validation_speakers: tuple[str, ...] = ()
    """Hold out these speakers instead of those that the project holds out."""

    def __post_init__(self) -> None:
        if not self.corpora:
            raise ConfigError("No corpus is given: name at least one folder of recordings.")
        if self.jobs < 1:
            raise ConfigError(f"--jobs must be at least 1, not {self.jobs}.")
        if not 0.8 <= self.min_seconds < self.longest:
            raise ConfigError(f"--min-seconds must lie between 0.8 and {self.longest:g}, not {self.min_seconds:g}.")

    @property
    def longest(self) -> float:
        raise NotImplementedError

    def info(self) -> dict[str, Any]:
        """What may not change while a store grows."""
        fixed = {k: v for k, v in asdict(self).items() if k not in ("corpora", "out", "jobs", "encoder")}
        return {"stage": type(self).__name__.lower(), **fixed}

    def clips(self, work: Sequence[Task]) -> Iterator[Clip]:
        """Turn a few utterances into what the store keeps of them."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Encoder(_Settings):
    """Mel spectrograms for the speaker encoder; transcripts are not needed."""

    max_seconds: float = 600.0
    """Clips with more speech are left out."""

    @property
    def longest(self) -> float:
        return self.max_seconds

    def clips(self, work: Sequence[Task]) -> Iterator[Clip]:
        import numpy as np

        from speech.audio import SAMPLE_RATE, prepare_reference
        from speech.mel import encoder_mel
        from speech.workers import Clip

        for task in work:
            with _refusing(task.utterance.key) as refused:
                wav = _prepare(prepare_reference, task.read())
                _check_length(len(wav) / SAMPLE_RATE, self)
                mel = np.minimum(encoder_mel(wav), FLOAT16_MAX).astype(np.float16)
                yield Clip(task.utterance.key, {"mel": mel}, task.meta(len(wav) / SAMPLE_RATE))
            yield from refused


@dataclass(frozen=True, kw_only=True)
class Vocoder(_Settings):
    """Waveforms with their mel spectrograms for the vocoder; transcripts are not needed."""

    max_seconds: float = 60.0
    """Longer clips are left out."""

    @property
    def longest(self) -> float:
        return self.max_seconds

    def info(self) -> dict[str, Any]:
        return {**super().info(), "mel_config": _mel_config()}

    def clips(self, work: Sequence[Task]) -> Iterator[Clip]:
        import numpy as np

        from speech.audio import SAMPLE_RATE
        from speech.mel import MelConfig, code_mel, synthesis_mel
        from speech.workers import Clip

        hop = MelConfig().hop_length
        for task in work:
            with _refusing(task.utterance.key) as refused:
                wav = _trimmed(task.read())
                _check_length(len(wav) / SAMPLE_RATE, self)
                mel = np.ascontiguousarray(code_mel(synthesis_mel(wav)).T)
                whole = np.zeros(len(mel) * hop, np.int16)  # sample k belongs to frame k // hop
                samples = min(len(whole), len(wav))
                whole[:samples] = np.rint(wav[:samples] * 32768)
                yield Clip(task.utterance.key, {"mel": mel, "wav": whole}, task.meta(len(wav) / SAMPLE_RATE))
            yield from refused


@dataclass(frozen=True, kw_only=True)
class Synthesizer(_Settings):
    """Mel spectrograms, transcripts and speaker embeddings for the synthesizer; what has no text is left out."""

    encoder: Path = Path("models/default/encoder.safetensors")
    """The speaker encoder's model file. The synthesizer will understand the embeddings of this one."""
    max_seconds: float = 11.25
    """Longer clips are left out."""
    split_at_silences: bool = False
    """Cut utterances where the reader paused, found by aligning the text."""
    min_rate: float = 5.0
    """Letters a second; a slower clip does not fit its text."""
    max_rate: float = 25.0
    """Letters a second; a faster clip does not fit its text."""

    @property
    def longest(self) -> float:
        return self.max_seconds

    def info(self) -> dict[str, Any]:
        return {
            **super().info(),
            "mel_config": _mel_config(),
            "embedding_space": _encoder(self.encoder).embedding_space,
        }

    def clips(self, work: Sequence[Task]) -> Iterator[Clip]:
        clips: list[Clip] = []
        voices: list[np.ndarray] = []  # the sound whose embedding belongs to the clip of the same place
        for task in work:
            with _refusing(task.utterance.key) as refused:
                for clip, voice in self._pieces(task):
                    if clip.arrays is None:
                        refused.append(clip)
                    else:
                        clips.append(clip)
                        voices.append(voice)
            yield from refused
        # Pieces of one utterance that share its embedding share the array: it is computed once.
        different = list({id(voice): voice for voice in voices}.values())
        embeddings = _encoder(self.encoder).embed_many(different, prepared=True)
        of_voice = {id(voice): embedding for voice, embedding in zip(different, embeddings, strict=True)}
        for clip, voice in zip(clips, voices, strict=True):
            assert clip.arrays is not None
            clip.arrays["embedding"] = of_voice[id(voice)]
            yield clip

    def _pieces(self, task: Task) -> list[tuple[Clip, Any]]:
        """Clips of one utterance without embeddings, each with the prepared sound to embed."""
        import numpy as np

        from speech.audio import SAMPLE_RATE, prepare_reference, sound_bounds
        from speech.mel import code_mel, synthesis_mel
        from speech.workers import Clip

        wav = task.read()
        words = _transcript(task.utterance.text)
        pieces: list[tuple[Any, str, tuple[Any, ...]]] = [(wav, task.utterance.text, ())]
        if self.split_at_silences:
            pieces = _split(wav, words.text, self)
        whole = None
        made: list[tuple[Clip, Any]] = []
        for number, (piece, text, times) in enumerate(pieces, 1):
            key = task.utterance.key if len(pieces) == 1 else f"{task.utterance.key}#{number}of{len(pieces)}"
            with _refusing(key) as refused:
                words = _transcript(text) if self.split_at_silences else words  # pauses have become commas
                skipped = sound_bounds(piece)[0] / SAMPLE_RATE
                piece = _trimmed(piece)
                seconds = len(piece) / SAMPLE_RATE
                _check_length(seconds, self)
                self._check_rate(words.text, seconds)
                if seconds < EMBED_ALONE_SECONDS:
                    voice = whole = _prepare(prepare_reference, wav) if whole is None else whole
                else:
                    voice = _prepare(prepare_reference, piece)
                mel = np.ascontiguousarray(code_mel(synthesis_mel(piece)).T)
                arrays = {"mel": mel}
                if times and len(times) == len(words.text.split()):
                    # The times let training tell attention where each word is: it aligns in a tenth of the steps.
                    spans = [(word.start - skipped, word.end - skipped) for word in times]
                    arrays["word_times"] = np.array(spans, np.float32)
                made.append((Clip(key, arrays, {**task.meta(seconds), "transcript": words.to_json()}), voice))
            made += [(clip, None) for clip in refused]
        return made

    def _check_rate(self, text: str, seconds: float) -> None:
        rate = sum(character.isalpha() for character in text) / seconds
        if not self.min_rate <= rate <= self.max_rate:
            raise _Refused(
                f"too {'slow' if rate < self.min_rate else 'fast'} for its text ({rate:.1f} letters a second)"
            )


# ---- one utterance ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Task:
    """An utterance to work on, and the split it belongs to."""

    utterance: Utterance
    split: str

    def read(self) -> np.ndarray:
        from speech.corpora import read_utterance

        try:
            return read_utterance(self.utterance)
        except AudioError as error:
            raise _Refused(f"cannot be read ({error})") from error

    def meta(self, seconds: float) -> dict[str, Any]:
        spoken = self.utterance
        return {"speaker": spoken.speaker, "corpus": spoken.corpus, "split": self.split, "seconds": round(seconds, 3)}


class _Refused(Exception):
    """Why a clip does not go into the store: a few words, particulars in brackets at the end."""


@contextlib.contextmanager
def _refusing(key: str) -> Iterator[list[Clip]]:
    """Collects what is refused inside; a defect of ours keeps its traceback and names the utterance."""
    from speech.workers import Clip

    refused: list[Clip] = []
    try:
        yield refused
    except _Refused as error:
        refused.append(Clip(key, None, {}, str(error)))
    except Exception as error:
        error.add_note(f"while preprocessing {key}")
        raise


def _trimmed(wav: np.ndarray) -> np.ndarray:
    """Without silence at the edges, peak at 0.9: as the synthesizer and the vocoder hear it."""
    from speech.audio import normalize_peak, trim_edges

    wav = trim_edges(wav)
    if not len(wav):
        raise _Refused("silent")
    return normalize_peak(wav)


def _prepare(prepare_reference: Any, wav: np.ndarray) -> np.ndarray:
    try:
        wav = prepare_reference(wav)
    except AudioError as error:
        raise _Refused(f"no speech ({error})") from error
    if len(wav) < 1600:
        raise _Refused("no speech (less than 0.1 s of it)")
    return wav


def _transcript(text: str) -> Transcript:
    from synthesizer.text.front_end import text_to_transcript

    if not text:
        raise _Refused("no transcript")
    try:
        return text_to_transcript(text)
    except TextError as error:
        raise _Refused(f"text cannot be spoken ({error})") from error


def _split(wav: np.ndarray, text: str, settings: Synthesizer) -> list[tuple[np.ndarray, str, tuple[Any, ...]]]:
    """The pieces of a recording between its pauses, each with its text and the times of its words."""
    from speech.alignment import split_at_silences
    from speech.audio import SAMPLE_RATE

    longest = min(8.0, settings.max_seconds)  # the aligner's cuts are a little longer than it is asked for
    try:
        pieces = split_at_silences(wav, text, min_seconds=settings.min_seconds, max_seconds=longest)
    except AudioError as error:
        raise _Refused(f"does not fit its transcript ({error})") from error
    return [(wav[round(p.start * SAMPLE_RATE) : round(p.end * SAMPLE_RATE)], p.text, p.words) for p in pieces]


def _check_length(seconds: float, settings: _Settings) -> None:
    if not settings.min_seconds <= seconds <= settings.longest:
        raise _Refused(f"too {'short' if seconds < settings.min_seconds else 'long'} ({seconds:.1f} s of speech)")


def _mel_config() -> dict[str, Any]:
    from speech.mel import MelConfig

    return asdict(MelConfig())


_encoders: dict[Path, SpeakerEncoder] = {}  # a process loads its encoder once


def _encoder(path: Path) -> SpeakerEncoder:
    from encoder import SpeakerEncoder

    if path not in _encoders:
        _encoders[path] = SpeakerEncoder.load(path)
    return _encoders[path]


# ---- the run ---------------------------------------------------------------------------------------------------------


@exit_on_speech_error
def main(arguments: Sequence[str] | None = None) -> None:
    """Fill a feature store, then say what is in it."""
    settings: Encoder | Synthesizer | Vocoder = tyro.cli(
        Encoder | Synthesizer | Vocoder,  # type: ignore[arg-type]
        args=arguments,
        description=__doc__,
        config=(tyro.conf.ConsolidateSubcommandArgs,),
    )
    # One thread a process: several processes with a pool of threads each slow each other down. Before numpy's import.
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
    from speech.features import FeatureStore
    from speech.summary import describe_store

    tasks = _list_tasks(settings)
    if tasks:
        _run(settings, tasks)
    store = FeatureStore(settings.out)
    print(describe_store(store))
    if not len(store):
        raise CorpusError("Nothing is left to train on: see the reasons above.")


def _list_tasks(settings: _Settings) -> list[Task]:
    """Read the corpora, note what they refuse, and return what is not in the store yet."""
    from speech.corpora import iter_utterances, splits_of
    from speech.features import FeatureWriter

    info = settings.info()
    with FeatureWriter(settings.out, "main") as writer:
        writer.write_info(info)
        print(f"reading {len(settings.corpora)} corpora ...")
        utterances = []
        for utterance in iter_utterances(settings.corpora, on_reject=writer.reject):
            if utterance.duration < settings.min_seconds:  # no need to open it
                writer.reject(utterance.key, f"too short ({utterance.duration:.1f} s)")
            else:
                utterances.append(utterance)
        if not utterances:
            raise CorpusError(f"No utterance of {settings.min_seconds:g} s or more was found: lower --min-seconds.")
        splits = splits_of(utterances, settings.validation_speakers)
        finished = _finished(writer.done)
    tasks = [Task(utterance, splits[utterance.key]) for utterance in utterances if utterance.key not in finished]
    hours = sum(utterance.duration for utterance in utterances) / 3600
    speakers = len({utterance.speaker for utterance in utterances})
    print(f"found {len(utterances)} utterances of {speakers} speakers, {hours:.2f} h; {len(tasks)} are to do")
    return tasks


def _finished(done: set[str]) -> set[str]:
    """Utterances that need no more work: those that are done whole, and those all of whose pieces are."""
    pieces: collections.Counter[tuple[str, str]] = collections.Counter()
    for key in done:
        match = re.fullmatch(r"(.*)#\d+of(\d+)", key, re.DOTALL)
        if match:
            pieces[match[1], match[2]] += 1
    return done | {key for (key, number), count in pieces.items() if count == int(number)}


def _run(settings: Encoder | Synthesizer | Vocoder, tasks: list[Task]) -> None:
    from tqdm import tqdm

    from speech.workers import fill_store

    batches = [tasks[start : start + BATCH] for start in range(0, len(tasks), BATCH)]
    total = sum(task.utterance.duration for task in tasks) / 60
    form = "{percentage:3.0f}%|{bar}| {n:.1f} of {total:.1f} min of audio [{elapsed}<{remaining}]"
    with tqdm(total=total, bar_format=form) as bar:
        for batch in fill_store(settings.out, batches, settings.clips, settings.jobs):
            bar.update(sum(task.utterance.duration for task in batch) / 60)


if __name__ == "__main__":
    main()
