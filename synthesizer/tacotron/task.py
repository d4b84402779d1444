"""Losses, validation and model file of a Tacotron 2 in training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.store import FeatureStore
from synthesizer.alignment_score import alignment_report
from synthesizer.batches import BatchConfig, SynthesizerBatch, collate, validation_items
from synthesizer.decoding_check import Decoded
from synthesizer.losses import guided_attention_loss, stop_loss, word_guidance_loss
from synthesizer.masks import SILENCE, length_mask
from synthesizer.speaker_loss import SpeakerLoss
from synthesizer.tacotron.config import TacotronConfig
from synthesizer.tacotron.decoding import SentenceInput, free_run
from synthesizer.tacotron.model import Tacotron2, TeacherForcing, TrainingOutput
from synthesizer.tacotron.pitch_predictor import SPREAD
from synthesizer.tacotron.task_inputs import concatenated, output_of, teacher_forcing
from synthesizer.tacotron.variance import variance_gains
from synthesizer.text.transcript import Transcript, encode
from synthesizer.token_pitch import UNKNOWN
from synthesizer.training_flags import Vocode
from synthesizer.validation_audio import AUDIO_CLIPS, ValidationAudio
from training.config import Task
from training.processes import to_device
from training.run_directory import RunDirectory
from training.schedule import staircase

LEAST_FOR_VARIANCE = 16  # utterances; the variance of fewer depends on their text
VALIDATION_ITEMS = 96  # utterances that are decoded by teacher forcing
FREE_RUNNING_ITEMS = 12  # utterances that are also decoded in free running
IMAGES = 4


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses."""

    stop_weight: float = 0.5
    stop_positive_weight: float = 5.0  # few steps stop, and a missed stop is worse than a false one
    guided_attention: float = 0.0  # for location-sensitive attention; dynamic convolution aligns without it
    guided_attention_sigma: float = 0.3
    word_guidance: float = 0.5  # attention on the spoken word, where the store has the times of words
    pitch: float = 0.2  # of the pitch predictor, where the store has the F0 of words
    voice: float = 0.0  # speaker-consistency loss with teacher forcing
    free_voice: float = 0.0  # speaker-consistency loss of free-running sentences
    free_sentences: int = 8  # per step
    embedding_noise: float = 0.02  # standard deviation per value: embeddings differ between clips of a voice


