"""Stores for the synthesizer: mels, transcripts, and the embeddings of those who speak."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preparation.models import load_encoder
from preparation.settings import Settings
from preparation.task import Refused, Task, check_length, coded_mel, mel_info, prepared, refusing, trimmed
from speech.errors import AudioError, ConfigError, TextError

if TYPE_CHECKING:
    import numpy as np

    from corpora.store_filling import Clip
    from corpora.workers import Timer
    from synthesizer.text.transcript import Transcript

EMBED_ALONE_SECONDS = 3.0  # a shorter piece takes the embedding of the whole utterance it was cut from
LONGEST_PIECE_SECONDS = 8.0  # the aligner's cuts are a little longer than it is asked for
SPEEDS = (0.7, 1.4)  # beyond them nobody sounds like a person any more


@dataclass(frozen=True, kw_only=True)
class Synthesizer(Settings):
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
    reduce_noise: bool = False
    """Take out steady noise that is heard in the pauses of a recording; for rooms and microphones, not for studios."""
    speeds: tuple[float, ...] = ()
    """Play training clips at these speeds too, say 0.9 1.1: lower and higher voices, each with its own embedding."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if any(not SPEEDS[0] <= speed <= SPEEDS[1] or speed == 1 for speed in self.speeds):
            raise ConfigError(f"--speeds must lie between {SPEEDS[0]:g} and {SPEEDS[1]:g}, and not be 1.")

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
            "mel_config": mel_info(),
            "embedding_space": load_encoder(self.encoder).embedding_space,
        }

    def clips(self, work: Sequence[Task], timer: Timer) -> Iterator[Clip]:
        clips: list[Clip] = []
        voices: list[np.ndarray] = []  # the sound whose embedding belongs to the clip of the same place
        for task in work:
            with refusing(task.key) as refused:
                for clip, voice in self._pieces(task, self._sound(task, timer)):
                    if clip.arrays is None:
                        refused.append(clip)
                    else:
                        clips.append(clip)
                        voices.append(voice)
            yield from refused
        # Pieces of one utterance that share its embedding share the array: it is computed once.
        different = list({id(voice): voice for voice in voices}.values())
        embeddings = load_encoder(self.encoder).embed_many(different, prepared=True)
        of_voice = {id(voice): embedding for voice, embedding in zip(different, embeddings, strict=True)}
        for clip, voice in zip(clips, voices, strict=True):
            assert clip.arrays is not None
            clip.arrays["embedding"] = of_voice[id(voice)]
            yield clip

    def _sound(self, task: Task, timer: Timer) -> np.ndarray:
        from speech.noise_reduction import reduce_noise

        wav = task.read(timer, self.decode_limit(task))
        return reduce_noise(wav) if self.reduce_noise else wav

    def _pieces(self, task: Task, wav: np.ndarray) -> list[tuple[Clip, Any]]:
        """Clips of one utterance without embeddings, each with the prepared sound to embed."""
        words = transcript_of(task.utterance.text)
        pieces: list[tuple[Any, str, tuple[Any, ...]]] = [(wav, task.utterance.text, ())]
        if self.split_at_silences:
            pieces = self._split(wav, words.text)
        speeds = (1.0, *self.speeds) if task.split == "train" else (1.0,)
        melodies = [melody_of(piece, times) for piece, _, times in pieces]  # the same at every speed
        number = 0
        made: list[tuple[Clip, Any]] = []
        for speed in speeds:
            whole = None  # the voice of pieces that are too short to show it themselves
            for (piece, text, times), melody in zip(pieces, melodies, strict=True):
                number += 1
                key = (
                    task.key if len(pieces) * len(speeds) == 1 else f"{task.key}#{number}of{len(pieces) * len(speeds)}"
                )
                with refusing(key) as refused:
                    words = transcript_of(text) if self.split_at_silences else words  # pauses have become commas
                    clip, voice = self._clip(task, key, at_speed(piece, speed), words, times, melody, speed)
                    if voice is None:
                        voice = whole = prepared(at_speed(wav, speed)) if whole is None else whole
                    made.append((clip, voice))
                made += [(clip, None) for clip in refused]
        return made

    def _clip(
        self,
        task: Task,
        key: str,
        piece: np.ndarray,
        words: Transcript,
        times: Sequence[Any],
        melody: Any,
        speed: float,
    ) -> tuple[Clip, np.ndarray | None]:
        """One clip, and the prepared sound to embed; None if it is too short to show whose voice it is."""
        import numpy as np

        from corpora.store_filling import Clip
        from speech.audio import SAMPLE_RATE
        from speech.vad import signal_bounds

        skipped = signal_bounds(piece)[0] / SAMPLE_RATE
        piece = trimmed(piece)
        seconds = len(piece) / SAMPLE_RATE
        check_length(seconds, self.min_seconds, self.longest)
        self._check_rate(words.text, seconds)
        arrays = {"mel": coded_mel(piece)}
        if times and len(times) == len(words.text.split()):
            # The times let training tell attention where each word is: it aligns in a tenth of the steps.
            spans = [(word.start / speed - skipped, word.end / speed - skipped) for word in times]
            arrays["word_times"] = np.array(spans, np.float32)
            if melody is not None:
                arrays["word_melody"] = melody
        meta = {**task.meta(seconds), "transcript": words.to_json()}
        if speed != 1:
            meta["speaker"] += f" at {speed:g}"  # another voice, as far as anyone can hear
        voice = prepared(piece) if seconds >= EMBED_ALONE_SECONDS else None
        return Clip(key, arrays, meta), voice

    def _split(self, wav: np.ndarray, text: str) -> list[tuple[np.ndarray, str, tuple[Any, ...]]]:
        """The pieces of a recording between its pauses, each with its text and the times of its words."""
        from speech.alignment import split_at_silences
        from speech.audio import SAMPLE_RATE

        longest = min(LONGEST_PIECE_SECONDS, self.max_seconds)
        try:
            pieces = split_at_silences(wav, text, min_seconds=self.min_seconds, max_seconds=longest)
        except AudioError as error:
            raise Refused(f"does not fit its transcript ({error})") from error
        return [(wav[round(p.start * SAMPLE_RATE) : round(p.end * SAMPLE_RATE)], p.text, p.words) for p in pieces]

    def _check_rate(self, text: str, seconds: float) -> None:
        rate = sum(character.isalpha() for character in text) / seconds
        if not self.min_rate <= rate <= self.max_rate:
            raise Refused(
                f"too {'slow' if rate < self.min_rate else 'fast'} for its text ({rate:.1f} letters a second)"
            )


def melody_of(wav: np.ndarray, times: Sequence[Any]) -> np.ndarray | None:
    """How high each word is spoken; None where that is not known."""
    from speech.word_pitch import word_pitch_contours

    return word_pitch_contours(wav, [(word.start, word.end) for word in times]) if times else None


def at_speed(wav: np.ndarray, speed: float) -> np.ndarray:
    """Played faster or slower, as a tape is: pitch, formants and tempo all by the same factor.

    Copies at 0.9 and 1.1 of the speed triple the number of voices of a corpus ("Audio augmentation for speech
    recognition", Ko et al., Interspeech 2015; as new speakers: Yamamoto et al., Interspeech 2019).
    """
    if speed == 1:
        return wav
    import numpy as np
    import soxr

    from speech.audio import SAMPLE_RATE

    return soxr.resample(wav, SAMPLE_RATE * speed, SAMPLE_RATE).astype(np.float32)


def transcript_of(text: str) -> Transcript:
    """The words of an utterance as the synthesizer reads them."""
    from synthesizer.text.front_end import text_to_transcript

    if not text:
        raise Refused("no transcript")
    try:
        return text_to_transcript(text)
    except TextError as error:
        raise Refused(f"text cannot be spoken ({error})") from error
