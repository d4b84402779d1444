from dataclasses import replace

import numpy as np
import pytest
import torch

from encoder.config import AugmentationConfig, no_augmentation
from encoder.data import BatchConfig, SpeakerBatches, cut_window
from speech.errors import ConfigError, CorpusError

PLAIN = BatchConfig(speakers=4, utterances=3, frames=20, duration_power=0, pause_grid=5)
AUGMENTED = AugmentationConfig()


def test_shapes_and_types(toy_store) -> None:
    batch = SpeakerBatches(toy_store, PLAIN, AUGMENTED).batch_at(0)
    assert batch["clean_frames"].shape == (4, 3, 20)
    assert batch["speakers"].shape == (4,)
    for mels in (batch["mels"], batch["clean"]):
        assert mels.shape == (4, 3, 20, 40)
        assert mels.dtype == torch.float32
        assert torch.isfinite(mels).all()
        assert (mels >= 0).all()


def test_a_batch_is_a_function_of_seed_step_and_rank(toy_store) -> None:
    batches = SpeakerBatches(toy_store, PLAIN, AUGMENTED, seed=3)
    seventh = batches.batch_at(7)["mels"]
    for step in (0, 8, 1):
        assert not torch.equal(batches.batch_at(step)["mels"], seventh)
    assert torch.equal(batches.batch_at(7)["mels"], seventh)
    assert torch.equal(SpeakerBatches(toy_store, PLAIN, AUGMENTED, seed=3).batch_at(7)["mels"], seventh)
    assert not torch.equal(SpeakerBatches(toy_store, PLAIN, AUGMENTED, seed=4).batch_at(7)["mels"], seventh)
    assert not torch.equal(SpeakerBatches(toy_store, PLAIN, AUGMENTED, seed=3, rank=1).batch_at(7)["mels"], seventh)


def test_without_augmentation_student_and_teacher_get_the_same_windows(toy_store) -> None:
    batch = SpeakerBatches(toy_store, PLAIN).batch_at(0)
    assert torch.equal(batch["mels"], batch["clean"])
    batch = SpeakerBatches(toy_store, PLAIN, AUGMENTED).batch_at(0)
    assert not torch.equal(batch["mels"], batch["clean"])


def test_batches_are_of_the_training_speakers_only(toy_store) -> None:
    batches = SpeakerBatches(toy_store, replace(PLAIN, speakers=6))
    assert batches.names == [f"speaker{index}" for index in range(6)]
    # rows of a batch belong to distinct speakers: their mean spectra differ
    spectra = batches.batch_at(0)["clean"].mean(dim=(1, 2))
    assert (torch.cdist(spectra, spectra) + 9 * torch.eye(6) > 0.5).all()


def test_one_utterance_gives_several_windows() -> None:
    mel = np.arange(200, dtype=np.float16)[:, None].repeat(40, axis=1)
    store = _Store([("a", mel), ("b", mel)])
    batches = SpeakerBatches(store, replace(PLAIN, speakers=2, utterances=4))
    starts = batches.batch_at(0)["clean"][:, :, 0, 0]
    assert (starts.diff(dim=1) > 0).all()  # one from each quarter
    assert starts[0, 0] < 50 <= starts[0, 2]


def test_speakers_with_more_speech_are_drawn_more_often() -> None:
    rng = np.random.default_rng(0)
    store = _Store([(f"s{index}", rng.random((1600 if index == 0 else 16, 40)) + index) for index in range(10)])
    counts = {}
    for power in (0.0, 1.0):
        batches = SpeakerBatches(store, replace(PLAIN, speakers=2, utterances=2, duration_power=power))
        drawn = [batches.batch_at(step)["clean"][:, 0, 0, 0] for step in range(100)]
        counts[power] = sum(int((first < 1).any()) for first in drawn)
    assert counts[0.0] < 40 < 90 < counts[1.0]


def test_windows_reach_over_the_end_by_a_quarter_at_most() -> None:
    mel = np.ones((30, 40))
    audio = [int(cut_window(mel, 20, position)[:, 0].sum()) for position in np.linspace(0, 0.999, 50)]
    assert min(audio) == 15
    assert max(audio) == 20
    assert cut_window(np.ones((5, 40)), 20, 0.9)[:, 0].sum() == 5  # too short for a window: padded with silence


