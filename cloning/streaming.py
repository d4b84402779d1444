"""The audio of a text while it is generated, and the finished result once it is complete."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from cloning.finishing import fade_edges
from cloning.monitor import SILENT, Monitor
from cloning.options import SpeechOptions
from cloning.result import Speech
from cloning.speech_model import SpeechModel

if TYPE_CHECKING:
    from cloning.voices import Voice
    from synthesizer import Synthesis


class SpeechStream:
    """Iterates over the chunks of a text, float32 [samples] in [-1, 1] each, with faded edges.

    The chunks have the level of the vocoder; `speech` has the level and the fades of a finished result.

    Attributes:
        options: with the seed that is used.
        syntheses: those of the text so far, before their audio is generated.

    Raises: as `SpeechModel.stream`, bad arguments at once.
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
        self.text, self.options, self.sample_rate = text, options.seeded(), model.sample_rate
        self.syntheses: list[Synthesis] = []
        self._on_synthesis = monitor.on_synthesis
        self._raw: list[np.ndarray] = []
        own = replace(monitor, on_synthesis=self._collect)
        chunks = model.stream(text, voice, self.options, own, whole=whole)
        self._chunks = fade_edges(self._kept(chunks), self.sample_rate)

    def __iter__(self) -> Iterator[np.ndarray]:
        return self

    def __next__(self) -> np.ndarray:
        return np.clip(next(self._chunks), -1, 1)

    @property
    def speech(self) -> Speech:
        """The finished result; generates the chunks that have not been asked for."""
        for _ in self._chunks:
            pass
        from synthesizer.synthesis import join_syntheses

        assert self.options.seed is not None
        wav = np.concatenate(self._raw) if self._raw else np.zeros(0, np.float32)
        return Speech.from_audio(wav, join_syntheses(self.syntheses), self.sample_rate, self.text, self.options.seed)

    def _collect(self, synthesis: Synthesis) -> None:
        self.syntheses.append(synthesis)
        if self._on_synthesis is not None:
            self._on_synthesis(synthesis)

    def _kept(self, chunks: Iterator[np.ndarray]) -> Iterator[np.ndarray]:
        for chunk in chunks:
            self._raw.append(chunk)
            yield chunk
