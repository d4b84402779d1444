"""The Tacotron 1 as a model family: the synthesizer of public SV2TTS checkpoints. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelfile.families import Family
from synthesizer.tacotron1.config import KIND, Tacotron1Config

if TYPE_CHECKING:
    from torch import Tensor

    from modelfile.header import ModelHeader
    from modelfile.public import Converted, PublicCheckpoint
    from synthesizer.tacotron1.inference import Tacotron1Synthesizer


def load(
    header: ModelHeader, weights: Mapping[str, Tensor], device: Any = "cpu", **options: Any
) -> Tacotron1Synthesizer:
    """The synthesizer of a model file."""
    from synthesizer.tacotron1.inference import load_tacotron1

    return load_tacotron1(header, weights, device, **options)


def convert(checkpoint: PublicCheckpoint) -> Converted | None:
    """The public SV2TTS synthesizer as a model file."""
    from synthesizer.tacotron1.convert import convert_public

    return convert_public(checkpoint)


FAMILY = Family(kind=KIND, config=Tacotron1Config, load=load, convert=convert, order=20)
