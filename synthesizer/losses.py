"""Losses of synthesizers with attention and a stop token."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from synthesizer.batches import SynthesizerBatch


def stop_loss(stop_logits: Tensor, batch: SynthesizerBatch, positive_weight: float) -> Tensor:
    """Cross-entropy of the stop token, which is on from the first silent step.

    Args:
        stop_logits: [batch, steps].
        positive_weight: weight of the steps where it is on, which are few.

    Returns:
        Mean over the valid steps.
    """
    steps = torch.arange(stop_logits.shape[1], device=stop_logits.device)[None]
    target = (steps >= batch.speech_steps[:, None]).float()
    valid = steps < (batch.mel_lengths // batch.reduction_factor)[:, None]
    weight = torch.tensor(positive_weight, device=stop_logits.device)
    return F.binary_cross_entropy_with_logits(stop_logits[valid], target[valid], pos_weight=weight)


def guided_attention_loss(alignments: Tensor, token_lengths: Tensor, step_lengths: Tensor, sigma: float) -> Tensor:
    """Penalty on weights far from the diagonal (arXiv 1710.08969).

    Args:
        alignments: [batch, tokens, steps].
        token_lengths, step_lengths: [batch].
        sigma: width of the free band, in fractions of the text.

    Returns:
        Mean over the valid cells.
    """
    _, tokens, steps = alignments.shape
    token = torch.arange(tokens, device=alignments.device)
    step = torch.arange(steps, device=alignments.device)
    across = token[None, :, None] / token_lengths[:, None, None] - step[None, None] / step_lengths[:, None, None]
    penalty = 1 - torch.exp(-(across**2) / (2 * sigma**2))
    valid = (token[None, :, None] < token_lengths[:, None, None]) & (step[None, None] < step_lengths[:, None, None])
    return (alignments * penalty * valid).sum() / valid.sum()


def word_guidance_loss(alignments: Tensor, allowed_tokens: Tensor, step_lengths: Tensor) -> Tensor:
    """Penalty on attention to words that are not spoken at a step: -log of the weight on the allowed tokens.

    Args:
        alignments: [batch, tokens, steps].
        allowed_tokens: int64 [batch, steps, 2], first and last token that each step may attend to.
        step_lengths: [batch].

    Returns:
        Mean over the valid steps; 0 where all tokens are allowed.
    """
    token = torch.arange(alignments.shape[1], device=alignments.device)[None, :, None]
    allowed = (token >= allowed_tokens[:, None, :, 0]) & (token <= allowed_tokens[:, None, :, 1])
    weight = (alignments * allowed).sum(1)
    valid = torch.arange(alignments.shape[2], device=alignments.device)[None] < step_lengths[:, None]
    return -torch.log(weight[valid] + 1e-4).mean()
