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
from synthesizer.batches import BatchConfig, collate
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.postfilter import LIMIT
from synthesizer.tacotron.task_inputs import teacher_forcing
from training.processes import to_device

SEED_STRIDE = 1_000_003
BATCH_ROWS = 16  # recordings in a teacher-forced batch

Progress = Callable[[Iterable[int], str], Iterable[int]]  # (iterable, label) -> the same iterable


class MelPair(NamedTuple):
    """A recording and its generated mel.

    Attributes:
        generated: by teacher forcing, float16 [frames, n_mels]; recorded: of the recording.
        f0: of the recording, float32 [frames] in Hz, 0 where unvoiced.
        harmonics: harmonic pattern of that F0, float16 [frames, n_mels].
        voice: float32 [embedding_size], norm 1.
    """

    generated: np.ndarray
    recorded: np.ndarray
    f0: np.ndarray
    harmonics: np.ndarray
    voice: np.ndarray


class PostfilterBatch(NamedTuple):
    """Crops of pairs: float32 [rows, frames, ...], voices [rows, embedding_size]."""

    generated: Tensor
    recorded: Tensor
    f0: Tensor
    harmonics: Tensor
    voices: Tensor


@torch.no_grad()
def teacher_forced_pairs(
    model: Tacotron2, store: FeatureStore, indices: Sequence[int], reduction_factor: int, progress: Progress
) -> list[MelPair]:
    """Decode utterances of a store by teacher forcing; in order of length."""
    device = next(model.parameters()).device
    mel_config = model.config.mel
    by_length = sorted(indices, key=lambda index: store.shape(index, "mel")[0])
    pairs = []
    for first in progress(range(0, len(by_length), BATCH_ROWS), "teacher forcing"):
        chosen = by_length[first : first + BATCH_ROWS]
        batch = to_device(collate(store, chosen, BatchConfig(), reduction_factor, None), device)
        output = model(teacher_forcing(batch, batch.embedding), reduction_factor)
        for row, index in enumerate(chosen):
            recorded = decode_mel(store.array(index, "mel"), mel_config.max_abs_value)
            generated = output.mel[row, : len(recorded)].clamp(-LIMIT, LIMIT).cpu().numpy()
            f0 = f0_from_mel(recorded.T, mel_config)
            halves = [values.astype(np.float16) for values in (generated, recorded, harmonic_pattern(f0, mel_config).T)]
            pairs.append(MelPair(halves[0], halves[1], f0, halves[2], batch.embedding[row].cpu().numpy()))
    return pairs


class PostfilterBatches:
    """Crops of pairs, by step.

    Raises:
        CorpusError: no recording is as long as a crop.
    """

    def __init__(self, pairs: Sequence[MelPair], rows: int, frames: int, seed: int, rank: int = 0) -> None:
        self.rows, self.frames, self.seed, self.rank = rows, frames, seed, rank
        self.pairs = [pair for pair in pairs if len(pair.recorded) >= frames]
        if not self.pairs:
            raise CorpusError(f"No training utterance has the {frames} frames of a crop: lower --post.frames.")

    def batch_at(self, step: int) -> PostfilterBatch:
        """The batch of one step: a function of seed, step and rank only."""
        rng = np.random.default_rng((self.seed, SEED_STRIDE, step, self.rank))
        crops = [self._crop(rng) for _ in range(self.rows)]
        generated, recorded, f0, harmonics, voices = (
            torch.from_numpy(np.stack(values).astype(np.float32)) for values in zip(*crops, strict=True)
        )
        return PostfilterBatch(generated, recorded, f0, harmonics, F.normalize(voices, dim=1))

    def _crop(self, rng: np.random.Generator) -> MelPair:
        pair = self.pairs[int(rng.integers(len(self.pairs)))]
        start = int(rng.integers(len(pair.recorded) - self.frames + 1))
        part = slice(start, start + self.frames)
        return MelPair(pair.generated[part], pair.recorded[part], pair.f0[part], pair.harmonics[part], pair.voice)
