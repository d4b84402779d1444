"""Vocoder: a mel spectrogram -> a waveform.

`Vocoder` is the facade of all families and loads their model files. `GriffinLimVocoder` needs no file. Both are
imported on first use, so that importing the package is fast.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vocoder.base import Vocoder
    from vocoder.griffin_lim.inference import GriffinLimVocoder

__all__ = ["GriffinLimVocoder", "Vocoder"]


def __getattr__(name: str) -> Any:
    if name == "Vocoder":
        from vocoder.base import Vocoder

        return Vocoder
    if name == "GriffinLimVocoder":
        from vocoder.griffin_lim.inference import GriffinLimVocoder

        return GriffinLimVocoder
    raise AttributeError(f"module 'vocoder' has no attribute {name!r}")
