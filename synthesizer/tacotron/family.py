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
    """Training of the whole network, or of a part that is trained later."""
    from synthesizer.tacotron.phone_training import plan_phone_classifier
    from synthesizer.tacotron.plan import plan_network
    from synthesizer.tacotron.postfilter_plan import plan_postfilter
    from synthesizer.tacotron.refiner_plan import plan_refiner

    plans = (
        (flags.postfilter, plan_postfilter),
        (flags.refiner, plan_refiner),
        (flags.phone_classifier, plan_phone_classifier),
    )
    chosen = next((part for wanted, part in plans if wanted), plan_network)
    return chosen(flags, store, run)


FAMILY = Family(kind=KIND, config=TacotronConfig, load=load, training_flags=TacotronFlags, plan=plan, order=10)
