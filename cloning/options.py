"""The options of the chain. Imports no PyTorch."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from speech.errors import ConfigError
from synthesizer.options import SynthesisOptions

MAX_SEED = 2**63 - 1
LOUDNESS_RANGE = (-40.0, -14.0)  # LUFS; louder speech would be mostly limited peaks
DEFAULT_LOUDNESS = -23.0  # of EBU R 128: the peaks of speech, up to 22 dB above its loudness, stay below -1 dB


@dataclass(frozen=True, kw_only=True)
class SpeechOptions(SynthesisOptions):
    """How a text is spoken: speed, pauses, pitch range and lexicon as in `SynthesisOptions`, seed and loudness.

    Attributes:
        seed: the same seed gives the same samples for the same text, voice and models; None draws one for each text.
        loudness: of each sentence in LUFS (ITU-R BS.1770), -40 to -14. Peaks above a true peak of -1.5 dB are limited.

        watermark: add an inaudible watermark, which is checked in each sentence before it is output. Needs the package
            resemble-perth.

    Raises:
        ConfigError: a value is out of range.
    """

    seed: int | None = None
    loudness: float = DEFAULT_LOUDNESS
    watermark: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise ConfigError("The seed must be between 0 and 2^63 - 1.")
        quietest, loudest = LOUDNESS_RANGE
        if not quietest <= self.loudness <= loudest:
            raise ConfigError(
                f"Loudness must be between {quietest:g} and {loudest:g} LUFS; {DEFAULT_LOUDNESS:g} is the default."
            )

    def seeded(self) -> SpeechOptions:
        """The same options with a seed: their own, or a random one."""
        return self if self.seed is not None else replace(self, seed=secrets.randbelow(2**31))
