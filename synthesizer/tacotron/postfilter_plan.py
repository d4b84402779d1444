"""Training of a postfilter as the flags describe it."""

from __future__ import annotations

import os
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from synthesizer.batches import with_text
from synthesizer.planning import header_entries, with_store_settings
from synthesizer.refiner.plan import progress_bar
from synthesizer.tacotron.config import TacotronConfig
from synthesizer.tacotron.flags import TacotronFlags
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.plan import frozen_model, read_model
from synthesizer.tacotron.postfilter_data import PostfilterBatches, teacher_forced_pairs
from synthesizer.tacotron.postfilter_task import PostfilterTask
from synthesizer.training_flags import TrainingRun
from training.config import TrainingPlan
from training.flags import fit_config

if TYPE_CHECKING:
    from corpora.store import FeatureStore

DEFAULT_SIZE = 160  # if neither the model nor --postfilter-size gives one
HELD_OUT = 48  # utterances for validation


def plan_postfilter(flags: TacotronFlags, store: FeatureStore, run: TrainingRun) -> TrainingPlan:
    """Decode recordings of the store by teacher forcing, then train the postfilter on the result.

    Raises:
        ConfigError, CorpusError, ModelFileError: the flags, the store and the model do not fit.
    """
    if flags.threads:
        torch.set_num_threads(flags.threads)
    rank = int(os.environ.get("RANK", "0"))
    torch.manual_seed(flags.seed)
    model, config = model_with_postfilter(flags, store)
    training = np.random.default_rng((flags.seed, rank)).permutation(with_text(store, store.select(split="train")))
    validation = np.random.default_rng(0).permutation(with_text(store, store.select(split="validation")))
    pairs, held_out = (
        teacher_forced_pairs(
            model, store, [int(index) for index in indices], config.inference.reduction_factor, progress_bar
        )
        for indices in (training[: flags.post.recordings], validation[:HELD_OUT])
    )
    batches = PostfilterBatches(pairs, flags.post.rows, flags.post.frames, flags.seed, rank)
    task = PostfilterTask(model, held_out, config, header_entries(flags, store), run.vocode)
    fit = fit_config(
        flags,
        warmup_steps=min(100, flags.steps // 10),
        decay="cosine",
        weight_decay=1e-3,
        clip_norm=1.0,
        ema_decay=0.998,
    )
    settings = {"store": str(flags.store), "start": str(flags.warm_start), "postfilter": asdict(flags.post)}
    return TrainingPlan(task, batches, fit, settings)


def model_with_postfilter(flags: TacotronFlags, store: FeatureStore) -> tuple[Tacotron2, TacotronConfig]:
    """The frozen model of `--warm-start` with a trainable postfilter: its own, or a new one that is the identity."""
    found, weights = read_model(flags)
    found = with_store_settings(found, store, from_file=True)
    size = found.architecture.postfilter_size or flags.architecture.postfilter_size or DEFAULT_SIZE
    config = replace(found, architecture=replace(found.architecture, postfilter_size=size))
    return frozen_model(config, weights, trainable=["postfilter"]), config
