"""What training the synthesizer means: its losses, its validation, its model file."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from corpora.store import FeatureStore
from speech.errors import CorpusError
from synthesizer.alignment_score import alignment_report
from synthesizer.tacotron.attention import guided_attention_loss, word_guidance_loss
from synthesizer.tacotron.data import BatchConfig, SynthesizerBatch, collate
from synthesizer.tacotron.decoding import Decoded, free_run
from synthesizer.tacotron.model import SILENCE, Tacotron2, TrainingOutput, length_mask
from synthesizer.tacotron.pitch_predictor import SPREAD, UNKNOWN
from synthesizer.tacotron.variance import variance_gains
from synthesizer.tacotron.voice_loss import VoiceLoss
from synthesizer.text.transcript import Transcript, encode
from training.config import Task
from training.processes import to_device
from training.schedule import staircase

STAGE = "synthesizer"
LEAST_FOR_VARIANCE = 16  # utterances; of fewer, the variance is that of what they happen to say


@dataclass(frozen=True)
class LossConfig:
    """Weights of the losses."""

    stop_weight: float = 0.5
    stop_positive_weight: float = 5.0  # few steps say stop; missing one is worse than one too many
    guided_attention: float = 0.0  # the location-sensitive attention needs it; dynamic convolution does not
    guided_attention_sigma: float = 0.3
    word_guidance: float = 0.5  # attention belongs on the word that sounds, where the store knows the words' times
    melody: float = 0.2  # of a model that predicts it, where the store knows the recording's
    voice: float = 0.0  # the result should have the voice that was asked for, by a speaker encoder's ear
    free_voice: float = 0.0  # so should what the model says running freely, where no recording helps it to the voice
    free_sentences: int = 8  # a step that are read so
    embedding_noise: float = 0.02  # standard deviation for each of 256 values: other encoders, other clips of a voice


class Passage(NamedTuple):
    """What one teacher-forced pass reads: the arguments of the network, but for the reduction factor."""

    symbols: Tensor
    symbol_lengths: Tensor
    mel: Tensor
    mel_lengths: Tensor
    embedding: Tensor
    melody: Tensor


def passage_of(batch: SynthesizerBatch, embedding: Tensor) -> Passage:
    """A batch, in these voices."""
    return Passage(batch.symbols, batch.symbol_lengths, batch.mel, batch.mel_lengths, embedding, batch.melody)


def read(network: Tacotron2, passage: Passage, reduction_factor: int) -> TrainingOutput:
    """The teacher-forced pass."""
    return network(*passage[:-1], reduction_factor, passage.melody)


def join(first: Passage, second: Passage) -> Passage:
    """The rows of both, padded to the longer."""
    tokens = max(first.symbols.shape[1], second.symbols.shape[1])
    frames = max(first.mel.shape[1], second.mel.shape[1])
    padded = [
        passage._replace(
            symbols=F.pad(passage.symbols, (0, tokens - passage.symbols.shape[1])),
            mel=F.pad(passage.mel, (0, 0, 0, frames - passage.mel.shape[1]), value=SILENCE),
            melody=F.pad(passage.melody, (0, tokens - passage.melody.shape[1]), value=UNKNOWN),
        )
        for passage in (first, second)
    ]
    return Passage(*(torch.cat(parts) for parts in zip(*padded, strict=True)))


def cut(output: TrainingOutput, passage: Passage, reduction_factor: int) -> TrainingOutput:
    """The first rows of an output, without what `join` padded: those of the passage."""
    (rows, tokens), frames = passage.symbols.shape, passage.mel.shape[1]
    steps = frames // reduction_factor
    return TrainingOutput(
        output.decoder_mel[:rows, :frames],
        output.mel[:rows, :frames],
        output.stop_logits[:rows, :steps],
        output.alignments[:rows, :tokens, :steps],
        output.melody[:rows, :tokens],
    )


class SynthesizerTask(Task):
    """Trains a Tacotron 2.

    Args:
        model: the network.
        store: the feature store; its validation split is what `validate` measures.
        batch_config, loss_config: see there.
        embedding_space: name of the speaker space that the store's embeddings belong to.
        validation_items: how many utterances are measured teacher-forced; a few of them also run freely.
        about: further entries of the model file's header (licence, trained_on).
        voice_loss: what `loss_config.voice` and `free_voice` weigh; not needed if they are 0.

    Raises:
        CorpusError: nothing to validate on.
    """

    best_metric = "validation_mel"
    best_mode: Literal["min", "max"] = "min"

    def __init__(
        self,
        model: Tacotron2,
        store: FeatureStore,
        batch_config: BatchConfig,
        loss_config: LossConfig,
        embedding_space: str,
        validation_items: int = 96,
        free_running_items: int = 12,
        about: dict[str, str] | None = None,
        voice_loss: VoiceLoss | None = None,
    ) -> None:
        self.network = model
        self.model: nn.Module = model  # the same; what the training loop knows
        self.store = store
        self.batch_config = batch_config
        self.loss_config = loss_config
        self.embedding_space = embedding_space
        self.about = about or {}
        self.voice_loss = voice_loss
        if model.postfilter is not None:
            model.postfilter.requires_grad_(False)  # it has a training of its own
        self._config = model.config
        self._variance_gains = model.config.variance_gains
        places = store.select(split="validation")
        if not places:
            raise CorpusError(f"{store.directory} has no validation speakers: preprocess a corpus with more speakers")
        chosen = np.random.default_rng(0).permutation(places)[:validation_items]
        self.validation_places = sorted((int(place) for place in chosen), key=lambda place: store.shape(place, "mel"))
        self.free_running_places = [int(place) for place in chosen[:free_running_items]]

    def step(self, batch: SynthesizerBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of one batch; "loss" is their weighted sum."""
        if batch.reduction_factor != self.network.config.reduction_factor:
            self.network.config = replace(self._config, reduction_factor=batch.reduction_factor)
        noise = torch.randn(batch.embedding.shape, generator=generator).to(batch.embedding.device)
        noisy = F.normalize(batch.embedding + self.loss_config.embedding_noise * noise, dim=1)
        given = passage_of(batch, noisy)
        said = self._say_freely(batch, generator) if self.loss_config.free_voice else None
        # Read in one pass: a pass of few rows costs nearly as much as one of many.
        both = read(self.network, given if said is None else join(given, said), batch.reduction_factor)
        output = cut(both, given, batch.reduction_factor)
        losses = self._losses(output, batch)
        if self.voice_loss is not None:
            losses["voice"] = self._voice(output, batch, generator)
            losses["loss"] = losses["loss"] + self.loss_config.voice * losses["voice"]
        if self.loss_config.free_voice:
            losses["free_voice"] = batch.mel.new_zeros(())
            if said is not None:
                mels = both.mel[len(batch.symbols) :]
                losses["free_voice"] = self._hear(mels, said.mel_lengths, said.embedding, generator)
            losses["loss"] = losses["loss"] + self.loss_config.free_voice * losses["free_voice"]
        losses["items"] = batch.mel_lengths.sum()
        return losses

    def _voice(self, output: TrainingOutput, batch: SynthesizerBatch, generator: torch.Generator) -> Tensor:
        return self._hear(output.mel, batch.speech_steps * batch.reduction_factor, batch.embedding, generator)

    def _hear(self, mel: Tensor, lengths: Tensor, voices: Tensor, generator: torch.Generator) -> Tensor:
        assert self.voice_loss is not None
        return self.voice_loss.to(mel.device)(mel, lengths, voices, generator)

    def _say_freely(self, batch: SynthesizerBatch, generator: torch.Generator) -> Passage | None:
        """Sentences of the batch, each as the network reads it running freely in a voice between two others.

        With a recording's frames as its input the decoder needs the embedding little: the frames tell the voice. Here
        its inputs are what it said itself, and the gradient goes through all but the way back from frame to input.
        None if no sentence comes to an end.
        """
        count = min(self.loss_config.free_sentences, len(batch.symbols))
        rows, others = (torch.randperm(len(batch.symbols), generator=generator)[:count] for _ in range(2))
        between = torch.rand(count, 1, generator=generator).to(batch.embedding.device)
        voices = batch.embedding[others]
        voices = F.normalize(torch.lerp(voices, voices.roll(1, 0), between), dim=1)  # most are nobody's
        seeds = torch.randint(2**31, (count,), generator=generator).tolist()
        said = self._read_freely(batch, rows, voices, seeds)
        done = [place for place, item in enumerate(said) if item.stopped]
        if not done:
            return None
        mels = [torch.from_numpy(said[place].mel.T) for place in done]
        mel = nn.utils.rnn.pad_sequence(mels, batch_first=True, padding_value=SILENCE).to(batch.mel.device)
        mel_lengths = torch.tensor([len(item) for item in mels], device=mel.device)
        symbol_lengths = batch.symbol_lengths[rows[done]]
        symbols = batch.symbols[rows[done], : int(symbol_lengths.max())]
        melody = torch.full(symbols.shape, UNKNOWN, device=mel.device)  # as predicted: so it was read
        return Passage(symbols, symbol_lengths, mel, mel_lengths, voices[done], melody)

    def _read_freely(self, batch: SynthesizerBatch, rows: Tensor, voices: Tensor, seeds: list[int]) -> list[Decoded]:
        lengths = batch.symbol_lengths.cpu()[rows].tolist()
        texts = [batch.symbols[row, :length].cpu().numpy() for row, length in zip(rows, lengths, strict=True)]
        config = self.network.config
        self.network.config = replace(config, voice_emphasis=1.0, melody_emphasis=1.0)
        self.network.eval()
        try:
            with torch.autocast(voices.device.type, enabled=False):
                return free_run(self.network, texts, voices.cpu().numpy(), seeds, refined=False)
        finally:
            self.network.train()
            self.network.config = config

    def _losses(self, output: TrainingOutput, batch: SynthesizerBatch) -> dict[str, Tensor]:
        config = self.loss_config
        mask = length_mask(batch.mel_lengths, batch.mel.shape[1])
        target = batch.mel[mask]
        decoder = output.decoder_mel[mask] - target
        refined = output.mel[mask] - target
        mel = decoder.abs().mean() + refined.abs().mean() + (decoder**2).mean() + (refined**2).mean()
        steps = torch.arange(output.stop_logits.shape[1], device=mask.device)[None]
        wanted = (steps >= batch.speech_steps[:, None]).float()
        valid = steps < (batch.mel_lengths // batch.reduction_factor)[:, None]
        stop = F.binary_cross_entropy_with_logits(
            output.stop_logits[valid],
            wanted[valid],
            pos_weight=torch.tensor(config.stop_positive_weight, device=mask.device),
        )
        losses = {"mel": mel, "stop": stop, "mel_l1": refined.detach().abs().mean()}
        loss = mel + config.stop_weight * stop
        if config.word_guidance:
            guidance = word_guidance_loss(output.alignments, batch.reading, batch.speech_steps)
            losses["word_guidance"] = guidance
            loss = loss + config.word_guidance * guidance
        known = ~batch.melody.isnan()
        if self.network.melody is not None and known.any():
            losses["melody"] = ((output.melody[known] - batch.melody[known]) / SPREAD).square().mean()
            loss = loss + config.melody * losses["melody"]
        if config.guided_attention:
            guided = guided_attention_loss(
                output.alignments, batch.symbol_lengths, batch.speech_steps, config.guided_attention_sigma
            )
            losses["guided_attention"] = guided
            loss = loss + config.guided_attention * guided
        return {"loss": loss, **losses}

    @torch.no_grad()
    def validate(self, step: int, run: Any) -> dict[str, float]:
        """Teacher-forced losses on unseen utterances, and how attention does when the model runs freely."""
        factor = int(staircase(step, self.batch_config.reduction_schedule))
        device = next(self.network.parameters()).device
        totals: dict[str, float] = {}
        frames = 0
        same_pieces = torch.Generator().manual_seed(0)
        pairs = []
        for first in range(0, len(self.validation_places), 16):
            batch = collate(self.store, self.validation_places[first : first + 16], self.batch_config, factor, None)
            batch = to_device(batch, device)
            output = read(self.network, passage_of(batch, batch.embedding), factor)
            count = int(batch.mel_lengths.sum())
            losses = self._losses(output, batch)
            if self.voice_loss is not None:
                losses["voice"] = self._voice(output, batch, same_pieces)
            for name, value in losses.items():
                totals[name] = totals.get(name, 0.0) + float(value) * count
            frames += count
            pairs += [
                (real[:length].numpy(), made[:length].numpy())
                for real, made, length in zip(
                    batch.mel.cpu(), output.mel.float().cpu(), (batch.speech_steps * factor).tolist(), strict=True
                )
            ]
        # A postfilter gives most of it back; what its own training has found to be lacking then still holds.
        if len(pairs) >= LEAST_FOR_VARIANCE and self.network.postfilter is None:
            self._variance_gains = variance_gains(pairs)
        result = {f"validation_{name}": value / frames for name, value in totals.items()}
        return result | self._free_running(step, run, factor)

    def _free_running(self, step: int, run: Any, factor: int) -> dict[str, float]:
        self.network.config = replace(self._config, reduction_factor=factor)
        transcripts = [Transcript.from_json(self.store.meta(place)["transcript"]) for place in self.free_running_places]
        embeddings = np.stack([self.store.array(place, "embedding") for place in self.free_running_places])
        decoded = free_run(self.network, [encode(t, 1.0) for t in transcripts], embeddings, range(len(transcripts)))
        reports = [alignment_report(item.alignment, item.stopped) for item in decoded]
        writer = getattr(run, "writer", None)
        if writer is not None:
            for number, item in enumerate(decoded[:4]):
                writer.add_image(f"alignment/{number}", _picture(item.alignment), step, dataformats="HW")
                writer.add_image(f"mel/{number}", _picture(item.mel), step, dataformats="HW")
        return {
            "free_aligned": float(np.mean([report.ok for report in reports])),
            "free_coverage": float(np.mean([report.coverage for report in reports])),
            "free_focus": float(np.mean([report.focus for report in reports])),
            "free_stopped": float(np.mean([item.stopped for item in decoded])),
        }

    def model_file(self) -> dict[str, Any]:
        """What `save_model` writes beside the weights."""
        config = replace(self.network.config, variance_gains=self._variance_gains)
        return {"stage": STAGE, "config": config, "embedding_space": self.embedding_space, **self.about}


def _picture(values: np.ndarray) -> np.ndarray:
    """float32 in [0, 1], the first row at the bottom."""
    low, high = float(values.min()), float(values.max())
    return ((values - low) / max(high - low, 1e-8))[::-1].astype(np.float32)
