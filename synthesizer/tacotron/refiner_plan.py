"""Training of a Tacotron 2's refiner as the flags describe it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from modelfile.checkpoint import weights_digest
from speech.errors import ConfigError
from synthesizer.batches import with_text
from synthesizer.phone_classifier import phone_loss
from synthesizer.planning import header_entries, with_store_settings
from synthesizer.refiner.data import RefinerItems
from synthesizer.refiner.network import Conditions
from synthesizer.refiner.one_step import Measure
from synthesizer.refiner.plan import DEFAULT_SIZE, HELD_OUT, RefinedModel, plan_of, progress_bar
from synthesizer.tacotron.config import TacotronConfig
from synthesizer.tacotron.flags import TacotronFlags
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.plan import frozen_model, read_model
from synthesizer.tacotron.refiner_mels import decode_recordings
from synthesizer.training_flags import TrainingRun
from training.config import TrainingPlan

if TYPE_CHECKING:
    from corpora.store import FeatureStore

# Parts that do not change the mels that the refiner is trained on.
TRAINED_LATER = ("postfilter.", "refiner.", "discriminators.", "phone_classifier.")


def plan_refiner(flags: TacotronFlags, store: FeatureStore, run: TrainingRun) -> TrainingPlan:
    """Decode recordings of the store by free running, then train the refiner on the result.

    Raises:
        ConfigError, CorpusError, ModelFileError: the flags, the store and the model do not fit.
    """
    if flags.threads:
        torch.set_num_threads(flags.threads)
    torch.manual_seed(flags.seed)
    model, config = model_with_refiner(flags, store)
    items, held_out = decoded_items(model, config, store, flags, run)
    refined = RefinedModel(model, model.refiner, model.discriminators, config, header_entries(flags, store))
    return plan_of(refined, items, held_out, flags, flags.refine, run, phone_measures(model, flags.refine.phone_weight))


def phone_measures(model: Tacotron2, weight: float) -> list[Measure]:
    """The loss of the phone classifier, which makes the symbols clear."""
    classifier = model.phone_classifier
    if classifier is None or not weight:
        return []

    def distance(made: Tensor, given: Conditions, recorded: Tensor) -> Tensor:
        return phone_loss(classifier, made, given.symbols)[0]

    return [Measure("phones", weight, distance)]


def decoded_items(
    model: Tacotron2, config: TacotronConfig, store: FeatureStore, flags: TacotronFlags, run: TrainingRun
) -> tuple[RefinerItems, RefinerItems]:
    """Recordings of the store with mels decoded by free running: to train on, and held out.

    Raises:
        CorpusError, StorageError: there are none, or their store has mels of a different model.
    """
    training, validation = (
        [int(index) for index in np.random.default_rng(0).permutation(with_text(store, store.select(split=split)))]
        for split in ("train", "validation")
    )
    kept = {name: value for name, value in model.state_dict().items() if not name.startswith(TRAINED_LATER)}
    generated = decode_recordings(
        model,
        store,
        training[: flags.refine.recordings] + validation[:HELD_OUT],
        config.inference,
        flags.refine.generated or run.path / "generated",
        weights_digest(kept),
        progress_bar,
    )
    items, held_out = (RefinerItems(store, generated, indices, flags.refine) for indices in (training, validation))
    return items, held_out


def model_with_refiner(flags: TacotronFlags, store: FeatureStore) -> tuple[Tacotron2, TacotronConfig]:
    """The frozen model of `--warm-start` with a trainable refiner: its own, or a new one.

    Raises:
        ConfigError: the model has no postfilter, whose F0 the refiner needs; `--refine.start` is given.
    """
    if flags.refine.start is not None:
        raise ConfigError("--refine.start is for a VITS: a Tacotron 2 trains the refiner of --warm-start or a new one.")
    found, weights = read_model(flags)
    found = with_store_settings(found, store, from_file=True)
    if not found.architecture.postfilter_size:
        raise ConfigError(
            "The model to start from has no postfilter, which predicts the F0: train it with --postfilter."
        )
    size = found.architecture.refiner_size or flags.architecture.refiner_size or DEFAULT_SIZE
    layers = (found if found.architecture.refiner_size else flags).architecture.refiner_layers
    architecture = replace(
        found.architecture,
        refiner_size=size,
        refiner_layers=layers,
        refiner_discriminators=flags.refine.adversarial,
    )
    config = replace(found, architecture=architecture)
    trainable = ["refiner", "discriminators"] if architecture.refiner_discriminators else ["refiner"]
    return frozen_model(config, weights, trainable), config
