"""The audio of a converted recording while it is generated, and the finished result once it is complete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cloning.finishing import finish_stream
from cloning.monitor import SILENT, Monitor
from cloning.options import SpeechOptions
from cloning.provenance import Provenance
from cloning.result import Conversion
from cloning.source_speech import SourceSpeech
from cloning.streaming import ChunkStream
from cloning.watermark import NAME, load_watermarker
from speech.errors import ConfigError

if TYPE_CHECKING:
    from cloning.speech_model import SpeechModel
    from cloning.voices import Voice

WITHOUT_EFFECT = {"speed": 1.0, "pauses": 1.0, "lexicon": None}  # options of texts, and their defaults


class ConversionStream(ChunkStream):
    """Iterates over the chunks of a conversion, float32 [samples] in [-1, 1] each: the audio of `conversion`.

    The first chunk comes when the first phrase is complete, because its loudness is measured.

    Args:
        keep_pitch: keep the pitch of the recording instead of moving it to the median of the voice.

    Attributes:
        options: with the seed that is used.

    Raises: as `SpeechModel.convert`, bad arguments at once. With a watermark also as `load_watermarker`, and
        ModelFileError if it is not detected in a phrase.
    """

    def __init__(
        self,
        model: SpeechModel,
        speech: SourceSpeech,
        voice: Voice,
        options: SpeechOptions,
        keep_pitch: bool = False,
        monitor: Monitor = SILENT,
    ) -> None:
        super().__init__()
        check_options(options)
        self.options, self.sample_rate = options.seeded(), model.sample_rate
        watermarker = load_watermarker() if self.options.watermark else None
        self._pitch = model.plan_pitch(speech, voice, self.options, keep_pitch)
        self._origin = Provenance.of(voice, model.digests, NAME if self.options.watermark else "", speech.name)
        chunks = model.convert(speech, voice, self.options, self._pitch, monitor)
        lengths = speech.lengths(self.sample_rate)
        self._chunks = finish_stream(chunks, lengths, self.sample_rate, self.options.loudness, watermarker)

    @property
    def conversion(self) -> Conversion:
        """The finished result; generates the chunks that have not been asked for."""
        wav, pitch = self.whole(), self._pitch
        assert self.options.seed is not None
        return Conversion(
            wav, self.sample_rate, self.options.seed, pitch.source, pitch.target, pitch.remarks, self._origin
        )


def check_options(options: SpeechOptions) -> None:
    """Raises: ConfigError for an option that has no effect on a recording."""
    for name, default in WITHOUT_EFFECT.items():
        if getattr(options, name) != default:
            raise ConfigError(f"The option {name} is for texts: a conversion keeps the words and the timing of speech.")
