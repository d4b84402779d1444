"""Jobs that speak: synthesize, vocode, both at once while it is heard, and text files into numbered sounds."""

from __future__ import annotations

import secrets
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cloning import ModelFiles, VoiceCloner
from cloning.cloner import finish, judge_attention
from cloning.voices import Voice
from speech.errors import AudioError, ConfigError, ModelFileError, TextError
from toolbox.jobs.context import JobContext
from toolbox.jobs.loaded_models import Models
from toolbox.storage.results import BREAK_SECONDS, Line, Result

if TYPE_CHECKING:
    from synthesizer import Synthesis

SHOWN_SENTENCES = 20  # of a line, while it is made; joining ever more of them takes ever longer
SAMPLE_RATE = 16_000  # that the encoder and the voice activity detector hear


@dataclass(frozen=True, eq=False)
class Order:
    """What to say: one utterance a line, in a voice.

    Attributes:
        seed: the same gives the same samples; None draws one.
        trim: cut long silences out of the result.
    """

    text: str
    voice: Voice
    seed: int | None = None
    trim: bool = False


@dataclass(frozen=True, eq=False)
class Sound:
    """Handed out by `speak` and `vocode` as a chunk: the next float32 [samples], to be heard at once."""

    wav: np.ndarray
    sample_rate: int


# A `Line` is handed out by `speak` too, as soon as its mel is known and before its sound is finished.


def read_lines(text: str) -> list[str]:
    """The lines that say something. Raises: TextError if none does, or one cannot be spoken."""
    from cloning.narration import speakable

    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    if not lines:
        raise TextError("There is nothing to say: write a sentence first.")
    return [speakable(line, f"Line {number}" if len(lines) > 1 else "The text") for number, line in lines]


def speak(context: JobContext, models: Models, files: ModelFiles, order: Order) -> Result:
    """Synthesize and vocode, handing out `Sound` chunks while they are made, and each `Line` as soon as it is read.

    What is heard meanwhile has the vocoder's own level and its silences; the result is levelled, and trimmed if that
    is asked for.

    Raises:
        TextError, ConfigError, ModelFileError: as `cloning.VoiceCloner.speak`.
    """
    started = time.perf_counter()
    texts = read_lines(order.text)
    cloner = models.load(context, files)
    seed = seed_of(order.seed)
    count = Count(context, texts)
    lines, wavs = [], []
    for number, text in enumerate(texts):
        if number:
            context.chunk(Sound(_break(cloner.sample_rate), cloner.sample_rate))
        line, wav = speak_line(context, cloner, text, order.voice, seed, count, number)
        lines.append(line)
        wavs.append(wav)
    result = Result(
        tuple(lines), join(wavs, cloner.sample_rate, order.trim), cloner.sample_rate, seed, order.voice,
        models.about(files), _paths(files), order.trim,
    )  # fmt: skip
    count.finish()
    return _judged(context, cloner.encoder, result, started)


