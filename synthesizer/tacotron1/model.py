"""The network of the public SV2TTS synthesizer.

A Tacotron (arXiv 1703.10135): a CBHG encoder whose output has the speaker embedding appended (arXiv 1806.04558),
location-sensitive attention (arXiv 1506.07503) over cumulative weights, a decoder of one GRU and two LSTMs with
residual connections, and a CBHG postnet. Like Char2Wav, it reads the text, and a neural vocoder makes the audio.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from synthesizer.attention_window import MASKED_ENERGY, Window, outside_window
from synthesizer.tacotron1.config import Architecture
from synthesizer.tacotron1.layers import CBHG, Prenet


class Attention(nn.Module):
    """Location-sensitive attention over the cumulative weights of all steps before."""

    def __init__(self, size: int, filters: int, kernel: int) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, filters, kernel, padding=kernel // 2)
        self.from_location = nn.Linear(filters, size, bias=False)
        self.query = nn.Linear(size, size)
        self.energy = nn.Linear(size, 1, bias=False)

    def forward(self, keys: Tensor, query: Tensor, cumulative: Tensor, outside: Tensor) -> Tensor:
        """Weights of one step.

        Args:
            keys: [batch, tokens, size]. query: [batch, size].
            cumulative: sum of the weights of all steps before, [batch, tokens].
            outside: energy that is added, large and negative where no weight may be, [batch, tokens].

        Returns:
            [batch, tokens], sums to 1.
        """
        location = self.from_location(self.convolution(cumulative[:, None]).transpose(1, 2))
        energies = self.energy(torch.tanh(self.query(query)[:, None] + keys + location)).squeeze(2)
        return torch.softmax(energies + outside, 1)


class DecoderState(NamedTuple):
    """State between two steps: of the GRU, of the LSTMs, and of the attention, each [batch, ...]."""

    attention_hidden: Tensor
    hidden1: Tensor
    cell1: Tensor
    hidden2: Tensor
    cell2: Tensor
    context: Tensor
    weights: Tensor
    cumulative: Tensor


@dataclass(frozen=True, eq=False)
class Memory:
    """The encoded text.

    Attributes:
        values: [batch, tokens, memory_size]. keys: [batch, tokens, decoder_size].
        outside: 0 on tokens and `MASKED_ENERGY` on padding, [batch, tokens].
    """

    values: Tensor
    keys: Tensor
    outside: Tensor


class Decoder(nn.Module):
    """One step makes up to `max_reduction_factor` mel frames."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        self.config = config
        size, wide, memory = config.decoder_size, config.lstm_size, config.memory_size
        self.prenet = Prenet(config.mel.n_mels, config.prenet_sizes, config.prenet_dropout)
        self.attention = Attention(size, config.attention_filters, config.attention_kernel)
        self.attention_gru = nn.GRUCell(memory + config.prenet_sizes[1], size)
        self.to_lstm = nn.Linear(memory + size, wide)
        self.lstm1 = nn.LSTMCell(wide, wide)
        self.lstm2 = nn.LSTMCell(wide, wide)
        self.to_frames = nn.Linear(wide, config.mel.n_mels * config.max_reduction_factor, bias=False)
        self.to_stop = nn.Linear(memory + wide, 1)

    def start(self, memory: Memory) -> DecoderState:
        """The state before the first step."""
        values = memory.values
        batch, tokens, size = values.shape
        wide = values.new_zeros(batch, self.config.lstm_size)
        nowhere = values.new_zeros(batch, tokens)
        narrow = values.new_zeros(batch, self.config.decoder_size)
        return DecoderState(narrow, wide, wide, wide, wide, values.new_zeros(batch, size), nowhere, nowhere)

    def step(
        self, fed: Tensor, state: DecoderState, memory: Memory, factor: int, window: Window | None = None
    ) -> tuple[Tensor, Tensor, DecoderState]:
        """One step.

        Args:
            fed: output of the prenet for the last frame of the previous step, [batch, prenet size].
            factor: mel frames per step.
            window: tokens behind and ahead of the focus that attention may move to; None for no limit.

        Returns:
            frames [batch, factor, n_mels], stop logits [batch], the next state.
        """
        query = self.attention_gru(torch.cat((state.context, fed), 1), state.attention_hidden)
        outside = memory.outside
        if window is not None:
            outside = outside + outside_window(state.weights, window)
        weights = self.attention(memory.keys, query, state.cumulative, outside)
        context = torch.bmm(weights[:, None], memory.values).squeeze(1)
        x = self.to_lstm(torch.cat((context, query), 1))
        hidden1, cell1 = self.lstm1(x, (state.hidden1, state.cell1))
        hidden1 = self._zoneout(state.hidden1, hidden1)
        x = x + hidden1
        hidden2, cell2 = self.lstm2(x, (state.hidden2, state.cell2))
        hidden2 = self._zoneout(state.hidden2, hidden2)
        x = x + hidden2
        frames = F.linear(x, self.frame_weight(factor)).view(-1, factor, self.config.mel.n_mels)
        stop = self.to_stop(torch.cat((x, context), 1)).squeeze(1)
        cumulative = state.cumulative + weights
        return frames, stop, DecoderState(query, hidden1, cell1, hidden2, cell2, context, weights, cumulative)

    def frame_weight(self, factor: int) -> Tensor:
        """Weight of the first `factor` frames of a step: [factor * n_mels, lstm_size]."""
        n_mels, most = self.config.mel.n_mels, self.config.max_reduction_factor
        return self.to_frames.weight.view(n_mels, most, -1)[:, :factor].transpose(0, 1).flatten(0, 1)

    def _zoneout(self, old: Tensor, new: Tensor) -> Tensor:
        """In training some units keep their old value (arXiv 1606.01305); at inference all take the new one."""
        if not self.training or not self.config.zoneout:
            return new
        return torch.where(torch.rand_like(new) < self.config.zoneout, old, new)


