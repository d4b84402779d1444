"""From a text and a voice to audio: the one place where a synthesizer and a vocoder are chained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from cloning.adaptation import adapt_voice
from cloning.compatibility import require_fitting_vocoder, require_same_space
from cloning.converter import Converter
from cloning.finishing import CHUNK_SECONDS, check_finite
from cloning.monitor import SILENT, Monitor
from cloning.options import SpeechOptions
from cloning.source_speech import PitchPlan, SourceSpeech, plan_pitch
from speech.errors import ConfigError, TextError, WorkCancelled
from speech.loudness import load_meter

if TYPE_CHECKING:
    from cloning.voices import Voice
    from synthesizer import Synthesis, Synthesizer
    from synthesizer.units import UnitEncoder
    from vocoder import Vocoder

DEFAULTS = SpeechOptions()
CANNOT_CONVERT = "This model cannot convert speech: use one that was trained with units, and its unit encoder."


class SpeechModel(ABC):
    """Speaks a text in a voice. `TwoStage` and `EndToEnd` are two.

    Attributes:
        digests: names and hashes of the model files by stage, for the provenance of the audio; empty if unknown.
    """

    digests: Mapping[str, str] = MappingProxyType({})

    @property
    @abstractmethod
    def sample_rate(self) -> int:
        """Of the audio, in Hz."""

    @property
    @abstractmethod
    def embedding_space(self) -> str:
        """Name of the speaker embedding space that voices must be of."""

    def stream(
        self,
        text: str,
        voice: Voice,
        options: SpeechOptions = DEFAULTS,
        monitor: Monitor = SILENT,
        *,
        whole: bool = False,
    ) -> Iterator[np.ndarray]:
        """The audio of a text in chunks of about 0.1 s, as it is generated.

        Args:
            text: Unicode of any length.
            voice: must be of `embedding_space`.
            options: its seed must not be None for a repeatable result.
            whole: synthesize the whole text before the first chunk. Takes less time in all; the samples are the same.

        Returns:
            float32 [samples] each, at the level the model gives them.

        Raises:
            TextError: nothing in the text can be spoken.
            ConfigError: the voice is of another embedding space.
            ModelFileError: the audio is not finite.
            WorkCancelled: `monitor.cancelled` returned True.
        """
        self.check(text, voice)
        return self._stream(text, voice, options.seeded(), monitor, whole)

    @abstractmethod
    def _stream(
        self, text: str, voice: Voice, options: SpeechOptions, monitor: Monitor, whole: bool
    ) -> Iterator[np.ndarray]:
        """What `stream` returns, for checked arguments and options with a seed."""

    def adapt(self, voice: Voice, recordings: Iterable[np.ndarray], monitor: Monitor = SILENT, seed: int = 0) -> Voice:
        """The voice with an adapter of the model, see `cloning.adaptation.adapt_voice`.

        Raises:
            ConfigError: the model cannot be adapted, or the voice is of another embedding space.
        """
        raise ConfigError("This model cannot be adapted to a voice.")

    @property
    def converts(self) -> bool:
        """Whether `convert` can be used."""
        return False

    @property
    def needs_source(self) -> bool:
        """Whether a conversion needs the embedding of the recording's speaker."""
        return False

    def plan_pitch(self, speech: SourceSpeech, voice: Voice, options: SpeechOptions, keep_pitch: bool) -> PitchPlan:
        """See `cloning.source_speech.plan_pitch`. Raises: ConfigError, also if the model converts no speech."""
        raise ConfigError(CANNOT_CONVERT)

    def convert(
        self, speech: SourceSpeech, voice: Voice, options: SpeechOptions, pitch: PitchPlan, monitor: Monitor = SILENT
    ) -> Iterator[np.ndarray]:
        """A recording in another voice with the same timing, phrase by phrase, in chunks as they are generated.

        Args:
            voice: must be of `embedding_space`.
            options: its seed must not be None for a repeatable result. Tempo, pauses and lexicon have no effect.
            pitch: of `plan_pitch`.
            monitor: its `progress` is called with ("conversion", samples done, samples in all).

        Returns:
            float32 [samples] each, as many in all as the recording has at the model's rate.

        Raises:
            ConfigError: the voice is of another embedding space, or the model converts no speech.
            ModelFileError: the audio is not finite.
            WorkCancelled: `monitor.cancelled` returned True.
        """
        raise ConfigError(CANNOT_CONVERT)

    def warm_up(self) -> None:  # noqa: B027 - optional
        """Load models and compile kernels before the first text."""

    def check(self, text: str, voice: Voice) -> None:
        """Raises: TextError for a text without characters, ConfigError for a voice of another embedding space."""
        if not text.strip():
            raise TextError("The text is empty: enter a text to speak.")
        self.check_voice(voice)

    def check_voice(self, voice: Voice) -> None:
        """Raises: ConfigError for a voice of another embedding space."""
        advice = "enrol it again with the encoder of these models"
        require_same_space(voice.embedding_space, self.embedding_space, f"the voice {voice.name!r}", advice=advice)


