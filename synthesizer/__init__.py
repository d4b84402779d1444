"""Synthesizer stage: text and a speaker embedding -> mel spectrogram (SV2TTS, arXiv 1806.04558).

`Synthesizer.load` loads a model file of any family. All names here load on first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthesizer.base import AlignedMel, Synthesizer
    from synthesizer.options import EmbeddedVoice, SpeechUnits, SynthesisOptions, UnitSettings
    from synthesizer.synthesis import Sentence, Synthesis, join_syntheses

__all__ = [
    "AlignedMel", "EmbeddedVoice", "Sentence", "SpeechUnits", "Synthesis", "SynthesisOptions", "Synthesizer",
    "UnitSettings", "join_syntheses",
]  # fmt: skip

_OPTIONS = ("EmbeddedVoice", "SpeechUnits", "SynthesisOptions", "UnitSettings")
_MODULES = {"AlignedMel": "base", "Synthesizer": "base", **dict.fromkeys(_OPTIONS, "options")}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'synthesizer' has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(f"synthesizer.{_MODULES.get(name, 'synthesis')}"), name)