@pytest.mark.parametrize("speed", [0.85, 1.15])
def test_speed_scales_time_and_frequency(speed: float) -> None:
    from speech.mel import encoder_mel

    def tone(hertz: float) -> np.ndarray:
        time = np.arange(16_000) / 16_000
        return np.sin(2 * np.pi * hertz * time * np.exp(time)).astype(np.float32)  # a glide upwards

    # the sample at time t is the one that was at t * speed
    wav = tone(600)
    faster = np.interp(np.arange(int(15_000 / speed)) * speed, np.arange(16_000), wav).astype(np.float32)
    expected = encoder_mel(faster)[10:60]
    source = encoder_mel(wav)
    window = cut_window(source[round(10 * speed) :], 50, 0.0, speed)
    bands = np.arange(40)
    for ours, real in ((window[0], expected[0]), (window[-1], expected[-1])):
        assert (ours @ bands) / ours.sum() == pytest.approx((real @ bands) / real.sum(), abs=0.7)


def test_a_second_speaker_is_mixed_in_at_the_given_ratio(toy_store) -> None:
    alone = SpeakerBatches(toy_store, PLAIN).batch_at(0)["clean"]
    chorus = replace(no_augmentation(), second_speaker_probability=1.0, second_speaker_ratio_db=(3.0, 3.0))
    batch = SpeakerBatches(toy_store, PLAIN, chorus).batch_at(0)
    assert torch.equal(batch["mels"], batch["clean"])
    added = batch["clean"] - alone
    power = alone.mean(dim=(2, 3), keepdim=True)
    other = alone.roll(1, dims=0)
    torch.testing.assert_close(
        added, other / other.mean(dim=(2, 3), keepdim=True) * power * 10**-0.3, atol=1e-4, rtol=1e-3
    )


def test_too_few_speakers_are_refused(toy_store) -> None:
    with pytest.raises(CorpusError, match="6 train speakers"):
        SpeakerBatches(toy_store, replace(PLAIN, speakers=7))


def test_windows_per_utterance() -> None:
    mels = [np.full((100, 40), index, dtype=np.float32) for index in range(4)]
    store = _Store([(name, mel) for name in "ab" for mel in mels])
    for each, expected in ((1, 4), (2, 2), (4, 1)):
        config = replace(PLAIN, speakers=2, utterances=4, windows_per_utterance=each)
        clean = SpeakerBatches(store, config).batch_at(0)["clean"]
        assert [len(row.unique()) for row in clean[:, :, 0, 0]] == [expected, expected]


def test_a_pause_delays_the_clean_frames() -> None:
    mel = np.arange(1, 201, dtype=np.float32)[:, None].repeat(40, axis=1)
    store = _Store([("a", mel), ("b", mel)])
    pauses = replace(no_augmentation(), pause_probability=1.0, pause_fraction=(0.5, 0.5))
    config = replace(PLAIN, speakers=2, utterances=2)
    batch = SpeakerBatches(store, config, pauses).batch_at(0)
    mels, clean, frames = (batch[name].flatten(0, 1) for name in ("mels", "clean", "clean_frames"))
    last = clean[:, :, 0].gather(1, frames)
    silent = mels[:, :, 0] == 0
    assert (silent.sum(dim=1) == 10).all()
    assert torch.equal(mels[:, :, 0][~silent], last[~silent])
    first = silent.int().argmax(dim=1)
    assert (first > 0).all()
    for row, start in enumerate(first.tolist()):
        assert (last[row, start : start + 10] == mels[row, start - 1, 0]).all()


@pytest.mark.parametrize(
    "wrong",
    [{"speakers": 1}, {"utterances": 0}, {"frames": 0}, {"windows_per_utterance": 3}, {"windows_per_utterance": 0}],
)
def test_invalid_settings_are_refused(wrong: dict) -> None:
    with pytest.raises(ConfigError):
        BatchConfig(**wrong)


class _Store:
    """Items in memory, all in the training split."""

    def __init__(self, items: list[tuple[str, np.ndarray]]):
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def meta(self, i: int) -> dict:
        return {"speaker": self.items[i][0], "split": "train"}

    def array(self, i: int, name: str) -> np.ndarray:
        return self.items[i][1]


def test_each_speed_makes_a_class_of_its_own(toy_store) -> None:
    config = BatchConfig(speakers=4, utterances=2, frames=20, speeds=(0.9, 1.0, 1.1))
    batches = SpeakerBatches(toy_store, config)
    assert batches.classes == 18
    drawn = torch.stack([batches.batch_at(step)["speakers"] for step in range(60)])
    assert set(drawn.flatten().tolist()) == set(range(18))
    plain = SpeakerBatches(toy_store, replace(config, speeds=()))
    assert plain.classes == 6
    assert torch.equal(drawn[0] // 3, plain.batch_at(0)["speakers"])


@pytest.mark.parametrize("speeds", [(1.0, 1.0), (0.1,), (3.0,)])
def test_speeds_must_differ_and_be_moderate(speeds) -> None:
    with pytest.raises(ConfigError, match="speeds"):
        BatchConfig(speeds=speeds)
