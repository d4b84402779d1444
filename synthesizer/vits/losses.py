"""Losses of a VITS besides those of the discriminators (Kim et al. 2021, arXiv 2106.06103, section 2.2)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from synthesizer.vits.layers import mask_of
from synthesizer.vits.model import TrainingOutput


def divergence(output: TrainingOutput, frame_lengths: Tensor, rows: Tensor | None = None) -> Tensor:
    """Kullback-Leibler divergence of the posterior from the prior, in nats per frame and channel (paper, eq. 3).

    Args:
        rows: bool [batch], the recordings that count; None for all.
    """
    mask = mask_of(frame_lengths, output.flowed.shape[2])
    mask = mask if rows is None else mask * rows[:, None, None]
    determinant = output.log_determinant if rows is None else output.log_determinant * rows
    mean, log_deviation = output.mean.float(), output.log_deviation.float()
    distance = 0.5 * (output.flowed.float() - mean).square() * (-2 * log_deviation).exp()
    entropy = output.posterior.log_deviation + 0.5
    total = ((log_deviation - entropy + distance) * mask).sum() - determinant.sum()
    return total / (mask.sum().clamp_min(1) * mean.shape[1])


def duration_error(output: TrainingOutput, rows: Tensor | None = None) -> Tensor:
    """Mean square error of the log durations. Args: rows: as `divergence`."""
    assert output.durations is not None and output.log_durations is not None
    mask = output.token_mask[:, 0] if rows is None else output.token_mask[:, 0] * rows[:, None]
    target = output.durations.float().clamp_min(1).log()
    return ((output.log_durations - target).square() * mask).sum() / mask.sum().clamp_min(1)


def random_segments(lengths: Tensor, frames: int, generator: torch.Generator) -> tuple[Tensor, int]:
    """First frame of a random segment of each row, int64 [batch], and the segments' length.

    Args:
        lengths: int64 [batch], valid frames. If one has fewer than `frames`, all segments have its length.
    """
    frames = min(frames, int(lengths.min()))
    spare = (lengths - frames + 1).cpu()
    starts = (torch.rand(len(spare), generator=generator) * spare).long().clamp(max=spare - 1)
    return starts.to(lengths.device), frames


def cut(x: Tensor, starts: Tensor, length: int) -> Tensor:
    """Segments [batch, ..., length] of x [batch, ..., frames], from `starts` [batch]."""
    return torch.stack([row[..., start : start + length] for row, start in zip(x, starts.tolist(), strict=True)])


def mel_distance(mel: Tensor, target: Tensor) -> Tensor:
    """Mean absolute distance of mels in [-4, 4]."""
    return F.l1_loss(mel, target)
