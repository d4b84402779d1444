"""The network of our own unit encoder."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from synthesizer.units.config import INPUT_SIZE, NetworkConfig


class UnitNetwork(nn.Module):
    """A transformer encoder over log mels."""

    def __init__(self, config: NetworkConfig) -> None:
        super().__init__()
        self.config = config
        self.input = nn.Linear(INPUT_SIZE, config.width)
        self.mask = nn.Parameter(torch.empty(config.width).uniform_(-1, 1))
        self.positions = nn.Conv1d(
            config.width, config.width, config.position_kernel, padding=config.position_kernel // 2, groups=config.heads
        )
        self.norm = nn.LayerNorm(config.width)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                config.width,
                config.heads,
                config.feed_forward,
                config.dropout,
                "gelu",
                batch_first=True,
                norm_first=True,
            )
            for _ in range(config.layers)
        )

    def forward(
        self, mels: Tensor, masked: Tensor | None = None, padding: Tensor | None = None, layer: int = 0
    ) -> Tensor:
        """The output of a layer.

        Args:
            mels: [batch, frames, 80], as of `synthesizer.units.features.log_mels`.
            masked: bool [batch, frames], frames that are hidden; None for none.
            padding: bool [batch, frames], frames after the end of a clip; None for none.
            layer: from 1; 0 is the last one.

        Returns:
            [batch, frames, width].
        """
        x = self.input(mels)
        if masked is not None:
            x = torch.where(masked[..., None], self.mask.to(x.dtype), x)
        if padding is not None:
            x = x.masked_fill(padding[..., None], 0)
        x = self.norm(x + nn.functional.gelu(self.positions(x.transpose(1, 2)).transpose(1, 2)))
        for number, block in enumerate(self.layers, 1):
            x = block(x, src_key_padding_mask=padding)
            if number == layer:
                break
        return x
