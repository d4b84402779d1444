"""Synthesizer: text and a speaker embedding -> mel (Tacotron 2, arXiv 1712.05884; SV2TTS, arXiv 1806.04558).

The facade is `Synthesizer`, its settings are `SynthesizerConfig`. Both load on first use.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from synthesizer.tacotron.config import SynthesizerConfig
    from synthesizer.tacotron.inference import Sentence, Synthesis, Synthesizer

__all__ = ["Sentence", "Synthesis", "Synthesizer", "SynthesizerConfig"]


def __getattr__(name: str) -> Any:
    if name == "SynthesizerConfig":
        from synthesizer.tacotron.config import SynthesizerConfig

        return SynthesizerConfig
    if name in ("Sentence", "Synthesis", "Synthesizer"):
        from synthesizer.tacotron import inference

        return getattr(inference, name)
    raise AttributeError(f"module 'synthesizer' has no attribute {name!r}")
