"""Training batches without speaker labels: long and short crops of single utterances, each augmented on its own."""

from collections.abc import Sequence
from typing import TypedDict

import numpy as np
import torch
from torch import Tensor

from encoder.augmentation import Augmenter
from encoder.config import AugmentationConfig, DinoConfig
from encoder.data import Floats, MelStore, cut_window
from speech.errors import CorpusError


class Crops(TypedDict):
    """Crops of one step.

    Attributes:
        long: [long crops, utterances, frames, n_mels].
        short: [short crops, utterances, frames, n_mels].
    """

    long: Tensor
    short: Tensor


class CropBatches:
    """Draws crops from the training utterances. Speakers are not used.

    All crops of an utterance have the same speed, because a different one would be a different voice. A subclass may
    replace the utterances that they are cut from (`sources`).

    Args:
        store: items with a `mel` [frames, n_mels] and the meta `split`.
        config: number and length of the crops.
        augmentation: of each crop. Mixed voices and pauses are not drawn.
        noise: recorded noise, power mels [frames, n_mels].
        seed, rank: a batch depends on these and the step only.

    Raises:
        CorpusError: fewer utterances than a batch takes.
    """

    def __init__(
        self,
        store: MelStore,
        config: DinoConfig,
        augmentation: AugmentationConfig,
        noise: Sequence[np.ndarray] = (),
        *,
        seed: int = 0,
        rank: int = 0,
    ):
        self.store, self.config, self.augmentation = store, config, augmentation
        self.augment = Augmenter(augmentation, noise)
        self.seed, self.rank = seed, rank
        self.items = [index for index in range(len(store)) if store.meta(index)["split"] == "train"]
        if len(self.items) < config.utterances:
            raise CorpusError(
                f"The store has {len(self.items)} training utterances, but a batch takes {config.utterances}: add "
                "recordings, or use smaller batches (--dino.utterances)."
            )

    def batch_at(self, step: int) -> Crops:
        """The batch of a step, always the same for the same seed and rank."""
        rng = np.random.default_rng([self.seed, self.rank, step])
        chosen = rng.choice(self.items, self.config.utterances, replace=False)
        speeds = 1 + rng.uniform(-1, 1, len(chosen)) * self.augmentation.speed_range
        speeds[rng.random(len(chosen)) >= self.augmentation.speed_probability] = 1.0
        config = self.config
        sources = self.sources(chosen, step, rng)
        return {
            "long": self._crops(sources[: config.long_crops], speeds, config.long_frames, rng),
            "short": self._crops(sources[config.long_crops :], speeds, config.short_frames, rng),
        }

    def sources(self, chosen: np.ndarray, step: int, rng: np.random.Generator) -> np.ndarray:
        """The utterance that each crop is cut from, int64 [long crops + short crops, utterances].

        Args:
            chosen: utterances of the batch, int64 [utterances].
        """
        return np.tile(chosen, (self.config.long_crops + self.config.short_crops, 1))

    def _crops(self, sources: np.ndarray, speeds: np.ndarray, frames: int, rng: np.random.Generator) -> Tensor:
        """[crops, utterances, frames, n_mels], augmented."""
        clean: list[Floats] = [
            cut_window(self.store.array(int(item), "mel"), frames, rng.random(), float(speed))
            for row in sources
            for item, speed in zip(row, speeds, strict=True)
        ]
        if not clean:
            return torch.empty(0, len(speeds), frames, self.store.array(self.items[0], "mel").shape[1])
        return torch.from_numpy(self.augment(np.stack(clean), rng)).unflatten(0, sources.shape)