class TacotronTask(Task):
    """Trains a Tacotron 2.

    Args:
        model: the network.
        config: its settings; the inference settings are updated by measurements.
        store: the feature store; its validation split is used for `validate`.
        batch_config, loss_config: settings of the training.
        header: entries of the model file besides the config.
        speaker_loss: for `loss_config.voice` and `free_voice`; None if both are 0.
        vocode: makes the audio of free-running sentences at each validation; None makes none.

    Raises:
        CorpusError: nothing to validate on.
    """

    best_metric = "validation_mel"

    def __init__(
        self,
        model: Tacotron2,
        config: TacotronConfig,
        store: FeatureStore,
        batch_config: BatchConfig,
        loss_config: LossConfig,
        header: Mapping[str, str],
        speaker_loss: SpeakerLoss | None = None,
        vocode: Vocode | None = None,
    ) -> None:
        self.network = model
        self.model: nn.Module = model  # the same, with the type that the training loop expects
        self.config = config
        self.store = store
        self.batch_config = batch_config
        self.loss_config = loss_config
        self.header = header
        self.speaker_loss = speaker_loss
        self.audio = ValidationAudio(vocode, config.architecture.mel)
        for part in (model.postfilter, model.refiner):  # trained on their own
            if part is not None:
                part.requires_grad_(False)
        self.validation_indices, self.free_running_indices = validation_items(
            store, VALIDATION_ITEMS, FREE_RUNNING_ITEMS
        )

    def step(self, batch: SynthesizerBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of one batch; "loss" is their weighted sum."""
        self._use_reduction_factor(batch.reduction_factor)
        noise = torch.randn(batch.embedding.shape, generator=generator).to(batch.embedding.device)
        noisy = F.normalize(batch.embedding + self.loss_config.embedding_noise * noise, dim=1)
        given = teacher_forcing(batch, noisy)
        generated = self._free_running_sentences(batch, generator) if self.loss_config.free_voice else None
        # In one pass: a pass of few rows takes nearly as long as one of many.
        both = self.network(given if generated is None else concatenated(given, generated), batch.reduction_factor)
        output = output_of(both, given, batch.reduction_factor)
        losses = self._losses(output, batch)
        if self.speaker_loss is not None:
            losses["voice"] = self._voice(output, batch, generator)
            losses["loss"] = losses["loss"] + self.loss_config.voice * losses["voice"]
        if self.loss_config.free_voice:
            losses["free_voice"] = batch.mel.new_zeros(())
            if generated is not None:
                mels = both.mel[len(batch.symbols) :]
                losses["free_voice"] = self._distance(mels, generated.mel_lengths, generated.embedding, generator)
            losses["loss"] = losses["loss"] + self.loss_config.free_voice * losses["free_voice"]
        losses["items"] = batch.mel_lengths.sum()
        return losses

    def _use_reduction_factor(self, factor: int) -> None:
        """The model file names the reduction factor that was trained last."""
        if factor != self.config.inference.reduction_factor:
            self.config = replace(self.config, inference=replace(self.config.inference, reduction_factor=factor))

    def _voice(self, output: TrainingOutput, batch: SynthesizerBatch, generator: torch.Generator) -> Tensor:
        return self._distance(output.mel, batch.speech_steps * batch.reduction_factor, batch.embedding, generator)

    def _distance(self, mel: Tensor, lengths: Tensor, voices: Tensor, generator: torch.Generator) -> Tensor:
        assert self.speaker_loss is not None
        return self.speaker_loss.to(mel.device)(mel, lengths, voices, generator)

    def _free_running_sentences(self, batch: SynthesizerBatch, generator: torch.Generator) -> TeacherForcing | None:
        """Sentences of the batch, decoded in free running, each in a voice between two voices of the batch.

        With the frames of a recording as its input the decoder depends little on the embedding, as the frames show the
        voice. Here its input is its own output. The gradient goes through all but the path from output to input.
        None if no sentence stops.
        """
        count = min(self.loss_config.free_sentences, len(batch.symbols))
        rows, others = (torch.randperm(len(batch.symbols), generator=generator)[:count] for _ in range(2))
        between = torch.rand(count, 1, generator=generator).to(batch.embedding.device)
        voices = batch.embedding[others]
        voices = F.normalize(torch.lerp(voices, voices.roll(1, 0), between), dim=1)
        seeds = torch.randint(2**31, (count,), generator=generator).tolist()
        decoded = self._decode_freely(batch, rows, voices, seeds)
        done = [index for index, item in enumerate(decoded) if item.stopped]
        if not done:
            return None
        mels = [torch.from_numpy(decoded[index].mel.T) for index in done]
        mel = nn.utils.rnn.pad_sequence(mels, batch_first=True, padding_value=SILENCE).to(batch.mel.device)
        mel_lengths = torch.tensor([len(item) for item in mels], device=mel.device)
        symbol_lengths = batch.symbol_lengths[rows[done]]
        symbols = batch.symbols[rows[done], : int(symbol_lengths.max())]
        pitch = torch.full(symbols.shape, UNKNOWN, device=mel.device)  # as predicted, which is how it was decoded
        return TeacherForcing(symbols, symbol_lengths, mel, mel_lengths, voices[done], pitch)

    def _decode_freely(self, batch: SynthesizerBatch, rows: Tensor, voices: Tensor, seeds: list[int]) -> list[Decoded]:
        lengths = batch.symbol_lengths.cpu()[rows].tolist()
        sentences = [
            SentenceInput(batch.symbols[row, :length].cpu().numpy(), voice, seed)
            for row, length, voice, seed in zip(rows, lengths, voices.cpu().numpy(), seeds, strict=True)
        ]
        settings = replace(self.config.inference, voice_emphasis=1.0, pitch_predictor_emphasis=1.0)
        self.network.eval()
        try:
            with torch.autocast(voices.device.type, enabled=False):
                return free_run(self.network, sentences, settings, stage="decoder")
        finally:
            self.network.train()

    def _losses(self, output: TrainingOutput, batch: SynthesizerBatch) -> dict[str, Tensor]:
        config = self.loss_config
        mask = length_mask(batch.mel_lengths, batch.mel.shape[1])
        target = batch.mel[mask]
        decoder = output.decoder_mel[mask] - target
        refined = output.mel[mask] - target
        mel = decoder.abs().mean() + refined.abs().mean() + (decoder**2).mean() + (refined**2).mean()
        stop = stop_loss(output.stop_logits, batch, config.stop_positive_weight)
        losses = {"mel": mel, "stop": stop, "mel_l1": refined.detach().abs().mean()}
        loss = mel + config.stop_weight * stop
        if config.word_guidance:
            guidance = word_guidance_loss(output.alignments, batch.allowed_tokens, batch.speech_steps)
            losses["word_guidance"] = guidance
            loss = loss + config.word_guidance * guidance
        known = ~batch.pitch.isnan()
        if self.network.pitch_predictor is not None and known.any():
            losses["pitch"] = ((output.pitch[known] - batch.pitch[known]) / SPREAD).square().mean()
            loss = loss + config.pitch * losses["pitch"]
        if config.guided_attention:
            guided = guided_attention_loss(
                output.alignments, batch.symbol_lengths, batch.speech_steps, config.guided_attention_sigma
            )
            losses["guided_attention"] = guided
            loss = loss + config.guided_attention * guided
        return {"loss": loss, **losses}

    @torch.no_grad()
    def validate(self, step: int, run: RunDirectory) -> dict[str, float]:
        """Teacher-forced losses on held-out speakers, and how well attention aligns in free running."""
        factor = int(staircase(step, self.batch_config.reduction_schedule))
        device = next(self.network.parameters()).device
        totals: dict[str, float] = {}
        frames = 0
        crops = torch.Generator().manual_seed(0)
        pairs = []
        for first in range(0, len(self.validation_indices), 16):
            batch = collate(self.store, self.validation_indices[first : first + 16], self.batch_config, factor, None)
            batch = to_device(batch, device)
            output = self.network(teacher_forcing(batch, batch.embedding), factor)
            count = int(batch.mel_lengths.sum())
            losses = self._losses(output, batch)
            if self.speaker_loss is not None:
                losses["voice"] = self._voice(output, batch, crops)
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + float(value) * count
            frames += count
            pairs += [
                (recorded[:length].numpy(), generated[:length].numpy())
                for recorded, generated, length in zip(
                    batch.mel.cpu(), output.mel.float().cpu(), (batch.speech_steps * factor).tolist(), strict=True
                )
            ]
        self._use_reduction_factor(factor)
        # A postfilter restores most of the variance; the gains that its own training has measured stay valid.
        if len(pairs) >= LEAST_FOR_VARIANCE and self.network.postfilter is None:
            inference = replace(self.config.inference, variance_gains=variance_gains(pairs))
            self.config = replace(self.config, inference=inference)
        result = {f"validation_{name}": value / frames for name, value in totals.items()}
        return result | self._validate_free_running(step, run)

    def _validate_free_running(self, step: int, run: RunDirectory) -> dict[str, float]:
        sentences = [
            SentenceInput(
                encode(Transcript.from_json(self.store.meta(index)["transcript"]), 1.0),
                self.store.array(index, "embedding"),
                seed,
            )
            for seed, index in enumerate(self.free_running_indices)
        ]
        decoded = free_run(self.network, sentences, self.config.inference)
        reports = [alignment_report(item.alignment, item.stopped) for item in decoded]
        for number, item in enumerate(decoded[:IMAGES]):
            run.writer.add_image(f"alignment/{number}", _image(item.alignment), step, dataformats="HW")
            run.writer.add_image(f"mel/{number}", _image(item.mel), step, dataformats="HW")
        for number, item in enumerate(decoded[:AUDIO_CLIPS]):
            self.audio.write(run, f"audio/{number}", item.mel, step)
        return {
            "free_aligned": float(np.mean([report.ok for report in reports])),
            "free_coverage": float(np.mean([report.coverage for report in reports])),
            "free_focus": float(np.mean([report.focus for report in reports])),
            "free_stopped": float(np.mean([item.stopped for item in decoded])),
        }

    def model_file(self) -> dict[str, Any]:
        return {**self.header, "config": self.config}


def _image(values: np.ndarray) -> np.ndarray:
    """float32 in [0, 1], the first row at the bottom."""
    low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-8))[::-1].astype(np.float32)
