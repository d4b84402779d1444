"""VITS as a model family: an end-to-end synthesizer, which generates audio itself. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelfile.families import Family
from synthesizer.vits.config import KIND, VitsConfig
from synthesizer.vits.flags import VitsFlags

if TYPE_CHECKING:
    from torch import Tensor

    from corpora.store import FeatureStore
    from modelfile.header import ModelHeader
    from synthesizer.training_flags import TrainingRun
    from synthesizer.vits.inference import VitsSynthesizer
    from training.config import TrainingPlan


def load(header: ModelHeader, weights: Mapping[str, Tensor], device: Any = "cpu", **options: Any) -> VitsSynthesizer:
    """The synthesizer of a model file."""
    from synthesizer.vits.inference import load_vits

    return load_vits(header, weights, device, **options)


def plan(flags: VitsFlags, store: FeatureStore, run: TrainingRun) -> TrainingPlan:
    """Training or fine-tuning of the whole network, or of its refiner."""
    from synthesizer.vits.plan import plan_training
    from synthesizer.vits.refiner_plan import plan_refiner

    return plan_refiner(flags, store, run) if flags.refiner else plan_training(flags, store, run)


def units(header: ModelHeader) -> int:
    """Number of different units that the model of a header converts. Raises: ModelFileError."""
    from modelfile.header import config_from_header

    config: VitsConfig = config_from_header(VitsConfig, header)
    return config.architecture.units


FAMILY = Family(
    kind=KIND,
    config=VitsConfig,
    load=load,
    training_flags=VitsFlags,
    plan=plan,
    end_to_end=True,
    units=units,
    order=30,
)
