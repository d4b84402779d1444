"""Jobs that speak a text, synthesize it to mels only, or vocode mels. All use the chain of `cloning`."""

from __future__ import annotations

import functools
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cloning.cloner import VoiceCloner
from cloning.finishing import check_alignment, finish_stream, joined
from cloning.models import ModelFiles
from cloning.options import SpeechOptions
from cloning.provenance import Provenance
from cloning.result import Speech
from cloning.speech_model import Monitor
from cloning.voices import Voice
from cloning.watermark import NAME, load_watermarker
from speech.errors import AudioError, ConfigError, TextError
from toolbox.jobs.context import JobContext
from toolbox.jobs.loaded_models import Models
from toolbox.jobs.progress import LineProgress
from toolbox.storage.model_files import paths_of
from toolbox.storage.results import BREAK_SECONDS, Line, Result
from toolbox.storage.settings import DEFAULTS, SpeechSettings

if TYPE_CHECKING:
    from encoder import SpeakerEncoder
    from synthesizer import Sentence, Synthesis
    from synthesizer.text.lexicon import Lexicon

SHOWN_SENTENCES = 20  # of a line in progress; the time to join them grows with the square of their number
SAMPLE_RATE = 16_000  # of the encoder and the voice activity detector


@dataclass(frozen=True, eq=False)
class SpeechRequest:
    """A text to be spoken, one utterance per line.

    Attributes:
        seed: None draws one.
        reference: float32 [n_mels, frames] of the recording of the voice, kept with the result; empty if unknown.
    """

    text: str
    voice: Voice
    seed: int | None = None
    settings: SpeechSettings = DEFAULTS
    reference: np.ndarray = field(default_factory=lambda: np.zeros((0, 0), np.float32))


@dataclass(frozen=True, eq=False)
class AudioChunk:
    """The next float32 [samples], for immediate playback. Reported by `speak` and `vocode`."""

    wav: np.ndarray
    sample_rate: int


# `speak` also reports each `Line`, as soon as its mel is known.


def options_of(seed: int | None, settings: SpeechSettings) -> SpeechOptions:
    """The options for `cloning`, with a seed. Raises: TextError if the lexicon cannot be read, ConfigError."""
    return SpeechOptions(
        seed=seed,
        speed=settings.speed,
        pauses=settings.pauses,
        pitch_range=settings.pitch_range,
        lexicon=load_lexicon(settings.lexicon),
        loudness=settings.loudness,
        watermark=settings.watermark,
    ).seeded()


def load_lexicon(path: str) -> Lexicon | None:
    """The lexicon of a file, None for "". Raises: TextError naming the line that is wrong."""
    if not path:
        return None
    try:
        changed = Path(path).stat().st_mtime_ns
    except OSError:
        changed = 0  # reading it raises the error
    return _read_lexicon(path, changed)


@functools.lru_cache(maxsize=2)
def _read_lexicon(path: str, _changed: int) -> Lexicon:
    from synthesizer.text.lexicon import read_lexicon

    return read_lexicon(path)


def read_lines(text: str, lexicon: Lexicon | None = None) -> list[str]:
    """The non-empty lines of a text. Raises: TextError if there are none, or one cannot be spoken."""
    from cloning.narration import speakable

    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise TextError("There is no text to speak: write a sentence first.")
    return [speakable(line, f"Line {number}" if len(lines) > 1 else "The text", lexicon) for number, line in lines]


def speak(context: JobContext, models: Models, files: ModelFiles, request: SpeechRequest) -> Result:
    """Speak a text, reporting each `Line` and each `AudioChunk` as soon as it is generated.

    The chunks are the finished audio of `VoiceCloner.speak`. The result is the same, with long silences removed if the
    request asks for that.

    Raises:
        TextError, ConfigError, ModelFileError: as `VoiceCloner.speak`.
    """
    started = time.perf_counter()
    options = options_of(request.seed, request.settings)
    texts = read_lines(request.text, options.lexicon)
    cloner = models.load(context, files)
    progress = LineProgress(context, texts)
    spoken = []
    for number, text in enumerate(texts):
        if number:
            context.chunk(AudioChunk(_break(cloner.sample_rate), cloner.sample_rate))
        progress.begin(number)
        spoken.append(speak_line(context, cloner, text, request.voice, options, progress))
    wavs = [speech.wav for speech in spoken]
    result = Result(
        lines=tuple(map(_finished_line, spoken)),
        wav=join_lines(wavs, cloner.sample_rate, request.settings.trim),
        sample_rate=cloner.sample_rate,
        seed=options.seed or 0,
        voice=request.voice,
        settings=request.settings,
        models=models.descriptions(files),
        files=paths_of(files),
        reference=request.reference,
        provenance=spoken[0].provenance,
    )
    progress.finish()
    return _with_similarity(context, cloner.encoder, result, started)


