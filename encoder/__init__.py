"""Speaker encoder: a few seconds of a voice -> a point on the unit sphere (Wan et al., arXiv 1710.10467).

`SpeakerEncoder` is the facade of all families. It is imported on first use, so that importing the package is cheap.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from encoder.base import SpeakerEncoder

__all__ = ["SpeakerEncoder"]


def __getattr__(name: str) -> Any:
    if name == "SpeakerEncoder":
        from encoder.base import SpeakerEncoder

        return SpeakerEncoder
    raise AttributeError(f"module 'encoder' has no attribute {name!r}")
