"""Batches of windows for training: speakers x utterances, cut at random from the feature store.

A batch is a pure function of (seed, step, rank), so that the position in the data is the step alone.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from encoder.augmentation import (
    AugmentationConfig,
    Disturbance,
    draw_pauses,
    hz_to_mel,
    insert_pauses,
    join_voices,
    mel_to_hz,
    no_augmentation,
)
from speech.errors import ConfigError, CorpusError

Floats = NDArray[np.float32]

MIN_COVERAGE = 0.75  # share of a window that is sound, as for the last partial of an utterance


class MelStore(Protocol):
    """What is needed of `corpora.store.FeatureStore`."""

    def __len__(self) -> int: ...

    def meta(self, i: int) -> dict: ...

    def array(self, i: int, name: str) -> np.ndarray: ...


class Batch(TypedDict):
    """Windows of one step.

    Attributes:
        mels: [speakers, utterances, frames, n_mels], what the model trains on: disturbed, perhaps with a pause.
        clean: the same windows before that, what a teacher listens to. Speed and chorus are in both: they make voices
            that the corpus does not have, and a teacher can say what it thinks of any sound.
        heard: int64 [speakers, utterances, frames], the last frame of `clean` that `mels` has brought by each frame.
    """

    mels: Tensor
    clean: Tensor
    heard: Tensor


@dataclass(frozen=True)
class BatchConfig:
    """Size of a batch and where its windows come from."""

    speakers: int = 32
    utterances: int = 2
    """Windows of each speaker."""
    windows_per_utterance: int = 1
    """So many of these windows are cut from one utterance; from more where a speaker has few utterances."""
    frames: int = 160
    duration_power: float = 0.5
    """Speakers are drawn in proportion to (seconds of speech)^power: 0 treats them alike and repeats the short ones
    often, 1 hears everything equally often and lets the long ones fill the batches."""
    pause_grid: int = 10
    """Pauses begin and last so many frames, or a multiple of that."""

    def __post_init__(self) -> None:
        if self.speakers < 2 or self.utterances < 2:
            raise ConfigError("An encoder batch needs at least 2 speakers and 2 utterances of each.")
        if self.frames < 1 or self.pause_grid < 1:
            raise ConfigError(f"A window of {self.frames} frames is empty; 160 frames are 1.6 s.")
        if not 1 <= self.windows_per_utterance <= self.utterances:
            raise ConfigError(
                f"windows_per_utterance is {self.windows_per_utterance}; it must lie between 1 and the number of "
                f"windows of a speaker ({self.utterances})."
            )


class SpeakerBatches:
    """Draws batches from the items of one split, balanced over the speakers.

    Args:
        store: items with a `mel` [frames, n_mels] and the meta `speaker` and `split`.
        config: size of the batches.
        augmentation: how windows are varied; not at all, unless given.
        noises: recorded noise for that, power mels [frames, n_mels].
        seed, rank: with the step, all that a batch depends on.
        split: "train" or "validation".

    Raises:
        CorpusError: if the split has fewer speakers than a batch needs.
    """

    def __init__(
        self,
        store: MelStore,
        config: BatchConfig | None = None,
        augmentation: AugmentationConfig | None = None,
        noises: Sequence[np.ndarray] = (),
        *,
        seed: int = 0,
        rank: int = 0,
        split: str = "train",
    ):
        self.store = store
        self.config = config or BatchConfig()
        self.augmentation = augmentation or no_augmentation()
        self.disturb = Disturbance(self.augmentation, noises)
        self.seed = seed
        self.rank = rank
        self.items = items_by_speaker(store, split)
        self.names = sorted(self.items)
        if len(self.names) < self.config.speakers:
            raise CorpusError(
                f"The store has {len(self.names)} {split} speakers, but a batch takes {self.config.speakers}; "
                "add speakers or ask for smaller batches (--speakers)."
            )
        seconds = np.array([sum(len(store.array(i, "mel")) for i in self.items[name]) for name in self.names])
        self._log_weights = self.config.duration_power * np.log(np.maximum(seconds, 1))

    def batch_at(self, step: int) -> Batch:
        """The batch of a step, always the same one for the same seed and rank."""
        rng = np.random.default_rng([self.seed, self.rank, step])
        # the largest of log weight + Gumbel noise are a weighted draw without replacement (Gumbel-top-k)
        keys = self._log_weights + rng.gumbel(size=len(self.names))
        chosen = np.argsort(-keys)[: self.config.speakers]
        clean = np.stack([self._speaker_windows(self.names[index], rng) for index in chosen])
        clean = join_voices(clean, self.augmentation, rng)
        flat = clean.reshape(-1, *clean.shape[2:])
        pauses = draw_pauses(len(flat), flat.shape[1], self.config.pause_grid, self.augmentation, rng)
        mels = self.disturb(insert_pauses(flat, pauses), rng)
        heard = pauses.positions_heard(flat.shape[1])
        return {
            "mels": torch.from_numpy(mels.reshape(clean.shape)),
            "clean": torch.from_numpy(clean),
            "heard": torch.from_numpy(heard.reshape(clean.shape[:3])),
        }

    def _speaker_windows(self, name: str, rng: np.random.Generator) -> Floats:
        """[utterances, frames, n_mels] of one speaker, from as many different utterances as asked for and there."""
        config, items = self.config, self.items[name]
        wanted = -(-config.utterances // config.windows_per_utterance)
        order = rng.permutation(len(items))[:wanted]
        picks = [items[order[turn % len(order)]] for turn in range(config.utterances)]
        speed = 1.0
        if rng.random() < self.augmentation.speed_probability:
            speed += rng.uniform(-self.augmentation.speed_range, self.augmentation.speed_range)
        windows = []
        for turn, item in enumerate(picks):
            # Windows of one utterance are drawn from equal stretches of it, so that they overlap little.
            stretch, stretches = turn // len(order), (len(picks) - 1 - turn % len(order)) // len(order) + 1
            position = (stretch + rng.random()) / stretches
            windows.append(cut_window(self.store.array(item, "mel"), config.frames, position, speed))
        return np.stack(windows)


def items_by_speaker(store: MelStore, split: str) -> dict[str, list[int]]:
    """Indices of a split's items under their speaker's name, in the store's order."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for index in range(len(store)):
        meta = store.meta(index)
        if meta["split"] == split:
            found[meta["speaker"]].append(index)
    return dict(found)


