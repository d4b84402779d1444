"""The options of the chain. Imports no PyTorch."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, replace

from speech.errors import ConfigError
from synthesizer.options import SynthesisOptions

MAX_SEED = 2**63 - 1


@dataclass(frozen=True, kw_only=True)
class SpeechOptions(SynthesisOptions):
    """How a text is spoken: speed, pauses, pitch range and lexicon as in `SynthesisOptions`, and a seed.

    Attributes:
        seed: the same seed gives the same samples for the same text, voice and models; None draws one for each text.

    Raises:
        ConfigError: a value is out of range.
    """

    seed: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed is not None and not 0 <= self.seed <= MAX_SEED:
            raise ConfigError("The seed must be between 0 and 2^63 - 1.")

    def seeded(self) -> SpeechOptions:
        """The same options with a seed: their own, or a random one."""
        return self if self.seed is not None else replace(self, seed=secrets.randbelow(2**31))
