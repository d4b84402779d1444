"""Training batches: windows of speakers x utterances, cut at random from the feature store.

A batch is a pure function of (seed, step, rank), so the step alone is the position in the data.
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
    Augmenter,
    draw_pauses,
    hz_to_mel,
    insert_pauses,
    mel_to_hz,
    mix_voices,
)
from encoder.config import AugmentationConfig, no_augmentation
from speech.errors import ConfigError, CorpusError

Floats = NDArray[np.float32]

MIN_COVERAGE = 0.75  # smallest fraction of a window that is audio, as for the last partial of an utterance


class MelStore(Protocol):
    """The part of `corpora.store.FeatureStore` that training needs."""

    def __len__(self) -> int: ...

    def meta(self, i: int) -> dict: ...

    def array(self, i: int, name: str) -> np.ndarray: ...


class Batch(TypedDict):
    """Windows of one step.

    Attributes:
        mels: [speakers, utterances, frames, n_mels], input of the model: augmented, some with a pause.
        clean: the same windows before augmentation, input of a teacher. Speed changes and mixed voices are in both:
            they make new voices, for which a teacher gives targets.
        clean_frames: int64 [speakers, utterances, frames], for each frame of `mels` the last frame of `clean` that
            occurred up to it; a pause delays it.
        speakers: int64 [speakers], class of each speaker, below `SpeakerBatches.classes`: its index in
            `SpeakerBatches.names`, or with `BatchConfig.speeds` that index times their number plus that of the speed.
    """

    mels: Tensor
    clean: Tensor
    clean_frames: Tensor
    speakers: Tensor


@dataclass(frozen=True)
class BatchConfig:
    """Size of a batch and origin of its windows."""

    speakers: int = 32
    utterances: int = 2
    """Windows of each speaker."""
    windows_per_utterance: int = 1
    """Windows cut from one utterance; more if a speaker has few utterances."""
    frames: int = 160
    duration_power: float = 0.5
    """Speakers are drawn in proportion to (seconds of speech)^power. 0 draws all equally often and repeats speakers
    with little speech; 1 uses all speech equally often and lets speakers with much speech dominate."""
    pause_grid: int = 10
    """Pauses start at and last for multiples of this number of frames."""
    speeds: tuple[float, ...] = ()
    """Speeds of a speaker's windows, equally often; each makes a class of its own. Without any, the augmentation
    draws the speed."""

    def __post_init__(self) -> None:
        if self.speakers < 2 or self.utterances < 1:
            raise ConfigError("An encoder batch needs at least 2 speakers and a window of each.")
        if self.frames < 1 or self.pause_grid < 1:
            raise ConfigError(f"A window of {self.frames} frames is empty: 160 frames are 1.6 s.")
        if not 1 <= self.windows_per_utterance <= self.utterances:
            raise ConfigError(
                f"windows_per_utterance is {self.windows_per_utterance}: it must lie between 1 and the number of "
                f"windows of a speaker ({self.utterances})."
            )
        if any(not 0.5 < speed < 2 for speed in self.speeds) or len(set(self.speeds)) < len(self.speeds):
            raise ConfigError(f"The speeds are {self.speeds}: they must differ and lie between 0.5 and 2.")


class SpeakerBatches:
    """Draws batches from the items of one split, balanced over the speakers.

    Args:
        store: items with a `mel` [frames, n_mels] and the meta `speaker` and `split`.
        config: size of the batches.
        augmentation: of the windows; none by default.
        noise: recorded noise for the augmentation, power mels [frames, n_mels].
        seed, rank: a batch depends on these and the step only.
        split: "train" or "validation".

    Raises:
        CorpusError: the split has fewer speakers than a batch needs.
    """

    def __init__(
        self,
        store: MelStore,
        config: BatchConfig | None = None,
        augmentation: AugmentationConfig | None = None,
        noise: Sequence[np.ndarray] = (),
        *,
        seed: int = 0,
        rank: int = 0,
        split: str = "train",
    ):
        self.store = store
        self.config = config or BatchConfig()
        self.augmentation = augmentation or no_augmentation()
        self.augment = Augmenter(self.augmentation, noise)
        self.seed = seed
        self.rank = rank
        self.items = items_by_speaker(store, split)
        self.names = sorted(self.items)
        if len(self.names) < self.config.speakers:
            raise CorpusError(
                f"The store has {len(self.names)} {split} speakers, but a batch takes {self.config.speakers}: "
                "add speakers, or use smaller batches (--speakers)."
            )
        seconds = np.array([sum(len(store.array(i, "mel")) for i in self.items[name]) for name in self.names])
        self.classes = len(self.names) * max(1, len(self.config.speeds))
        self._log_weights = self.config.duration_power * np.log(np.maximum(seconds, 1))

    def batch_at(self, step: int) -> Batch:
        """The batch of a step, always the same for the same seed and rank."""
        rng = np.random.default_rng([self.seed, self.rank, step])
        # Gumbel-top-k: the largest of log weight + Gumbel noise are a weighted draw without replacement
        keys = self._log_weights + rng.gumbel(size=len(self.names))
        chosen = np.argsort(-keys)[: self.config.speakers]
        drawn = [self._speaker_windows(self.names[index], rng) for index in chosen]
        clean = np.stack([windows for windows, _ in drawn])
        classes = chosen * max(1, len(self.config.speeds)) + np.array([speed for _, speed in drawn])
        clean = mix_voices(clean, self.augmentation, rng)
        flat = clean.reshape(-1, *clean.shape[2:])
        pauses = draw_pauses(len(flat), flat.shape[1], self.config.pause_grid, self.augmentation, rng)
        mels = self.augment(insert_pauses(flat, pauses), rng)
        clean_frames = pauses.source_frames(flat.shape[1])
        return {
            "mels": torch.from_numpy(mels.reshape(clean.shape)),
            "clean": torch.from_numpy(clean),
            "clean_frames": torch.from_numpy(clean_frames.reshape(clean.shape[:3])),
            "speakers": torch.from_numpy(classes),
        }

    def _speaker_windows(self, name: str, rng: np.random.Generator) -> tuple[Floats, int]:
        """[utterances, frames, n_mels] of one speaker, from as many different utterances as possible and configured.

        Also the index of their speed in `config.speeds`; 0 without any.
        """
        config, items = self.config, self.items[name]
        wanted = -(-config.utterances // config.windows_per_utterance)
        order = rng.permutation(len(items))[:wanted]
        picks = [items[order[turn % len(order)]] for turn in range(config.utterances)]
        speed, speed_index = 1.0, 0
        if config.speeds:
            speed_index = int(rng.integers(len(config.speeds)))
            speed = config.speeds[speed_index]
        elif rng.random() < self.augmentation.speed_probability:
            speed += rng.uniform(-self.augmentation.speed_range, self.augmentation.speed_range)
        windows = []
        for turn, item in enumerate(picks):
            # Windows of one utterance are drawn from equal sections of it, so that they overlap little.
            section, sections = turn // len(order), (len(picks) - 1 - turn % len(order)) // len(order) + 1
            position = (section + rng.random()) / sections
            windows.append(cut_window(self.store.array(item, "mel"), config.frames, position, speed))
        return np.stack(windows), speed_index


def items_by_speaker(store: MelStore, split: str) -> dict[str, list[int]]:
    """Indices of a split's items by speaker, in the store's order."""
    found: defaultdict[str, list[int]] = defaultdict(list)
    for index in range(len(store)):
        meta = store.meta(index)
        if meta["split"] == split:
            found[meta["speaker"]].append(index)
    return dict(found)


def cut_window(mel: np.ndarray, frames: int, position: float, speed: float = 1.0) -> Floats:
    """Cut one window out of an utterance's mel.

    A window may reach over the end by a quarter of its length, and an utterance may be shorter than a window. The rest
    is silence, as for the last partial in inference.

    Args:
        mel: [frames of the utterance, n_mels], power.
        frames: length of the window.
        position: in [0, 1); 0 is the start of the utterance.
        speed: playback speed; above 1 is faster and higher in pitch.

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
    """Stretch a window to `frames` and scale all frequencies by `speed`, both by linear interpolation."""
    bands = source.shape[1]
    position = np.linspace(0, len(source) - 1, frames)
    before = np.minimum(position.astype(int), len(source) - 2)
    fraction = (position - before)[:, None].astype(np.float32)
    stretched = source[before] * (1 - fraction) + source[before + 1] * fraction
    return stretched @ _speed_matrix(bands, speed)


def _speed_matrix(bands: int, speed: float) -> Floats:
    """[bands, bands]: the new band at f Hz is the old spectrum at f / speed, on Slaney's mel scale."""
    centres = np.linspace(0, hz_to_mel(np.array([8000.0]))[0], bands + 2)[1:-1]
    position = np.clip(hz_to_mel(mel_to_hz(centres) / speed) / (centres[1] - centres[0]) - 1, 0, bands - 1)
    below = np.minimum(position.astype(int), bands - 2)
    fraction = position - below
    matrix = np.zeros((bands, bands), dtype=np.float32)
    columns = np.arange(bands)
    matrix[below, columns] = 1 - fraction
    matrix[below + 1, columns] += fraction
    return matrix
