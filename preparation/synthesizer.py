"""Stores for the synthesizer: mels, transcripts and speaker embeddings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from modelfile.locations import DEFAULT_MODELS
from preparation.features import encoder_ready, stored_mel, stored_samples, trimmed
from preparation.models import load_encoder, unit_arrays, units_digest
from preparation.settings import MelSettings
from preparation.task import Refused, Task, check_length, refusing
from speech.errors import AudioError, ConfigError, TextError

if TYPE_CHECKING:
    import numpy as np

    from corpora.store_filling import Clip
    from corpora.workers import Timer
    from speech.alignment import Word
    from synthesizer.text.transcript import Transcript

EMBED_ALONE_SECONDS = 3.0  # a shorter segment gets the embedding of the whole utterance that it was cut from
MAX_SEGMENT_SECONDS = 8.0  # the aligner's segments are a little longer than this
SPEEDS = (0.7, 1.4)  # speech sounds unnatural at lower and higher speeds


@dataclass(frozen=True, eq=False)
class Segment:
    """A part of an utterance between two pauses, or the whole utterance.

    Attributes:
        wav: float32 [samples] at the store's sample rate.
        words: each word with its times in seconds, counted from the start of the wav; () if they are not known.
        pitch_contour: float32 [words, 3], see `speech.word_pitch`; None if it is not known.
    """

    wav: np.ndarray
    text: str
    words: tuple[Word, ...] = ()
    pitch_contour: np.ndarray | None = None

    def at_speed(self, speed: float, sample_rate: int) -> Segment:
        """The segment played at another speed; the contour is relative to the median F0 and stays."""
        if speed == 1:
            return self
        words = tuple(replace(word, start=word.start / speed, end=word.end / speed) for word in self.words)
        return replace(self, wav=at_speed(self.wav, speed, sample_rate), words=words)


@dataclass(frozen=True, kw_only=True)
class Synthesizer(MelSettings):
    """Mel spectrograms, transcripts and speaker embeddings for the synthesizer. Clips without a text are left out,
    unless --text-optional is given."""

    encoder: Path = DEFAULT_MODELS / "encoder.safetensors"
    """Encoder model file. The synthesizer will take the embeddings of this encoder."""
    max_seconds: float = 11.25
    """Leave out longer clips."""
    split_at_silences: bool = False
    """Split utterances at pauses, which are found by aligning the text."""
    min_rate: float = 5.0
    """Letters per second; a slower clip does not match its text."""
    max_rate: float = 25.0
    """Letters per second; a faster clip does not match its text."""
    reduce_noise: bool = False
    """Remove steady noise, which is measured in the pauses. For noisy rooms and microphones, not for studios."""
    keep_audio: bool = False
    """Store the audio too, which an end-to-end model (train_synth.py --model vits) needs."""
    units: Path | None = None
    """Unit file of `python -m synthesizer.units.training`: store the units of each clip and their F0, for speech to
    speech."""
    text_optional: bool = False
    """Keep clips without a text, from which a VITS with units learns too. Needs --keep-audio and --units."""
    speeds: tuple[float, ...] = ()
    """Add copies of training clips at these speeds, for example 0.9 1.1, as lower and higher voices."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(not SPEEDS[0] <= speed <= SPEEDS[1] or speed == 1 for speed in self.speeds):
            raise ConfigError(f"--speeds must lie between {SPEEDS[0]:g} and {SPEEDS[1]:g}, and not be 1.")
        if self.text_optional and (self.units is None or not self.keep_audio):
            raise ConfigError("Clips without a text are for a VITS with units: add --keep-audio and --units.")

    @property
    def longest(self) -> float:
        return self.max_seconds

    def info(self) -> dict[str, Any]:
        return {
            **super().info(),
            "split_at_silences": self.split_at_silences,
            "min_rate": self.min_rate,
            "max_rate": self.max_rate,
            "reduce_noise": self.reduce_noise,
            "speeds": self.speeds,
            **({"keep_audio": True} if self.keep_audio else {}),
            **({"text_optional": True} if self.text_optional else {}),
            **({"units": units_digest(self.units)} if self.units is not None else {}),
            "embedding_space": load_encoder(self.encoder).embedding_space,
        }

    def clips(self, work: Sequence[Task], timer: Timer) -> Iterator[Clip]:
        clips: list[Clip] = []
        voices: list[np.ndarray] = []  # for each clip, the audio to embed
        for task in work:
            with refusing(task.key) as refused:
                for clip, voice in self._clips_of(task, self._read(task, timer)):
                    if clip.arrays is None:
                        refused.append(clip)
                    else:
                        clips.append(clip)
                        voices.append(voice)
            yield from refused
        # Segments of one utterance that share an embedding share the array: it is computed once.
        different = list({id(voice): voice for voice in voices}.values())
        embeddings = load_encoder(self.encoder).embed_many(different, prepared=True)
        of_voice = {id(voice): embedding for voice, embedding in zip(different, embeddings, strict=True)}
        for clip, voice in zip(clips, voices, strict=True):
            assert clip.arrays is not None
            clip.arrays["embedding"] = of_voice[id(voice)]
            yield clip

    def _read(self, task: Task, timer: Timer) -> np.ndarray:
        from speech.noise_reduction import reduce_noise

        wav = task.read(timer, self.decode_limit(task), self.sample_rate)
        return reduce_noise(wav, self.sample_rate) if self.reduce_noise else wav

    def _clips_of(self, task: Task, wav: np.ndarray) -> list[tuple[Clip, Any]]:
        """Clips of one utterance without embeddings, each with the audio to embed as the encoder takes it."""
        text = task.utterance.text
        transcript = None if self.text_optional and not text else transcript_of(text)
        splits = self.split_at_silences and transcript is not None
        segments = self._split(wav, transcript.text) if splits and transcript else [Segment(wav, text)]
        speeds = (1.0, *self.speeds) if task.split == "train" else (1.0,)
        count = len(segments) * len(speeds)
        made: list[tuple[Clip, Any]] = []
        number = 0
        for speed in speeds:
            whole = None  # the audio to embed for segments that are too short for a separate embedding
            for segment in segments:
                number += 1
                key = task.key if count == 1 else f"{task.key}#{number}of{count}"
                with refusing(key) as refused:
                    if splits:  # pauses have become commas
                        transcript = transcript_of(segment.text)
                    clip, voice = self._clip(task, key, segment.at_speed(speed, self.sample_rate), transcript, speed)
                    if voice is None:
                        if whole is None:
                            whole = encoder_ready(at_speed(wav, speed, self.sample_rate), self.sample_rate)
                        voice = whole
                    made.append((clip, voice))
                made += [(clip, None) for clip in refused]
        return made

    def _clip(
        self, task: Task, key: str, segment: Segment, transcript: Transcript | None, speed: float
    ) -> tuple[Clip, np.ndarray | None]:
        """One clip, and the audio to embed; None if it is too short for a separate embedding."""
        import numpy as np

        from corpora.store_filling import Clip
        from speech.audio import SAMPLE_RATE, resample
        from speech.vad import signal_bounds

        skipped = signal_bounds(segment.wav, self.sample_rate)[0] / self.sample_rate
        wav = trimmed(segment.wav, self.sample_rate)
        seconds = len(wav) / self.sample_rate
        check_length(seconds, self.min_seconds, self.longest)
        if transcript is not None:
            self._check_rate(transcript.text, seconds)
        arrays = {"mel": stored_mel(wav, self.mel)}
        if self.keep_audio:
            arrays["wav"] = stored_samples(wav, len(arrays["mel"]), self.mel)
        if self.units is not None:
            arrays |= unit_arrays(resample(wav, self.sample_rate, SAMPLE_RATE), self.units)
        if segment.words and transcript and len(segment.words) == len(transcript.text.split()):
            # Word times guide the attention in training: it aligns in a tenth of the steps.
            times = [(word.start - skipped, word.end - skipped) for word in segment.words]
            arrays["word_times"] = np.array(times, np.float32)
            if segment.pitch_contour is not None:
                arrays["word_pitch"] = segment.pitch_contour
        meta = task.meta(seconds)
        if transcript is not None:
            meta["transcript"] = transcript.to_json()
        if speed != 1:
            meta["speaker"] += f" at {speed:g}"
        voice = encoder_ready(wav, self.sample_rate) if seconds >= EMBED_ALONE_SECONDS else None
        return Clip(key, arrays, meta), voice

    def _split(self, wav: np.ndarray, text: str) -> list[Segment]:
        """The segments of a recording between its pauses."""
        from speech.alignment import split_at_silences
        from speech.audio import SAMPLE_RATE, resample

        longest = min(MAX_SEGMENT_SECONDS, self.max_seconds)
        at_aligner_rate = resample(wav, self.sample_rate, SAMPLE_RATE)
        try:
            spans = split_at_silences(at_aligner_rate, text, min_seconds=self.min_seconds, max_seconds=longest)
        except AudioError as error:
            raise Refused(f"does not fit its transcript ({error})") from error
        segments = []
        for span in spans:
            part = wav[round(span.start * self.sample_rate) : round(span.end * self.sample_rate)]
            contour = pitch_contour(part, span.words, self.sample_rate)
            segments.append(Segment(part, span.text, span.words, contour))
        return segments

    def _check_rate(self, text: str, seconds: float) -> None:
        rate = sum(character.isalpha() for character in text) / seconds
        if not self.min_rate <= rate <= self.max_rate:
            raise Refused(
                f"too {'slow' if rate < self.min_rate else 'fast'} for its text ({rate:.1f} letters a second)"
            )


