"""Training batches of a VITS from a feature store that holds audio."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from corpora.store import FeatureStore
from speech.audio import INT16_SCALE
from speech.errors import CorpusError
from synthesizer.batches import BatchConfig, SynthesizerBatches, has_text
from synthesizer.text.symbols import PAD_ID
from synthesizer.text.transcript import Transcript, encode
from synthesizer.vits.config import Architecture
from synthesizer.vits.references import ReferenceMaker, References

NO_TEXT = np.array([PAD_ID])
# Lengths are padded to multiples of these. oneDNN compiles code for each new shape, which took a fifth of the time.
FRAME_STEP, TOKEN_STEP = 64, 32
WITHOUT_PHONEMES = 0.15  # probability of encoding a word as letters although its pronunciation is known


@dataclass(frozen=True)
class VitsBatch:
    """One batch, padded at the end.

    Attributes:
        symbols: int64 [batch, symbols]; symbol_lengths: int64 [batch].
        wav: float32 [batch, frames * hop]; frame_lengths: int64 [batch].
        embedding: float32 [batch, speaker_embedding_size].
        has_text: bool [batch]; a recording without a text has one symbol, which must not count.
        units: int64 [batch, units], unit_lengths: int64 [batch]; None for a model that reads text only.
        unit_pitch: F0 of the units in Hz, 0 where it is unvoiced, float32 [batch, units]; None for a model without.
        references: crops for a speaker encoder that is trained too; None without one.
    """

    symbols: Tensor
    symbol_lengths: Tensor
    wav: Tensor
    frame_lengths: Tensor
    embedding: Tensor
    has_text: Tensor
    units: Tensor | None = None
    unit_lengths: Tensor | None = None
    unit_pitch: Tensor | None = None
    references: References | None = None


class VitsBatches(SynthesizerBatches):
    """Batches of recordings of similar length.

    Args:
        frames: padded mel frames in a batch.
        references: makes crops for a speaker encoder that is trained too, and noise.

    Raises:
        CorpusError: the store has no audio, or nothing to train on.
    """

    def __init__(
        self,
        store: FeatureStore,
        architecture: Architecture,
        frames: int,
        references: ReferenceMaker | None = None,
        *,
        seed: int,
        rank: int,
        world_size: int,
    ) -> None:
        self.needs_text = not architecture.units
        super().__init__(store, BatchConfig(frames), seed, rank, world_size)
        self.architecture, self.references = architecture, references
        self.indices = np.array(usable(store, self.indices.tolist(), architecture))
        if not len(self.indices):
            raise CorpusError(
                f"{store.directory} has no recording that is long enough for its text: preprocess more recordings."
            )
        check_units(store, self.indices.tolist(), architecture)
        self.frames = np.array([store.shape(index, "mel")[0] for index in self.indices])

    def batch_at(self, step: int) -> VitsBatch:  # type: ignore[override]
        """The batch of one step: a function of seed, step and rank only."""
        indices, rng = self.chosen_at(step)
        if self.references is not None and len(indices) == 1:  # the encoder's batch norm needs two recordings
            indices.append(int(rng.choice(self.indices)))
        return collate(self.store, indices, self.architecture, rng, self.references)

    def _exceeds_budget(self, order: np.ndarray) -> bool:
        return rounded(int(self.frames[order].max()), FRAME_STEP) * len(order) > self.config.frames


def usable(store: FeatureStore, indices: Sequence[int], architecture: Architecture) -> list[int]:
    """Items with audio and at least as many frames as tokens, which an alignment needs.

    Raises:
        CorpusError: the store has no audio.
    """
    if not any(store.has(index, "wav") for index in indices):
        raise CorpusError(
            f"{store.directory} has no audio: a VITS needs a store of `preprocess.py synthesizer --keep-audio`."
        )
    return [
        index
        for index in indices
        if store.has(index, "wav") and store.shape(index, "mel")[0] >= _most_tokens(store, index, architecture)
    ]


def check_units(store: FeatureStore, indices: Sequence[int], architecture: Architecture) -> None:
    """Check that a store has what a model with units is trained on: arrays `units` and `unit_pitch` of each recording.

    Raises:
        CorpusError: it does not.
    """
    if architecture.units and not all(store.has(index, "units") for index in indices):
        raise CorpusError(f"{store.directory} lacks the units of its recordings: leave --units out, or add them.")
    if architecture.unit_pitch and not all(store.has(index, "unit_pitch") for index in indices):
        raise CorpusError(f"{store.directory} lacks the pitch of its units: preprocess its recordings again.")


def rounded(length: int, step: int) -> int:
    """The smallest multiple of `step` that is not less than a length."""
    return -(-length // step) * step


def _padded(rows: Sequence[np.ndarray], kind: type = np.int64) -> np.ndarray:
    """Sequences of numbers as [rows, longest, rounded up] of a kind, with zeros at the end."""
    padded: np.ndarray = np.zeros((len(rows), rounded(max(map(len, rows)), TOKEN_STEP)), kind)
    for target, row in zip(padded, rows, strict=True):
        target[: len(row)] = row
    return padded


def _most_tokens(store: FeatureStore, index: int, architecture: Architecture) -> int:
    """Tokens of a text, as phonemes or as letters, whichever are more; those of one symbol without a text."""
    tokens = Transcript.from_json(store.meta(index)["transcript"]).tokens if has_text(store, index) else ()
    symbols = sum(max(len(token.spelling), len(token.phonemes or ())) for token in tokens) + 1
    return 2 * symbols + 1 if architecture.blanks else symbols


def collate(
    store: FeatureStore,
    indices: Sequence[int],
    architecture: Architecture,
    rng: np.random.Generator | None,
    references: ReferenceMaker | None = None,
) -> VitsBatch:
    """Read recordings and pad them. Without an rng every word with a known pronunciation is encoded as phonemes."""
    probability = 1.0 if rng is None else 1 - WITHOUT_PHONEMES
    known = [has_text(store, index) for index in indices]
    texts = [
        encode(Transcript.from_json(store.meta(index)["transcript"]), probability, rng) if text else NO_TEXT
        for index, text in zip(indices, known, strict=True)
    ]
    hop = architecture.mel.hop_length
    lengths = np.array([store.shape(index, "mel")[0] for index in indices])
    clean = [np.asarray(store.array(index, "wav")) / np.float32(INT16_SCALE) for index in indices]
    given = references.noisy_share(clean, rng) if references is not None and rng is not None else clean
    wavs = np.zeros((len(indices), rounded(int(lengths.max()), FRAME_STEP) * hop), np.float32)
    for row, wav in zip(wavs, given, strict=True):
        row[: len(wav)] = wav
    units = [np.asarray(store.array(index, "units")) for index in indices] if architecture.units else []
    pitch = [np.asarray(store.array(index, "unit_pitch")) for index in indices] if architecture.unit_pitch else []
    embeddings = np.stack([np.asarray(store.array(index, "embedding"), np.float32) for index in indices])
    return VitsBatch(
        symbols=torch.from_numpy(_padded(texts)),
        symbol_lengths=torch.tensor([len(text) for text in texts]),
        wav=torch.from_numpy(wavs),
        frame_lengths=torch.from_numpy(lengths),
        embedding=torch.from_numpy(embeddings),
        has_text=torch.tensor(known),
        units=torch.from_numpy(_padded(units)) if units else None,
        unit_lengths=torch.tensor([len(row) for row in units]) if units else None,
        unit_pitch=torch.from_numpy(_padded(pitch, np.float32)) if pitch else None,
        references=None if references is None else references.crops(given, clean, rng),
    )
