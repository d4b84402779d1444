"""Training of a Tacotron 1: losses, validation, and the plan that its flags describe."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from corpora.store import FeatureStore
from modelfile.header import config_from_header
from speech.errors import ConfigError
from synthesizer.alignment_score import alignment_report
from synthesizer.batches import BatchConfig, SynthesizerBatch, collate, validation_items
from synthesizer.losses import guided_attention_loss, stop_loss, word_guidance_loss
from synthesizer.masks import length_mask
from synthesizer.planning import header_entries, make_batches, network_fit, read_start_file, with_store_settings
from synthesizer.tacotron1.alphabets import reads_pinyin
from synthesizer.tacotron1.config import KIND, Tacotron1Config
from synthesizer.tacotron1.decoding import Sentence, finished, free_run
from synthesizer.tacotron1.flags import Tacotron1Flags
from synthesizer.tacotron1.model import Decoding, Tacotron1
from training.config import Task, TrainingPlan
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
        self.validation_indices, self.free_running_indices = validation_items(
            store, VALIDATION_ITEMS, FREE_RUNNING_ITEMS
        )

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
        losses = {
            "mel": mel,
            "mel_l1": refined.detach().abs().mean(),
            "stop": stop_loss(output.stop_logits, batch, weights.stop_positive),
        }
        guidance = word_guidance_loss(output.alignments, batch.allowed_tokens, batch.speech_steps)
        losses["word_guidance"] = guidance
        loss = mel + weights.stop * losses["stop"] + weights.word_guidance * guidance
        if weights.guided_attention:
            losses["guided_attention"] = guided_attention_loss(
                output.alignments, batch.symbol_lengths, batch.speech_steps, weights.guided_attention_sigma
            )
            loss = loss + weights.guided_attention * losses["guided_attention"]
        return {"loss": loss, **losses}

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
    batches = make_batches(store, batch_config, flags)
    torch.manual_seed(flags.seed)
    network = Tacotron1(config.architecture)
    take_over(network, weights, flags.warm_start)
    losses = LossWeights(guided_attention=flags.guided_attention)
    task = Tacotron1Task(network, config, store, batch_config, losses, header_entries(flags, store))
    settings = {"store": str(flags.store), "loss": asdict(losses), "batch": asdict(batch_config)}
    return TrainingPlan(task, batches, network_fit(flags), settings)


def read_start(flags: Tacotron1Flags, store: FeatureStore) -> tuple[Tacotron1Config, dict[str, Tensor] | None]:
    """Settings and weights that a training starts from. Flags that differ from their default replace those of the file.

    Raises:
        ModelFileError: `--warm-start` is not a Tacotron 1.
        ConfigError: its mel settings or its embedding space are not those of the store.
    """
    weights = None
    config = Tacotron1Config(flags.architecture, flags.inference)
    if flags.warm_start is not None:
        header, weights = read_start_file(flags.warm_start, KIND)
        space = store.info.get("embedding_space", "")
        if header.embedding_space != space:
            raise ConfigError(
                f"{flags.warm_start} has the embedding space {header.embedding_space!r}, but the store has {space!r}: "
                "prepare the store with the encoder that the synthesizer was trained with."
            )
        found = config_from_header(Tacotron1Config, header)
        if reads_pinyin(found.architecture.n_symbols):
            raise ConfigError(
                f"{flags.warm_start} reads pinyin, and a feature store has English letters: it cannot be "
                "trained further."
            )
        config = Tacotron1Config(
            with_flags(found.architecture, flags.architecture), with_flags(found.inference, flags.inference)
        )
    return with_store_settings(config, store, from_file=weights is not None), weights
