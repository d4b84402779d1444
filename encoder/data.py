"""Batches of windows for training: speakers x utterances, cut at random from the feature store.

A batch is a pure function of (seed, step, rank), so that the position in the data is the step alone.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Protocol, TypedDict

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from speech.errors import ConfigError, CorpusError

Floats = NDArray[np.float32]

MIN_COVERAGE = 0.75  # share of a window that is sound, as for the last partial of an utterance


class MelStore(Protocol):
    """What is needed of `speech.features.FeatureStore`."""

    def __len__(self) -> int: ...

    def meta(self, i: int) -> dict: ...

    def array(self, i: int, name: str) -> np.ndarray: ...


class Batch(TypedDict):
    """Windows of one step.

    Attributes:
        mels: [speakers, utterances, frames, n_mels], what the model trains on: gain and noise applied.
        clean: the same windows before that, what a teacher listens to. Speed and chorus are in both: they make voices
            that the corpus does not have, and a teacher can say what it thinks of any sound.
    """

    mels: Tensor
    clean: Tensor


@dataclass(frozen=True)
class BatchConfig:
    """Size of a batch and how its windows are varied. Ranges are symmetric and uniform."""

    speakers: int = 32
    utterances: int = 2
    frames: int = 160
    # Speakers are drawn in proportion to (seconds of speech)^power: 0 treats them alike and repeats the short ones
    # often, 1 hears everything equally often and lets the long ones fill the batches.
    duration_power: float = 0.5
    gain_db: float = 6.0
    noise_probability: float = 0.3
    noise_snr_db: tuple[float, float] = (5.0, 30.0)
    # Played at another speed, a voice is another voice: cheap new speakers, for the teacher as well.
    speed_probability: float = 0.8
    speed_range: float = 0.25
    # So do two people who talk at once, the second one quieter by as much.
    chorus_probability: float = 0.25
    chorus_ratio_db: tuple[float, float] = (2.0, 15.0)

    def __post_init__(self) -> None:
        if self.speakers < 2 or self.utterances < 2:
            raise ConfigError("An encoder batch needs at least 2 speakers and 2 utterances of each.")
        if self.frames < 1:
            raise ConfigError(f"A window of {self.frames} frames is empty; 160 frames are 1.6 s.")
        for name in ("noise_probability", "speed_probability", "chorus_probability"):
            if not 0 <= getattr(self, name) <= 1:
                raise ConfigError(f"The {name} is {getattr(self, name)}; a probability lies between 0 and 1.")
        if not 0 <= self.speed_range < 0.5:
            raise ConfigError(f"The speed_range is {self.speed_range}; it must be at least 0 and below 0.5.")
        for name in ("noise_snr_db", "chorus_ratio_db"):
            if getattr(self, name)[0] > getattr(self, name)[1]:
                raise ConfigError(f"The {name} must be given as lowest and highest ratio.")


class SpeakerBatches:
    """Draws batches from the items of one split.

    Args:
        store: items with a `mel` [frames, n_mels] and the meta `speaker` and `split`.
        config: size and variation of the batches.
        seed, rank: with the step, all that a batch depends on.
        split: "train" or "validation".

    Raises:
        CorpusError: if the split has fewer speakers than a batch needs.
    """

    def __init__(
        self, store: MelStore, config: BatchConfig | None = None, *, seed: int = 0, rank: int = 0, split: str = "train"
    ):
        self.store = store
        self.config = config or BatchConfig()
        self.seed = seed
        self.rank = rank
        self.items = items_by_speaker(store, split)
        self.names = sorted(self.items)
        if len(self.names) < self.config.speakers:
            raise CorpusError(
                f"The store has {len(self.names)} {split} speakers, but a batch takes {self.config.speakers}; "
                "add speakers or ask for smaller batches (--batch.speakers)."
            )
        seconds = np.array([sum(len(store.array(i, "mel")) for i in self.items[name]) for name in self.names])
        self._log_weights = self.config.duration_power * np.log(np.maximum(seconds, 1))

    def batch_at(self, step: int) -> Batch:
        """The batch of a step, always the same one for the same seed and rank."""
        rng = np.random.default_rng([self.seed, self.rank, step])
        # the largest of log weight + Gumbel noise are a weighted draw without replacement (Gumbel-top-k)
        keys = self._log_weights + rng.gumbel(size=len(self.names))
        chosen = np.argsort(-keys)[: self.config.speakers]
        clean = self._join_voices(np.stack([self._speaker_windows(self.names[index], rng) for index in chosen]), rng)
        return {"mels": torch.from_numpy(self._disturb(clean, rng)), "clean": torch.from_numpy(clean)}

    def _speaker_windows(self, name: str, rng: np.random.Generator) -> Floats:
        """[utterances, frames, n_mels] of one speaker, from as many different utterances as there are."""
        config, items = self.config, self.items[name]
        order = rng.permutation(len(items))
        picks = [items[order[turn % len(items)]] for turn in range(config.utterances)]
        speed = 1.0
        if rng.random() < config.speed_probability:
            speed += rng.uniform(-config.speed_range, config.speed_range)
        windows = []
        for turn, item in enumerate(picks):
            # Windows of one utterance are drawn from equal stretches of it, so that they overlap little.
            stretch, stretches = turn // len(items), (len(picks) - 1 - turn % len(items)) // len(items) + 1
            position = (stretch + rng.random()) / stretches
            windows.append(cut_window(self.store.array(item, "mel"), config.frames, position, speed))
        return np.stack(windows)

    def _join_voices(self, windows: Floats, rng: np.random.Generator) -> Floats:
        """Adds to some windows what the next speaker of the batch says meanwhile."""
        config = self.config
        joined = rng.random(windows.shape[:2]) < config.chorus_probability
        others = np.roll(windows, 1, axis=0)[joined]
        level = _power(windows[joined]) / np.maximum(_power(others), 1e-12)
        ratio = 10 ** (-rng.uniform(*config.chorus_ratio_db, level.shape) / 10)
        mixed = windows.copy()
        mixed[joined] += (level * ratio).astype(np.float32) * others
        return mixed

    def _disturb(self, clean: Floats, rng: np.random.Generator) -> Floats:
        """Gain and stationary coloured noise, in the power domain, where independent sounds add."""
        config = self.config
        shape = (*clean.shape[:2], 1, 1)
        bands = np.linspace(-0.5, 0.5, clean.shape[-1])
        noisy = rng.random(shape[:2]) < config.noise_probability
        sound = clean[noisy]
        # from brown (-30 dB over the bands) to bluish (+10 dB)
        colour = 10 ** (rng.uniform(-3, 1, (len(sound), 1, 1)) * bands).astype(np.float32)
        # The power of Gaussian noise in a narrow band is exponentially distributed from frame to frame, less so in
        # wide ones: the mean of two such bands is a fair likeness of the forty.
        noise = colour * rng.standard_exponential((2, *sound.shape), dtype=np.float32).sum(axis=0)
        level = _power(sound) / _power(noise)
        ratio = 10 ** (-rng.uniform(*config.noise_snr_db, level.shape) / 10)
        disturbed = clean.copy()
        disturbed[noisy] += (level * ratio).astype(np.float32) * noise
        gain = 10 ** (rng.uniform(-config.gain_db, config.gain_db, shape) / 10)
        return disturbed * gain.astype(np.float32)


def _power(windows: Floats) -> Floats:
    """Mean power of each window: [..., frames, n_mels] -> [..., 1, 1]."""
    return windows.mean((-2, -1), keepdims=True)


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
    edge = 200 / 3  # Hz a mel below 1 kHz; above, 27 mels make a factor of 6.4
    top = 15 + 27 * np.log(8.0) / np.log(6.4)
    centres = np.linspace(0, top, bands + 2)[1:-1]
    hertz = np.where(centres < 15, centres * edge, 1000 * 6.4 ** ((centres - 15) / 27)) / speed
    mels = np.where(hertz < 1000, hertz / edge, 15 + 27 * np.log(np.maximum(hertz, 1) / 1000) / np.log(6.4))
    place = np.clip(mels / (centres[1] - centres[0]) - 1, 0, bands - 1)
    below = np.minimum(place.astype(int), bands - 2)
    share = place - below
    matrix = np.zeros((bands, bands), dtype=np.float32)
    columns = np.arange(bands)
    matrix[below, columns] = 1 - share
    matrix[below + 1, columns] += share
    return matrix
