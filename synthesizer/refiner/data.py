"""Training data of a refiner: decoded mels beside those of the recordings, and references of the same speaker."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from corpora.store import FeatureStore
from speech.errors import CorpusError
from speech.mel import code_mel, decode_mel, mel_amplitudes
from speech.mel_config import MelConfig
from speech.mel_f0 import f0_from_mel
from speech.noise_mixing import BABBLE_PROBABILITY, BABBLE_VOICES, add_noise_to_mel, babble, coloured_noise_mel
from synthesizer.masks import SILENCE
from synthesizer.refiner.flags import RefinerFlags
from synthesizer.refiner.network import FRAMES, Conditions
from synthesizer.text.symbols import PAD_ID

Floats = NDArray[np.float32]
Progress = Callable[[Iterable[int], str], Iterable[int]]  # (iterable, label) -> the same iterable

SEED_STRIDE = 1_000_003
LEAST_REFERENCE = 96  # frames: 1.2 s

# How often the network lacks an input, so that it can do without, and so that it uses each of the others.
COARSE_UNKNOWN = 0.2
COARSE_CHANGED = 0.6  # of the crops: another vocal tract and spectral tilt, which the network has to correct
SYMBOLS_UNKNOWN = 0.1  # of the crops with a known mel
SPEAKER_UNKNOWN = 0.1  # neither embedding nor reference, for classifier-free guidance (arXiv 2207.12598)
EMBEDDING_UNKNOWN = 0.1
REFERENCE_UNKNOWN = 0.1
EMBEDDING_NOISE = 0.02  # standard deviation per value: embeddings differ between clips of a voice

WARP = 0.16  # largest change of the frequency scale
TILT_POINTS = 6  # of the curve that is added to the spectrum
TILT = 0.35  # standard deviation of these points; 1 is 12.5 dB
REFERENCE_SNR = (0.0, 20.0)  # dB

COARSE_NOISE = 0.15  # largest standard deviation of noise in the decoder's mel


@dataclass(frozen=True)
class RefinerBatch:
    """Crops: conditions and the mels of the recordings, [rows, frames, n_mels]."""

    given: Conditions
    recorded: Tensor


def item_arrays(
    made: Floats, symbols: NDArray[np.integer], recorded: Floats, config: MelConfig
) -> dict[str, NDArray[Any]]:
    """What a store of generated mels holds of a recording.

    Args:
        made, recorded: mels [n_mels, frames] of the synthesizer and of the recording, dB scaled.
        symbols: that are spoken, [frames].

    Returns:
        `generated` (uint8 [frames, n_mels], see `speech.mel.code_mel`), `symbols` (uint8 [frames]) and `f0` of the
        recording (float16 [frames] in Hz, 0 where unvoiced).
    """
    return {
        "generated": code_mel(made.T, config.max_abs_value),
        "symbols": symbols.astype(np.uint8),
        "f0": f0_from_mel(recorded, config).astype(np.float16),
    }


class RefinerItems:
    """Utterances with their decoded mel, and the other utterances of each speaker.

    Args:
        store: the recordings.
        generated: what the synthesizer makes of them: `item_arrays` under the keys of `store`.
        indices: of `store`; those without a generated mel are left out.
        without_mel: fraction of the training crops without the generated mel, for a synthesizer with symbols.
        changed: fraction with another vocal tract and spectral tilt, which the network has to correct.

    Raises:
        CorpusError: nothing is left.
    """

    def __init__(
        self,
        store: FeatureStore,
        generated: FeatureStore,
        indices: Sequence[int],
        flags: RefinerFlags,
        without_mel: float = COARSE_UNKNOWN,
        changed: float = COARSE_CHANGED,
    ):
        self.store, self.generated, self.flags = store, generated, flags
        self.without_mel, self.changed = without_mel, changed
        self.limit = store.mel_config.max_abs_value
        decoded = set(generated.keys)
        self.indices = [index for index in indices if store.keys[index] in decoded]
        if not self.indices:
            raise CorpusError(
                f"{store.directory} has no utterances for a refiner: preprocess a corpus with more speakers."
            )
        self.by_speaker: dict[str, list[int]] = {}
        for index in indices:
            self.by_speaker.setdefault(store.meta(index)["speaker"], []).append(index)

    def crop(self, index: int, rng: np.random.Generator, augmented: bool) -> tuple[np.ndarray, ...]:
        """The conditions of a random crop, in the order of `Conditions`, and its recorded mel last."""
        own = self.generated.find(self.store.keys[index])
        recorded, generated = (
            decode_mel(mel, self.limit)
            for mel in (self.store.array(index, "mel"), self.generated.array(own, "generated"))
        )
        symbols, f0 = (self.generated.array(own, name) for name in ("symbols", "f0"))
        frames, wanted = len(recorded), self.flags.frames
        start = int(rng.integers(max(1, frames - wanted + 1)))
        part = slice(start, start + wanted)
        coarse_known = embedding_known = 1.0
        coarse = generated[part]
        reference = self._reference(index, rng, part)
        embedding = np.asarray(self.store.array(index, "embedding"), np.float32)
        if augmented:
            coarse_known = float(rng.random() >= self.without_mel)
            if coarse_known and rng.random() < SYMBOLS_UNKNOWN:
                symbols = np.full_like(symbols, PAD_ID)
            speaker_known = rng.random() >= SPEAKER_UNKNOWN
            embedding_known = float(speaker_known and rng.random() >= EMBEDDING_UNKNOWN)
            if rng.random() < self.changed:
                coarse = change_voice(coarse, rng)
            coarse = coarse + rng.uniform(0, COARSE_NOISE) * rng.standard_normal(coarse.shape, np.float32)
            if not speaker_known or rng.random() < REFERENCE_UNKNOWN:
                reference = reference[:0]
            elif len(reference) and self.flags.reference_noise and rng.random() < self.flags.reference_noise:
                reference = self._noisy(reference, rng)
            embedding = embedding + EMBEDDING_NOISE * rng.standard_normal(len(embedding), np.float32)
            embedding = embedding / np.linalg.norm(embedding)
        return (
            padded(coarse, wanted, SILENCE),
            np.array(coarse_known, np.float32),
            padded(symbols[part], wanted, symbols[-1]),
            padded(np.asarray(f0[part], np.float32), wanted, 0),
            embedding * embedding_known,
            reference,
            padded(recorded[part], wanted, SILENCE),
        )

    def _reference(self, index: int, rng: np.random.Generator, part: slice) -> Floats:
        """A part of another utterance of the speaker, or of the rest of this one: [frames, n_mels], perhaps empty."""
        others = [other for other in self.by_speaker[self.store.meta(index)["speaker"]] if other != index]
        if others:
            mel = self.store.array(others[int(rng.integers(len(others)))], "mel")
        else:
            mel = self.store.array(index, "mel")
            mel = max(mel[: part.start], mel[part.stop :], key=len)
        most = self.flags.reference_frames
        length = int(rng.integers(min(LEAST_REFERENCE, most), most + 1))
        length = min(length, len(mel)) // FRAMES * FRAMES
        start = int(rng.integers(len(mel) - length + 1))
        return decode_mel(mel[start : start + length], self.limit)

    def _noisy(self, mel: Floats, rng: np.random.Generator) -> Floats:
        """A mel [frames, n_mels] with coloured noise or with the babble of other recordings."""
        config = self.store.mel_config
        if rng.random() < BABBLE_PROBABILITY:
            chosen = [self.indices[number] for number in rng.integers(len(self.indices), size=BABBLE_VOICES)]
            others = (decode_mel(self.store.array(index, "mel"), self.limit) for index in chosen)
            noise = babble((np.square(mel_amplitudes(other, config)) for other in others), len(mel), rng)
        else:
            noise = coloured_noise_mel(mel.shape, rng)
        return add_noise_to_mel(mel, noise, rng.uniform(*REFERENCE_SNR), config)

    def batch(self, indices: Sequence[int], rng: np.random.Generator, augmented: bool) -> RefinerBatch:
        """A crop of each of these utterances."""
        crops = [self.crop(index, rng, augmented) for index in indices]
        coarse, known, symbols, f0, embeddings, references, recorded = zip(*crops, strict=True)
        lengths = [len(reference) for reference in references]
        longest = max(FRAMES, *lengths)
        filled = [padded(reference, longest, SILENCE) for reference in references]
        arrays = (coarse, known, symbols, f0, embeddings, filled)
        tensors = [torch.from_numpy(np.stack(values).astype(np.float32)) for values in arrays]
        tensors[2] = tensors[2].long()
        tensors.append(torch.tensor(lengths))
        return RefinerBatch(Conditions(*tensors), torch.from_numpy(np.stack(recorded).astype(np.float32)))

    def statistics(self, count: int = 500) -> tuple[Tensor, Tensor]:
        """Mean and standard deviation of each band of the recordings, [n_mels] each."""
        chosen = np.random.default_rng(0).permutation(self.indices)[:count]
        mels = np.concatenate([decode_mel(self.store.array(int(index), "mel"), self.limit) for index in chosen])
        return torch.from_numpy(mels.mean(0)), torch.from_numpy(mels.std(0) + 1e-3)


class RefinerBatches:
    """Training batches by step. A speaker is drawn in proportion to the square root of its utterances."""

    def __init__(self, items: RefinerItems, seed: int, rank: int = 0) -> None:
        self.items, self.seed, self.rank = items, seed, rank
        groups: dict[str, list[int]] = {}
        for index in items.indices:
            groups.setdefault(items.store.meta(index)["speaker"], []).append(index)
        self.groups = list(groups.values())
        weights = np.sqrt([len(group) for group in self.groups])
        self.cumulative = np.cumsum(weights / weights.sum())

    def batch_at(self, step: int) -> RefinerBatch:
        """The batch of one step: a function of seed, step and rank only."""
        rng = np.random.default_rng((self.seed, SEED_STRIDE, step, self.rank))
        groups = np.searchsorted(self.cumulative, rng.random(self.items.flags.rows) * self.cumulative[-1])
        chosen = [self.groups[number][int(rng.integers(len(self.groups[number])))] for number in groups]
        return self.items.batch(chosen, rng, augmented=True)


def change_voice(mel: Floats, rng: np.random.Generator) -> Floats:
    """A mel [frames, n_mels] with another frequency scale, as of another vocal tract, and another spectral tilt."""
    bands = mel.shape[1]
    factor = np.exp(rng.uniform(-WARP, WARP))
    source = np.clip(np.arange(bands) * factor, 0, bands - 1)
    low = np.minimum(source.astype(int), bands - 2)
    share = (source - low).astype(np.float32)
    warped = mel[:, low] * (1 - share) + mel[:, low + 1] * share
    curve = np.interp(np.arange(bands), np.linspace(0, bands - 1, TILT_POINTS), TILT * rng.standard_normal(TILT_POINTS))
    return np.maximum(warped + curve.astype(np.float32), SILENCE)


def padded(values: np.ndarray, length: int, value: float) -> np.ndarray:
    """The values with more rows of `value` at the end, up to a length."""
    more = [(0, length - len(values))] + [(0, 0)] * (values.ndim - 1)
    return np.pad(values, more, constant_values=value)
