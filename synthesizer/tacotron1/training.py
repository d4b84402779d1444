"""Training of a Tacotron 1: losses, validation, and the plan that its flags describe."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpora.store import FeatureStore
from modelfile.families import read_family_file
from modelfile.header import config_from_header
from speech.errors import ConfigError, CorpusError, ModelFileError
from speech.mel_config import MelConfig, require_same_mel
from synthesizer.alignment_score import alignment_report
from synthesizer.base import STAGE
from synthesizer.tacotron.attention import guided_attention_loss, word_guidance_loss
from synthesizer.tacotron.data import BatchConfig, SynthesizerBatch, SynthesizerBatches, collate
from synthesizer.tacotron.model import length_mask
from synthesizer.tacotron1.config import KIND, Tacotron1Config
from synthesizer.tacotron1.decoding import Sentence, finished, free_run
from synthesizer.tacotron1.flags import Tacotron1Flags
from synthesizer.tacotron1.model import Decoding, Tacotron1
from training.config import Task, TrainingPlan
from training.flags import fit_config, trained_on
from training.processes import to_device
from training.run_directory import RunDirectory
from training.starting import take_over, with_flags

VALIDATION_ITEMS = 64  # utterances that are decoded by teacher forcing
FREE_RUNNING_ITEMS = 6  # utterances that are also decoded in free running
ITEMS_AT_ONCE = 16
IMAGES = 4


@dataclass(frozen=True)
class LossWeights:
    """Weights of the losses besides that of the mel."""

    stop: float = 0.5
    stop_positive: float = 5.0  # few steps stop, and a missed stop is worse than a false one
    word_guidance: float = 0.5  # attention on the spoken word, where the store has the times of words
    guided_attention: float = 0.0
    guided_attention_sigma: float = 0.3


class Tacotron1Task(Task):
    """Trains a Tacotron 1 by teacher forcing.

    Args:
        network: the network.
        config: its settings.
        store: its validation split is used for `validate`.
        header: entries of the model file besides the config.

    Raises:
        CorpusError: nothing to validate on.
    """

    best_metric = "validation_mel"

    def __init__(
        self,
        network: Tacotron1,
        config: Tacotron1Config,
        store: FeatureStore,
        batch_config: BatchConfig,
        weights: LossWeights,
        header: Mapping[str, str],
    ) -> None:
        self.network = network
        self.model = network
        self.config, self.store, self.batch_config = config, store, batch_config
        self.weights, self.header = weights, header
        indices = store.select(split="validation")
        if not indices:
            raise CorpusError(f"{store.directory} has no validation speakers: preprocess a corpus with more speakers.")
        chosen = np.random.default_rng(0).permutation(indices)[:VALIDATION_ITEMS]
        self.validation_indices = sorted((int(index) for index in chosen), key=lambda index: store.shape(index, "mel"))
        self.free_running_indices = [int(index) for index in chosen[:FREE_RUNNING_ITEMS]]

    def step(self, batch: SynthesizerBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of one batch; "loss" is their weighted sum."""
        losses = self._losses(self._decode(batch), batch)
        return losses | {"items": batch.mel_lengths.sum()}

    def _decode(self, batch: SynthesizerBatch) -> Decoding:
        mask = length_mask(batch.symbol_lengths, batch.symbols.shape[1])
        mel_mask = length_mask(batch.mel_lengths, batch.mel.shape[1])
        with torch.autocast(batch.mel.device.type, enabled=False):  # a loop of small products gains nothing
            memory = self.network.read(batch.symbols, mask, batch.embedding)
            decoding: Decoding = self.network(memory, batch.mel, mel_mask, batch.reduction_factor)
        return decoding

    def _losses(self, output: Decoding, batch: SynthesizerBatch) -> dict[str, Tensor]:
        weights = self.weights
        mask = length_mask(batch.mel_lengths, batch.mel.shape[1])
        target = batch.mel[mask]
        decoder, refined = output.decoder_mel[mask] - target, output.mel[mask] - target
        mel = decoder.abs().mean() + decoder.square().mean() + refined.abs().mean() + refined.square().mean()
        losses = {"mel": mel, "mel_l1": refined.detach().abs().mean(), "stop": self._stop_loss(output, batch)}
        guidance = word_guidance_loss(output.alignments, batch.allowed_tokens, batch.speech_steps)
        losses["word_guidance"] = guidance
        loss = mel + weights.stop * losses["stop"] + weights.word_guidance * guidance
        if weights.guided_attention:
            losses["guided_attention"] = guided_attention_loss(
                output.alignments, batch.symbol_lengths, batch.speech_steps, weights.guided_attention_sigma
            )
            loss = loss + weights.guided_attention * losses["guided_attention"]
        return {"loss": loss, **losses}

    def _stop_loss(self, output: Decoding, batch: SynthesizerBatch) -> Tensor:
        steps = torch.arange(output.stop_logits.shape[1], device=batch.mel.device)[None]
        target = (steps >= batch.speech_steps[:, None]).float()
        valid = steps < (batch.mel_lengths // batch.reduction_factor)[:, None]
        positive = torch.tensor(self.weights.stop_positive, device=batch.mel.device)
        return F.binary_cross_entropy_with_logits(output.stop_logits[valid], target[valid], pos_weight=positive)

    @torch.no_grad()
    def validate(self, step: int, run: RunDirectory) -> dict[str, float]:
        """Teacher-forced losses on held-out speakers, and how well attention aligns in free running."""
        device = next(self.network.parameters()).device
        totals: dict[str, float] = {}
        frames = 0
        for first in range(0, len(self.validation_indices), ITEMS_AT_ONCE):
            batch = to_device(self._batch(self.validation_indices[first : first + ITEMS_AT_ONCE]), device)
            count = int(batch.mel_lengths.sum())
            for name, value in self._losses(self._decode(batch), batch).items():
                totals[name] = totals.get(name, 0.0) + float(value) * count
            frames += count
        result = {f"validation_{name}": value / frames for name, value in totals.items()}
        return result | self._validate_free_running(step, run)

    def _batch(self, indices: list[int]) -> SynthesizerBatch:
        factor = self.config.inference.reduction_factor
        return collate(self.store, indices, self.batch_config, factor, np.random.default_rng(0))

    def _validate_free_running(self, step: int, run: RunDirectory) -> dict[str, float]:
        settings, limit = self.config.inference, self.config.architecture.mel.max_abs_value
        reports = []
        for seed, index in enumerate(self.free_running_indices):
            item = self._batch([index])
            sentence = Sentence(item.symbols[0].numpy(), item.embedding[0].numpy(), seed)
            decoded = finished(free_run(self.network, sentence, settings), settings, limit)
            reports.append(alignment_report(decoded.alignment, decoded.stopped))
            if seed < IMAGES:
                image = decoded.alignment[::-1] / max(float(decoded.alignment.max()), 1e-8)
                run.writer.add_image(f"alignment/{seed}", image.astype(np.float32), step, dataformats="HW")
        return {
            "free_aligned": float(np.mean([report.ok for report in reports])),
            "free_coverage": float(np.mean([report.coverage for report in reports])),
            "free_focus": float(np.mean([report.focus for report in reports])),
        }

    def model_file(self) -> dict[str, Any]:
        return {**self.header, "config": self.config}


def plan_training(flags: Tacotron1Flags, store: FeatureStore) -> TrainingPlan:
    """Train the network on a store, from random weights or those of `--warm-start`.

    Raises:
        ConfigError, CorpusError, ModelFileError: the flags, the store and the start do not fit.
    """
    config, weights = read_start(flags, store)
    factor = config.inference.reduction_factor
    batch_config = BatchConfig(flags.batch_frames, phoneme_probability=0.0, reduction_schedule=((0, factor),))
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    batches = SynthesizerBatches(store, batch_config, seed=flags.seed, rank=rank, world_size=world_size)
    torch.manual_seed(flags.seed)
    network = Tacotron1(config.architecture)
    take_over(network, weights, flags.warm_start)
    header = {
        "stage": STAGE,
        "kind": KIND,
        "embedding_space": store.info.get("embedding_space", ""),
        "licence": flags.licence,
        "trained_on": trained_on(flags, store),
    }
    losses = LossWeights(guided_attention=flags.guided_attention)
    task = Tacotron1Task(network, config, store, batch_config, losses, header)
    fit = fit_config(flags, warmup_steps=min(200, flags.steps // 10), decay="cosine", weight_decay=1e-6, clip_norm=1.0)
    settings = {"store": str(flags.store), "loss": asdict(losses), "batch": asdict(batch_config)}
    return TrainingPlan(task, batches, fit, settings)


def read_start(flags: Tacotron1Flags, store: FeatureStore) -> tuple[Tacotron1Config, dict[str, Tensor] | None]:
    """Settings and weights that a training starts from. Flags that differ from their default replace those of the file.

    Raises:
        ModelFileError: `--warm-start` is not a Tacotron 1.
        ConfigError: its mel settings or its embedding space are not those of the store.
    """
    mel, weights = store.mel_config, None
    config = Tacotron1Config(flags.architecture, flags.inference)
    if flags.warm_start is not None:
        family, header, weights = read_family_file(STAGE, flags.warm_start)
        if family.kind != KIND:
            raise ModelFileError(
                f"{flags.warm_start} is a synthesizer of the family {family.kind!r}: give one of the family {KIND!r}."
            )
        space = store.info.get("embedding_space", "")
        if header.embedding_space != space:
            raise ConfigError(
                f"{flags.warm_start} has the embedding space {header.embedding_space!r}, but the store has {space!r}: "
                "prepare the store with the encoder that the synthesizer was trained with."
            )
        found = config_from_header(Tacotron1Config, header)
        config = Tacotron1Config(
            with_flags(found.architecture, flags.architecture), with_flags(found.inference, flags.inference)
        )
    own = config.architecture.mel
    if weights is not None or own != MelConfig():
        require_same_mel(own, mel, "the model to train", f"the store {store.directory}")
    return replace(config, architecture=replace(config.architecture, mel=mel)), weights
