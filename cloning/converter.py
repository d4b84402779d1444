"""From a recording and a voice to audio: the one place where a unit encoder and a synthesizer are chained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from cloning.finishing import CHUNK_SECONDS, check_finite, fade_edges
from cloning.source_speech import SAMPLE_RATE
from speech.errors import WorkCancelled

if TYPE_CHECKING:
    from cloning.monitor import Monitor
    from cloning.options import SpeechOptions
    from cloning.source_speech import PitchPlan, SourceSpeech
    from cloning.voices import Voice
    from synthesizer import SpeechUnits, Synthesizer
    from synthesizer.units import UnitEncoder


class Converter:
    """Converts a recording phrase by phrase. Args: units: those that the synthesizer was trained with."""

    def __init__(self, synthesizer: Synthesizer, units: UnitEncoder) -> None:
        self.synthesizer, self.units = synthesizer, units

    def convert(
        self, speech: SourceSpeech, voice: Voice, options: SpeechOptions, pitch: PitchPlan, monitor: Monitor
    ) -> Iterator[np.ndarray]:
        """What `SpeechModel.convert` returns, for checked arguments and options with a seed."""
        rate, done = self.synthesizer.sample_rate, 0
        positions = speech.positions(rate)
        report = monitor.for_stage("conversion")
        for number, span in enumerate(speech.phrases):
            phrase = self._phrase(speech, span, voice, (options.seed or 0, number), pitch, monitor)
            parts = _silence(positions[number] - done, rate), phrase, _silence(positions[number + 1], rate)
            for part in parts:
                for chunk in part:
                    left = positions[number + 1] - done
                    if not left:
                        break
                    chunk = chunk[:left]
                    done += len(chunk)
                    if monitor.cancelled is not None and monitor.cancelled():
                        raise WorkCancelled
                    if report is not None:
                        report(done, positions[-1])
                    yield chunk

    def _phrase(
        self,
        speech: SourceSpeech,
        span: tuple[int, int],
        voice: Voice,
        seed: tuple[int, int],
        pitch: PitchPlan,
        monitor: Monitor,
    ) -> Iterator[np.ndarray]:
        """The audio of a phrase, with faded edges because silence is around it."""
        from synthesizer.fallbacks import generator_seed

        units = self._units(speech.wav[slice(*span)], pitch, speech.embedding)
        chunks = self.synthesizer.convert(units, voice, seed=generator_seed(seed), cancelled=monitor.cancelled)
        for chunk in fade_edges(chunks, self.synthesizer.sample_rate):
            check_finite(chunk)
            yield chunk

    def _units(self, wav: np.ndarray, pitch: PitchPlan, embedding: np.ndarray | None) -> SpeechUnits:
        from speech.audio import resample
        from synthesizer.options import SourceAudio, SpeechUnits
        from synthesizer.units.pitch import unit_pitch

        units = self.units.encode(wav)
        spoken = moved = source = None
        if pitch.move is not None:
            spoken = unit_pitch(wav, len(units))
            moved = pitch.move(spoken)
        if embedding is not None:
            source = SourceAudio(resample(wav, SAMPLE_RATE, self.synthesizer.sample_rate), embedding, spoken)
        return SpeechUnits(units, moved, source)


def _silence(samples: int, sample_rate: int) -> Iterator[np.ndarray]:
    """Zeros in chunks of 0.1 s."""
    size = round(CHUNK_SECONDS * sample_rate)
    for start in range(0, samples, size):
        yield np.zeros(min(size, samples - start), np.float32)
