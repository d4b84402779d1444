"""Vocoder: a mel spectrogram -> a waveform.

The facade is `Vocoder`, which loads whatever kind a model file holds; `GriffinLimVocoder` needs no file. Both load on
first use, so that importing the package costs nothing where only a name of it is needed.
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
