"""Training of a VITS's refiner as the flags describe it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from modelfile.checkpoint import load_model_file, weights_digest
from speech.errors import ConfigError, ModelFileError
from synthesizer.base import STAGE
from synthesizer.planning import header_entries
from synthesizer.refiner.data import RefinerItems
from synthesizer.refiner.network import Conditions
from synthesizer.refiner.one_step import Measure
from synthesizer.refiner.plan import DEFAULT_SIZE, HELD_OUT, RefinedModel, plan_of, progress_bar
from synthesizer.training_flags import TrainingRun
from synthesizer.vits.config import VitsConfig
from synthesizer.vits.data import check_units, usable
from synthesizer.vits.flags import VitsFlags
from synthesizer.vits.model import Vits
from synthesizer.vits.plan import content_distance, read_start
from synthesizer.vits.refiner_mels import convert_recordings
from training.config import TrainingPlan
from training.starting import take_over

if TYPE_CHECKING:
    from corpora.store import FeatureStore

TRAINED = ("refiner.", "discriminators.")
TAKEN = (*TRAINED, "phone_classifier.")  # of `--refine.start`


def plan_refiner(flags: VitsFlags, store: FeatureStore, run: TrainingRun) -> TrainingPlan:
    """Convert recordings of the store to other voices, then train the refiner to give them back their own.

    Raises:
        ConfigError, CorpusError, ModelFileError: the flags, the store and the model do not fit.
    """
    if flags.threads:
        torch.set_num_threads(flags.threads)
    torch.manual_seed(flags.seed)
    network, config = network_with_refiner(flags, store)
    items, held_out = converted_items(network, config, store, flags, run)
    refined = RefinedModel(network, network.refiner, network.discriminators, config, header_entries(flags, store))
    return plan_of(refined, items, held_out, flags, flags.refine, run, _words(flags, store, config))


def _words(flags: VitsFlags, store: FeatureStore, config: VitsConfig) -> list[Measure]:
    """The distance of the units of refined and recorded mel, which makes the words clear."""
    weight = flags.refine.phone_weight
    if not weight:
        return []
    content = content_distance(flags, store, config.architecture.mel)

    def distance(made: Tensor, given: Conditions, recorded: Tensor) -> Tensor:
        found: Tensor = content.to(made.device)(made, recorded)
        return found

    return [Measure("units", weight, distance)]


def converted_items(
    network: Vits, config: VitsConfig, store: FeatureStore, flags: VitsFlags, run: TrainingRun
) -> tuple[RefinerItems, RefinerItems]:
    """Recordings of the store with converted mels: to train on, and held out.

    Raises:
        CorpusError, StorageError: there are none, or their store has mels of a different model.
    """
    training, validation = (
        [int(index) for index in np.random.default_rng(0).permutation(usable(store, chosen, config.architecture))]
        for chosen in (store.select(split=split) for split in ("train", "validation"))
    )
    chosen = training[: flags.refine.recordings] + validation[:HELD_OUT]
    check_units(store, chosen, config.architecture)
    kept = {name: value for name, value in network.state_dict().items() if not name.startswith(TRAINED)}
    directory = flags.refine.generated or run.path / "generated"
    generated = convert_recordings(network, config, store, chosen, directory, weights_digest(kept), progress_bar)
    items, held_out = (
        RefinerItems(store, generated, indices, flags.refine, without_mel=0.0, changed=1.0)
        for indices in (training, validation)
    )
    return items, held_out


def network_with_refiner(flags: VitsFlags, store: FeatureStore) -> tuple[Vits, VitsConfig]:
    """The frozen network of `--warm-start` with a trainable refiner: its own, that of `--refine.start`, or a new one.

    A phone classifier is taken from `--refine.start`, too.

    Raises:
        ConfigError: there is no `--warm-start`, or it has no units or predicts no mels.
        ModelFileError: `--refine.start` has no refiner.
    """
    if flags.warm_start is None:
        raise ConfigError("--refiner needs a finished VITS: give --warm-start.")
    found, weights = read_start(flags, store)
    assert weights is not None
    sizes, start = found.architecture, flags.refine.start
    if not sizes.units:
        raise ConfigError(f"{flags.warm_start} reads text only: a refiner of a VITS is trained on conversions.")
    if start is not None:
        given, changes = parts_of(start)
        weights = {name: tensor for name, tensor in weights.items() if not name.startswith(TAKEN)} | given
    else:
        changes = {"refiner_size": sizes.refiner_size or DEFAULT_SIZE}
    architecture = replace(sizes, **changes, refiner_discriminators=flags.refine.adversarial)
    config = replace(found, architecture=architecture)
    network = Vits(architecture)
    take_over(network, weights, start or flags.warm_start)
    network.eval().requires_grad_(False)
    for part in (network.refiner, network.discriminators):
        if part is not None:
            part.requires_grad_(True)
    return network, config


def parts_of(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Weights of the refiner, its discriminators and the phone classifier of a synthesizer of any family, and sizes.

    Raises:
        ModelFileError: it is no synthesizer with a refiner.
    """
    header, weights = load_model_file(path, STAGE)
    sizes = header.config.get("architecture", {}) if isinstance(header.config, dict) else {}
    if not sizes.get("refiner_size"):
        raise ModelFileError(f"{path} has no refiner: give a synthesizer with one.")
    names = ("refiner_size", "refiner_layers", "phone_classifier_size", "phone_classifier_layers")
    chosen = {name: tensor for name, tensor in weights.items() if name.startswith(TAKEN)}
    return chosen, {name: int(sizes[name]) for name in names if name in sizes}
