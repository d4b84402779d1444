"""Units: speech as a sequence of discrete labels of its content, learned without transcripts.

    encoder = load_unit_encoder("units.safetensors")
    encoder.encode(wav)  # int64 [frames], 50 frames per second

The names are imported on first use.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthesizer.units.base import UnitEncoder
    from synthesizer.units.loading import load_unit_encoder

__all__ = ["UnitEncoder", "load_unit_encoder"]

_HOMES = {"UnitEncoder": "synthesizer.units.base", "load_unit_encoder": "synthesizer.units.loading"}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'synthesizer.units' has no attribute {name!r}")
