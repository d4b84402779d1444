"""Tacotron 2 (arXiv 1712.05884) conditioned on an utterance embedding (SV2TTS, arXiv 1806.04558).

Padding is masked everywhere: it never enters a batch normalisation, an attention weight or a convolution. So the
result for a text does not depend on the rest of the batch.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthesizer.masks import SILENCE, keep_mask, length_mask
from synthesizer.phone_classifier import PhoneClassifier
from synthesizer.refiner.discriminators import MelDiscriminators
from synthesizer.refiner.network import Refiner
from synthesizer.tacotron.attention import build_attention
from synthesizer.tacotron.config import Architecture, TrainingSettings
from synthesizer.tacotron.convolution import MaskedConvolution
from synthesizer.tacotron.pitch_predictor import PitchPredictor
from synthesizer.tacotron.postfilter import Postfilter
from synthesizer.tacotron.recurrence import MemoryOverTime, WeightOverTime, dropout, lstm_over_time, lstm_step, zoneout


class TextEncoder(nn.Module):
    """Symbols to memory: embedding, convolutions, BiLSTM."""

    def __init__(self, config: Architecture, dropout: float) -> None:
        super().__init__()
        self.embedding = nn.Embedding(config.n_symbols, config.symbol_size)
        sizes = [config.symbol_size] + [config.encoder_size] * config.encoder_layers
        self.convolutions = nn.ModuleList(
            MaskedConvolution(before, after, config.encoder_kernel, "relu", dropout)
            for before, after in zip(sizes, sizes[1:], strict=False)
        )
        self.lstm = nn.LSTM(config.encoder_size, config.encoder_size // 2, batch_first=True, bidirectional=True)

    def forward(self, symbols: Tensor, mask: Tensor) -> Tensor:
        """symbols: [batch, tokens] with mask [batch, tokens] -> [batch, tokens, encoder_size], zero on padding."""
        x = (self.embedding(symbols) * mask[:, :, None]).transpose(1, 2)
        for convolution in self.convolutions:
            x = convolution(x, mask)
        x = x.transpose(1, 2)
        with torch.autocast(x.device.type, enabled=False):
            packed = nn.utils.rnn.pack_padded_sequence(
                x.float(), mask.sum(1).cpu(), batch_first=True, enforce_sorted=False
            )
            packed, _ = self.lstm(packed)
        return nn.utils.rnn.pad_packed_sequence(packed, batch_first=True, total_length=symbols.shape[1])[0]


def blur_matrix(bands: int, deviation: float) -> Tensor | None:
    """Gaussian blur over mel bands: [bands, bands], rows sum to 1; None for a standard deviation of 0."""
    if not deviation:
        return None
    index = torch.arange(bands, dtype=torch.float32)
    weights = torch.exp(-0.5 * ((index[:, None] - index) / deviation) ** 2)
    return weights / weights.sum(1, keepdim=True)


class Prenet(nn.Module):
    """Two layers with dropout, also at inference, so that the decoder does not rely on the last frame alone."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        first, second = config.prenet_sizes
        self.first = nn.Linear(config.mel.n_mels, first)
        self.second = nn.Linear(first, second)
        self.rate = config.prenet_dropout
        self.blur: Tensor | None
        self.register_buffer("blur", blur_matrix(config.mel.n_mels, config.prenet_blur), persistent=False)

    def forward(self, frames: Tensor, masks: Tensor | None = None) -> Tensor:
        """frames: [..., n_mels] -> [..., prenet]. Without `masks` (see draw_masks), dropout is random."""
        first = second = None
        if masks is not None:
            first, second = masks.split([self.first.out_features, self.second.out_features], -1)
        x = self._drop(torch.relu(F.linear(frames, self.first_weight(), self.first.bias)), first)
        return self._drop(torch.relu(self.second(x)), second)

    def first_weight(self) -> Tensor:
        """Weight of the first layer combined with the blur: [first, n_mels]."""
        return self.first.weight if self.blur is None else self.first.weight @ self.blur

    def _drop(self, x: Tensor, mask: Tensor | None) -> Tensor:
        return dropout(x, self.rate) if mask is None else x * mask

    def draw_masks(self, steps: int, generator: torch.Generator) -> Tensor:
        """Scaled dropout masks of one utterance: [steps, sum of both sizes]."""
        size = self.first.out_features + self.second.out_features
        return (torch.rand(steps, size, generator=generator) >= self.rate).float() / (1 - self.rate)


