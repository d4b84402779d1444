"""From a text and a voice to audio: the one place where a synthesizer and a vocoder are chained."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

import numpy as np

from cloning.adaptation import Recording, adapt_voice
from cloning.compatibility import require_fitting_vocoder, require_same_space
from cloning.finishing import check_finite
from cloning.monitor import SILENT, Monitor
from cloning.options import SpeechOptions
from speech.errors import ConfigError, TextError
from speech.loudness import load_meter

if TYPE_CHECKING:
    from cloning.voices import Voice
    from synthesizer import Synthesis, Synthesizer
    from vocoder import Vocoder

DEFAULTS = SpeechOptions()


class SpeechModel(ABC):
    """Speaks a text in a voice. `TwoStage` is one; an end-to-end model is another."""

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

    def adapt(self, voice: Voice, recordings: Iterable[Recording], monitor: Monitor = SILENT, seed: int = 0) -> Voice:
        """The voice with an adapter of the model, see `cloning.adaptation.adapt_voice`.

        Raises:
            ConfigError: the model cannot be adapted, or the voice is of another embedding space.
        """
        raise ConfigError("This model cannot be adapted to a voice.")

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


class TwoStage(SpeechModel):
    """A synthesizer and a vocoder.

    Raises:
        ConfigError: the two use different mel settings.
    """

    def __init__(self, synthesizer: Synthesizer, vocoder: Vocoder) -> None:
        require_fitting_vocoder(synthesizer.mel_config, vocoder.mel_config)
        self.synthesizer = synthesizer
        self.vocoder = vocoder

    @property
    def sample_rate(self) -> int:
        return self.synthesizer.mel_config.sample_rate

    @property
    def embedding_space(self) -> str:
        return self.synthesizer.embedding_space

    def adapt(self, voice: Voice, recordings: Iterable[Recording], monitor: Monitor = SILENT, seed: int = 0) -> Voice:
        self.check_voice(voice)
        return adapt_voice(self.synthesizer, voice, recordings, monitor, seed)

    def warm_up(self) -> None:
        load_meter()
        self.synthesizer.warm_up()
        self.vocoder.warm_up()

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

    def vocode(self, mel: np.ndarray, seed: int, monitor: Monitor = SILENT) -> Iterator[np.ndarray]:
        """The audio of a mel float32 [n_mels, frames], in chunks; for the same seed those of `stream`."""
        return self._vocode(iter([mel]), seed, monitor)

    def _stream(
        self, text: str, voice: Voice, options: SpeechOptions, monitor: Monitor, whole: bool
    ) -> Iterator[np.ndarray]:
        seed = options.seed or 0
        if whole:
            return self._vocode(self._whole(text, voice, options, monitor), seed, monitor)
        syntheses = self.synthesizer.stream(text, voice, options, seed=seed, cancelled=monitor.cancelled)
        return self._vocode(_mels(syntheses, monitor), seed, monitor)

    def _whole(self, text: str, voice: Voice, options: SpeechOptions, monitor: Monitor) -> Iterator[np.ndarray]:
        yield from _mels(iter([self.synthesize(text, voice, options, monitor)]), monitor)

    def _vocode(self, mels: Iterator[np.ndarray], seed: int, monitor: Monitor) -> Iterator[np.ndarray]:
        for chunk in self.vocoder.stream_segments(
            mels, seed=seed, progress=monitor.for_stage("vocoder"), cancelled=monitor.cancelled
        ):
            check_finite(chunk)
            yield chunk


def _mels(syntheses: Iterator[Synthesis], monitor: Monitor) -> Iterator[np.ndarray]:
    """The mel of each synthesis, reported to the monitor before."""
    for synthesis in syntheses:
        if monitor.on_synthesis is not None:
            monitor.on_synthesis(synthesis)
        yield synthesis.mel
