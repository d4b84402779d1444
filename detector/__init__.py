"""Detector of synthesized speech: a waveform -> the probability that it was generated.

`Detector` is imported on first use, so that importing the package is fast.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from detector.inference import Detector

__all__ = ["Detector"]


def __getattr__(name: str) -> Any:
    if name == "Detector":
        from detector.inference import Detector

        return Detector
    raise AttributeError(f"module 'detector' has no attribute {name!r}")
