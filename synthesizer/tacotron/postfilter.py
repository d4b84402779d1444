"""Postfilter: restores the harmonics of a generated mel, given an F0 contour.

Training on mean errors blurs the harmonics, because their position depends on F0 to the percent. The postfilter
predicts F0 from the mel and the voice, computes the harmonic pattern of a pulse train with that F0, and maps mel and
pattern to a mel with sharp harmonics. In training the pattern has the F0 of the recording. This is a source-filter
model with an explicit F0, like the variance adaptor of FastSpeech 2 (arXiv 2006.04558).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech.mel_config import MelConfig
from speech.mel_f0 import F0_OCTAVES, MIN_F0, harmonic_pattern
from synthesizer.tacotron.config import Architecture
from synthesizer.tacotron.intonation import raise_end

EXPANSION = 2  # of the channels inside a block
LIMIT = 4.0  # of mel values
REFERENCE = 150.0  # Hz, 0 octaves
MAX_F0 = MIN_F0 * 2**F0_OCTAVES  # Hz
MAX_SHIFT = 0.4  # octaves, from the predicted median F0 to that of the voice
LEAST_FRAMES = 3  # of a voiced segment; a shorter one counts as unvoiced


class PostfilterBlock(nn.Module):
    """Depthwise convolution over frames, then two dense layers for each frame, with speaker conditioning.

    ConvNeXt, arXiv 2201.03545.
    """

    def __init__(self, channels: int, kernel: int, speaker_size: int) -> None:
        super().__init__()
        self.over_frames = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, EXPANSION * channels)
        self.of_speaker = nn.Linear(speaker_size, EXPANSION * channels, bias=False)
        self.narrow = nn.Linear(EXPANSION * channels, channels)

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        """x: [batch, channels, frames]; speaker: [batch, speaker_size]."""
        y = self.norm(self.over_frames(x).transpose(1, 2))
        y = F.gelu(self.widen(y) + self.of_speaker(speaker)[:, None], approximate="tanh")
        return x + self.narrow(y).transpose(1, 2)


class FrameNetwork(nn.Module):
    """Frames to frames with a stack of blocks; its output is zero before training."""

    def __init__(self, config: Architecture, inputs: int, channels: int, outputs: int) -> None:
        super().__init__()
        kernel, layers = config.postfilter_kernel, config.postfilter_layers
        self.enter = nn.Conv1d(inputs, channels, kernel, padding=kernel // 2)
        self.blocks = nn.ModuleList(
            PostfilterBlock(channels, kernel, config.speaker_embedding_size) for _ in range(layers)
        )
        self.leave = nn.Linear(channels, outputs)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Tensor, embedding: Tensor) -> Tensor:
        """x: [batch, frames, inputs]; embedding: [batch, embedding_size], norm 1 -> [batch, frames, outputs]."""
        speaker = embedding * embedding.shape[1] ** 0.5
        x = self.enter(x.transpose(1, 2))
        for block in self.blocks:
            x = block(x, speaker)
        return self.leave(x.transpose(1, 2))


class Postfilter(nn.Module):
    """Two networks: mel and voice to F0, and mel, harmonics and voice to mel. Starts as the identity."""

    def __init__(self, config: Architecture) -> None:
        super().__init__()
        n_mels, size = config.mel.n_mels, config.postfilter_size
        self.of_pitch = FrameNetwork(config, n_mels, max(1, size // 2), 2)
        self.of_mel = FrameNetwork(config, 2 * n_mels + 1, size, n_mels)

    def pitch(self, mel: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """Predict F0.

        Args:
            mel: [batch, frames, n_mels], dB scaled to [-4, 4]; embedding: [batch, embedding_size], norm 1.

        Returns:
            F0 in octaves above REFERENCE, and the logit of the frame being voiced; [batch, frames] each.
        """
        octaves, voiced = self.of_pitch(mel, embedding).unbind(2)
        return octaves, voiced

    def forward(self, mel: Tensor, harmonics: Tensor, embedding: Tensor) -> Tensor:
        """Add harmonics.

        Args:
            mel: [batch, frames, n_mels]; embedding: [batch, embedding_size].
            harmonics: harmonic pattern, [batch, frames, n_mels]; zero in unvoiced frames.

        Returns:
            [batch, frames, n_mels], not clipped to the range of a mel.
        """
        voiced = (harmonics != 0).any(2, keepdim=True).to(mel.dtype)
        return mel + self.of_mel(torch.cat((mel, harmonics, voiced), 2), embedding)


@torch.no_grad()
def predicted_f0(
    postfilter: Postfilter,
    mel: Tensor,
    embedding: Tensor,
    mel_config: MelConfig,
    gain: float = 1.0,
    final_rise: float | None = None,
    median_f0: float | None = None,
) -> np.ndarray:
    """The predicted F0 contour of one utterance.

    Args:
        mel: [n_mels, frames], dB scaled to [-4, 4]; embedding: [embedding_size].
        gain: factor on the range of the predicted F0 contour around its mean.
        final_rise: scale of a rise of F0 at the end, see `intonation.raise_end`; None for no rise.
        median_f0: of the voice in Hz; None for the predicted one.

    Returns:
        float64 [frames] in Hz, 0 where unvoiced.
    """
    octaves, voiced = postfilter.pitch(mel.T[None], embedding[None])
    contour = f0_contour(octaves[0].cpu().numpy(), voiced[0].cpu().numpy(), gain, median_f0)
    if final_rise is not None:
        contour = np.minimum(raise_end(contour, mel_config.frames_per_second, final_rise), MAX_F0)
    return contour


@torch.no_grad()
def add_harmonics(
    postfilter: Postfilter, mel: Tensor, embedding: Tensor, f0: np.ndarray, mel_config: MelConfig
) -> Tensor:
    """Add harmonics to one utterance.

    Args:
        mel: [n_mels, frames], dB scaled to [-4, 4]; embedding: [embedding_size].
        f0: [frames] in Hz, 0 where unvoiced.

    Returns:
        [n_mels, frames] in [-4, 4].
    """
    harmonics = torch.from_numpy(harmonic_pattern(f0, mel_config)).to(mel.device)
    return postfilter(mel.T[None], harmonics.T[None], embedding[None])[0].T.clamp(-LIMIT, LIMIT)


def f0_contour(octaves: np.ndarray, voiced: np.ndarray, gain: float, median_f0: float | None = None) -> np.ndarray:
    """The F0 contour of an utterance from the predictions of `Postfilter.pitch`.

    Args:
        octaves, voiced: [frames] each.
        gain: factor on the distance from the mean.
        median_f0: shift the contour to this median in Hz, by at most MAX_SHIFT octaves, as an F0 estimate of a
            recording can be wrong by an octave.

    Returns:
        float64 [frames] in Hz, 0 in unvoiced frames and in voiced segments under LEAST_FRAMES.
    """
    is_voiced = voiced > 0
    edges = np.flatnonzero(np.diff(np.concatenate(([0], is_voiced.astype(np.int8), [0]))))
    for first, last in edges.reshape(-1, 2):
        if last - first < LEAST_FRAMES:
            is_voiced[first:last] = False
    if not is_voiced.any():
        return np.zeros(len(octaves))
    mean, shift = octaves[is_voiced].mean(dtype=np.float64), 0.0
    if median_f0 is not None:
        shift = float(np.clip(np.log2(median_f0 / REFERENCE) - np.median(octaves[is_voiced]), -MAX_SHIFT, MAX_SHIFT))
    hertz = REFERENCE * 2.0 ** (mean + shift + gain * (octaves.astype(np.float64) - mean))
    return np.where(is_voiced, np.clip(hertz, MIN_F0, MAX_F0), 0.0)
