"""The waveforms to measure: clones, natural recordings, and their copy synthesis (mel -> vocoder)."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from cloning import SpeechOptions
from cloning.finishing import finish, samples_of
from cloning.speech_model import SynthesizerModel
from speech.audio import SAMPLE_RATE, resample
from speech.mel import synthesis_mel
from synthesizer.alignment_score import AlignmentReport, alignment_report

if TYPE_CHECKING:
    from cloning import Voice
    from vocoder import Vocoder

NATURAL = "natural"


@dataclass(frozen=True, eq=False)
class Output:
    """One waveform and how it was made.

    Attributes:
        condition: "natural", "converted", "copy, <vocoder>" or "clone, <vocoder>", which a disturbance of the reference
            may follow.
        key: identifies the output within its condition.
        voice: name of the voice it should have.
        sentence: index of its text among the texts of its set.
        wav: float32 [samples] at `sample_rate`.
        synthesis_seconds, vocoder_seconds: computing time of the stages; None for a stage that was not used.
        attention: a report for each sentence of the text; empty for natural speech.
        attempts: decoding attempts of the worst sentence.
        mel, alignment: for plots.
        source: of a conversion, the speaker of the recording.
    """

    condition: str
    key: str
    voice: str
    text: str
    sentence: int
    wav: np.ndarray
    sample_rate: int = SAMPLE_RATE
    synthesis_seconds: float | None = None
    vocoder_seconds: float | None = None
    attention: tuple[AlignmentReport, ...] = ()
    attempts: int = 0
    mel: np.ndarray | None = None
    alignment: np.ndarray | None = None
    source: str = ""

    @functools.cached_property
    def measured(self) -> np.ndarray:
        """The waveform at 16 kHz, which all measurements take: float32 [samples]."""
        return resample(self.wav, self.sample_rate, SAMPLE_RATE)


class CloneJob(NamedTuple):
    """A text to speak with a voice.

    `key` and `sentence` are those of the output. `reference` describes a disturbed reference; it ends the condition.
    """

    key: str
    voice: Voice
    text: str
    sentence: int
    reference: str = ""


def clone_outputs(models: Mapping[str, SynthesizerModel], jobs: Iterable[CloneJob], seed: int) -> Iterator[Output]:
    """Speak each text in each voice. Each mel is synthesized once and goes through every vocoder.

    The waveforms are those of `VoiceCloner.speak` with the same seed; the stages are timed separately.

    Args:
        models: by the label of their vocoders; they share one synthesizer. One may be end to end, without a vocoder.
    """
    first, options = next(iter(models.values())), SpeechOptions(seed=seed)
    for job in jobs:
        started = time.perf_counter()
        synthesis = first.synthesize(job.text, job.voice, options)
        taken = time.perf_counter() - started
        reports = tuple(alignment_report(sentence.alignment, sentence.stopped) for sentence in synthesis.sentences)
        for label, model in models.items():
            started = time.perf_counter()
            raw = np.concatenate(list(model.audio_of(synthesis, seed)))
            lengths = samples_of(synthesis.sentences, model.sample_rate)
            wav = finish(raw, lengths, model.sample_rate, options.loudness)
            yield Output(
                condition=", ".join(filter(None, ("clone", label, job.reference))),
                key=job.key,
                voice=job.voice.name,
                text=job.text,
                sentence=job.sentence,
                wav=wav,
                sample_rate=model.sample_rate,
                synthesis_seconds=taken,
                vocoder_seconds=time.perf_counter() - started,
                attention=reports,
                attempts=max(sentence.attempts for sentence in synthesis.sentences),
                mel=synthesis.mel,
                alignment=synthesis.alignment,
            )


def copy_output(natural: Output, label: str, vocoder: Vocoder, seed: int) -> Output:
    """Copy synthesis of a recording with a peak of 0.9: its mel through a vocoder, the upper limit of a clone."""
    rate = vocoder.mel_config.sample_rate
    mel = synthesis_mel(resample(natural.wav, natural.sample_rate, rate), vocoder.mel_config)
    started = time.perf_counter()
    wav = vocoder.vocode(mel, seed=seed)
    return Output(
        condition=f"copy, {label}",
        key=natural.key,
        voice=natural.voice,
        text=natural.text,
        sentence=natural.sentence,
        wav=wav,
        sample_rate=rate,
        vocoder_seconds=time.perf_counter() - started,
        mel=mel,
    )
