"""Attention forcing: free running along a given alignment (Dou et al., arXiv 1909.12289).

With teacher forcing, the decoder's input contains the voice of the recording. Here the decoder gets its own frames, as
in free running, while the attention follows the alignment of a teacher-forced pass. So the mel has the timing of the
recording, and the voice that free running gives it.
"""

from __future__ import annotations

import torch
from torch import Tensor

from synthesizer.masks import SILENCE, length_mask
from synthesizer.tacotron.config import InferenceSettings
from synthesizer.tacotron.model import Tacotron2, TeacherForcing


class GivenAttention:
    """Attention that returns given weights instead of computing them.

    Args:
        weights: [batch, tokens, steps].
    """

    def __init__(self, weights: Tensor) -> None:
        self._weights = iter(weights.unbind(2))

    def step(self, query: Tensor, window: object = None) -> Tensor:
        """The weights of the next step, [batch, tokens]."""
        return next(self._weights)


@torch.no_grad()
def attention_forced(
    model: Tacotron2, given: TeacherForcing, alignments: Tensor, settings: InferenceSettings
) -> Tensor:
    """The mel that the decoder generates along an alignment, after the postnet: [batch, frames, n_mels].

    The dropout of the prenet is random.

    Args:
        given: its mel gives only the number of frames.
        alignments: of a teacher-forced pass, [batch, tokens, steps].
        settings: reduction factor and emphasis, as in free running.
    """
    symbols, symbol_lengths, mel, mel_lengths, embedding, pitch = given
    mask = length_mask(symbol_lengths, symbols.shape[1])
    speaker = model.join_speaker(model.emphasise(embedding, settings.voice_emphasis)).float()
    memory, _ = model.add_pitch(
        model.encoder(symbols, mask).float(), speaker, mask, pitch, settings.pitch_predictor_emphasis
    )
    attention, state = GivenAttention(alignments.float()), model.start(len(mel), mel.device)
    keep = 1 - model.prenet.rate
    size = model.prenet.first.out_features + model.prenet.second.out_features
    frame, made = mel.new_full((len(mel), mel.shape[2]), SILENCE), []
    for _ in range(alignments.shape[2]):
        masks = (torch.rand(len(mel), size, device=mel.device) < keep).float() / keep
        frames, _, _, state = model.decode_step(
            frame, state, attention, memory, speaker, masks, settings.reduction_factor
        )
        frame = frames[:, -1]
        made.append(frames)
    decoded = torch.cat(made, 1)
    return decoded + model.postnet(decoded, length_mask(mel_lengths, decoded.shape[1]))
