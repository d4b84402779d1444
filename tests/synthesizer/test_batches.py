"""Batches are a function of the step, within the frame budget, with every utterance once per epoch."""

import numpy as np
import pytest
import torch

from speech.errors import ConfigError, CorpusError
from synthesizer.batches import BatchConfig, SynthesizerBatches, collate
from tests.synthesizer.toy import toy_store


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_store(tmp_path_factory.mktemp("store"), items=20)


def test_epoch_has_every_utterance_once_within_the_budget(store) -> None:
    config = BatchConfig(frames=200)
    batches = SynthesizerBatches(store, config, seed=3)
    seen: list[int] = []
    for indices in batches._epoch(0):
        seen += indices.tolist()
        longest = max(store.shape(int(index), "mel")[0] for index in indices)
        assert longest * len(indices) <= 200
    assert sorted(seen) == store.select(split="train")


def test_batch_is_a_function_of_its_step(store) -> None:
    first = SynthesizerBatches(store, BatchConfig(frames=200), seed=1)
    second = SynthesizerBatches(store, BatchConfig(frames=200), seed=1)
    later = second.batch_at(17)  # before the others: the order of calls must not matter
    for step in range(18):
        mine = first.batch_at(step)
    assert torch.equal(mine.symbols, later.symbols) and torch.equal(mine.mel, later.mel)


def test_ranks_share_the_batches(store) -> None:
    config = BatchConfig(frames=200)
    whole = SynthesizerBatches(store, config, seed=1)
    half = SynthesizerBatches(store, config, seed=1, rank=1, world_size=2)
    assert torch.equal(whole.batch_at(7).mel, half.batch_at(3).mel)


def test_lengths_and_tail(store) -> None:
    batch = collate(store, [0, 5], BatchConfig(tail_steps=2), 4, None)
    for row, index in enumerate((0, 5)):
        frames = store.shape(index, "mel")[0]
        assert batch.speech_steps[row] == -(-frames // 4)
        assert batch.mel_lengths[row] == 4 * (batch.speech_steps[row] + 2)
        assert (batch.mel[row, frames:] == -4).all()
        assert not (batch.mel[row, :frames] == -4).all()


def test_words_are_encoded_as_letters_or_phonemes(store) -> None:
    letters = collate(store, [0], BatchConfig(phoneme_probability=0.0), 4, np.random.default_rng(0)).symbols
    phonemes = collate(store, [0], BatchConfig(), 4, None).symbols
    assert int(letters.max()) < 66 <= int(phonemes.max())


def test_store_without_training_utterances_is_refused(tmp_path) -> None:
    with pytest.raises(CorpusError, match=r"no utterances"):
        SynthesizerBatches(toy_store(tmp_path, items=0), BatchConfig())


def test_settings_out_of_range_are_refused() -> None:
    for wrong in ({"frames": 0}, {"phoneme_probability": 2.0}, {"reduction_schedule": ((5, 4),)}):
        with pytest.raises(ConfigError):
            BatchConfig(**wrong)


def test_pitch_of_older_stores_is_read(store, tmp_path) -> None:
    older = toy_store(tmp_path, items=20, pitch_array="word_melody")
    ours, theirs = (collate(each, [0, 1], BatchConfig(), 4, None).pitch for each in (store, older))
    assert ours[0].isnan().all() and not ours[1].isnan().all()
    torch.testing.assert_close(ours, theirs, equal_nan=True)
