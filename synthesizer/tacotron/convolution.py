"""Masked convolution with batch normalisation, for encoder, pitch predictor and postnet."""

from __future__ import annotations

from torch import Tensor, nn

from synthesizer.normalisation import normalise_valid


class MaskedConvolution(nn.Module):
    """Convolution, batch normalisation over the valid positions only, activation, dropout."""

    def __init__(self, inputs: int, outputs: int, kernel: int, activation: str, dropout: float) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(inputs, outputs, kernel, padding=kernel // 2)
        self.normalisation = nn.BatchNorm1d(outputs)
        self.activation = activation
        self.dropout = dropout

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        """x: [batch, inputs, positions], zero outside the mask [batch, positions]. So is the result."""
        y = self.convolution(x).float()
        rate = self.dropout if self.training else 0.0
        return normalise_valid(y, mask, self.normalisation, self.activation, rate)
