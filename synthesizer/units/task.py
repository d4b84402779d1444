"""Training of our own unit encoder by masked prediction (HuBERT, arXiv 2106.07447)."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional
from tqdm import tqdm

from speech.alignment import align_phones, phone_per_frame
from speech.audio import INT16_SCALE
from speech.errors import AudioError, CorpusError
from synthesizer.batches import has_text
from synthesizer.text.transcript import Transcript
from synthesizer.units.base import STAGE, UnitEncoder
from synthesizer.units.clusters import fit_centroids
from synthesizer.units.config import HOP, INPUT_SIZE, PHONES, SAMPLE_RATE, MaskConfig, UnitConfig
from synthesizer.units.encoders import MfccUnits, NetworkUnits, features_of
from synthesizer.units.features import frames_of, log_mels, mfcc
from synthesizer.units.model import UnitNetwork
from training.config import Task

if TYPE_CHECKING:
    from corpora.store import FeatureStore
    from training.run_directory import RunDirectory

IGNORED = -100  # label of frames after the end of a clip
VALIDATION_CLIPS = 24


def open_speech(path: Path) -> FeatureStore:
    """A store with waveforms at 16 kHz.

    Raises:
        CorpusError: it has none, or at a different rate. StorageError: it is not a feature store.
    """
    from training.flags import open_store

    store = open_store(path)
    if not len(store) or not store.has(0, "wav") or store.mel_config.sample_rate != SAMPLE_RATE:
        raise CorpusError(f"{path} has no waveforms at 16 kHz: make a store with `preprocess.py vocoder`.")
    return store


def wav_of(store: FeatureStore, index: int) -> np.ndarray:
    """float32 [samples] at 16 kHz of an utterance."""
    return np.asarray(store.array(index, "wav")) / np.float32(INT16_SCALE)


class Labels(Protocol):
    """What the network learns to predict."""

    classes: int

    def of(self, store: FeatureStore, index: int, wav: np.ndarray) -> np.ndarray | None:
        """Label of each frame of 20 ms of an utterance, int64 [frames], or None to leave it out.

        Args:
            wav: of the utterance, float32 [samples] at 16 kHz.
        """


class UnitLabels:
    """The units of an encoder.

    Args:
        encoder: for example clusters of MFCC, or the units of an earlier run.
    """

    def __init__(self, encoder: UnitEncoder) -> None:
        self.encoder, self.classes = encoder, encoder.units

    def of(self, store: FeatureStore, index: int, wav: np.ndarray) -> np.ndarray:
        return self.encoder.encode(wav)


class PhoneLabels:
    """The phones of the transcripts by forced alignment (`speech.alignment`); 0 in pauses.

    An utterance without a transcript, or one that cannot be aligned with it, is left out.
    """

    classes = len(PHONES) + 1

    def of(self, store: FeatureStore, index: int, wav: np.ndarray) -> np.ndarray | None:
        if not has_text(store, index):
            return None
        tokens = Transcript.from_json(store.meta(index)["transcript"]).tokens
        try:
            phones = align_phones(wav, "".join(token.spelling for token in tokens))
        except AudioError:
            return None
        names = phone_per_frame(phones, frames_of(len(wav)), HOP / SAMPLE_RATE)
        return np.array([PHONES.index(name) + 1 if name else 0 for name in names])


class LabelledMels:
    """Log mels of the utterances of a split, and the labels to predict, in memory: about 30 MB per hour.

    Args:
        store: see `open_speech`.
        labels: to predict.
        limit: use at most this many utterances, in random order.

    Raises:
        CorpusError: there is no utterance that has labels.
    """

    def __init__(
        self, store: FeatureStore, split: str, labels: Labels, limit: int | None = None, seed: int = 0
    ) -> None:
        self.mels: list[np.ndarray] = []
        self.labels: list[np.ndarray] = []
        order = np.random.default_rng(seed).permutation(store.select(split=split))[:limit]
        for index in tqdm(order, f"labels for {split}", file=sys.stderr, disable=None):
            wav = wav_of(store, int(index))
            if len(wav) < HOP or not wav.any():
                continue
            found = labels.of(store, int(index), wav)
            if found is None:
                continue
            self.mels.append(log_mels(wav).astype(np.float16))
            self.labels.append(found.astype(np.int16))
        if not self.mels:
            raise CorpusError(f"{store.directory} has no labelled utterances for {split}: preprocess more recordings.")

    def crop(self, number: int, frames: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Mels float32 [frames, 80] and labels int64 [frames] of a random part; `IGNORED` after the end of the clip."""
        mels, labels = self.mels[number], self.labels[number]
        start = int(rng.integers(max(1, len(mels) - frames + 1)))
        rows = np.zeros((frames, INPUT_SIZE), np.float32)
        targets = np.full(frames, IGNORED, np.int64)
        found = mels[start : start + frames]
        rows[: len(found)], targets[: len(found)] = found, labels[start : start + frames]
        return rows, targets