class Postnet(nn.Module):
    """Predicts a residual of the decoder's mel with a stack of convolutions."""

    def __init__(self, config: Architecture, dropout: float) -> None:
        super().__init__()
        n_mels, size, layers = config.mel.n_mels, config.postnet_size, config.postnet_layers
        sizes = [n_mels] + [size] * (layers - 1) + [n_mels]
        self.layers = nn.ModuleList(
            MaskedConvolution(before, after, config.postnet_kernel, "tanh" if k < layers - 1 else "none", dropout)
            for k, (before, after) in enumerate(zip(sizes, sizes[1:], strict=False))
        )

    def forward(self, mel: Tensor, mask: Tensor) -> Tensor:
        """mel: [batch, frames, n_mels] -> the residual, same shape."""
        x = (mel * mask[:, :, None]).transpose(1, 2)
        for layer in self.layers:
            x = layer(x, mask)
        return x.transpose(1, 2)


class DecoderState(NamedTuple):
    """Recurrent state of the decoder, [batch, size] each."""

    attention_hidden: Tensor
    attention_cell: Tensor
    context: Tensor
    hidden: Tensor
    cell: Tensor


class TrainingOutput(NamedTuple):
    """Result of a teacher-forced pass.

    Attributes:
        decoder_mel, mel: before and after the postnet, [batch, frames, n_mels].
        stop_logits: [batch, steps].
        alignments: [batch, tokens, steps].
        pitch: predicted F0 of the tokens in octaves above the voice's median, [batch, tokens]; zeros without a
            pitch predictor.
    """

    decoder_mel: Tensor
    mel: Tensor
    stop_logits: Tensor
    alignments: Tensor
    pitch: Tensor


class TeacherForcing(NamedTuple):
    """Input of a teacher-forced pass.

    Attributes:
        symbols: int64 [batch, tokens]; symbol_lengths: int64 [batch].
        mel: [batch, frames, n_mels], frames a multiple of the reduction factor; mel_lengths: int64 [batch].
        embedding: [batch, embedding_size], L2 norm 1.
        pitch: known F0 of the tokens in octaves above the voice's median, [batch, tokens], NaN where the prediction is
            used; None to use it everywhere.
    """

    symbols: Tensor
    symbol_lengths: Tensor
    mel: Tensor
    mel_lengths: Tensor
    embedding: Tensor
    pitch: Tensor | None = None


