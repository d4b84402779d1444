"""The Tacotron 2 as a model family: its files and its training. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from modelfile.families import Family
from synthesizer.tacotron.config import KIND, TacotronConfig
from synthesizer.tacotron.flags import TacotronFlags

if TYPE_CHECKING:
    from torch import Tensor

    from corpora.store import FeatureStore
    from modelfile.header import ModelHeader
    from synthesizer.tacotron.inference import TacotronSynthesizer
    from synthesizer.training_flags import TrainingRun
    from training.config import TrainingPlan


def load(
    header: ModelHeader, weights: Mapping[str, Tensor], device: Any = "cpu", **options: Any
) -> TacotronSynthesizer:
    """The synthesizer of a model file."""
    from synthesizer.tacotron.inference import load_tacotron

    return load_tacotron(header, weights, device, **options)


def plan(flags: TacotronFlags, store: FeatureStore, run: TrainingRun) -> TrainingPlan:
    """Training of the whole network, of its postfilter or of its refiner."""
    from synthesizer.tacotron.plan import plan_network
    from synthesizer.tacotron.postfilter_plan import plan_postfilter
    from synthesizer.tacotron.refiner.plan import plan_refiner

    chosen = plan_postfilter if flags.postfilter else plan_refiner if flags.refiner else plan_network
    return chosen(flags, store, run)


FAMILY = Family(kind=KIND, config=TacotronConfig, load=load, training_flags=TacotronFlags, plan=plan, order=10)
