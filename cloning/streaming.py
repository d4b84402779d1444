"""The audio of a text while it is generated, and the finished result once it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cloning.finishing import finish_stream, joined, samples_of
from cloning.monitor import SILENT, Monitor
from cloning.options import SpeechOptions
from cloning.provenance import Provenance
from cloning.result import Speech
from cloning.speech_model import SpeechModel
from cloning.watermark import NAME, load_watermarker

if TYPE_CHECKING:
    from cloning.voices import Voice
    from synthesizer import Synthesis


class ChunkStream:
    """Iterates over chunks, float32 [samples] in [-1, 1] each, and keeps them. A subclass sets `_chunks`."""

    _chunks: Iterator[np.ndarray]

    def __init__(self) -> None:
        self._given: list[np.ndarray] = []

    def __iter__(self) -> Iterator[np.ndarray]:
        return self

    def __next__(self) -> np.ndarray:
        chunk = next(self._chunks)
        self._given.append(chunk)
        return chunk

    def whole(self) -> np.ndarray:
        """All chunks as one; generates those that have not been asked for. Raises: ModelFileError if it is empty."""
        for _ in self:
            pass
        return joined(self._given)


class SpeechStream(ChunkStream):
    """Iterates over the chunks of a text, float32 [samples] in [-1, 1] each. Together they are the audio of `speech`.

    The first chunk comes when the first sentence is complete, because its loudness is measured.

    Attributes:
        options: with the seed that is used.
        syntheses: those of the text so far, before their audio is generated.

    Raises: as `SpeechModel.stream`, bad arguments at once. With a watermark also as `load_watermarker`, and
        ModelFileError if it is not detected in a sentence.
    """

    def __init__(
        self,
        model: SpeechModel,
        text: str,
        voice: Voice,
        options: SpeechOptions,
        monitor: Monitor = SILENT,
        *,
        whole: bool = False,
    ) -> None:
        super().__init__()
        self.text, self.options, self.sample_rate = text, options.seeded(), model.sample_rate
        self.syntheses: list[Synthesis] = []
        self._lengths: list[int] = []
        self._on_synthesis = monitor.on_synthesis
        own = replace(monitor, on_synthesis=self._collect)
        watermarker = load_watermarker() if self.options.watermark else None
        self._voice, self._models = voice, model.digests
        chunks = model.stream(text, voice, self.options, own, whole=whole)
        self._chunks = finish_stream(chunks, self._lengths, self.sample_rate, self.options.loudness, watermarker)

    @property
    def speech(self) -> Speech:
        """The finished result; generates the chunks that have not been asked for."""
        wav = self.whole()
        from synthesizer.synthesis import join_syntheses

        assert self.options.seed is not None
        synthesis = join_syntheses(self.syntheses)
        origin = Provenance.of(self._voice, self._models, NAME if self.options.watermark else "")
        return Speech.of(wav, synthesis, self.sample_rate, self.text, self.options.seed, origin)

    def _collect(self, synthesis: Synthesis) -> None:
        self.syntheses.append(synthesis)
        self._lengths += samples_of(synthesis.sentences, self.sample_rate)
        if self._on_synthesis is not None:
            self._on_synthesis(synthesis)