class Tacotron2(nn.Module):
    """The network. `forward` is a teacher-forced pass; `start` and `decode_step` are free running.

    Args:
        config: sizes.
        training: dropout rates, which matter for training only.
    """

    def __init__(self, config: Architecture, training: TrainingSettings | None = None) -> None:
        super().__init__()
        self.config = config
        training = training or TrainingSettings()
        self.encoder = TextEncoder(config, training.encoder_dropout)
        self.speaker = nn.Linear(config.speaker_embedding_size, config.speaker_size)
        self.mean_embedding: Tensor
        self.register_buffer("mean_embedding", torch.zeros(config.speaker_embedding_size))
        self.pitch_predictor = PitchPredictor(config) if config.pitch_predictor_size else None
        self.prenet = Prenet(config)
        self.attention = build_attention(config)
        prenet_size = config.prenet_sizes[1]
        self.attention_lstm = nn.LSTMCell(prenet_size + config.memory_size, config.decoder_size)
        self.decoder_lstm = nn.LSTMCell(config.decoder_size + config.memory_size, config.decoder_size)
        outputs = config.decoder_size + config.memory_size
        self.to_frames = nn.Linear(outputs, config.mel.n_mels * config.max_reduction_factor)
        self.to_stop = nn.Linear(outputs, 1)
        self.postnet = Postnet(config, training.postnet_dropout)
        self.postfilter = Postfilter(config) if config.postfilter_size else None  # trained when the rest is finished
        self.refiner = Refiner(config) if config.refiner_size else None  # trained last
        self.discriminators: MelDiscriminators | None = (
            MelDiscriminators(config.mel.n_mels) if config.refiner_discriminators else None
        )
        self.phone_classifier: PhoneClassifier | None = (
            PhoneClassifier(config) if config.phone_classifier_size else None
        )
        self.compiled_copy: object = None  # of `compiled_copy.compiled_copy_of`

    def emphasise(self, embedding: Tensor, emphasis: float) -> Tensor:
        """Move embeddings away from the mean embedding of the training speakers, for free running.

        Compensates for a network whose voices lie nearer to the mean than the given embeddings.

        Args:
            embedding: [batch, embedding_size].
            emphasis: factor on the distance from the mean; 1 leaves the embedding.

        Returns:
            [batch, embedding_size], L2 norm 1.
        """
        moved = self.mean_embedding + emphasis * (embedding - self.mean_embedding)
        return F.normalize(moved, dim=1)

    def join_speaker(self, embedding: Tensor) -> Tensor:
        """embedding: [batch, embedding_size], L2 norm 1 -> [batch, speaker_size].

        The paper appends the speaker to every encoder frame. Attention weights sum to 1, so the average of that
        constant is the constant: here it is appended once, to the context.
        """
        return F.softsign(self.speaker(embedding * embedding.shape[-1] ** 0.5))

    def add_pitch(
        self, memory: Tensor, speaker: Tensor, mask: Tensor, known: Tensor | None = None, scale: float | Tensor = 1
    ) -> tuple[Tensor, Tensor]:
        """Condition the encoder output on the F0 of the tokens.

        Args:
            memory: [batch, tokens, encoder_size]; speaker: [batch, speaker_size]; mask: [batch, tokens].
            known: octaves [batch, tokens], NaN where the prediction is used; None uses it everywhere, times `scale`.
            scale: factor on the predicted contour, for all or [batch, 1].

        Returns:
            The conditioned memory, and the unscaled prediction [batch, tokens].
        """
        if self.pitch_predictor is None:
            return memory, memory.new_zeros(memory.shape[:2])
        predicted = self.pitch_predictor.predict(memory, speaker, mask)
        pitch = predicted.detach()
        pitch = scale * pitch if known is None else torch.where(known.isnan(), pitch, known)
        return self.pitch_predictor(memory, pitch, mask), predicted

    def forward(self, given: TeacherForcing, reduction_factor: int, pitch_scale: float = 1) -> TrainingOutput:
        """Teacher-forced pass: the input of each step is the last frame of the previous step in the given mel.

        Args:
            reduction_factor: frames per decoder step.
            pitch_scale: factor on the predicted F0 contour where `given.pitch` is None.
        """
        symbols, symbol_lengths, mel, mel_lengths, embedding, pitch = given
        factor = reduction_factor
        batch, frames, n_mels = mel.shape
        steps = frames // factor
        mask = length_mask(symbol_lengths, symbols.shape[1])
        memory = self.encoder(symbols, mask).float()
        speaker = self.join_speaker(embedding).float()
        memory, predicted = self.add_pitch(memory, speaker, mask, pitch, pitch_scale)

        last_frames = mel[:, factor - 1 :: factor][:, : steps - 1]
        go = mel.new_full((batch, 1, n_mels), SILENCE)
        fed = self.prenet(torch.cat((go, last_frames), 1).transpose(0, 1))  # [steps, batch, prenet]

        hidden, contexts, weights = self._attend(fed, memory, mask, speaker)
        speakers = speaker.expand(steps, -1, -1)
        keep = self._keep(steps, batch, mel)
        states = lstm_over_time(torch.cat((hidden, contexts, speakers), -1), self.decoder_lstm, keep)
        outputs = torch.cat((states, contexts, speakers), -1).transpose(0, 1)

        decoder_mel = self.to_frames(outputs)[..., : n_mels * factor].reshape(batch, frames, n_mels).float()
        refined = decoder_mel + self.postnet(decoder_mel, length_mask(mel_lengths, frames))
        return TrainingOutput(decoder_mel, refined, self.to_stop(outputs).squeeze(-1).float(), weights, predicted)

    def _keep(self, steps: int, batch: int, like: Tensor) -> Tensor | float:
        rate, size = self.config.zoneout, self.config.decoder_size
        if not self.training or rate == 0:
            return rate
        return 1 - keep_mask((steps, batch, size), rate, like.device)

    def _attend(self, fed: Tensor, memory: Tensor, mask: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The loop over steps of the attention LSTM and the attention, which depend on each other."""
        steps, batch, _ = fed.shape
        cell = self.attention_lstm
        config = self.config
        sizes = [config.prenet_sizes[1], config.encoder_size, config.speaker_size]
        from_prenet, from_context, from_speaker = cell.weight_ih.split(sizes, 1)
        constant = F.linear(speaker, from_speaker, cell.bias_ih + cell.bias_hh)
        known = (F.linear(fed, from_prenet) + constant).float()  # [steps, batch, 4 * decoder]
        recurrent = WeightOverTime(torch.cat((from_context, cell.weight_hh), 1))

        keep = self._keep(steps, batch, fed)
        attention = self.attention.start(memory, mask)
        memory_over_time = MemoryOverTime(memory)
        hidden = state = known.new_zeros(batch, config.decoder_size)
        context = known.new_zeros(batch, config.encoder_size)
        all_hidden, all_contexts, all_weights = [], [], []
        # Autocast would cast at every step; here the large products choose their type themselves.
        with torch.autocast(fed.device.type, enabled=False):
            for step, known_now in enumerate(known.unbind(0)):
                keep_now = keep[step] if isinstance(keep, Tensor) else keep
                hidden, state = lstm_step(known_now, recurrent, context, hidden, state, keep_now)
                weights = attention.step(hidden)
                context = memory_over_time.average(weights)
                all_hidden.append(hidden)
                all_contexts.append(context)
                all_weights.append(weights)
        return torch.stack(all_hidden), torch.stack(all_contexts), torch.stack(all_weights, 2)

    # -- Free running -----------------------------------------------------------------------------------------------

    def start(self, batch: int, device: torch.device) -> DecoderState:
        """The state before the first step."""
        size = self.config.decoder_size
        zero = torch.zeros(batch, size, device=device)
        return DecoderState(zero, zero, torch.zeros(batch, self.config.encoder_size, device=device), zero, zero)

    def decode_step(self, frame, state: DecoderState, attention, memory, speaker, masks, reduction_factor, window=None):
        """One free-running step.

        Args:
            frame: the last frame of the previous step, [batch, n_mels].
            state: of the decoder. attention: result of `self.attention.start(memory, mask)`.
            memory: [batch, tokens, encoder_size]; speaker: [batch, speaker_size].
            masks: dropout masks of the prenet, [batch, sum of its sizes].
            window: limits on the movement of attention, see `attention.outside_window`.

        Returns:
            frames [batch, reduction_factor, n_mels], stop logits [batch], weights [batch, tokens], the next state.
        """
        rate = self.config.zoneout
        fed = torch.cat((self.prenet(frame, masks), state.context, speaker), 1)
        new, attention_cell = self.attention_lstm(fed, (state.attention_hidden, state.attention_cell))
        attention_hidden = zoneout(state.attention_hidden, new, rate)
        weights = attention.step(attention_hidden, window)
        context = torch.bmm(weights[:, None], memory).squeeze(1)
        fed = torch.cat((attention_hidden, context, speaker), 1)
        new, cell = self.decoder_lstm(fed, (state.hidden, state.cell))
        hidden = zoneout(state.hidden, new, rate)
        outputs = torch.cat((hidden, context, speaker), 1)
        n_mels, factor = self.config.mel.n_mels, reduction_factor
        frames = self.to_frames(outputs)[:, : n_mels * factor].view(-1, factor, n_mels)
        return frames, self.to_stop(outputs).squeeze(1), weights, DecoderState(
            attention_hidden, attention_cell, context, hidden, cell
        )  # fmt: skip
