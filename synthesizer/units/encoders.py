"""The unit encoders that need no foreign model: clusters of MFCC, and of the features of our own network."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from modelfile.checkpoint import save_model
from modelfile.header import ModelHeader
from speech.errors import ConfigError
from synthesizer.units.base import UnitEncoder
from synthesizer.units.config import UnitConfig
from synthesizer.units.features import log_mels, mfcc
from synthesizer.units.model import UnitNetwork

CENTROIDS = "centroids"  # name of their tensor in a model file
BLOCK, CONTEXT = 1000, 100  # frames computed together, and further ones on either side, so that memory is limited


class MfccUnits(UnitEncoder):
    """Clusters of MFCC: the baseline, and the first labels of the network's training."""

    kind = "mfcc"

    def features(self, wav: np.ndarray) -> NDArray[np.float32]:
        return mfcc(wav)

    def save(self, path: str | Path) -> None:
        save_encoder(path, self, {})


class NetworkUnits(UnitEncoder):
    """Clusters of a layer of a `UnitNetwork`.

    Args:
        network: in any mode; it is switched to inference.
        others: as `UnitEncoder`.

    Raises:
        ConfigError: the network has no such layer.
    """

    kind = "network"

    def __init__(
        self, network: UnitNetwork, config: UnitConfig, centroids: np.ndarray, header: ModelHeader | None = None
    ) -> None:
        super().__init__(config, centroids, header)
        if config.layer > len(network.layers):
            raise ConfigError(f"The network has {len(network.layers)} layers: choose one of them, not {config.layer}.")
        self.network = network.eval()

    def features(self, wav: np.ndarray) -> NDArray[np.float32]:
        return features_of(self.network, log_mels(wav), self.config.layer)

    def save(self, path: str | Path) -> None:
        save_encoder(path, self, self.network.state_dict())


def features_of(network: UnitNetwork, mels: np.ndarray, layer: int) -> NDArray[np.float32]:
    """Output of a layer, in blocks of 20 s with 2 s of context on either side: [frames, 80] -> [frames, width]."""
    device = next(network.parameters()).device
    parts = []
    with torch.inference_mode():
        for start in range(0, len(mels), BLOCK):
            first, last = max(0, start - CONTEXT), min(len(mels), start + BLOCK + CONTEXT)
            block = network(torch.from_numpy(mels[first:last])[None].to(device), layer=layer)[0]
            parts.append(block[start - first : start - first + BLOCK].float().cpu().numpy())
    return np.concatenate(parts)


def save_encoder(path: str | Path, encoder: UnitEncoder, weights: dict[str, torch.Tensor]) -> None:
    """Write a model file; its header has the config of the encoder."""
    entries: dict[str, Any] = {**vars(encoder.header), "kind": encoder.kind, "config": encoder.config}
    save_model(path, {**weights, CENTROIDS: torch.from_numpy(encoder.centroids)}, ModelHeader(**entries), "int8")