@dataclass(frozen=True, eq=False)
class Decoding:
    """Output of a teacher-forced pass.

    Attributes:
        decoder_mel: of the decoder, [batch, frames, n_mels]. mel: of the postnet, of the same shape.
        stop_logits: [batch, steps].
        alignments: [batch, tokens, steps].
    """

    decoder_mel: Tensor
    mel: Tensor
    stop_logits: Tensor
    alignments: Tensor


class Tacotron1(nn.Module):
    """Symbols and a speaker embedding to mel frames, dB scaled to [-4, 4]."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        self.config = config
        self.compiled_copy: object = None  # of `compiled_copy.compiled_copy_of`
        size = config.encoder_size
        self.embedding = nn.Embedding(config.n_symbols, config.symbol_size)
        self.prenet = Prenet(config.symbol_size, (size, size), config.prenet_dropout)
        self.encoder = CBHG(size, size, config.encoder_kernels, config.highways)
        self.to_keys = nn.Linear(config.memory_size, config.decoder_size, bias=False)
        self.decoder = Decoder(config)
        self.postnet = CBHG(config.mel.n_mels, config.postnet_size, config.postnet_kernels, config.highways)
        self.to_mel = nn.Linear(config.postnet_size, config.mel.n_mels, bias=False)

    def read(self, symbols: Tensor, mask: Tensor, speaker: Tensor, generator: torch.Generator | None = None) -> Memory:
        """Encode texts.

        Args:
            symbols: int64 [batch, tokens]. mask: bool [batch, tokens], true on tokens.
            speaker: embeddings [batch, speaker_embedding_size], L2 norm 1.
            generator: of the prenet's dropout.
        """
        encoded = self.encoder(self.prenet(self.embedding(symbols), generator), mask)
        values = torch.cat((encoded, speaker[:, None].expand(-1, encoded.shape[1], -1)), 2)
        outside = torch.zeros_like(mask, dtype=torch.float32).masked_fill(~mask, MASKED_ENERGY)
        return Memory(values, self.to_keys(values), outside)

    def finish(self, frames: Tensor, mask: Tensor) -> Tensor:
        """The postnet: frames [batch, frames, n_mels] of the decoder -> mel of the same shape."""
        return self.to_mel(self.postnet(frames, mask))

    def forward(
        self,
        memory: Memory,
        mel: Tensor,
        mel_mask: Tensor,
        factor: int,
        generator: torch.Generator | None = None,
    ) -> Decoding:
        """Teacher forcing: every step is fed the last frame of the step before, of a given mel.

        Args:
            mel: [batch, frames, n_mels], frames a multiple of the factor. mel_mask: bool [batch, frames].
            factor: mel frames per step.
            generator: of the prenet's dropout.
        """
        given = mel[:, factor - 1 :: factor]
        fed = self.decoder.prenet(torch.cat((torch.zeros_like(given[:, :1]), given[:, :-1]), 1), generator)
        state = self.decoder.start(memory)
        all_frames, stops, alignments = [], [], []
        for step in range(given.shape[1]):
            frames, stop, state = self.decoder.step(fed[:, step], state, memory, factor)
            all_frames.append(frames)
            stops.append(stop)
            alignments.append(state.weights)
        decoder_mel = torch.cat(all_frames, 1).float()
        return Decoding(
            decoder_mel, self.finish(decoder_mel, mel_mask).float(), torch.stack(stops, 1), torch.stack(alignments, 2)
        )
