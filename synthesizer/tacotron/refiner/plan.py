"""Training of a refiner as the flags describe it."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from modelfile.checkpoint import weights_digest
from speech.errors import ConfigError
from speech.mel_config import MelConfig
from synthesizer.batches import with_text
from synthesizer.planning import header_entries, with_store_settings
from synthesizer.speaker_loss import VoiceDistance
from synthesizer.tacotron.config import TacotronConfig
from synthesizer.tacotron.flags import TacotronFlags
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.plan import frozen_model, progress_bar, read_model
from synthesizer.tacotron.refiner.adversarial import AdversarialRefinerTask
from synthesizer.tacotron.refiner.data import RefinerBatches, RefinerItems, decode_recordings
from synthesizer.tacotron.refiner.task import RefinerTask
from synthesizer.training_flags import TrainingRun
from training.config import TrainingPlan
from training.flags import fit_config

if TYPE_CHECKING:
    from corpora.store import FeatureStore

DEFAULT_SIZE = 288  # if neither the model nor --refiner-size gives one
# Parts that do not change the mels that the refiner is trained on.
TRAINED_LATER = ("postfilter.", "refiner.", "discriminators.", "phone_classifier.")
HELD_OUT = 256  # utterances of held-out speakers


def plan_refiner(flags: TacotronFlags, store: FeatureStore, run: TrainingRun) -> TrainingPlan:
    """Decode recordings of the store by free running, then train the refiner on the result.

    Raises:
        ConfigError, CorpusError, ModelFileError: the flags, the store and the model do not fit.
    """
    if flags.threads:
        torch.set_num_threads(flags.threads)
    rank = int(os.environ.get("RANK", "0"))
    torch.manual_seed(flags.seed)
    model, config = model_with_refiner(flags, store)
    items, held_out = decoded_items(model, config, store, flags, run)
    assert model.refiner is not None
    if not bool((model.refiner.deviation != 1).any()):
        for buffer, values in zip((model.refiner.mean, model.refiner.deviation), items.statistics(), strict=True):
            buffer.copy_(values)
    given = (model, held_out, config, header_entries(flags, store), run.vocode)
    voice = voice_distance(flags, run, config.architecture.mel)
    if flags.refine.adversarial:
        task: RefinerTask = AdversarialRefinerTask(*given, flags=flags.refine, voice=voice)
    else:
        task = RefinerTask(*given)
    fit = fit_config(
        flags,
        warmup_steps=min(500, flags.steps // 10),
        decay="cosine",
        weight_decay=1e-2,
        clip_norm=1.0,
        ema_decay=0.999,
        betas=(0.8, 0.99) if flags.refine.adversarial else (0.9, 0.999),
    )
    refine = asdict(flags.refine)
    del refine["generated"]  # where the decoded mels are kept does not change the result
    settings = {"store": str(flags.store), "start": str(flags.warm_start), "refiner": refine}
    if voice is not None:
        settings["encoder"] = str(flags.encoder)
    return TrainingPlan(task, RefinerBatches(items, flags.seed, rank), fit, settings)


def voice_distance(flags: TacotronFlags, run: TrainingRun, mel: MelConfig) -> VoiceDistance | None:
    """The distance of voices by the encoder of `--encoder`; None if its weight is 0.

    Raises:
        ConfigError: the refiner is trained without discriminators.
        ModelFileError: there is no such encoder.
    """
    if not flags.refine.voice_weight:
        return None
    if not flags.refine.adversarial:
        raise ConfigError("--refine.voice-weight needs --refine.adversarial.")
    encoder = run.load_encoder(flags.encoder)
    return VoiceDistance(encoder.model, encoder.n_mels, mel)


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
        ConfigError: the model has no postfilter, whose F0 the refiner needs.
    """
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
