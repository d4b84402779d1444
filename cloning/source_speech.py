"""A recording that is to be converted: its samples, its phrases, its pitch, and its units phrase by phrase."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speech.errors import AudioError, ConfigError
from speech.files import readable
from speech.phrases import phrases

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from cloning.options import SpeechOptions
    from cloning.voices import Voice
    from synthesizer import UnitSettings

SAMPLE_RATE = 16_000
MAX_SECONDS = 3600.0
EMBEDDED_SECONDS = 60.0  # of a long recording, which are enough for its speaker embedding

MovePitch = Callable[["NDArray[np.float32]"], "NDArray[np.float32]"]


@dataclass(frozen=True, eq=False)
class SourceSpeech:
    """A recording in which somebody speaks.

    Attributes:
        wav: float32 [samples] at 16 kHz.
        phrases: start and end of each in samples, see `speech.phrases`.
        pitch: median F0 in Hz; None if less than half a second is voiced.
        name: of its file, for the provenance of the result.
        embedding: of who speaks, for models that need it (`with_embedding`).
    """

    wav: NDArray[np.float32]
    phrases: Sequence[tuple[int, int]]
    pitch: float | None
    name: str
    embedding: NDArray[np.float32] | None = None

    @classmethod
    def read(cls, recording: str | Path | np.ndarray | SourceSpeech) -> SourceSpeech:
        """Read and examine a recording.

        Args:
            recording: an audio file, or float32 [samples] at 16 kHz in [-1, 1]; one that was read is returned.

        Raises:
            AudioError: the file is missing or cannot be read, it is longer than an hour, there is no speech in it, or
                an array is not one channel of finite numbers.
            TypeError: it is neither a path nor an array.
        """
        from speech.audio import as_wav, read_audio, remove_offset
        from speech.mel_f0 import median_f0

        if isinstance(recording, SourceSpeech):
            return recording
        if isinstance(recording, np.ndarray):
            name, wav = "a recording", remove_offset(as_wav(recording))
            if len(wav) > MAX_SECONDS * SAMPLE_RATE:
                raise AudioError(f"The recording is longer than {MAX_SECONDS:.0f} s: cut it into parts.")
        elif isinstance(recording, str | Path):
            name, wav = readable(Path(recording).name), read_audio(recording, max_seconds=MAX_SECONDS)
        else:
            raise TypeError(f"speech must be a path or an array of samples, not {type(recording).__name__}.")
        try:
            return cls(wav, phrases(wav), median_f0(wav), name)
        except AudioError as error:
            raise AudioError(f"{name} cannot be converted: {error}") from error

    def with_embedding(self, embed: Callable[[NDArray[np.float32]], NDArray[np.float32]]) -> SourceSpeech:
        """With the speaker embedding of its first phrases.

        Args:
            embed: float32 [samples] at 16 kHz -> float32 [embedding_size].

        Raises:
            AudioError: `embed` found no speech.
        """
        parts, seconds = [], 0.0
        for start, stop in self.phrases:
            if seconds < EMBEDDED_SECONDS:
                parts.append(self.wav[start:stop])
                seconds += (stop - start) / SAMPLE_RATE
        return replace(self, embedding=embed(np.concatenate(parts)))

    @property
    def seconds(self) -> float:
        return len(self.wav) / SAMPLE_RATE

    def positions(self, sample_rate: int) -> list[int]:
        """Where the phrases start in audio of another rate, in samples, and the end of the recording."""
        starts = [start for start, _ in self.phrases]
        return [position * sample_rate // SAMPLE_RATE for position in (*starts, len(self.wav))]

    def lengths(self, sample_rate: int) -> list[int]:
        """Samples of each phrase with the pause after it; the first one also has the pause before it."""
        positions = self.positions(sample_rate)
        return np.diff([0, *positions[1:]]).tolist()


@dataclass(frozen=True)
class PitchPlan:
    """How the pitch of a conversion is made.

    Attributes:
        source: median F0 of the speech in Hz; target: that of the result. None if unknown.
        move: F0 of the units of the speech -> F0 that the model gets; None for a model without pitch input.
        remarks: a sentence for each reason why it is not moved to the voice's median.
    """

    source: float | None
    target: float | None
    move: MovePitch | None
    remarks: tuple[str, ...] = ()


def plan_pitch(
    speech: SourceSpeech, voice: Voice, settings: UnitSettings, options: SpeechOptions, keep_pitch: bool
) -> PitchPlan:
    """The pitch of a conversion: that of the speech, moved to the median of the voice unless `keep_pitch` is True.

    Raises:
        ConfigError: the pitch is to be kept or scaled, and the model has no pitch input.
    """
    from synthesizer.units.pitch import moved_pitch

    if not settings.pitch:
        if keep_pitch or options.pitch_range != 1:
            raise ConfigError(
                "This model takes no pitch, so that it can be neither kept nor scaled: train one with --unit-pitch."
            )
        return PitchPlan(speech.pitch, None, None)
    source = speech.pitch
    if source is None:
        return PitchPlan(None, None, lambda pitch: pitch, ("no pitch was found in the speech: it is not moved",))
    # a voice file has two decimals, and the samples of a saved voice must be those of its clips
    target = source if keep_pitch or voice.pitch is None else round(voice.pitch, 2)
    unknown = voice.pitch is None and not keep_pitch
    remarks = ("the pitch of the voice is not known: that of the speech is kept",) if unknown else ()
    return PitchPlan(
        source, target, lambda pitch: moved_pitch(pitch, source, target, options.pitch_range), remarks
    )  # fmt: skip
