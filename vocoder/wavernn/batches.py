"""Training batches of a WaveRNN of any shape, and what its network makes of them."""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np
from torch import Tensor

from vocoder.data import CropBatches, VocoderStore
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.data import Batch, collate, cut_crop
from vocoder.wavernn.excitation_data import ExcitationBatch, excitation_batch

AnyBatch = Batch | ExcitationBatch


class WaveRNNBatches(CropBatches):
    """See `CropBatches`; the config defines the representation of samples and the context of a frame.

    Args:
        noise: on the history of the excitation shape, see `excitation_batch`. It depends on the seed and the crops.
    """

    config: WaveRNNConfig

    def __init__(self, *arguments: Any, noise: float = 0.0, **settings: Any) -> None:
        super().__init__(*arguments, **settings)
        self.noise = noise

    def _batch(self, crops: Sequence[tuple[int, int]]) -> AnyBatch:
        rng = np.random.default_rng([self.seed, *np.ravel(crops)])
        return crop_batch(self.store, crops, self.frames, self.config, self.noise, rng)


def crop_batch(
    store: VocoderStore,
    crops: Sequence[tuple[int, int]],
    frames: int,
    config: WaveRNNConfig,
    noise: float = 0.0,
    rng: np.random.Generator | None = None,
) -> AnyBatch:
    """The batch of these crops for the shape of the config; see `excitation_batch`."""
    if config.predicts:
        return excitation_batch(store, crops, frames, config, noise, rng)
    return collate([cut_crop(store, item, start, frames, config) for item, start in crops])


def split_batch(batch: AnyBatch) -> tuple[tuple[Tensor, ...], Tensor]:
    """The arguments of the network, and the targets."""
    if "targets" in batch:
        predicted = cast(ExcitationBatch, batch)
        return (predicted["labels"], predicted["signals"], predicted["mel"]), predicted["targets"]
    samples = batch["samples"]
    return (samples[:, :-1], batch["mel"]), samples[:, 1:]
