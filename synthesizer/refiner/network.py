"""The vector field of the refiner.

Conditional flow matching (Lipman et al., arXiv 2210.02747; Tong et al., arXiv 2302.00482; for speech Matcha-TTS, arXiv
2309.03199): a network is trained to predict the velocity from a random start to the mel of a recording, and sampling
integrates it in a few steps. The start is the mel of the decoder with noise, which is much nearer than noise alone (as
in Bridge-TTS, arXiv 2312.03491). The velocity depends on that mel, the spoken symbols, F0, the speaker embedding, and
on a few seconds of another recording of the speaker (the reference), which is read by cross-attention. Voicebox (arXiv
2306.15687) has such a prompt in the same sequence; cross-attention encodes it once for all sampling steps.
"""

from __future__ import annotations

import functools
import math
from typing import NamedTuple, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech.mel_config import MelConfig
from speech.mel_f0 import F0_OCTAVES, MIN_F0, harmonic_pattern

FRAMES = 2  # mel frames in one position of the network: 25 ms
KERNEL = 7  # of the convolutions over positions
REFERENCE_LAYERS = 3
HEADS = 4
SYMBOL_SIZE = 96
VECTOR_SIZE = 256  # of time and speaker together
TIME_SIZE = 64
EXPANSION = 3
PATTERN_STEPS = 96  # F0 values per octave in the table of harmonic patterns
ATTENTION_EVERY = 2  # blocks
START_DEVIATION = 0.5  # of the noise around the decoder's mel: about its distance from the recording


class RefinerSizes(Protocol):
    """What the architecture of a family says of its refiner.

    Attributes:
        refiner_size: width; refiner_layers: number of blocks.
    """

    @property
    def n_symbols(self) -> int: ...

    @property
    def mel(self) -> MelConfig: ...

    @property
    def speaker_embedding_size(self) -> int: ...

    @property
    def refiner_size(self) -> int: ...

    @property
    def refiner_layers(self) -> int: ...


class Conditions(NamedTuple):
    """What the velocity depends on. Frames are a multiple of FRAMES.

    Attributes:
        coarse: mel of the decoder, [batch, frames, n_mels], dB scaled to [-4, 4].
        coarse_known: [batch], 1, or 0 for a mel that the network does not get.
        symbols: the symbol that is spoken, int64 [batch, frames]; PAD_ID if unknown.
        f0: [batch, frames] in Hz, 0 where unvoiced.
        embedding: [batch, embedding_size], L2 norm 1; zeros if unknown.
        reference: mel of another recording of the speaker, [batch, reference_frames, n_mels].
        reference_lengths: frames of it, int64 [batch]; 0 if there is none.
    """

    coarse: Tensor
    coarse_known: Tensor
    symbols: Tensor
    f0: Tensor
    embedding: Tensor
    reference: Tensor
    reference_lengths: Tensor


class Encoded(NamedTuple):
    """Conditions after the parts of the network that do not depend on time.

    Attributes:
        positions: [batch, positions, size]; vector: [batch, VECTOR_SIZE].
        reference: [batch, 1 + reference_positions, size]; reference_mask: True where there is one, same shape
            without size.
    """

    positions: Tensor
    vector: Tensor
    reference: Tensor
    reference_mask: Tensor


