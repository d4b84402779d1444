"""Options of a synthesis: tempo, pauses, pitch range, pronunciations. Imports neither numpy nor PyTorch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from speech.errors import ConfigError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from speech.reference_mel import ReferenceMel
    from synthesizer.adapter import VoiceAdapter
    from synthesizer.text.lexicon import Lexicon

RANGES = {"speed": (0.5, 2.0), "pauses": (0.0, 5.0), "pitch_range": (0.0, 3.0)}


@dataclass(frozen=True, kw_only=True)
class SynthesisOptions:
    """How a text is spoken.

    Attributes:
        speed: 0.5 to 2, relative to the model's own tempo, at the same pitch. 0.8 is 20 % slower.
        pauses: 0 to 5, length of the pauses relative to the model's own.
        pitch_range: 0 to 3, scale of the pitch contour around its median; 0 is monotone.
        lexicon: pronunciations that take precedence over the dictionary, see `synthesizer.text.lexicon.read_lexicon`.

    Raises:
        ConfigError: a value is out of range.
    """

    speed: float = 1.0
    pauses: float = 1.0
    pitch_range: float = 1.0
    lexicon: Lexicon | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in RANGES.items():
            if not low <= getattr(self, name) <= high:
                label = name.replace("_", " ").capitalize()
                raise ConfigError(f"{label} must be between {low:g} and {high:g}; 1 is the default.")


class SpeakerVoice(Protocol):
    """What a synthesizer needs of a voice.

    Attributes:
        embedding: float32 [embedding_size], L2 norm 1.
        pitch: median F0 in Hz; None if unknown.
        reference: a few seconds of the speaker; None if there are none.
        adapter: what the synthesizer was adapted to the voice with; None if it was not.
    """

    @property
    def embedding(self) -> NDArray[np.float32]: ...

    @property
    def pitch(self) -> float | None: ...

    @property
    def reference(self) -> ReferenceMel | None: ...

    @property
    def adapter(self) -> VoiceAdapter | None: ...


@dataclass(frozen=True, eq=False)
class SourceAudio:
    """The speech behind `SpeechUnits`.

    Attributes:
        wav: float32 [samples] at the model's rate.
        embedding: of who speaks, float32 [embedding_size], L2 norm 1.
        pitch: F0 of each unit as it was spoken, as `SpeechUnits.pitch`.
    """

    wav: NDArray[np.float32]
    embedding: NDArray[np.float32]
    pitch: NDArray[np.float32] | None = None


@dataclass(frozen=True, eq=False)
class SpeechUnits:
    """Speech as a synthesizer converts it.

    Attributes:
        units: int64 [units], of the unit encoder that the model was trained with.
        pitch: F0 of each unit in Hz, 0 where it is unvoiced, float32 [units]; None for a model without pitch input.
        source: the speech itself, for a model that keeps what its units leave out.
    """

    units: NDArray[np.int64]
    pitch: NDArray[np.float32] | None = None
    source: SourceAudio | None = None


@dataclass(frozen=True)
class UnitSettings:
    """What a synthesizer converts.

    Attributes:
        count: different units; 0 if it reads text only.
        rate: units per second.
        pitch: whether it takes their F0.
        file: digest of the unit file that it was trained with; "" if unknown.
        source: whether it also takes the speech itself.
    """

    count: int = 0
    rate: int = 50
    pitch: bool = False
    file: str = ""
    source: bool = False


@dataclass(frozen=True, eq=False)
class EmbeddedVoice:
    """A `SpeakerVoice` of an embedding alone."""

    embedding: NDArray[np.float32]
    pitch: float | None = None
    reference: ReferenceMel | None = None
    adapter: VoiceAdapter | None = None
