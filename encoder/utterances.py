"""Training batches for labels of utterances: one window of each, every utterance once in an epoch."""

import functools
from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from encoder.augmentation import Augmenter
from encoder.config import AugmentationConfig
from encoder.data import MelStore, cut_window
from speech.errors import CorpusError


class Windows(TypedDict):
    """Windows of one step.

    Attributes:
        mels: [utterances, frames, n_mels], augmented.
        clean: the same windows before augmentation, except for the speed.
        positions: int64 [utterances], in the list of training utterances.
        speeds: int64 [utterances], in the list of speeds.
    """

    mels: Tensor
    clean: Tensor
    positions: Tensor
    speeds: Tensor


class UtteranceBatches:
    """Draws windows of the training utterances, in a new random order in each epoch.

    Args:
        store: items with a `mel` [frames, n_mels] and the meta `split`.
        utterances: in a batch.
        frames: of a window.
        augmentation: of the windows. Mixed voices, pauses and speeds are not drawn from it.
        noise: recorded noise, power mels [frames, n_mels].
        speeds: of the windows, equally often.
        seed, rank: a batch depends on these and the step only.

    Raises:
        CorpusError: fewer training utterances than a batch takes.
    """

    def __init__(
        self,
        store: MelStore,
        utterances: int,
        frames: int,
        augmentation: AugmentationConfig,
        noise: Sequence[np.ndarray] = (),
        *,
        speeds: tuple[float, ...] = (1.0,),
        seed: int = 0,
        rank: int = 0,
    ):
        self.store, self.utterances, self.frames, self.speeds = store, utterances, frames, speeds or (1.0,)
        self.augment = Augmenter(augmentation, noise)
        self.seed, self.rank = seed, rank
        self.items = [index for index in range(len(store)) if store.meta(index)["split"] == "train"]
        if len(self.items) < utterances:
            raise CorpusError(
                f"The store has {len(self.items)} training utterances, but a batch takes {utterances}: add recordings, "
                "or use smaller batches (--pseudo.utterances)."
            )
        self._order = functools.lru_cache(maxsize=2)(self._shuffle)

    def epoch_at(self, step: int) -> int:
        """Epochs that are complete before a step."""
        return step * self.utterances // len(self.items)

    def batch_at(self, step: int) -> Windows:
        """The batch of a step, always the same for the same seed and rank."""
        rng = np.random.default_rng([self.seed, self.rank, step])
        places = step * self.utterances + np.arange(self.utterances)
        epochs, within = np.divmod(places, len(self.items))
        positions = np.array([self._order(int(epoch))[place] for epoch, place in zip(epochs, within, strict=True)])
        speeds = rng.integers(len(self.speeds), size=len(positions))
        clean = np.stack([
            cut_window(self.store.array(self.items[position], "mel"), self.frames, rng.random(), self.speeds[speed])
            for position, speed in zip(positions, speeds, strict=True)
        ])  # fmt: skip
        return {
            "mels": torch.from_numpy(self.augment(clean, rng)),
            "clean": torch.from_numpy(clean),
            "positions": torch.from_numpy(positions),
            "speeds": torch.from_numpy(speeds),
        }

    def _shuffle(self, epoch: int) -> np.ndarray:
        """The order of the utterances in an epoch, int64 [items]."""
        return np.random.default_rng([self.seed, self.rank, epoch, len(self.items)]).permutation(len(self.items))
