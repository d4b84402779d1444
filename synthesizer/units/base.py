"""The facade of unit encoders."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from modelfile.header import ModelHeader
from synthesizer.units.clusters import nearest
from synthesizer.units.config import HOP, SAMPLE_RATE, UnitConfig

STAGE = "units"


class UnitEncoder(ABC):
    """Speech -> units: the nearest centroids of its features.

    Args:
        config: number of units, and layer of the features.
        centroids: float32 [units, columns].
        header: entries of the model file.
    """

    kind: str
    sample_rate = SAMPLE_RATE
    hop = HOP

    def __init__(self, config: UnitConfig, centroids: np.ndarray, header: ModelHeader | None = None) -> None:
        if len(centroids) != config.units:
            raise ValueError(f"{len(centroids)} centroids for {config.units} units")
        self.config = config
        self.centroids = np.asarray(centroids, np.float32)
        self.header = header or ModelHeader(STAGE, self.kind)

    @property
    def units(self) -> int:
        """Number of different units."""
        return self.config.units

    def encode(self, wav: np.ndarray) -> NDArray[np.int64]:
        """Units of a clip.

        Args:
            wav: float32 [samples] at 16 kHz, at any level. Silences are kept.

        Returns:
            int64 [samples // 320]: 50 per second. Frame k begins at sample 320 k.

        Raises:
            AudioError: it is shorter than a frame, silent, or not one channel of finite numbers.
        """
        return nearest(self.features(wav), self.centroids)

    @abstractmethod
    def features(self, wav: np.ndarray) -> NDArray[np.float32]:
        """What is clustered: float32 [samples // 320, columns]. Arguments and errors as `encode`."""

    @abstractmethod
    def save(self, path: str | Path) -> None:
        """Write a model file atomically: large matrices as int8."""
