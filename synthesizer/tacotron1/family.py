"""The Tacotron 1 as a model family: the synthesizer of public SV2TTS checkpoints. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelfile.families import Family
from synthesizer.tacotron1.config import KIND, Tacotron1Config
from synthesizer.tacotron1.flags import Tacotron1Flags

if TYPE_CHECKING:
    from torch import Tensor

    from corpora.store import FeatureStore
    from modelfile.header import ModelHeader
    from modelfile.public import Converted, PublicCheckpoint
    from synthesizer.tacotron1.inference import Tacotron1Synthesizer
    from synthesizer.training_flags import TrainingRun
    from training.config import TrainingPlan


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


def plan(flags: Tacotron1Flags, store: FeatureStore, run: TrainingRun) -> TrainingPlan:
    """Training or fine-tuning of the whole network."""
    from synthesizer.tacotron1.training import plan_training

    return plan_training(flags, store)


FAMILY = Family(
    kind=KIND,
    config=Tacotron1Config,
    load=load,
    training_flags=Tacotron1Flags,
    plan=plan,
    convert=convert,
    order=20,
)