class SynthesizerModel(SpeechModel):
    """A speech model whose first part is a synthesizer."""

    def __init__(self, synthesizer: Synthesizer) -> None:
        self.synthesizer = synthesizer

    @property
    def sample_rate(self) -> int:
        return self.synthesizer.mel_config.sample_rate

    @property
    def embedding_space(self) -> str:
        return self.synthesizer.embedding_space

    def adapt(self, voice: Voice, recordings: Iterable[np.ndarray], monitor: Monitor = SILENT, seed: int = 0) -> Voice:
        self.check_voice(voice)
        return adapt_voice(self.synthesizer, voice, recordings, monitor, seed)

    def warm_up(self) -> None:
        load_meter()
        self.synthesizer.warm_up()

    def synthesize(
        self, text: str, voice: Voice, options: SpeechOptions = DEFAULTS, monitor: Monitor = SILENT
    ) -> Synthesis:
        """The mel of a text; arguments and errors as for `stream`."""
        self.check(text, voice)
        return self.synthesizer.synthesize(
            text,
            voice,
            options,
            seed=options.seeded().seed or 0,
            progress=monitor.for_stage("synthesizer"),
            cancelled=monitor.cancelled,
        )

    def audio_of(self, synthesis: Synthesis, seed: int, monitor: Monitor = SILENT) -> Iterator[np.ndarray]:
        """The audio of a synthesis in chunks; for the same seed those of `stream`."""
        return self._audio(iter([synthesis]), seed, monitor)

    @abstractmethod
    def _audio(self, syntheses: Iterator[Synthesis], seed: int, monitor: Monitor) -> Iterator[np.ndarray]:
        """The audio of consecutive syntheses, each of which is asked for when it is needed."""

    def _stream(
        self, text: str, voice: Voice, options: SpeechOptions, monitor: Monitor, whole: bool
    ) -> Iterator[np.ndarray]:
        seed = options.seed or 0
        if whole:
            return self._audio(self._whole(text, voice, options, monitor), seed, monitor)
        syntheses = self.synthesizer.stream(text, voice, options, seed=seed, cancelled=monitor.cancelled)
        return self._audio(_reported(syntheses, monitor), seed, monitor)

    def _whole(self, text: str, voice: Voice, options: SpeechOptions, monitor: Monitor) -> Iterator[Synthesis]:
        yield from _reported(iter([self.synthesize(text, voice, options, monitor)]), monitor)


class TwoStage(SynthesizerModel):
    """A synthesizer and a vocoder.

    Raises:
        ConfigError: the two use different mel settings.
    """

    def __init__(self, synthesizer: Synthesizer, vocoder: Vocoder) -> None:
        require_fitting_vocoder(synthesizer.mel_config, vocoder.mel_config)
        super().__init__(synthesizer)
        self.vocoder = vocoder

    def warm_up(self) -> None:
        super().warm_up()
        self.vocoder.warm_up()

    def vocode(self, mel: np.ndarray, seed: int, monitor: Monitor = SILENT) -> Iterator[np.ndarray]:
        """The audio of a mel float32 [n_mels, frames], in chunks; for the same seed those of `stream`."""
        return self._vocode(iter([mel]), seed, monitor)

    def _audio(self, syntheses: Iterator[Synthesis], seed: int, monitor: Monitor) -> Iterator[np.ndarray]:
        return self._vocode((synthesis.mel for synthesis in syntheses), seed, monitor)

    def _vocode(self, mels: Iterator[np.ndarray], seed: int, monitor: Monitor) -> Iterator[np.ndarray]:
        for chunk in self.vocoder.stream_segments(
            mels, seed=seed, progress=monitor.for_stage("vocoder"), cancelled=monitor.cancelled
        ):
            check_finite(chunk)
            yield chunk


class EndToEnd(SynthesizerModel):
    """A synthesizer that generates audio itself; it has no vocoder.

    Args:
        units: the unit encoder that the synthesizer was trained with, for converting speech.

    Raises:
        ConfigError: the synthesizer makes mels only, or was not trained with these units.
    """

    def __init__(self, synthesizer: Synthesizer, units: UnitEncoder | None = None) -> None:
        if not synthesizer.end_to_end:
            raise ConfigError("This synthesizer makes mel spectrograms: it needs a vocoder.")
        super().__init__(synthesizer)
        settings = synthesizer.unit_settings
        if units is not None and (settings.count, settings.rate) != (units.units, units.sample_rate // units.hop):
            raise ConfigError(
                f"The synthesizer converts {settings.count} different units, {settings.rate} a second, but the unit "
                f"encoder has {units.units}: use the one that it was trained with."
            )
        self.units = units

    @property
    def converts(self) -> bool:
        return self.units is not None

    @property
    def needs_source(self) -> bool:
        return self.synthesizer.unit_settings.source

    def plan_pitch(self, speech: SourceSpeech, voice: Voice, options: SpeechOptions, keep_pitch: bool) -> PitchPlan:
        return plan_pitch(speech, voice, self.synthesizer.unit_settings, options, keep_pitch)

    def convert(
        self, speech: SourceSpeech, voice: Voice, options: SpeechOptions, pitch: PitchPlan, monitor: Monitor = SILENT
    ) -> Iterator[np.ndarray]:
        if self.units is None:
            raise ConfigError(CANNOT_CONVERT)
        self.check_voice(voice)
        return Converter(self.synthesizer, self.units).convert(speech, voice, options.seeded(), pitch, monitor)

    def _audio(self, syntheses: Iterator[Synthesis], seed: int, monitor: Monitor) -> Iterator[np.ndarray]:
        size = round(CHUNK_SECONDS * self.sample_rate)
        for synthesis in syntheses:
            assert synthesis.wav is not None
            check_finite(synthesis.wav)
            for start in range(0, len(synthesis.wav), size):
                if monitor.cancelled is not None and monitor.cancelled():
                    raise WorkCancelled
                yield synthesis.wav[start : start + size]


def _reported(syntheses: Iterator[Synthesis], monitor: Monitor) -> Iterator[Synthesis]:
    """The syntheses, each reported to the monitor before."""
    for synthesis in syntheses:
        if monitor.on_synthesis is not None:
            monitor.on_synthesis(synthesis)
        yield synthesis