class MaskedBatches:
    """Random crops with masks. Every frame is equally likely to be in a crop.

    Args:
        data: of the training split.
        batch_size, frames: crops in a batch, and frames in a crop.
        mask: spans that are hidden.
        seed: a batch depends on it and on the step only.
    """

    def __init__(self, data: LabelledMels, batch_size: int, frames: int, mask: MaskConfig, seed: int = 0) -> None:
        self.data, self.batch_size, self.frames, self.mask, self.seed = data, batch_size, frames, mask, seed
        lengths = np.array([len(mels) for mels in data.mels], np.float64)
        self._weights = lengths / lengths.sum()

    def batch_at(self, step: int) -> dict[str, Tensor]:
        """mels [batch, frames, 80], labels int64 [batch, frames] and masked bool [batch, frames]."""
        rng = np.random.default_rng([self.seed, step])
        chosen = rng.choice(len(self._weights), self.batch_size, p=self._weights)
        return masked_batch([self.data.crop(int(number), self.frames, rng) for number in chosen], self.mask, rng)


def masked_batch(
    crops: Sequence[tuple[np.ndarray, np.ndarray]], mask: MaskConfig, rng: np.random.Generator
) -> dict[str, Tensor]:
    """A batch of crops of equal length, with at least one masked frame in each."""
    mels, labels = (torch.from_numpy(np.stack(arrays)) for arrays in zip(*crops, strict=True))
    masked = np.zeros(labels.shape, bool)
    for row, targets in zip(masked, labels.numpy(), strict=True):
        known = int(np.count_nonzero(targets != IGNORED))
        starts = np.flatnonzero(rng.random(known) < mask.probability)
        for start in starts if len(starts) else [int(rng.integers(known))]:
            row[start : min(start + mask.frames, known)] = True
    return {"mels": mels, "labels": labels, "masked": torch.from_numpy(masked)}


class UnitTask(Task):
    """Predicts the labels of masked frames, or of all frames.

    Args:
        network: to train.
        labels: number of different labels.
        validation: data of held-out speakers.
        frames, mask: of the validation crops.
        every_frame: count the frames that are not masked, too.
        about: entries of the model file's header: licence, trained_on.
    """

    best_metric = "loss"

    def __init__(
        self,
        network: UnitNetwork,
        labels: int,
        validation: LabelledMels,
        frames: int,
        mask: MaskConfig,
        *,
        every_frame: bool = False,
        **about: str,
    ) -> None:
        self.model: UnitNetwork = network
        self.every_frame = every_frame
        self.head = nn.Linear(network.config.width, labels)
        self.extra_modules = {"head": self.head}
        self.about = about
        rng = np.random.default_rng(0)
        count = min(len(validation.mels), VALIDATION_CLIPS)
        self._clips = masked_batch([validation.crop(number, frames, rng) for number in range(count)], mask, rng)

    def step(self, batch: dict[str, Tensor], step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss`, and `accuracy` of the frames that count."""
        padding = batch["labels"] == IGNORED
        hidden = self.model(batch["mels"], batch["masked"], padding if bool(padding.any()) else None)
        counted = ~padding if self.every_frame else batch["masked"] & ~padding
        scores, labels = self.head(hidden[counted]).float(), batch["labels"][counted]
        accuracy = (scores.argmax(dim=1) == labels).float().mean()
        return {"loss": functional.cross_entropy(scores, labels), "accuracy": accuracy.detach()}

    def validate(self, step: int, run: RunDirectory) -> dict[str, float]:
        """The same of held-out speakers."""
        device = next(self.model.parameters()).device
        batch = {name: tensor.to(device) for name, tensor in self._clips.items()}
        return {name: float(value) for name, value in self.step(batch, step, torch.Generator()).items()}

    def model_file(self) -> dict[str, Any]:
        """The file of a run has no centroids yet; `units.safetensors` has."""
        return {"stage": STAGE, "kind": "network without units", "config": self.model.config, **self.about}


def mfcc_units(store: FeatureStore, units: int, seed: int = 0, limit: int = 400) -> MfccUnits:
    """Clusters of the MFCC of some training utterances. Raises: CorpusError: there are fewer frames than units."""
    rows = [mfcc(wav) for wav in _some(store, limit, seed)]
    features = np.concatenate(rows) if rows else np.zeros((0, 1), np.float32)
    return MfccUnits(UnitConfig(units=units), fit_centroids(features, units, seed))


def network_units(
    network: UnitNetwork, store: FeatureStore, config: UnitConfig, seed: int = 0, limit: int = 400
) -> NetworkUnits:
    """Clusters of a layer of a trained network. Errors as `mfcc_units`."""
    network.eval()
    rows = [features_of(network, log_mels(wav), config.layer) for wav in _some(store, limit, seed)]
    features = np.concatenate(rows) if rows else np.zeros((0, 1), np.float32)
    return NetworkUnits(network, config, fit_centroids(features, config.units, seed))


def _some(store: FeatureStore, limit: int, seed: int) -> list[np.ndarray]:
    """Waveforms of random training utterances."""
    chosen = np.random.default_rng(seed).permutation(store.select(split="train"))[:limit]
    waves = [wav_of(store, int(index)) for index in chosen]
    return [wav for wav in waves if len(wav) >= HOP and wav.any()]
