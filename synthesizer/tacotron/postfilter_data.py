"""Training data of a postfilter: generated mels beside those of the recordings.

The rest of the synthesizer does not change while its postfilter is trained. So its teacher-forced mels are computed
once, before training, and kept in memory.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from corpora.store import FeatureStore
from speech.errors import CorpusError
from speech.mel import decode_mel
from speech.mel_f0 import f0_from_mel, harmonic_pattern
from synthesizer.tacotron.data import BatchConfig, collate
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.postfilter import LIMIT

SEED_STRIDE = 1_000_003
AT_ONCE = 16  # recordings in a teacher-forced batch

Progress = Callable[[Iterable[int], str], Iterable[int]]  # an iterable as it is, and what is done with it


class Reading(NamedTuple):
    """One recording, read along.

    Attributes:
        made: what the synthesizer made, float16 [frames, n_mels]; real: the recording's mel.
        pitch: of the recording, float32 [frames] in Hz, 0 for none; harmonics: of that pitch, float16 [frames, n_mels].
        voice: float32 [256], norm 1.
    """

    made: np.ndarray
    real: np.ndarray
    pitch: np.ndarray
    harmonics: np.ndarray
    voice: np.ndarray


class PostfilterBatch(NamedTuple):
    """Crops of readings: as there, float32 [rows, frames, ...], and the voices [rows, 256]."""

    made: Tensor
    real: Tensor
    pitch: Tensor
    harmonics: Tensor
    voices: Tensor


@torch.no_grad()
def read_along(model: Tacotron2, store: FeatureStore, places: Sequence[int], progress: Progress) -> list[Reading]:
    """Recordings as the model reads them teacher-forced, as at inference but for what it is fed with; by length."""
    device = next(model.parameters()).device
    config = model.config
    by_length = sorted(places, key=lambda place: store.shape(place, "mel")[0])
    readings = []
    for first in progress(range(0, len(by_length), AT_ONCE), "read along"):
        chosen = by_length[first : first + AT_ONCE]
        batch = collate(store, chosen, BatchConfig(), config.reduction_factor, None)
        output = model(
            batch.symbols.to(device), batch.symbol_lengths.to(device), batch.mel.to(device),
            batch.mel_lengths.to(device), batch.embedding.to(device), config.reduction_factor, batch.melody.to(device),
        )  # fmt: skip
        for row, place in enumerate(chosen):
            real = decode_mel(store.array(place, "mel"), config.mel.max_abs_value)
            made = output.mel[row, : len(real)].clamp(-LIMIT, LIMIT).cpu().numpy()
            pitch = f0_from_mel(real.T, config.mel)
            halves = [values.astype(np.float16) for values in (made, real, harmonic_pattern(pitch, config.mel).T)]
            readings.append(Reading(halves[0], halves[1], pitch, halves[2], batch.embedding[row].numpy()))
    return readings


class PostfilterBatches:
    """Crops of readings, by step.

    Raises:
        CorpusError: nothing is as long as a crop.
    """

    def __init__(self, readings: Sequence[Reading], rows: int, frames: int, seed: int, rank: int = 0) -> None:
        self.rows, self.frames, self.seed, self.rank = rows, frames, seed, rank
        self.readings = [item for item in readings if len(item.real) >= frames]
        if not self.readings:
            raise CorpusError(f"No recording of the training split is {frames} frames long, as a crop must be.")

    def batch_at(self, step: int) -> PostfilterBatch:
        """A function of seed, step and rank alone."""
        rng = np.random.default_rng((self.seed, SEED_STRIDE, step, self.rank))
        crops = [self._crop(rng) for _ in range(self.rows)]
        made, real, pitch, harmonics, voices = (
            torch.from_numpy(np.stack(values).astype(np.float32)) for values in zip(*crops, strict=True)
        )
        return PostfilterBatch(made, real, pitch, harmonics, F.normalize(voices, dim=1))

    def _crop(self, rng: np.random.Generator) -> Reading:
        item = self.readings[int(rng.integers(len(self.readings)))]
        start = int(rng.integers(len(item.real) - self.frames + 1))
        part = slice(start, start + self.frames)
        return Reading(item.made[part], item.real[part], item.pitch[part], item.harmonics[part], item.voice)
