"""The VITS behind the stage's facade."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from modelfile.checkpoint import load_into, no_larger_than
from modelfile.header import ModelHeader, config_from_header
from speech.errors import ConfigError
from synthesizer.base import AlignedMel
from synthesizer.decoding_check import Decoded
from synthesizer.fallbacks import SentenceRequest
from synthesizer.network import NetworkSynthesizer, origin_of
from synthesizer.options import SpeakerVoice, SpeechUnits, UnitSettings
from synthesizer.stopping import stop_if
from synthesizer.text.transcript import Transcript
from synthesizer.vits.config import KIND, VitsConfig
from synthesizer.vits.decoding import Voice, convert_units, decode_sentence
from synthesizer.vits.model import Vits

Floats = NDArray[np.float32]


class VitsSynthesizer(NetworkSynthesizer[Vits, VitsConfig]):
    """A VITS. Tempo and pauses change its durations, so that the audio is not stretched.

    The pitch of a text cannot be controlled, that of a conversion can if the model has `unit_pitch`.
    """

    kind = KIND
    end_to_end = True

    def decode(
        self,
        requests: Sequence[SentenceRequest],
        *,
        windowed: bool = False,
        progress: Callable[[int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Decoded]:
        """One decoding of each."""
        decoded = []
        for request in requests:
            decoded.append(decode_sentence(self.model, self.config, request, functools.partial(stop_if, cancelled)))
            if progress is not None:
                progress(len(decoded))
        return decoded

    def convert(
        self,
        speech: SpeechUnits,
        voice: SpeakerVoice,
        *,
        seed: int = 0,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[Floats]:
        chosen = Voice(self._checked(voice.embedding), self._reference(voice))
        return convert_units(self.model, self.config, speech, chosen, seed, functools.partial(stop_if, cancelled))

    @property
    def unit_settings(self) -> UnitSettings:
        sizes = self.config.architecture
        return UnitSettings(
            sizes.units,
            sizes.unit_rate,
            sizes.unit_pitch,
            self.config.unit_file,
            self.config.needs_source,
        )

    def align_transcript(self, transcript: Transcript, mel: Floats, embedding: Floats, key: str) -> AlignedMel:
        raise ConfigError(
            "A VITS generates audio itself and makes no mels for a vocoder: choose a synthesizer of another family."
        )


def load_vits(
    header: ModelHeader, weights: Mapping[str, torch.Tensor], device: str | torch.device = "cpu"
) -> VitsSynthesizer:
    """The synthesizer of a model file.

    Raises:
        ModelFileError: the settings or the weights do not fit.
    """
    config = config_from_header(VitsConfig, header)
    with no_larger_than(weights):
        model = Vits(config.architecture)
    load_into(model, weights)
    return VitsSynthesizer(model, config, origin_of(header), device)
