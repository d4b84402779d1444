"""Speaker encoder: a few seconds of a voice -> one point on the unit sphere (Wan et al., arXiv 1710.10467).

The facade is `SpeakerEncoder`, its settings are `EncoderConfig`. Both load on first use, so that importing the package
costs nothing where only a name of it is needed.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from encoder.base import SpeakerEncoder
    from encoder.lstm.config import EncoderConfig

__all__ = ["EncoderConfig", "SpeakerEncoder"]


def __getattr__(name: str) -> Any:
    if name == "EncoderConfig":
        from encoder.lstm.config import EncoderConfig

        return EncoderConfig
    if name == "SpeakerEncoder":
        from encoder.base import SpeakerEncoder

        return SpeakerEncoder
    raise AttributeError(f"module 'encoder' has no attribute {name!r}")
