"""Samples of a WaveRNN: mu-law labels or continuous values, their losses, and drawing from a distribution.

A "sample" is the network's input and prediction: an int64 label in raw mode, a float32 in [-1, 1] in mol mode. In the
excitation shape what is drawn are labels of the excitation, and the samples are float32 in [-1, 1].
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from speech.audio import mu_law_decode, mu_law_encode, preemphasis
from vocoder.wavernn.config import MIXTURES, WaveRNNConfig

# Scale of the narrowest logistic distribution. e^-7 is about 60 steps of 16 bits, which speech masks.
MIN_LOG_SCALE = -7.0
_HALF_STEP = 1 / 65535  # half a step of 16 bits in [-1, 1]


def encode_wav(wav: np.ndarray, config: WaveRNNConfig, before: float = 0.0) -> np.ndarray:
    """Wav float32 [samples] in [-1, 1] -> targets [samples]; `before` is the value before the wav."""
    joined = np.concatenate([np.array([before], dtype=np.float32), wav.astype(np.float32, copy=False)])
    emphasised = np.clip(preemphasis(joined, config.mel.preemphasis)[1:], -1, 1)
    if config.samples_are_labels:
        return mu_law_encode(emphasised, config.bits)
    return emphasised.astype(np.float32)


def decode_samples(samples: np.ndarray, config: WaveRNNConfig) -> np.ndarray:
    """Samples -> pre-emphasised float32 in [-1, 1]."""
    return mu_law_decode(samples, config.bits) if config.samples_are_labels else samples.astype(np.float32)


def level_table(config: WaveRNNConfig) -> np.ndarray:
    """The value of each label: float32 [labels] in [-1, 1]."""
    return mu_law_decode(np.arange(config.labels), config.bits)


def mean_log_width(targets: Tensor, config: WaveRNNConfig) -> float:
    """Mean logarithm of the width of the targets' bins, in nats.

    A loss in nats per label plus this is a differential entropy, which can be compared between modes and shapes.

    Args:
        targets: labels or float32 values, any shape.
    """
    if config.mode == "mol":
        return float(np.log(2 * _HALF_STEP))
    edges = np.clip(np.arange(config.labels + 1) - 0.5, 0, config.labels - 1)
    widths = np.diff(mu_law_decode(edges, config.bits).astype(np.float64))
    return float(torch.from_numpy(np.log(widths)).to(targets.device)[targets].mean())


def as_labels(samples: Tensor, config: WaveRNNConfig) -> Tensor:
    """Samples of either mode -> int64 labels, any shape."""
    return samples if config.mode == "raw" else label_of_curve(curve_of(samples, config), config)


def curve_of(values: Tensor, config: WaveRNNConfig) -> Tensor:
    """Values on the mu-law curve: any shape, clipped to [-1, 1] -> [-1, 1]."""
    mu = config.labels - 1
    return values.sign() * torch.log1p(mu * values.abs().clamp(max=1)) / float(np.log1p(mu))


def label_of_curve(curved: Tensor, config: WaveRNNConfig) -> Tensor:
    """Labels of values on the mu-law curve: any shape -> int64."""
    return ((curved + 1) / 2 * (config.labels - 1) + 0.5).floor().long()


def as_values(samples: Tensor, config: WaveRNNConfig) -> Tensor:
    """Samples of either mode -> float32 in [-1, 1]; labels are mapped linearly, as the classic network expects."""
    return samples.float() * (2 / (config.labels - 1)) - 1 if config.mode == "raw" else samples


def sample_loss(outputs: Tensor, targets: Tensor, config: WaveRNNConfig) -> Tensor:
    """Mean negative log likelihood in nats per sample: outputs [..., config.outputs], targets [...]."""
    if config.mode == "raw":
        return F.cross_entropy(outputs.flatten(0, -2), targets.flatten())
    return -_mixture_log_likelihood(outputs.float(), targets).mean()


def _mixture_log_likelihood(outputs: Tensor, targets: Tensor) -> Tensor:
    """Log probability of the 16-bit step around each target (Salimans et al. 2017, eq. 2)."""
    log_weight, mean, log_scale = outputs.split(MIXTURES, dim=-1)
    inverse_scale = torch.exp(-log_scale.clamp(min=MIN_LOG_SCALE))
    centred = targets.unsqueeze(-1) - mean
    above = (centred + _HALF_STEP) * inverse_scale
    below = (centred - _HALF_STEP) * inverse_scale
    mass = torch.sigmoid(above) - torch.sigmoid(below)
    # Where the probability underflows, it is approximated by the density in the middle times the width of the step.
    middle = centred * inverse_scale
    density = middle - 2 * F.softplus(middle) - log_scale.clamp(min=MIN_LOG_SCALE) + float(np.log(2 * _HALF_STEP))
    log_mass = torch.where(mass > 1e-5, mass.clamp(min=1e-12).log(), density)
    # The outermost steps include everything beyond them.
    edge = targets.unsqueeze(-1)
    log_mass = torch.where(edge < -0.999, F.logsigmoid(above), log_mass)
    log_mass = torch.where(edge > 0.999, F.logsigmoid(-below), log_mass)
    return torch.logsumexp(log_mass + F.log_softmax(log_weight, dim=-1), dim=-1)


def draw_samples(outputs: Tensor, uniforms: Tensor, config: WaveRNNConfig) -> Tensor:
    """Draw one sample for each row by inverting the cumulative distribution, deterministic in `uniforms`.

    Args:
        outputs: float32 [batch, config.outputs].
        uniforms: float32 [batch, config.uniforms] in [0, 1).

    Returns:
        [batch] samples.
    """
    if config.mode == "raw":
        return _invert(outputs.softmax(dim=-1), uniforms[:, :1])
    log_weight, mean, log_scale = outputs.split(MIXTURES, dim=-1)
    chosen = _invert(log_weight.softmax(dim=-1), uniforms[:, :1]).unsqueeze(1)
    mean, log_scale = mean.gather(1, chosen)[:, 0], log_scale.gather(1, chosen)[:, 0]
    uniform = uniforms[:, 1].clamp(1e-5, 1 - 1e-5)
    value = mean + log_scale.clamp(min=MIN_LOG_SCALE).exp() * torch.logit(uniform)
    return value.clamp(-1, 1)


def _invert(probabilities: Tensor, uniform: Tensor) -> Tensor:
    """First index at which the cumulative sum exceeds the uniform number: [batch, n], [batch, 1] -> int64 [batch]."""
    running = probabilities.cumsum(dim=-1)
    index = torch.searchsorted(running, uniform * running[:, -1:], right=True)[:, 0]
    return index.clamp_(max=probabilities.shape[1] - 1)
