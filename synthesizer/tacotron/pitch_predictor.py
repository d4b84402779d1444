"""How high each token is to be spoken: read from the text and the voice, and told to the decoder.

A decoder that has to guess the melody makes the mean of all that could be, which is one note. Here a small network
predicts it from text and voice, and the decoder, which in training is told the recording's, no longer has to
(FastPitch: Lancucki, arXiv 2006.06873, with a Tacotron's attention in place of its durations).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from synthesizer.tacotron.config import SynthesizerConfig
from synthesizer.tacotron.convolution import MaskedConvolution

SPREAD = 0.2  # octaves, about the standard deviation of read speech
KERNEL = 5
DROPOUT = 0.2
UNKNOWN = float("nan")


class Melody(nn.Module):
    """Predicts pitches in octaves above the voice's own, and adds them to the encoder's frames.

    What it adds is nothing at first: a model trained without melody goes on as it was.
    """

    def __init__(self, config: SynthesizerConfig) -> None:
        super().__init__()
        size = config.melody_size
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

    def forward(self, memory: Tensor, melody: Tensor, mask: Tensor) -> Tensor:
        """The frames, and what the melody [batch, tokens] adds to them."""
        return memory + self.from_pitch(melody[:, None] / SPREAD).transpose(1, 2).to(memory.dtype) * mask[:, :, None]


def token_melody(word_melody: np.ndarray, words: np.ndarray) -> np.ndarray:
    """The pitch of each token from those of its word's beginning, middle and end.

    Args:
        word_melody: float32 [words, points], see `speech.word_pitch`.
        words: number of the word of each token, [tokens], rising.

    Returns:
        float32 [tokens]; not a number anywhere if the words are not as many.
    """
    count, points = word_melody.shape
    if words[-1] + 1 != count:
        return np.full(len(words), UNKNOWN, np.float32)
    sizes = np.bincount(words, minlength=count)
    firsts = np.cumsum(sizes) - sizes
    within = (np.arange(len(words)) - firsts[words] + 0.5) / sizes[words]
    place = np.clip(within * points - 0.5, 0, points - 1)  # on the line through the word's points
    before = np.minimum(place.astype(int), points - 2)
    share = place - before
    return ((1 - share) * word_melody[words, before] + share * word_melody[words, before + 1]).astype(np.float32)
