"""Random training crops of a vocoder's feature store.

A batch is a pure function of (seed, step, rank), so the position in the data is the step alone.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np

from speech.errors import ConfigError, CorpusError
from speech.mel_config import MelConfig, require_same_mel


class VocoderStore(Protocol):
    """The part of `corpora.store.FeatureStore` that is used here."""

    info: dict

    @property
    def mel_config(self) -> MelConfig: ...

    def __len__(self) -> int: ...

    def meta(self, i: int) -> dict: ...

    def array(self, i: int, name: str) -> np.ndarray: ...

    def shape(self, i: int, name: str) -> tuple[int, ...]: ...


class MelModelConfig(Protocol):
    """The part of a family's config that is used here."""

    @property
    def mel(self) -> MelConfig: ...


class CropBatches(ABC):
    """Random crops of the training split. Every frame of the store is equally likely.

    Args:
        store: arrays `mel` uint8 [frames, n_mels] and `wav` int16 [frames * hop].
        config: of the model.
        batch_size, frames: crops in a batch, and mel frames in a crop.

    Raises:
        ConfigError: the batch has no crops, or they are too short, or the store has different mel settings.
        CorpusError: it is a store of a different stage, or no utterance of the training split is long enough.
    """

    min_frames = 1

    def __init__(
        self,
        store: VocoderStore,
        config: MelModelConfig,
        batch_size: int,
        frames: int,
        *,
        seed: int = 0,
        rank: int = 0,
    ) -> None:
        if batch_size < 1 or frames < self.min_frames:
            raise ConfigError(
                f"A batch needs at least one crop, and a crop at least {self.min_frames} frames: "
                "raise --batch-size or --frames."
            )
        check_store(store, config.mel)
        self.store, self.config, self.batch_size, self.frames = store, config, batch_size, frames
        self.seed, self.rank = seed, rank
        self.items = np.array(split_items(store, "train", frames), dtype=np.int64)
        if not len(self.items):
            raise CorpusError(
                f"No utterance of the training split has {frames} frames: add recordings and preprocess again."
            )
        self._ends = np.cumsum([store.shape(int(item), "mel")[0] - frames + 1 for item in self.items])

    def batch_at(self, step: int) -> Any:
        """The batch of one training step."""
        rng = np.random.default_rng([self.seed, self.rank, step])
        positions = rng.integers(self._ends[-1], size=self.batch_size)
        chosen = np.searchsorted(self._ends, positions, side="right")
        starts = positions - np.concatenate([[0], self._ends])[chosen]
        return self._batch([(int(item), int(start)) for item, start in zip(self.items[chosen], starts, strict=True)])

    @abstractmethod
    def _batch(self, crops: Sequence[tuple[int, int]]) -> Any:
        """The batch of these crops: item and first frame of each."""


def check_store(store: VocoderStore, config: MelConfig) -> None:
    """Refuse a store of a different stage or with different mel settings.

    Raises:
        CorpusError: it is a store of a different stage.
        ConfigError: the mel settings differ.
    """
    stage = store.info.get("stage", "vocoder")
    if stage != "vocoder":
        raise CorpusError(f"This is a feature store of the {stage} stage: make one with `preprocess.py vocoder`.")
    require_same_mel(
        store.mel_config,
        config,
        "the feature store",
        "the model",
        "preprocess with the --mel settings of the model, or start from a model with those of the store",
    )


def split_items(store: VocoderStore, split: str, min_frames: int) -> list[int]:
    """Items of a split ("train" or "validation") with at least `min_frames` frames."""
    return [
        item
        for item in range(len(store))
        if store.meta(item).get("split", "train") == split and store.shape(item, "mel")[0] >= min_frames
    ]


def validation_items(store: VocoderStore, min_frames: int) -> list[int]:
    """Items of the validation split with at least `min_frames` frames.

    Raises:
        CorpusError: there are none.
    """
    items = split_items(store, "validation", min_frames)
    if not items:
        raise CorpusError(
            f"The validation split has no utterance of {min_frames} frames, so the vocoder cannot be validated: "
            "preprocess a corpus with more speakers or utterances."
        )
    return items
