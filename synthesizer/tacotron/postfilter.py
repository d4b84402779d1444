"""Giving a generated mel the fine structure of a voice: its harmonics, at a pitch that is told.

What is trained on mean errors answers with a mean. Where the harmonics of a voice lie depends on its pitch to the
percent, which nobody can foretell; so they come out blurred, from the fifth on not at all, and the voice sounds muffled
and like nobody in particular. Given the pitch, where they lie is no longer open. A postfilter reads the pitch that a
mel means off the mel and the voice, and is shown the pattern of a pulse_train of that pitch; in training it is shown the one
of the recording's pitch, and so learns to draw the harmonics of a voice where the pulse_train has them (as a source and a
filter, and as a variance adaptor that predicts pitch: FastSpeech 2, arXiv 2006.04558).
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech.mel_f0 import F0_OCTAVES, MIN_F0, harmonic_pattern
from synthesizer.tacotron.config import SynthesizerConfig
from synthesizer.tacotron.intonation import raise_end

WIDENED = 2  # inside of a block
LIMIT = 4.0  # of a mel
REFERENCE = 150.0  # Hz; pitches are told in octaves above it
MAX_F0 = MIN_F0 * 2**F0_OCTAVES  # Hz
FURTHEST = 0.4
LEAST_FRAMES = 3  # with a voice in a row; shorter ones are taken for none


class PostfilterBlock(nn.Module):
    """Depthwise convolution over frames, then two dense layers for each frame (arXiv 2201.03545), told the speaker."""

    def __init__(self, channels: int, kernel: int, speaker_size: int) -> None:
        super().__init__()
        self.over_frames = nn.Conv1d(channels, channels, kernel, padding=kernel // 2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.widen = nn.Linear(channels, WIDENED * channels)
        self.of_speaker = nn.Linear(speaker_size, WIDENED * channels, bias=False)
        self.narrow = nn.Linear(WIDENED * channels, channels)

    def forward(self, x: Tensor, speaker: Tensor) -> Tensor:
        """x: [batch, channels, frames]; speaker: [batch, speaker_size]."""
        y = self.norm(self.over_frames(x).transpose(1, 2))
        y = F.gelu(self.widen(y) + self.of_speaker(speaker)[:, None], approximate="tanh")
        return x + self.narrow(y).transpose(1, 2)


class FrameNetwork(nn.Module):
    """Frames to frames by a stack of blocks; answers zero before it has learnt."""

    def __init__(self, config: SynthesizerConfig, inputs: int, channels: int, outputs: int) -> None:
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
        """x: [batch, frames, inputs]; embedding: [batch, 256], norm 1 -> [batch, frames, outputs]."""
        speaker = embedding * embedding.shape[1] ** 0.5
        x = self.enter(x.transpose(1, 2))
        for block in self.blocks:
            x = block(x, speaker)
        return self.leave(x.transpose(1, 2))


class Postfilter(nn.Module):
    """Mel and voice to a pitch, and with a pitch's harmonics to a mel that has them; begins as the identity."""

    def __init__(self, config: SynthesizerConfig) -> None:
        super().__init__()
        n_mels, size = config.mel.n_mels, config.postfilter_size
        self.of_pitch = FrameNetwork(config, n_mels, max(1, size // 2), 2)
        self.of_mel = FrameNetwork(config, 2 * n_mels + 1, size, n_mels)

    def pitch(self, mel: Tensor, embedding: Tensor) -> tuple[Tensor, Tensor]:
        """The pitch that a mel means.

        Args:
            mel: [batch, frames, n_mels], dB scaled to [-4, 4]; embedding: [batch, 256], norm 1.

        Returns:
            Octaves above REFERENCE, and the logit of there being a pitch at all; [batch, frames] each.
        """
        octaves, voiced = self.of_pitch(mel, embedding).unbind(2)
        return octaves, voiced

    def forward(self, mel: Tensor, harmonics: Tensor, embedding: Tensor) -> Tensor:
        """Draw the harmonics.

        Args:
            mel: [batch, frames, n_mels]; embedding: [batch, 256].
            harmonics: of the pitch, [batch, frames, n_mels]; zero where there is none.

        Returns:
            [batch, frames, n_mels]; it may lie a little out of the range, `apply_postfilter` clips it.
        """
        voiced = (harmonics != 0).any(2, keepdim=True).to(mel.dtype)
        return mel + self.of_mel(torch.cat((mel, harmonics, voiced), 2), embedding)


@torch.no_grad()
def apply_postfilter(
    postfilter: Postfilter,
    mel: Tensor,
    embedding: Tensor,
    config: SynthesizerConfig,
    pitch_range: float = 1.0,
    rises: bool = False,
    middle: float | None = None,
) -> Tensor:
    """The harmonics of one utterance.

    Args:
        mel: [n_mels, frames], dB scaled to [-4, 4]; embedding: [256].
        config: `pitch_gain` says how much further voices go up and down than the prediction.
        pitch_range: times that gain.
        rises: whether the pitch goes up at the end, as in a question.
        middle: median pitch of the voice in Hz; as foretold, if it is not known.

    Returns:
        [n_mels, frames] in [-4, 4].
    """
    octaves, voiced = postfilter.pitch(mel.T[None], embedding[None])
    contour = contour_of(octaves[0].cpu().numpy(), voiced[0].cpu().numpy(), config.pitch_gain * pitch_range, middle)
    if rises:
        contour = np.minimum(raise_end(contour, config.mel.frames_per_second, pitch_range), MAX_F0)
    return draw_harmonics(postfilter, mel, embedding, contour, config)


@torch.no_grad()
def draw_harmonics(
    postfilter: Postfilter, mel: Tensor, embedding: Tensor, pitch: np.ndarray, config: SynthesizerConfig
) -> Tensor:
    """The harmonics of one utterance at a pitch that is known.

    Args:
        mel: [n_mels, frames], dB scaled to [-4, 4]; embedding: [256]; pitch: [frames] in Hz, 0 for none.

    Returns:
        [n_mels, frames] in [-4, 4].
    """
    harmonics = torch.from_numpy(harmonic_pattern(pitch, config.mel)).to(mel.device)
    return postfilter(mel.T[None], harmonics.T[None], embedding[None])[0].T.clamp(-LIMIT, LIMIT)


def contour_of(octaves: np.ndarray, voiced: np.ndarray, gain: float, middle: float | None = None) -> np.ndarray:
    """What was predicted of an utterance, as a pitch.

    Args:
        octaves, voiced: see `Postfilter.pitch`, [frames] each.
        gain: how far the pitch goes from its mean, in units of the prediction.
        middle: in Hz, where the median is to be; not further than FURTHEST octaves from the prediction's, since a
            pitch that is taken from a recording can be mistaken by an octave.

    Returns:
        float64 [frames] in Hz, 0 where there is no voice or hardly one.
    """
    sounds = voiced > 0
    edges = np.flatnonzero(np.diff(np.concatenate(([0], sounds.astype(np.int8), [0]))))
    for first, last in edges.reshape(-1, 2):
        if last - first < LEAST_FRAMES:
            sounds[first:last] = False
    if not sounds.any():
        return np.zeros(len(octaves))
    mean, moved = octaves[sounds].mean(dtype=np.float64), 0.0
    if middle is not None:
        moved = float(np.clip(np.log2(middle / REFERENCE) - np.median(octaves[sounds]), -FURTHEST, FURTHEST))
    hertz = REFERENCE * 2.0 ** (mean + moved + gain * (octaves.astype(np.float64) - mean))
    return np.where(sounds, np.clip(hertz, MIN_F0, MAX_F0), 0.0)