def speak_line(
    context: JobContext,
    cloner: VoiceCloner,
    text: str,
    voice: Voice,
    options: SpeechOptions,
    progress: LineProgress,
    report: bool = True,
) -> Speech:
    """Speak one line. Args: report: pass its mel and audio to the context while they are generated."""
    syntheses: list[Synthesis] = []

    def on_synthesis(synthesis: Synthesis) -> None:
        context.check()
        syntheses.append(synthesis)
        progress.synthesized(sum(len(sentence.text) for sentence in synthesis.sentences))
        if report and len(syntheses) <= SHOWN_SENTENCES:
            context.chunk(_line(text, syntheses))

    monitor = Monitor(on_synthesis, lambda _stage, done, known: progress.vocoded(done, known), context.cancelled)
    stream = cloner.stream(text, voice, options, monitor=monitor)
    for chunk in stream:
        context.check()
        if report:
            context.chunk(AudioChunk(chunk, cloner.sample_rate))
    return stream.speech


def synthesize(context: JobContext, models: Models, files: ModelFiles, request: SpeechRequest) -> Result:
    """Only the mels: a result without audio. Raises: as `speak`."""
    started = time.perf_counter()
    options = options_of(request.seed, request.settings)
    texts = read_lines(request.text, options.lexicon)
    model = models.two_stage(context, files)
    total = sum(map(len, texts))
    lines: list[Line] = []
    for text in texts:
        before = sum(len(line.text) for line in lines)

        def report(done: int, parts: int, before: int = before, text: str = text) -> None:
            context.progress("Synthesizing", before + len(text) * done // max(parts, 1), total)

        report(0, 1)
        monitor = Monitor(progress=lambda _stage, done, parts: report(done, parts), cancelled=context.cancelled)
        lines.append(_line(text, [model.synthesize(text, request.voice, options, monitor)]))
        context.check()
        context.chunk(lines[-1])
    described, paths = models.descriptions(files), paths_of(files)
    for stages in (described, paths):
        stages.pop("vocoder", None)
    return Result(
        lines=tuple(lines),
        wav=np.zeros(0, np.float32),
        sample_rate=model.sample_rate,
        seed=options.seed or 0,
        voice=request.voice,
        settings=replace(request.settings, trim=False),
        models=described,
        files=paths,
        reference=request.reference,
        seconds_taken=time.perf_counter() - started,
    )


def vocode(
    context: JobContext, models: Models, files: ModelFiles, draft: Result, seed: int | None = None, trim: bool = False
) -> Result:
    """Generate the audio of a result's mels with the present vocoder.

    Args:
        seed: None takes that of the draft.
    Raises:
        ConfigError, AudioError: the mels do not fit the vocoder.
    """
    started = time.perf_counter()
    model = models.two_stage(context, files)
    if model.sample_rate != draft.sample_rate:
        raise ConfigError(
            f"This mel spectrogram is for audio at {draft.sample_rate} Hz, but the vocoder generates "
            f"{model.sample_rate} Hz: load the vocoder that it was made for."
        )
    rate, seed = model.sample_rate, draft.seed if seed is None else seed
    watermarker = load_watermarker() if draft.settings.watermark else None
    total = sum(line.mel.shape[1] for line in draft.lines)
    wavs: list[np.ndarray] = []
    for number, line in enumerate(draft.lines):
        before = sum(line.mel.shape[1] for line in draft.lines[:number])

        def report(_stage: str, done: int, parts: int, before: int = before, frames: int = line.mel.shape[1]) -> None:
            context.progress("Vocoding", before + frames * done // max(parts, 1), total)

        if number:
            context.chunk(AudioChunk(_break(rate), rate))
        lengths = [round(seconds * rate) for seconds in line.sentence_seconds]
        generated = model.vocode(line.mel, seed, Monitor(progress=report, cancelled=context.cancelled))
        chunks = []
        for chunk in finish_stream(generated, lengths, rate, draft.settings.loudness, watermarker):
            context.check()
            chunks.append(chunk)
            context.chunk(AudioChunk(chunk, rate))
        wavs.append(joined(chunks))
    context.progress("Measuring the similarity", total, total)
    vocoder = {"vocoder": models.descriptions(files)["vocoder"]}
    result = replace(
        draft,
        wav=join_lines(wavs, rate, trim),
        seed=seed,
        settings=replace(draft.settings, trim=trim),
        models={**draft.models, **vocoder},
        files={**draft.files, "vocoder": paths_of(files)["vocoder"]},
        created="",
        provenance=Provenance.of(draft.voice, model.digests, NAME if watermarker else ""),
    )
    return _with_similarity(context, models.encoder(context, files), result, started)


def export(context: JobContext, result: Result, path: str | Path, overwrite: bool = False) -> Path:
    """Write a result's audio as .wav, .flac or .ogg with its provenance. Raises: AudioError, StorageError."""
    from speech.audio import write_audio

    context.progress("Writing", 0, 1)
    if not len(result.wav):
        raise AudioError("This result has no audio yet: vocode it first.")
    write_audio(path, result.wav, result.sample_rate, overwrite=overwrite, tags=result.provenance.tags())
    return Path(path)


# --- parts ------------------------------------------------------------------------------------------------------------


def _line(text: str, syntheses: list[Synthesis]) -> Line:
    """The part of a line that is synthesized so far."""
    from synthesizer.synthesis import join_syntheses

    whole = join_syntheses(syntheses)
    score, remarks = check_alignment(whole.sentences)
    return Line(
        text, whole.mel, whole.alignment, tuple(whole.tokens), score, remarks, _seconds_of(whole.sentences)
    )  # fmt: skip


def _finished_line(speech: Speech) -> Line:
    return Line(
        speech.text, speech.mel, speech.alignment, speech.tokens, speech.alignment_score, speech.remarks,
        _seconds_of(speech.sentences),
    )  # fmt: skip


def _seconds_of(sentences: Sequence[Sentence]) -> tuple[float, ...]:
    return tuple(sentence.seconds + sentence.pause for sentence in sentences)


def _with_similarity(context: JobContext, encoder: SpeakerEncoder, result: Result, started: float) -> Result:
    context.check()
    embedding, similarity = measure_similarity(encoder, result.wav, result.sample_rate, result.voice)
    taken = time.perf_counter() - started
    return replace(result, embedding=embedding, similarity=similarity, seconds_taken=taken)


def measure_similarity(
    encoder: SpeakerEncoder, wav: np.ndarray, sample_rate: int, voice: Voice
) -> tuple[np.ndarray, float | None]:
    """The embedding of generated speech, and its cosine with the voice; empty and None if no speech is detected."""
    from speech.audio import resample

    try:
        embedding = encoder.embed(resample(wav, sample_rate, SAMPLE_RATE))
    except AudioError:
        return np.zeros(0, np.float32), None
    if encoder.embedding_space != voice.embedding_space:
        return embedding, None
    return embedding, float(np.dot(embedding, voice.embedding))


def join_lines(wavs: list[np.ndarray], sample_rate: int, trim: bool) -> np.ndarray:
    """Utterances with a break between them: float32 [samples]."""
    parts: list[np.ndarray] = []
    for wav in wavs:
        parts += [_break(sample_rate)] * bool(parts)
        parts.append(trim_silences(wav, sample_rate) if trim else wav)
    return np.concatenate(parts)


def trim_silences(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Shorten silences to about 0.2 s. Audio without any speech is returned unchanged.

    Args:
        wav: float32 [samples], at any rate.
    """
    from speech.audio import resample, volume_gain
    from speech.vad import VAD_WINDOW_MS, speech_windows

    at_rate = resample(wav, sample_rate, SAMPLE_RATE)
    voiced = speech_windows(at_rate, volume_gain(at_rate))
    if not voiced.any():
        return wav
    edges = np.round(np.arange(len(voiced) + 1) * sample_rate * VAD_WINDOW_MS / 1000).astype(int)
    return np.concatenate([wav[edges[number] : edges[number + 1]] for number in np.flatnonzero(voiced)])


def _break(sample_rate: int) -> np.ndarray:
    return np.zeros(round(BREAK_SECONDS * sample_rate), np.float32)
