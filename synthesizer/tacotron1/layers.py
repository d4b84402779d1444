"""Layers of a Tacotron 1 (arXiv 1703.10135): prenet, highway, and CBHG with masked padding."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from synthesizer.normalisation import normalise_valid


class Prenet(nn.Module):
    """Two layers with ReLU and dropout, which is also on at inference."""

    def __init__(self, inputs: int, sizes: tuple[int, int], dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(inputs, sizes[0])
        self.second = nn.Linear(sizes[0], sizes[1])
        self.dropout = dropout

    def forward(self, x: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """x: [..., inputs] -> [..., sizes[1]]. The generator, on the CPU, makes the dropout reproducible."""
        x = self._drop(torch.relu(self.first(x)), generator)
        return self._drop(torch.relu(self.second(x)), generator)

    def draw_masks(self, steps: int, generator: torch.Generator) -> Tensor:
        """Scaled dropout masks, [steps, sum of both sizes]: those that as many calls with this generator would use."""
        size = self.first.out_features + self.second.out_features
        if not self.dropout:
            return torch.ones(steps, size)
        return (torch.rand(steps, size, generator=generator) >= self.dropout).float() / (1 - self.dropout)

    def _drop(self, x: Tensor, generator: torch.Generator | None) -> Tensor:
        if not self.dropout:
            return x
        if generator is None:
            return F.dropout(x, self.dropout)
        kept = torch.rand(x.shape, generator=generator).to(x.device) >= self.dropout
        return x * kept / (1 - self.dropout)


class Highway(nn.Module):
    """A highway layer (arXiv 1505.00387)."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.transform = nn.Linear(size, size)
        self.gate = nn.Linear(size, size)

    def forward(self, x: Tensor) -> Tensor:
        """[..., size] -> [..., size]"""
        gate = torch.sigmoid(self.gate(x))
        return gate * torch.relu(self.transform(x)) + (1 - gate) * x


class NormalisedConvolution(nn.Module):
    """Convolution, ReLU where wanted, batch normalisation over the valid positions."""

    def __init__(self, inputs: int, outputs: int, kernel: int, relu: bool = True) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.normalisation = nn.BatchNorm1d(outputs)
        self.relu = relu

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [batch, inputs, positions], 0 outside the mask [batch, positions]. So is the result."""
        y = self.convolution(x)[:, :, : x.shape[2]].float()  # an even kernel gives one position more
        y = torch.relu(y) if self.relu else y
        return normalise_valid(y, mask, self.normalisation, "none", 0.0)


class CBHG(nn.Module):
    """Convolution bank, highway layers and a bidirectional GRU (arXiv 1703.10135, section 3.1).

    Args:
        inputs: channels of the input, which is added to the output of the convolutions.
        size: width of the bank, the highway layers and the output.
        kernels: convolutions in the bank.
    """

    def __init__(self, inputs: int, size: int, kernels: int, highways: int) -> None:
        super().__init__()
        self.bank = nn.ModuleList(NormalisedConvolution(inputs, size, kernel + 1) for kernel in range(kernels))
        self.project_in = NormalisedConvolution(kernels * size, size, 3)
        self.project_out = NormalisedConvolution(size, inputs, 3, relu=False)
        self.to_highways = nn.Linear(inputs, size, bias=False) if inputs != size else nn.Identity()
        self.highways = nn.ModuleList(Highway(size) for _ in range(highways))
        self.gru = nn.GRU(size, size // 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [batch, positions, inputs]; mask: [batch, positions], true if valid -> [batch, positions, size]"""
        valid = mask[:, None].to(x.dtype)
        residual = x.transpose(1, 2) * valid
        banks = torch.cat([convolution(residual, mask) for convolution in self.bank], 1)
        # Of each position and the one before it; padding with -inf is that of `max_pool1d`.
        pooled = F.max_pool1d(banks, 2, stride=1, padding=1)[:, :, : x.shape[1]] * valid
        y = self.project_out(self.project_in(pooled, mask), mask) + residual
        y = self.to_highways(y.transpose(1, 2))
        for highway in self.highways:
            y = highway(y)
        return self._recur(y, mask)

    def _recur(self, y: Tensor, mask: Tensor) -> Tensor:
        """The GRU, whose backward direction starts at the end of each sequence."""
        if bool(mask.all()):
            whole, _ = self.gru(y)
            return whole
        packed = pack_padded_sequence(y, mask.sum(1).cpu(), batch_first=True, enforce_sorted=False)
        result, _ = pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=y.shape[1])
        return result