def cut_window(mel: np.ndarray, frames: int, position: float, speed: float = 1.0) -> Floats:
    """Cuts one window out of an utterance's mel.

    The window may reach over the end by a quarter of its length, and an utterance may be shorter than a window: what is
    missing is silence, as at the end of an utterance in use.

    Args:
        mel: [frames of the utterance, n_mels], power.
        frames: length of the window.
        position: in [0, 1), 0 starts at the utterance's start.
        speed: above 1 is faster and higher, like a tape.

    Returns:
        float32 [frames, n_mels], a copy.
    """
    source_frames = round(frames * speed)
    last_start = max(0, len(mel) - round(MIN_COVERAGE * source_frames))
    start = int(position * (last_start + 1))
    source = mel[start : start + source_frames].astype(np.float32)
    source = np.pad(source, ((0, source_frames - len(source)), (0, 0)))
    return source if speed == 1.0 else _at_speed(source, frames, speed)


def _at_speed(source: Floats, frames: int, speed: float) -> Floats:
    """Stretches a window to `frames` and moves every frequency by `speed`, both by linear interpolation."""
    bands = source.shape[1]
    place = np.linspace(0, len(source) - 1, frames)
    before = np.minimum(place.astype(int), len(source) - 2)
    share = (place - before)[:, None].astype(np.float32)
    stretched = source[before] * (1 - share) + source[before + 1] * share
    return stretched @ _speed_matrix(bands, speed)


def _speed_matrix(bands: int, speed: float) -> Floats:
    """[bands, bands]: the new band at f Hz takes what the old spectrum has at f / speed, on Slaney's mel scale."""
    centres = np.linspace(0, hz_to_mel(np.array([8000.0]))[0], bands + 2)[1:-1]
    place = np.clip(hz_to_mel(mel_to_hz(centres) / speed) / (centres[1] - centres[0]) - 1, 0, bands - 1)
    below = np.minimum(place.astype(int), bands - 2)
    share = place - below
    matrix = np.zeros((bands, bands), dtype=np.float32)
    columns = np.arange(bands)
    matrix[below, columns] = 1 - share
    matrix[below + 1, columns] += share
    return matrix