def pitch_contour(wav: np.ndarray, words: Sequence[Word], sample_rate: int) -> np.ndarray | None:
    """The F0 of each word relative to the median F0 of the clip; None if it is not known."""
    from speech.audio import SAMPLE_RATE, resample
    from speech.word_pitch import word_pitch_contours

    if not words:
        return None
    return word_pitch_contours(resample(wav, sample_rate, SAMPLE_RATE), [(word.start, word.end) for word in words])


def at_speed(wav: np.ndarray, speed: float, sample_rate: int) -> np.ndarray:
    """Speed perturbation: pitch, formants and tempo change by the same factor.

    Copies at 0.9 and 1.1 of the speed triple the number of voices of a corpus ("Audio augmentation for speech
    recognition", Ko et al., Interspeech 2015; as new speakers: Yamamoto et al., Interspeech 2019).
    """
    if speed == 1:
        return wav
    import numpy as np
    import soxr

    return soxr.resample(wav, sample_rate * speed, sample_rate).astype(np.float32)


def transcript_of(text: str) -> Transcript:
    """The transcript of an utterance as the synthesizer takes it.

    Raises:
        Refused: there is no text, or nothing in it can be spoken.
    """
    from synthesizer.text.front_end import text_to_transcript

    if not text:
        raise Refused("no transcript")
    try:
        return text_to_transcript(text)
    except TextError as error:
        raise Refused(f"text cannot be spoken ({error})") from error