def synthesize(context: JobContext, models: Models, files: ModelFiles, order: Order) -> Result:
    """Only the mels: a result without sound. Raises: as `speak`."""
    started = time.perf_counter()
    texts = read_lines(order.text)
    synthesizer = models.synthesizer(context, files)
    _check_space(synthesizer.embedding_space, order.voice)
    seed = seed_of(order.seed)
    lines = []
    total = sum(map(len, texts))
    for number, text in enumerate(texts):
        done = sum(map(len, texts[:number]))

        def tell(part: int, parts: int, done: int = done, text: str = text) -> None:
            context.check()
            context.progress("Synthesizing", done + len(text) * part // max(parts, 1), total)

        tell(0, 1)
        synthesis = synthesizer.synthesize(text, order.voice, seed=seed, progress=tell)
        context.check()
        lines.append(_line(text, synthesis))
        context.chunk(lines[-1])
    rate = synthesizer.mel_config.sample_rate
    wav = np.zeros(0, np.float32)
    about, paths = models.about(files), _paths(files)
    about.pop("vocoder", None)
    paths.pop("vocoder", None)
    taken = time.perf_counter() - started
    return Result(tuple(lines), wav, rate, seed, order.voice, about, paths, seconds_taken=taken)


def vocode(
    context: JobContext, models: Models, files: ModelFiles, draft: Result, seed: int | None = None, trim: bool = False
) -> Result:
    """Make the sound of a result's mels (again), with the vocoder that is chosen now.

    Raises:
        ConfigError, AudioError: the mels are of another kind than the vocoder's.
    """
    started = time.perf_counter()
    vocoder = models.vocoder(context, files)
    if vocoder.sample_rate != draft.sample_rate:
        raise ConfigError(
            f"This mel is of a sound at {draft.sample_rate} Hz, but the vocoder makes sound at {vocoder.sample_rate}: "
            "choose the vocoder that it was made for, or griffin-lim."
        )
    rate, seed = vocoder.sample_rate, draft.seed if seed is None else seed
    total = sum(line.mel.shape[1] for line in draft.lines) * vocoder.mel_config.hop_length
    wavs: list[np.ndarray] = []
    done = 0
    for number, line in enumerate(draft.lines):
        if number:
            context.chunk(Sound(_break(rate), rate))
        chunks = []
        for chunk in _uncancelled(context, vocoder.stream(line.mel, seed=seed, cancelled=context.cancelled)):
            chunks.append(chunk)
            done += len(chunk)
            context.chunk(Sound(chunk, rate))
            context.progress("Vocoding", done, total)
        wavs.append(finish(np.concatenate(chunks), rate))
    context.progress("Comparing", total, total)
    about = {**draft.models, **{stage: name for stage, name in models.about(files).items() if stage == "vocoder"}}
    paths = {**draft.files, "vocoder": _paths(files)["vocoder"]}
    result = replace(
        draft, wav=join(wavs, rate, trim), sample_rate=rate, seed=seed, models=about, files=paths, trimmed=trim,
        created="",
    )  # fmt: skip
    return _judged(context, models.encoder(context, files), result, started)


def export(context: JobContext, result: Result, path: str | Path, overwrite: bool = False) -> Path:
    """Write a result's sound as .wav, .flac or .ogg. Raises: AudioError, StorageError."""
    from speech.audio import write_audio

    context.progress("Writing", 0, 1)
    if not len(result.wav):
        raise AudioError("This result has no sound yet: vocode it first.")
    write_audio(path, result.wav, result.sample_rate, overwrite=overwrite)
    return Path(path)


def trim_silences(wav: np.ndarray, sample_rate: int) -> np.ndarray:
    """Cut silences of more than about 0.2 s out of a sound; one without any speech stays whole.

    Args:
        wav: float32 [samples], at any rate.
    """
    from speech.audio import resample, volume_gain
    from speech.vad import VAD_WINDOW_MS, speech_windows

    heard = resample(wav, sample_rate, SAMPLE_RATE)
    kept = speech_windows(heard, volume_gain(heard))
    if not kept.any():
        return wav
    edges = np.round(np.arange(len(kept) + 1) * sample_rate * VAD_WINDOW_MS / 1000).astype(int)
    return np.concatenate([wav[edges[number] : edges[number + 1]] for number in np.flatnonzero(kept)])


# --- parts ------------------------------------------------------------------------------------------------------------


class Count:
    """Progress over several lines, in characters: each counts once when it is read and once when it is heard."""

    def __init__(self, context: JobContext, texts: list[str]) -> None:
        self._context = context
        self._sizes = [2 * len(text) for text in texts]
        self._read = self._said = 0.0  # shares of the line at hand

    def begin(self, number: int) -> None:
        self._number, self._read, self._said = number, 0.0, 0.0
        self._tell("Synthesizing")

    def read(self, share: float) -> None:
        self._read = min(1.0, share)
        self._tell("Vocoding")

    def said(self, share: float) -> None:
        self._said = min(self._read, share)
        self._tell("Vocoding")

    def finish(self) -> None:
        self._context.progress("Comparing", sum(self._sizes), sum(self._sizes))

    def _tell(self, what: str) -> None:
        count = len(self._sizes)
        stage = what if count == 1 else f"{what}, line {self._number + 1} of {count}"
        here = self._sizes[self._number] * (self._read + self._said) / 2
        self._context.progress(stage, int(sum(self._sizes[: self._number]) + here), sum(self._sizes))


def speak_line(
    context: JobContext, cloner: VoiceCloner, text: str, voice: Voice, seed: int, count: Count, number: int,
    heard: bool = True,
) -> tuple[Line, np.ndarray]:  # fmt: skip
    """One line, and its finished sound float32 [samples]; nothing is handed out of one that is not to be heard."""
    from cloning.streaming import as_speech
    from synthesizer.tacotron.inference import join_syntheses, read_sentences

    count.begin(number)
    characters = sum(len(sentence.text) for sentence in read_sentences(text))
    sentences: list[Synthesis] = []
    chunks: list[np.ndarray] = []
    hop, rate, said = cloner.synthesizer.mel_config.hop_length, cloner.sample_rate, 0

    def on_sentence(synthesis: Synthesis) -> None:
        context.check()
        sentences.append(synthesis)
        count.read(sum(len(one.sentences[0].text) for one in sentences) / max(characters, 1))
        if heard and len(sentences) <= SHOWN_SENTENCES:
            context.chunk(_line(text, join_syntheses(sentences)))

    stream = cloner.stream(text, voice, seed, on_sentence, context.cancelled)
    for chunk in _uncancelled(context, stream):
        chunks.append(chunk)
        said += len(chunk)
        if heard:
            context.chunk(Sound(chunk, rate))
        known = sum(one.mel.shape[1] for one in sentences) * hop
        count.said(count._read * said / max(known, 1))
    speech = as_speech(chunks, sentences, rate, text, seed)
    line = Line(text, speech.mel, speech.alignment, speech.tokens, speech.alignment_score, speech.remarks)
    return line, speech.wav


def _uncancelled(context: JobContext, chunks: Any) -> Any:
    """The chunks, and `JobCancelled` in place of the vocoder's own way to say that it was cancelled.

    Raises:
        ModelFileError: what comes is no sound.
    """
    from vocoder.base import VocodingCancelled

    try:
        for chunk in chunks:
            context.check()
            if not np.isfinite(chunk).all():
                raise ModelFileError("The vocoder made no usable sound: its file is damaged or does not belong here.")
            yield chunk
    except VocodingCancelled:
        context.check()
        raise


def _line(text: str, synthesis: Synthesis) -> Line:
    score, remarks = judge_attention(synthesis)
    return Line(text, synthesis.mel, synthesis.alignment, tuple(synthesis.tokens), score, remarks)


def _judged(context: JobContext, encoder: Any, result: Result, started: float) -> Result:
    context.check()
    embedding, alike = similarity_to(encoder, result.wav, result.sample_rate, result.voice)
    taken = time.perf_counter() - started
    return replace(result, embedding=embedding, similarity=alike, seconds_taken=taken)


def similarity_to(encoder: Any, wav: np.ndarray, sample_rate: int, voice: Voice) -> tuple[np.ndarray, float | None]:
    """The embedding of what was said, and its cosine with the voice; empty and None if no speech is heard in it."""
    from speech.audio import resample

    try:
        embedding = encoder.embed(resample(wav, sample_rate, SAMPLE_RATE))
    except AudioError:
        return np.zeros(0, np.float32), None
    if encoder.embedding_space != voice.embedding_space:
        return embedding, None
    return embedding, float(np.dot(embedding, voice.embedding))


def _check_space(space: str, voice: Voice) -> None:
    if voice.embedding_space != space:
        raise ConfigError(
            f"The voice {voice.name!r} is of the embedding space {voice.embedding_space!r}, but this synthesizer "
            f"expects {space!r}: enroll it again with the encoder that belongs here."
        )


def join(wavs: list[np.ndarray], sample_rate: int, trim: bool) -> np.ndarray:
    """Utterances with a break between them: float32 [samples]."""
    parts: list[np.ndarray] = []
    for wav in wavs:
        parts += [_break(sample_rate)] * bool(parts)
        parts.append(trim_silences(wav, sample_rate) if trim else wav)
    return np.concatenate(parts)


def _break(sample_rate: int) -> np.ndarray:
    return np.zeros(round(BREAK_SECONDS * sample_rate), np.float32)


def seed_of(wish: int | None) -> int:
    return secrets.randbelow(2**31) if wish is None else wish


def _paths(files: ModelFiles) -> dict[str, str]:
    return {
        "encoder": str(files.encoder),
        "synthesizer": str(files.synthesizer),
        "vocoder": "griffin-lim" if files.vocoder is None else str(files.vocoder),
    }
