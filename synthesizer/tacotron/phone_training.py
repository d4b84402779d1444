"""Training of the phone classifier of a finished synthesizer."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from speech.errors import CorpusError
from synthesizer.phone_classifier import phone_loss
from synthesizer.planning import header_entries, with_store_settings
from synthesizer.refiner.data import RefinerBatch, RefinerBatches, RefinerItems
from synthesizer.tacotron.config import TacotronConfig
from synthesizer.tacotron.flags import TacotronFlags
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.plan import frozen_model, read_model
from synthesizer.tacotron.refiner_plan import decoded_items
from synthesizer.training_flags import TrainingRun
from training.config import Task, TrainingPlan
from training.flags import fit_config
from training.processes import to_device
from training.run_directory import RunDirectory

if TYPE_CHECKING:
    from corpora.store import FeatureStore

DEFAULT_SIZE = 256  # if neither the model nor --phone-classifier-size gives one
CANDIDATES = 3  # of a model that had none to choose from
DECODED = 0.5  # of the rows are decoded mels, the others recordings
LEVEL, NOISE = 0.3, 0.2  # standard deviations; of the noise at most. 1 is 12.5 dB
MASKED_BANDS = 12  # at most, that are hidden in a row (SpecAugment, arXiv 1904.08779)
VALIDATION_ROWS = 128


def plan_phone_classifier(flags: TacotronFlags, store: FeatureStore, run: TrainingRun) -> TrainingPlan:
    """Train the phone classifier on recordings and on their decoded mels, which are those of a refiner.

    Raises:
        ConfigError, CorpusError, ModelFileError: the flags, the store and the model do not fit.
    """
    if flags.threads:
        torch.set_num_threads(flags.threads)
    torch.manual_seed(flags.seed)
    found, weights = read_model(flags)
    found = with_store_settings(found, store, from_file=True)
    chosen = found if found.architecture.phone_classifier_size else flags
    config = replace(
        found,
        architecture=replace(
            found.architecture,
            phone_classifier_size=chosen.architecture.phone_classifier_size or DEFAULT_SIZE,
            phone_classifier_layers=chosen.architecture.phone_classifier_layers,
        ),
        inference=replace(found.inference, candidates=max(found.inference.candidates, CANDIDATES)),
    )
    model = frozen_model(config, weights, ["phone_classifier"])
    items, held_out = decoded_items(model, config, store, flags, run)
    task = PhoneTask(model, held_out, config, header_entries(flags, store))
    fit = fit_config(flags, warmup_steps=min(200, flags.steps // 10), decay="cosine", weight_decay=1e-2, clip_norm=1.0)
    settings = {"store": str(flags.store), "start": str(flags.warm_start), "refiner": asdict(flags.refine)}
    del settings["refiner"]["generated"]  # type: ignore[attr-defined]  # where these are kept does not change the result
    return TrainingPlan(task, RefinerBatches(items, flags.seed, int(os.environ.get("RANK", "0"))), fit, settings)


class PhoneTask(Task):
    """Cross-entropy of the symbols that attention finds in the recordings.

    Args:
        model: a synthesizer with a phone classifier.
        held_out: utterances of held-out speakers, for `validate`.
        config: the settings of the synthesizer.
        header: entries of the model file besides the config.
    """

    best_metric = "validation_recorded"

    def __init__(
        self, model: Tacotron2, held_out: RefinerItems, config: TacotronConfig, header: Mapping[str, str]
    ) -> None:
        if model.phone_classifier is None:
            raise CorpusError("The model has no phone classifier to train.")
        self.model, self.classifier = model, model.phone_classifier
        self.config, self.header = config, header
        rng = np.random.default_rng(0)
        chosen = [int(index) for index in rng.permutation(held_out.indices)[:VALIDATION_ROWS]]
        self.held_out = held_out.batch(chosen, rng, augmented=False)

    def step(self, batch: RefinerBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The loss of one batch: of some rows the recording, of the others the decoded mel."""
        rows, _, bands = batch.recorded.shape
        decoded = (torch.arange(rows) < DECODED * rows).to(batch.recorded.device)
        mel = torch.where(decoded[:, None, None], batch.given.coarse, batch.recorded)
        noise = NOISE * torch.rand(rows, 1, 1, generator=generator) * torch.randn(mel.shape, generator=generator)
        level = LEVEL * torch.randn(rows, 1, 1, generator=generator)
        width = torch.randint(MASKED_BANDS + 1, (rows, 1, 1), generator=generator)
        first = torch.randint(bands - MASKED_BANDS, (rows, 1, 1), generator=generator)
        band = torch.arange(bands)
        hidden = ((band >= first) & (band < first + width)).to(mel.device)
        mel = torch.where(hidden, mel.mean((1, 2), keepdim=True), mel) + (noise + level).to(mel.device)
        loss, right = phone_loss(self.classifier, mel, batch.given.symbols)
        return {"loss": loss, "right": right, "items": torch.tensor(mel.shape[0] * mel.shape[1])}

    @torch.no_grad()
    def validate(self, step: int, run: RunDirectory) -> dict[str, float]:
        """Figures on held-out speakers.

        Returns:
            validation_recorded, validation_decoded: the loss on recordings and on decoded mels.
            right_recorded, right_decoded: shares of frames that are classified rightly.
        """
        batch = to_device(self.held_out, next(self.classifier.parameters()).device)
        figures: dict[str, float] = {}
        for name, mel in (("recorded", batch.recorded), ("decoded", batch.given.coarse)):
            loss, right = phone_loss(self.classifier, mel, batch.given.symbols)
            figures |= {f"validation_{name}": float(loss), f"right_{name}": float(right)}
        return figures

    def model_file(self) -> dict[str, Any]:
        return {**self.header, "config": self.config}
