from dataclasses import replace

import numpy as np
import pytest
import torch

from encoder.config import AugmentationConfig, DinoConfig, no_augmentation
from encoder.crops import CropBatches
from speech.errors import CorpusError

CONFIG = DinoConfig(utterances=4, long_frames=20, short_frames=10, long_crops=2, short_crops=3)


class NumberedStore:
    """Each utterance has its own number as value of all its bands."""

    def __len__(self) -> int:
        return 12

    def meta(self, i: int) -> dict:
        return {"split": "validation" if i % 3 == 2 else "train", "speaker": "unknown"}

    def array(self, i: int, name: str) -> np.ndarray:
        return np.full((40, 8), i + 1, dtype=np.float16)


def test_crops_never_mix_utterances_and_are_of_the_training_split() -> None:
    batches = CropBatches(NumberedStore(), CONFIG, no_augmentation())
    for step in range(5):
        batch = batches.batch_at(step)
        assert batch["long"].shape == (2, 4, 20, 8)
        assert batch["short"].shape == (3, 4, 10, 8)
        numbers = [crops.amax(dim=(2, 3)) for crops in (batch["long"], batch["short"])]
        first = numbers[0][0]
        assert len(set(first.tolist())) == 4 and not set(first.tolist()) & {3, 6, 9, 12}
        for crops in (batch["long"], batch["short"]):  # beyond the end of an utterance it is silent
            assert ((crops == first[:, None, None]) | (crops == 0)).all()


def test_each_crop_is_augmented_on_its_own(toy_store) -> None:
    noise = replace(no_augmentation(), noise_probability=1.0)
    short = replace(CONFIG, long_frames=200)  # longer than any utterance: the clean crops of one are equal
    clean = CropBatches(toy_store, short, no_augmentation()).batch_at(0)["long"]
    noisy = CropBatches(toy_store, short, noise).batch_at(0)["long"]
    assert torch.equal(clean[0], clean[1])
    assert not torch.isclose(noisy[0], noisy[1]).all(dim=-1).any()


def test_a_batch_is_a_function_of_seed_step_and_rank(toy_store) -> None:
    def batch(step: int, **others) -> torch.Tensor:
        return CropBatches(toy_store, CONFIG, AugmentationConfig(), **others).batch_at(step)["short"]

    assert torch.equal(batch(3), batch(3))
    for other in (batch(4), batch(3, seed=1), batch(3, rank=1)):
        assert not torch.equal(batch(3), other)


def test_too_few_utterances_are_refused(toy_store) -> None:
    with pytest.raises(CorpusError, match="--dino"):
        CropBatches(toy_store, replace(CONFIG, utterances=100), no_augmentation())


def test_without_short_crops(toy_store) -> None:
    batch = CropBatches(toy_store, replace(CONFIG, short_crops=0), no_augmentation()).batch_at(0)
    assert batch["short"].shape[0] == 0
