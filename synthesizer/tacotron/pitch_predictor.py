"""Pitch predictor: predicts the F0 of each token from text and voice, and conditions the decoder on it.

A decoder that is trained on mean errors without F0 predicts an average, nearly monotone contour. Here a small network
predicts F0, and in training the decoder is given the recording's (FastPitch: Lancucki, arXiv 2006.06873, with the
attention of a Tacotron in place of durations).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from synthesizer.tacotron.config import Architecture
from synthesizer.tacotron.convolution import MaskedConvolution

SPREAD = 0.2  # octaves, about the standard deviation of read speech
KERNEL = 5
DROPOUT = 0.2


class PitchPredictor(nn.Module):
    """Predicts F0 in octaves above the voice's median, and adds its embedding to the encoder output.

    The embedding starts at zero, so that a model trained without a pitch predictor is not changed at first.
    """

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        size = config.pitch_predictor_size
        self.convolutions = nn.ModuleList(
            MaskedConvolution(inputs, size, KERNEL, "relu", DROPOUT)
            for inputs in (config.encoder_size + config.speaker_size, size)
        )
        self.to_pitch = nn.Linear(size, 1)
        self.from_pitch = nn.Conv1d(1, config.encoder_size, 3, padding=1, bias=False)
        nn.init.zeros_(self.from_pitch.weight)

    def predict(self, memory: Tensor, speaker: Tensor, mask: Tensor) -> Tensor:
        """memory: [batch, tokens, encoder_size], speaker: [batch, speaker_size], mask: [batch, tokens] -> octaves
        [batch, tokens], 0 on padding."""
        speakers = speaker[:, None].expand(-1, memory.shape[1], -1)
        x = (torch.cat((memory, speakers), 2) * mask[:, :, None]).transpose(1, 2)
        for convolution in self.convolutions:
            x = convolution(x, mask)
        return SPREAD * self.to_pitch(x.transpose(1, 2)).squeeze(2).float() * mask

    def forward(self, memory: Tensor, pitch: Tensor, mask: Tensor) -> Tensor:
        """Add the embedding of pitch [batch, tokens], in octaves, to memory [batch, tokens, encoder_size]."""
        return memory + self.from_pitch(pitch[:, None] / SPREAD).transpose(1, 2).to(memory.dtype) * mask[:, :, None]
