"""Training batches from the feature store: grouped by length, within a budget of frames."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from corpora.store import FeatureStore
from speech.errors import ConfigError, CorpusError
from speech.mel import decode_mel
from synthesizer.masks import SILENCE
from synthesizer.text.transcript import Transcript, encode
from synthesizer.token_pitch import UNKNOWN, token_pitch
from training.schedule import staircase

ALIGNER_TOLERANCE = 0.1  # seconds that attention may be away from the aligned times of its word
PITCH_ARRAYS = ("word_pitch", "word_melody")  # names in a store, new and old
SEED_STRIDE = 1_000_003  # separates the random streams of epochs and steps


@dataclass(frozen=True)
class SynthesizerBatch:
    """One batch, padded at the end.

    Attributes:
        symbols: int64 [batch, tokens]; symbol_lengths: int64 [batch].
        mel: float32 [batch, frames, n_mels], frames a multiple of the reduction factor.
        mel_lengths: int64 [batch], frames including the silent tail: steps times the reduction factor.
        speech_steps: int64 [batch], decoder steps before the silent tail.
        embedding: float32 [batch, embedding_size].
        allowed_tokens: int64 [batch, steps, 2], first and last token that each decoder step may attend to by the
            aligned times of the words; the whole text where these are not known.
        pitch: float32 [batch, tokens], F0 in octaves above the voice's median; NaN where it is not known.
        reduction_factor: frames per decoder step.
    """

    symbols: Tensor
    symbol_lengths: Tensor
    mel: Tensor
    mel_lengths: Tensor
    speech_steps: Tensor
    embedding: Tensor
    allowed_tokens: Tensor
    pitch: Tensor
    reduction_factor: int


@dataclass(frozen=True)
class BatchConfig:
    """How batches are made. A resumed run must have the same settings."""

    frames: int = 12_800  # padded frames per batch
    max_items: int = 64
    phoneme_probability: float = 0.85  # per word and batch, so that letters and phonemes both work
    reduction_schedule: tuple[tuple[int, int], ...] = ((0, 4),)  # (first step, frames per decoder step)
    tail_steps: int = 2

    def __post_init__(self) -> None:
        if self.frames < 1 or self.max_items < 1:
            raise ConfigError("--batch-frames must be at least 1")
        if not 0 <= self.phoneme_probability <= 1:
            raise ConfigError("phoneme_probability must lie in [0, 1]")
        if not self.reduction_schedule or self.reduction_schedule[0][0] != 0:
            raise ConfigError("the reduction schedule must begin at step 0, for example 0:4 20000:2")


def collate(
    store: FeatureStore,
    indices: list[int],
    config: BatchConfig,
    reduction_factor: int,
    rng: np.random.Generator | None,
) -> SynthesizerBatch:
    """Read utterances and pad them. Without an rng every word with a known pronunciation is encoded as phonemes."""
    probability = config.phoneme_probability if rng is not None else 1.0
    spelled = [
        encode_words(
            Transcript.from_json(store.meta(index)["transcript"]), probability, rng if probability < 1 else None
        )
        for index in indices
    ]
    texts = [ids for ids, _ in spelled]
    mel_config = store.mel_config
    mels = [decode_mel(store.array(index, "mel"), mel_config.max_abs_value) for index in indices]
    steps = np.array([-(-len(mel) // reduction_factor) for mel in mels])
    lengths = (steps + config.tail_steps) * reduction_factor
    symbols = np.zeros((len(indices), max(map(len, texts))), np.int64)
    padded = np.full((len(indices), lengths.max(), mels[0].shape[1]), SILENCE, np.float32)
    for row, (text, mel) in enumerate(zip(texts, mels, strict=True)):
        symbols[row, : len(text)] = text
        padded[row, : len(mel)] = mel
    pitch = np.full(symbols.shape, UNKNOWN, np.float32)
    allowed = np.zeros((len(indices), padded.shape[1] // reduction_factor, 2), np.int64)
    seconds_per_step = reduction_factor / mel_config.frames_per_second
    for row, (index, (ids, words)) in enumerate(zip(indices, spelled, strict=True)):
        if store.has(index, "word_times"):
            times = np.asarray(store.array(index, "word_times"))
            allowed[row] = allowed_tokens(times, words, allowed.shape[1], seconds_per_step)
        else:
            allowed[row, :, 1] = len(ids) - 1
        for name in PITCH_ARRAYS:
            if store.has(index, name):
                pitch[row, : len(ids)] = token_pitch(np.asarray(store.array(index, name)), words)
    embeddings = np.stack([np.asarray(store.array(index, "embedding"), np.float32) for index in indices])
    return SynthesizerBatch(
        symbols=torch.from_numpy(symbols),
        symbol_lengths=torch.tensor([len(text) for text in texts]),
        mel=torch.from_numpy(padded),
        mel_lengths=torch.from_numpy(lengths),
        speech_steps=torch.from_numpy(steps),
        embedding=torch.from_numpy(embeddings),
        allowed_tokens=torch.from_numpy(allowed),
        pitch=torch.from_numpy(pitch),
        reduction_factor=reduction_factor,
    )


def encode_words(
    transcript: Transcript, phoneme_probability: float, rng: np.random.Generator | None
) -> tuple[np.ndarray, np.ndarray]:
    """Symbols, and for each the index of the word (between spaces) that it belongs to; both int64 [tokens].

    A space or a punctuation mark belongs to the word before it, the end symbol to the last one.
    """
    ids: list[np.ndarray] = []
    words: list[int] = []
    word = 0
    for token in transcript.tokens:
        # The token's symbols, without the end symbol that encode adds.
        symbols = encode(Transcript((token,)), phoneme_probability, rng)[:-1]
        ids.append(symbols)
        words += [word] * len(symbols)
        word += token.spelling.isspace()
    ids.append(encode(Transcript(()), 0.0))
    return np.concatenate(ids), np.array([*words, word])


def allowed_tokens(times: np.ndarray, words: np.ndarray, steps: int, seconds_per_step: float) -> np.ndarray:
    """Tokens that each decoder step may attend to: those of the words within ALIGNER_TOLERANCE of its time.

    Args:
        times: start and end of each word in seconds, [words, 2].
        words: index of the word of each token, [tokens], rising.

    Returns:
        first and last token, int64 [steps, 2].
    """
    if words[-1] + 1 != len(times):
        return np.tile(np.array([0, len(words) - 1]), (steps, 1))
    middle = (np.arange(steps) + 0.5) * seconds_per_step
    starts = np.concatenate(([-np.inf], times[1:, 0]))  # a pause belongs to the word before it
    first = np.searchsorted(starts, middle - ALIGNER_TOLERANCE, side="right") - 1
    last = np.searchsorted(starts, middle + ALIGNER_TOLERANCE, side="right") - 1
    return np.stack((np.searchsorted(words, first), np.searchsorted(words, last, side="right") - 1), 1)


class SynthesizerBatches:
    """Batches by step: each epoch is sorted by length with some noise, cut by the frame budget, and shuffled.

    Args:
        store: what `preprocess.py synthesizer` wrote.
        config: settings.
        seed: of the order and of the choice between letters and phonemes.
        rank, world_size: index and number of processes; each takes every world_size-th batch.

    Attributes:
        needs_text: whether recordings without a text are left out.

    Raises:
        CorpusError: the store has nothing to train on.
    """

    needs_text = True

    def __init__(self, store: FeatureStore, config: BatchConfig, seed: int = 0, rank: int = 0, world_size: int = 1):
        self.store = store
        self.config = config
        self.seed = seed
        self.rank = rank
        self.world_size = world_size
        chosen = store.select(split="train")
        self.indices = np.array(with_text(store, chosen) if self.needs_text else chosen)
        if not len(self.indices):
            raise CorpusError(f"{store.directory} has no utterances to train on: preprocess a corpus with transcripts.")
        self.frames = np.array([store.shape(index, "mel")[0] for index in self.indices])
        self._epochs: list[list[np.ndarray]] = []
        self._starts = [0]
        self._lock = threading.Lock()

    def mean_embedding(self) -> Tensor:
        """Mean over the training speakers of their mean embeddings, [embedding_size]."""
        speakers: dict[str, list[np.ndarray]] = {}
        for index in self.indices:
            embedding = np.asarray(self.store.array(int(index), "embedding"), np.float32)
            speakers.setdefault(self.store.meta(int(index))["speaker"], []).append(embedding)
        return torch.from_numpy(np.mean([np.mean(own, 0) for own in speakers.values()], 0))

    def batch_at(self, step: int) -> SynthesizerBatch:
        """The batch of one step: a function of seed, step and rank only."""
        indices, rng = self.chosen_at(step)
        factor = staircase(step, self.config.reduction_schedule)
        return collate(self.store, indices, self.config, int(factor), rng)

    def chosen_at(self, step: int) -> tuple[list[int], np.random.Generator]:
        """Items of a step, and the generator of its random numbers."""
        number = step * self.world_size + self.rank
        with self._lock:
            while self._starts[-1] <= number:
                self._epochs.append(self._epoch(len(self._epochs)))
                self._starts.append(self._starts[-1] + len(self._epochs[-1]))
            epoch = int(np.searchsorted(self._starts, number, side="right")) - 1
            indices = self._epochs[epoch][number - self._starts[epoch]]
        return [int(index) for index in indices], np.random.default_rng((self.seed, SEED_STRIDE, number))

    def _epoch(self, epoch: int) -> list[np.ndarray]:
        rng = np.random.default_rng((self.seed, epoch))
        noisy = self.frames * rng.uniform(0.95, 1.05, len(self.frames))
        order = np.argsort(noisy, kind="stable")
        batches: list[np.ndarray] = []
        first = 0
        for last in range(1, len(order) + 1):
            items = last - first + 1
            if last == len(order) or items > self.config.max_items or self._exceeds_budget(order[first : last + 1]):
                batches.append(self.indices[order[first:last]])
                first = last
        return [batches[k] for k in rng.permutation(len(batches))]

    def _exceeds_budget(self, order: np.ndarray) -> bool:
        return self.frames[order].max() * len(order) > self.config.frames


def has_text(store: FeatureStore, index: int) -> bool:
    """Whether an item of a store has a transcript."""
    return "transcript" in store.meta(int(index))


def with_text(store: FeatureStore, indices: Sequence[int]) -> list[int]:
    """The items that have a transcript. Only stores of `preprocess.py synthesizer --text-optional` have others."""
    if not store.info.get("text_optional"):
        return list(indices)
    return [index for index in indices if has_text(store, index)]


def validation_items(
    store: FeatureStore, most: int, free_running: int, needs_text: bool = True
) -> tuple[list[int], list[int]]:
    """Utterances of held-out speakers to validate on.

    Args:
        most: how many are decoded by teacher forcing.
        free_running: how many of these are also decoded in free running.
        needs_text: leave out recordings without a text.

    Returns:
        indices of both, the first sorted by length.

    Raises:
        CorpusError: there are none.
    """
    indices = store.select(split="validation")
    indices = with_text(store, indices) if needs_text else indices
    if not indices:
        raise CorpusError(f"{store.directory} has no validation speakers: preprocess a corpus with more speakers.")
    chosen = [int(index) for index in np.random.default_rng(0).permutation(indices)[:most]]
    return sorted(chosen, key=lambda index: store.shape(index, "mel")), chosen[:free_running]
