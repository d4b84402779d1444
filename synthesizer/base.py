"""The facade of the stage: text and a voice in, mel spectrogram out. Each model family is a subclass."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from speech.errors import ConfigError
from speech.mel_config import MelConfig
from synthesizer.adapter import AdaptationClip, VoiceAdapter
from synthesizer.decoding_check import Decoded
from synthesizer.fallbacks import FallbackDecoder, Outcome, SentenceRequest
from synthesizer.options import EmbeddedVoice, SpeakerVoice, SpeechUnits, SynthesisOptions, UnitSettings
from synthesizer.synthesis import Line, Synthesis, assemble, join_syntheses, read_lines

if TYPE_CHECKING:
    import torch

    from synthesizer.text.lexicon import Lexicon
    from synthesizer.text.transcript import Transcript

STAGE = "synthesizer"
DEFAULTS = SynthesisOptions()

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


@dataclass(frozen=True)
class Origin:
    """Header entries of a model file besides the configuration.

    Attributes:
        embedding_space: name of the speaker embedding space that the model expects.
        licence, trained_on: of the weights; "" if unknown.
        step: training steps.
    """

    embedding_space: str
    licence: str = ""
    trained_on: str = ""
    step: int = 0


@dataclass(frozen=True, eq=False)
class AlignedMel:
    """A mel that has the timing of a recording.

    Attributes:
        mel: float32 [n_mels, frames], dB scaled to [-4, 4].
        alignment: float32 [tokens, steps].
    """

    mel: NDArray[np.float32]
    alignment: NDArray[np.float32]


class Synthesizer(ABC):
    """Synthesizes text in a voice. Holds no state besides the weights.

    A family implements `decode`, `align_transcript` and `save`, and `transcribe` if it reads no phonemes. Checks,
    fallback steps, tempo and pauses are shared.

    Attributes:
        end_to_end: whether it generates audio itself: its `Synthesis` has a `wav`, and it needs no vocoder.

    Args:
        origin: header entries of the model file.
        mel_config: settings of the mels it makes.
        embedding_size: size of the speaker embeddings it takes.
        reduction_factor: mel frames per step of an alignment.
    """

    end_to_end: ClassVar[bool] = False

    def __init__(self, origin: Origin, mel_config: MelConfig, embedding_size: int, reduction_factor: int = 1) -> None:
        self.embedding_space = origin.embedding_space
        self.licence, self.trained_on, self.step = origin.licence, origin.trained_on, origin.step
        self.mel_config = mel_config
        self.embedding_size = embedding_size
        self.reduction_factor = reduction_factor

    @property
    def sample_rate(self) -> int:
        return self.mel_config.sample_rate

    @staticmethod
    def load(path: str | Path, device: str | torch.device = "cpu") -> Synthesizer:
        """Load a model file of any family.

        Raises:
            ModelFileError: missing, damaged, not a synthesizer, or of an unknown family.
            ConfigError: made for a different set of symbols.
        """
        from modelfile.families import load_family

        synthesizer: Synthesizer = load_family(STAGE, path, device)
        return synthesizer

    @abstractmethod
    def save(self, path: str | Path, dtype: torch.dtype | Literal["int8"] | None = None) -> None:
        """Write a model file.

        Args:
            dtype: how weights are stored; None for float32. `torch.float16` halves the file, "int8" quarters it.
        """

    @abstractmethod
    def decode(
        self,
        requests: Sequence[SentenceRequest],
        *,
        windowed: bool = False,
        progress: Callable[[int], None] | None = None,
        cancelled: Cancelled | None = None,
    ) -> list[Decoded]:
        """Decode sentences once each, see `synthesizer.fallbacks.Decode`."""

    @abstractmethod
    def align_transcript(
        self, transcript: Transcript, mel: NDArray[np.float32], embedding: NDArray[np.float32], key: str
    ) -> AlignedMel:
        """What `align` does, with checked arguments."""

    @property
    def adaptable(self) -> bool:
        """Whether `adapt` can be used."""
        return False

    def adapt(
        self,
        clips: Sequence[AdaptationClip],
        *,
        seed: int = 0,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> VoiceAdapter:
        """Train a small change of the weights on recordings of one person; the model itself is not changed.

        Args:
            clips: half a minute of speech in all, better a minute or more.
            progress: called with (steps done, steps in all). cancelled: polled; True stops it.

        Raises:
            ConfigError: the model cannot be adapted.
            CorpusError: the clips are too short.
            WorkCancelled: `cancelled` returned True.
        """
        raise ConfigError("This synthesizer cannot be adapted to a voice: it has no refiner.")

    @property
    def unit_settings(self) -> UnitSettings:
        """What `convert` takes; none by default."""
        return UnitSettings()

    def convert(
        self, speech: SpeechUnits, voice: SpeakerVoice, *, seed: int = 0, cancelled: Cancelled | None = None
    ) -> Iterator[NDArray[np.float32]]:
        """Speech that is given as units, in another voice, in chunks as they are generated.

        Timing is that of the units.

        Args:
            speech: its units, by the unit encoder that the model was trained with.
            cancelled: polled before each chunk; True stops it.

        Returns:
            float32 [samples] each.

        Raises:
            ConfigError: the model has no units, these do not fit, or the embedding has the wrong size.
            WorkCancelled: `cancelled` returned True.
        """
        raise ConfigError("This synthesizer reads text only: speech to speech needs one that was trained with units.")

    def transcribe(self, text: str, lexicon: Lexicon | None = None) -> Transcript:
        """A sentence as the family reads it. Raises: TextError if nothing in it can be spoken."""
        from synthesizer.text.front_end import text_to_transcript

        return text_to_transcript(text, lexicon)

    def align(self, text: str | Transcript, mel: NDArray[np.float32], voice: SpeakerVoice, key: str = "") -> AlignedMel:
        """Predict the mel of a recording by teacher forcing, with the timing of the recording.

        Serves GTA (ground-truth aligned) mels for training a vocoder (arXiv 1712.05884, section 3.3).

        Args:
            text: transcript of the recording.
            mel: of the recording, float32 [n_mels, frames], dB scaled to [-4, 4].
            voice: its embedding must be of the space that `embedding_space` names.
            key: seeds the dropout, so that a recording always gives the same mel.

        Returns:
            A mel of the same shape, and its alignment.

        Raises:
            TextError: nothing in the text can be spoken.
            ConfigError: the mel or the embedding has the wrong shape.
        """
        if mel.ndim != 2 or mel.shape[0] != self.mel_config.n_mels or not mel.shape[1]:
            raise ConfigError(f"The mel must have the shape ({self.mel_config.n_mels}, frames), not {mel.shape}.")
        transcript = self.transcribe(text) if isinstance(text, str) else text
        return self.align_transcript(transcript, mel, self._checked(voice.embedding), key)

    def warm_up(self) -> None:
        """Compile or load machine code before the first synthesis."""
        size = self.embedding_size
        self.synthesize("a", EmbeddedVoice(np.full(size, size**-0.5, np.float32)))

    def synthesize(
        self,
        text: str,
        voice: SpeakerVoice,
        options: SynthesisOptions = DEFAULTS,
        *,
        seed: int = 0,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> Synthesis:
        """Synthesize a text of any length, sentence by sentence.

        Args:
            text: Unicode; `{HH AH0 L OW1}` is read as ARPABET phonemes.
            voice: its embedding must be of the space that `embedding_space` names.
            seed: of all randomness in decoding. The same seed gives the same mel.
            progress: called with (sentences done, sentences in all).
            cancelled: polled while decoding; True stops it.

        Raises:
            TextError: nothing in the text can be spoken.
            ConfigError: the embedding has the wrong size or is not finite.
            WorkCancelled: `cancelled` returned True.
        """
        (synthesis,) = self.synthesize_many(
            [text], [voice], options, seeds=[seed], progress=progress, cancelled=cancelled
        )
        return synthesis

    def synthesize_many(
        self,
        texts: Sequence[str],
        voices: Sequence[SpeakerVoice],
        options: SynthesisOptions = DEFAULTS,
        *,
        seeds: Sequence[int],
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> list[Synthesis]:
        """Synthesize several texts as one batch, which is faster. Each result is the same as that of `synthesize`.

        Args:
            texts, voices, seeds: one of each for every text; for the rest and for errors see `synthesize`.
        """
        texts_lines = [read_lines(text, options.lexicon, self.transcribe) for text in texts]
        requests = [
            request
            for lines, voice, seed in zip(texts_lines, voices, seeds, strict=True)
            for request in self._requests(lines, voice, seed, options)
        ]

        def report(done: int) -> None:
            if progress is not None:
                progress(done, len(requests))

        outcomes = iter(FallbackDecoder(self.decode, self.mel_config).decode(requests, report, cancelled))
        return [
            join_syntheses([self._assembled(line, next(outcomes), options) for line in lines]) for lines in texts_lines
        ]

    def stream(
        self,
        text: str,
        voice: SpeakerVoice,
        options: SynthesisOptions = DEFAULTS,
        *,
        seed: int = 0,
        cancelled: Cancelled | None = None,
    ) -> Iterator[Synthesis]:
        """Synthesize a text sentence by sentence, each when it is asked for.

        Arguments and errors are those of `synthesize`. `join_syntheses` of the parts equals its result. A pause
        belongs to the sentence before it.
        """
        lines = read_lines(text, options.lexicon, self.transcribe)
        return self._stream(lines, self._requests(lines, voice, seed, options), options, cancelled)

    def _stream(
        self,
        lines: Sequence[Line],
        requests: Sequence[SentenceRequest],
        options: SynthesisOptions,
        cancelled: Cancelled | None,
    ) -> Iterator[Synthesis]:
        decoder = FallbackDecoder(self.decode, self.mel_config)
        for line, request in zip(lines, requests, strict=True):
            (outcome,) = decoder.decode([request], cancelled=cancelled)
            yield self._assembled(line, outcome, options)

    def _requests(
        self, lines: Sequence[Line], voice: SpeakerVoice, seed: int, options: SynthesisOptions
    ) -> list[SentenceRequest]:
        """The index of a sentence in its text is part of its seed, so that a batch does not change the result."""
        embedding = self._checked(voice.embedding)
        reference = self._reference(voice)
        return [
            SentenceRequest(
                line.transcript,
                embedding,
                (seed, number),
                options.pitch_range,
                voice.pitch,
                reference,
                voice.adapter,
                options.speed,
                options.pauses,
            )
            for number, line in enumerate(lines)
        ]

    def _reference(self, voice: SpeakerVoice) -> NDArray[np.float32] | None:
        """The mel of a voice's reference, [n_mels, frames]; None if it has none with these mel settings."""
        known = voice.reference
        return known.mel if known is not None and known.config == self.mel_config else None

    def _assembled(self, line: Line, outcome: Outcome, options: SynthesisOptions) -> Synthesis:
        return assemble(line, outcome, self.mel_config, self.reduction_factor, options)

    def _checked(self, embedding: NDArray[np.float32]) -> NDArray[np.float32]:
        embedding = np.asarray(embedding, np.float32)
        if embedding.shape != (self.embedding_size,):
            raise ConfigError(
                f"The voice has an embedding of shape {embedding.shape}, but this synthesizer needs "
                f"({self.embedding_size},): use a voice that was made with the encoder of this synthesizer."
            )
        if not np.isfinite(embedding).all():
            raise ConfigError("The voice has an embedding with values that are not finite: make the voice again.")
        return embedding
