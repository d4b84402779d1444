"""The waveforms under test: clones, natural recordings, and the recordings' copy synthesis (mel -> vocoder)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from speech.audio import SAMPLE_RATE, resample
from speech.mel import MelConfig, synthesis_mel
from synthesizer.alignment_score import AlignmentReport, alignment_report

if TYPE_CHECKING:
    from cloning import Voice, VoiceCloner

GRIFFIN_LIM = "griffin-lim"
NATURAL = "natural"


@dataclass(frozen=True, eq=False)
class Output:
    """One waveform and how it came about.

    Attributes:
        condition: "natural", "copy, <vocoder>" or "clone, <vocoder>".
        key: names the output within its condition.
        voice: whose voice it should be.
        sentence: index of its text among the texts of its set.
        wav: float32 [samples] at 16 kHz.
        synthesis_seconds, vocoder_seconds: time that the stages took; None where there was none.
        attention: a report for each sentence of the text; empty for natural speech.
        attempts: readings of the worst sentence.
        mel, alignment: for plots.
    """

    condition: str
    key: str
    voice: str
    text: str
    sentence: int
    wav: np.ndarray
    synthesis_seconds: float | None = None
    vocoder_seconds: float | None = None
    attention: tuple[AlignmentReport, ...] = ()
    attempts: int = 0
    mel: np.ndarray | None = None
    alignment: np.ndarray | None = None

    @property
    def seconds(self) -> float:
        return len(self.wav) / SAMPLE_RATE


def load_vocoder(name: str, config: MelConfig | None = None, device: str = "cpu") -> Any:
    """A vocoder by the path of its file, or "griffin-lim". Raises: ModelFileError."""
    if name.lower() == GRIFFIN_LIM:
        from vocoder.griffin_lim.inference import GriffinLimVocoder

        return GriffinLimVocoder(config)
    from vocoder import Vocoder

    return Vocoder.load(name, device=device)


def warm_up(vocoder: Any) -> None:
    """Let it say a tenth of a second: what a vocoder does but once (compiling, above all) is no part of its speed."""
    config = vocoder.mel_config
    vocoder.vocode(np.full((config.n_mels, config.frames_per_second // 10), -config.max_abs_value, np.float32), seed=0)


def clone_outputs(
    cloner: VoiceCloner, vocoders: dict[str, Any], jobs: Iterable[tuple[str, Voice, str, int]], seed: int
) -> Iterator[Output]:
    """Say each text in each voice; each mel goes through every vocoder.

    What comes out is what `VoiceCloner.speak` says with the same seed, the stages timed apart.

    Args:
        vocoders: by label; all of the synthesizer's kind of mel.
        jobs: (key, voice, text, index of the text).
    """
    from cloning.cloner import finish

    rate = cloner.sample_rate
    for key, voice, text, sentence in jobs:
        started = time.perf_counter()
        synthesis = cloner.synthesizer.synthesize(text, voice, seed=seed)
        taken = time.perf_counter() - started
        reports = tuple(alignment_report(part.alignment, part.stopped) for part in synthesis.sentences)
        attempts = max(part.attempts for part in synthesis.sentences)
        for label, vocoder in vocoders.items():
            started = time.perf_counter()
            wav = finish(vocoder.vocode(synthesis.mel, seed=seed), rate)
            yield Output(
                condition=f"clone, {label}",
                key=key,
                voice=voice.name,
                text=text,
                sentence=sentence,
                wav=resample(wav, rate, SAMPLE_RATE),
                synthesis_seconds=taken,
                vocoder_seconds=time.perf_counter() - started,
                attention=reports,
                attempts=attempts,
                mel=synthesis.mel,
                alignment=synthesis.alignment,
            )


def natural_output(key: str, voice: str, text: str, sentence: int, wav: np.ndarray) -> Output:
    """A recording as an output. Args: wav: float32 [samples] at 16 kHz, peak 0.9."""
    return Output(NATURAL, key, voice, text, sentence, wav)


def copy_output(natural: Output, label: str, vocoder: Any, seed: int) -> Output:
    """Copy synthesis: the mel of a recording through a vocoder, which is the most that a clone can hope for."""
    rate = vocoder.mel_config.sample_rate
    mel = synthesis_mel(resample(natural.wav, SAMPLE_RATE, rate), vocoder.mel_config)
    started = time.perf_counter()
    wav = vocoder.vocode(mel, seed=seed)
    taken = time.perf_counter() - started
    return replace(
        natural, condition=f"copy, {label}", wav=resample(wav, rate, SAMPLE_RATE), vocoder_seconds=taken, mel=mel
    )