class Block(nn.Module):
    """Depthwise convolution over positions and a dense layer pair (ConvNeXt, arXiv 2201.03545).

    With a vector, scale, shift and gate depend on it (adaptive layer norm of DiT, arXiv 2212.09748).
    """

    def __init__(self, size: int, vector_size: int = 0) -> None:
        super().__init__()
        self.over_positions = nn.Conv1d(size, size, KERNEL, padding=KERNEL // 2, groups=size)
        self.norm = nn.LayerNorm(size, elementwise_affine=not vector_size)
        self.widen = nn.Linear(size, EXPANSION * size)
        self.narrow = nn.Linear(EXPANSION * size, size)
        self.modulation = nn.Linear(vector_size, 3 * size) if vector_size else None
        if self.modulation is not None:
            nn.init.zeros_(self.modulation.weight)
            nn.init.zeros_(self.modulation.bias)

    def forward(self, x: Tensor, vector: Tensor | None = None) -> Tensor:
        """x: [batch, positions, size]; vector: [batch, vector_size] -> the shape of x."""
        y = self.norm(self.over_positions(x.transpose(1, 2)).transpose(1, 2))
        if self.modulation is None:
            return x + self.narrow(F.gelu(self.widen(y)))
        scale, shift, gate = self.modulation(vector)[:, None].chunk(3, -1)
        y = y * (1 + scale) + shift
        return x + (1 + gate) * self.narrow(F.gelu(self.widen(y)))


class ReferenceAttention(nn.Module):
    """Attention of each position over the reference."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(size)
        self.query = nn.Linear(size, size)
        self.key_value = nn.Linear(size, 2 * size)
        self.leave = nn.Linear(size, size)

    def forward(self, x: Tensor, encoded: Encoded) -> Tensor:
        """x: [batch, positions, size] -> the same shape."""
        query = self._heads(self.query(self.norm(x)))
        key, value = (self._heads(part) for part in self.key_value(encoded.reference).chunk(2, -1))
        mask = encoded.reference_mask[:, None, None]
        # As products of matrices, which the CPU trains faster than `scaled_dot_product_attention`.
        scores = (query @ key.transpose(-1, -2)).float() / query.shape[-1] ** 0.5
        found = scores.masked_fill(~mask, -torch.inf).softmax(-1).to(value.dtype) @ value
        return x + self.leave(found.transpose(1, 2).flatten(2))

    def _heads(self, x: Tensor) -> Tensor:
        return x.unflatten(-1, (HEADS, -1)).transpose(1, 2)


class Refiner(nn.Module):
    """Velocity of the mel between its start (time 0) and a recording (time 1)."""

    def __init__(self, config: RefinerSizes) -> None:
        super().__init__()
        self.mel_config = config.mel
        n_mels, size = config.mel.n_mels, config.refiner_size
        self.mean: Tensor
        self.deviation: Tensor
        self.register_buffer("mean", torch.zeros(n_mels))
        self.register_buffer("deviation", torch.ones(n_mels))
        self.patterns: Tensor
        self.register_buffer("patterns", torch.from_numpy(pattern_table(config.mel)), persistent=False)
        self.symbols = nn.Embedding(config.n_symbols, SYMBOL_SIZE)
        inputs = FRAMES * (2 * n_mels + 1) + SYMBOL_SIZE + 1
        self.of_noisy = nn.Conv1d(FRAMES * n_mels, size, 3, padding=1)
        self.of_conditions = nn.Conv1d(inputs, size, 3, padding=1)
        self.of_time = nn.Sequential(nn.Linear(TIME_SIZE, VECTOR_SIZE), nn.SiLU(), nn.Linear(VECTOR_SIZE, VECTOR_SIZE))
        self.of_embedding = nn.Linear(config.speaker_embedding_size, VECTOR_SIZE)
        self.of_reference = nn.Conv1d(FRAMES * n_mels, size, 3, padding=1)
        self.reference_blocks = nn.ModuleList(Block(size) for _ in range(REFERENCE_LAYERS))
        self.reference_norm = nn.LayerNorm(size)
        self.no_reference = nn.Parameter(torch.zeros(size))
        self.of_mean_reference = nn.Linear(size, VECTOR_SIZE)
        self.blocks = nn.ModuleList(Block(size, VECTOR_SIZE) for _ in range(config.refiner_layers))
        self.attentions = nn.ModuleList(
            ReferenceAttention(size) for _ in range(config.refiner_layers // ATTENTION_EVERY)
        )
        self.final_norm = nn.LayerNorm(size)
        self.leave = nn.Linear(size, FRAMES * n_mels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def standardise(self, mel: Tensor) -> Tensor:
        """[..., n_mels] in dB scaled to [-4, 4] -> mean 0 and deviation 1 in each band."""
        return (mel - self.mean) / self.deviation

    def restore(self, values: Tensor) -> Tensor:
        """The inverse of `standardise`."""
        return values * self.deviation + self.mean

    def start(self, given: Conditions, noise: Tensor) -> Tensor:
        """The values at time 0: the decoder's mel with noise around it, or noise alone where that mel is unknown.

        Args:
            noise: of deviation 1, [batch, frames, n_mels].
        """
        known = given.coarse_known[:, None, None]
        return known * self.standardise(given.coarse) + (1 - known * (1 - START_DEVIATION)) * noise

    def encode(self, given: Conditions) -> Encoded:
        """The parts of the network that do not depend on time."""
        known = given.coarse_known[:, None, None]
        frames = torch.cat((self.standardise(given.coarse) * known, self.harmonics(given.f0), _voiced(given.f0)), -1)
        symbols = self.symbols(given.symbols[:, ::FRAMES])
        flags = known.expand(-1, symbols.shape[1], -1)
        x = torch.cat((_in_positions(frames), symbols, flags), -1)
        positions = self.of_conditions(x.transpose(1, 2)).transpose(1, 2)
        reference, mask = self._encode_reference(given.reference, given.reference_lengths)
        vector = self.of_embedding(given.embedding * given.embedding.shape[1] ** 0.5)
        mean = (reference * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        return Encoded(positions, vector + self.of_mean_reference(mean), reference, mask)

    def _encode_reference(self, mel: Tensor, lengths: Tensor) -> tuple[Tensor, Tensor]:
        """mel [batch, frames, n_mels] with lengths [batch] -> [batch, 1 + positions, size] and its mask.

        The first position is a learned one, the only one where there is no reference.
        """
        frame = torch.arange(mel.shape[1], device=mel.device)
        mask = frame[::FRAMES] < lengths[:, None] - FRAMES + 1
        x = _in_positions(self.standardise(mel)) * mask[..., None]
        x = self.of_reference(x.transpose(1, 2)).transpose(1, 2)
        for block in self.reference_blocks:
            x = block(x * mask[..., None])
        x = self.reference_norm(x)
        first = self.no_reference.expand(len(x), 1, -1).to(x.dtype)
        always = torch.ones_like(mask[:, :1]) if mask.shape[1] else mask.new_ones(len(mask), 1)
        return torch.cat((first, x), 1), torch.cat((always, mask), 1)

    def velocity(self, noisy: Tensor, time: Tensor, encoded: Encoded) -> Tensor:
        """The velocity at a time.

        Args:
            noisy: [batch, frames, n_mels], standardised; time: [batch] in [0, 1].

        Returns:
            [batch, frames, n_mels].
        """
        x = encoded.positions + self.of_noisy(_in_positions(noisy).transpose(1, 2)).transpose(1, 2)
        vector = F.silu(encoded.vector + self.of_time(time_features(time).to(x.dtype)))
        for number, block in enumerate(self.blocks, start=1):
            x = block(x, vector)
            if number % ATTENTION_EVERY == 0:
                x = self.attentions[number // ATTENTION_EVERY - 1](x, encoded)
        return self.leave(self.final_norm(x)).unflatten(-1, (FRAMES, -1)).flatten(1, 2)

    def harmonics(self, f0: Tensor) -> Tensor:
        """Harmonic pattern of each frame: [batch, frames] in Hz, 0 where unvoiced -> [batch, frames, n_mels]."""
        index = PATTERN_STEPS * torch.log2(f0.clamp_min(MIN_F0) / MIN_F0)
        index = index.clamp_max(len(self.patterns) - 1.001)
        low = index.floor().long()
        share = (index - low)[..., None]
        pattern = torch.lerp(self.patterns[low], self.patterns[low + 1], share.to(self.patterns.dtype))
        return pattern * _voiced(f0)


@functools.lru_cache(maxsize=4)
def pattern_table(config: MelConfig) -> np.ndarray:
    """Harmonic patterns of constant F0 from MIN_F0 up, PATTERN_STEPS per octave: float32 [F0 values, n_mels]."""
    middle = 8  # a frame away from the ends of the pulse train
    values = MIN_F0 * 2.0 ** (np.arange(round(F0_OCTAVES * PATTERN_STEPS) + 1) / PATTERN_STEPS)
    return np.stack([harmonic_pattern(np.full(2 * middle, f0), config)[:, middle] for f0 in values]).astype(np.float32)


def time_features(time: Tensor) -> Tensor:
    """Sinusoidal features: [batch] in [0, 1] -> [batch, TIME_SIZE]."""
    half = TIME_SIZE // 2
    rates = torch.exp(torch.arange(half, device=time.device) * (-math.log(1000.0) / (half - 1)))
    angles = 1000.0 * time[:, None] * rates
    return torch.cat((angles.sin(), angles.cos()), 1)


def _voiced(f0: Tensor) -> Tensor:
    return (f0 > 0).float()[..., None]


def _in_positions(frames: Tensor) -> Tensor:
    """[batch, frames, values] -> [batch, frames / FRAMES, FRAMES * values]."""
    return frames.unflatten(1, (-1, FRAMES)).flatten(2)
