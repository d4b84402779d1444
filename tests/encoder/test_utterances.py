from dataclasses import replace

import numpy as np
import pytest
import torch

from encoder.config import no_augmentation
from encoder.utterances import UtteranceBatches
from speech.errors import CorpusError
from tests.encoder.test_crops import NumberedStore


def test_an_epoch_has_every_utterance_once() -> None:
    batches = UtteranceBatches(NumberedStore(), 3, 20, no_augmentation(), speeds=(1.0, 1.2))
    seen = [batches.batch_at(step) for step in range(8)]  # three epochs of eight training utterances
    positions = torch.cat([batch["positions"] for batch in seen]).reshape(3, 8)
    assert all(sorted(epoch.tolist()) == list(range(8)) for epoch in positions)
    assert len({tuple(epoch.tolist()) for epoch in positions}) == 3
    assert [batches.epoch_at(step) for step in (0, 2, 3, 8)] == [0, 0, 1, 3]
    for batch in seen:
        assert batch["mels"].shape == (3, 20, 8) and set(batch["speeds"].tolist()) <= {0, 1}
        values = batch["mels"].amax(dim=(1, 2))
        plain = batch["speeds"] == 0  # a different speed also moves the bands
        own = torch.tensor(batches.items)[batch["positions"]] + 1
        assert torch.equal(values[plain], own[plain].float())


def test_only_the_input_is_augmented(toy_store) -> None:
    noise = replace(no_augmentation(), noise_probability=1.0)
    batch = UtteranceBatches(toy_store, 4, 20, noise).batch_at(0)
    clean = UtteranceBatches(toy_store, 4, 20, no_augmentation()).batch_at(0)
    assert torch.equal(batch["clean"], clean["clean"]) and torch.equal(clean["clean"], clean["mels"])
    assert not torch.isclose(batch["mels"], batch["clean"]).all()


def test_a_batch_is_a_function_of_seed_step_and_rank(toy_store) -> None:
    def batch(step: int, **others) -> np.ndarray:
        return UtteranceBatches(toy_store, 4, 20, no_augmentation(), **others).batch_at(step)["mels"].numpy()

    np.testing.assert_array_equal(batch(3), batch(3))
    for other in (batch(4), batch(3, seed=1), batch(3, rank=1)):
        assert not np.array_equal(batch(3), other)


def test_too_few_utterances_are_refused(toy_store) -> None:
    with pytest.raises(CorpusError, match=r"--pseudo\.utterances"):
        UtteranceBatches(toy_store, 100, 20, no_augmentation())
