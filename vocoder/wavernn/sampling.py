"""Sampling from a WaveRNN in PyTorch: the reference that faster engines are measured against.

The randomness is a tape of uniform numbers made beforehand, or drawn in blocks from the same generator, so that two
ways of running a model can be compared sample by sample.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from vocoder.base import Cancelled, Progress, stop_if
from vocoder.data import mel_window
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.folding import Fold
from vocoder.wavernn.model import WaveRNN
from vocoder.wavernn.samples import draw_samples

CHUNK_FRAMES = 8  # of a stream: 0.1 s
LANES = 64  # folds that the reference runs side by side; more would make a step too long to be cancelled in time

ReadTape = Callable[[int], np.ndarray]  # n -> the next n rows, float32 [n, config.uniforms] in [0, 1)
Tape = np.ndarray | ReadTape


class Sampler(Protocol):
    """A way of running a WaveRNN. All ways agree, sample by sample, on the same tapes (in half precision nearly)."""

    def sample_folds(
        self,
        mel: np.ndarray,
        folds: Sequence[Fold],
        tapes: Sequence[Tape],
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> list[np.ndarray]:
        """See the function `sample_folds`."""
        ...

    def sample_stream(
        self,
        mel: np.ndarray,
        tape_of: ReadTape,
        chunk_frames: int = CHUNK_FRAMES,
        cancelled: Cancelled | None = None,
    ) -> Iterator[np.ndarray]:
        """See the function `sample_stream`."""
        ...


class TorchSampler:
    """The reference behind the verbs that all engines share."""

    def __init__(self, model: WaveRNN) -> None:
        self.model = model

    def sample_folds(
        self,
        mel: np.ndarray,
        folds: Sequence[Fold],
        tapes: Sequence[Tape],
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> list[np.ndarray]:
        return sample_folds(self.model, mel, folds, tapes, progress, cancelled)

    def sample_stream(
        self,
        mel: np.ndarray,
        tape_of: ReadTape,
        chunk_frames: int = CHUNK_FRAMES,
        cancelled: Cancelled | None = None,
    ) -> Iterator[np.ndarray]:
        return sample_stream(self.model, mel, tape_of, chunk_frames, cancelled)


def make_tape(config: WaveRNNConfig, samples: int, seed: int, fold: int = 0) -> np.ndarray:
    """The random numbers of one fold: float32 [samples, config.uniforms] in [0, 1); a longer tape begins the same."""
    return open_tape(config, seed, fold)(samples)


def open_tape(config: WaveRNNConfig, seed: int, fold: int = 0) -> ReadTape:
    """The same numbers as `make_tape`, block by block, so that a long utterance needs no long tape."""
    generator = np.random.default_rng([seed, fold])
    return lambda rows: generator.random((rows, config.uniforms), dtype=np.float32)


def read_tape(tape: Tape) -> ReadTape:
    """A tape of either form, read from its beginning."""
    if callable(tape):
        return tape
    position = 0

    def read(rows: int) -> np.ndarray:
        nonlocal position
        position += rows
        return tape[position - rows : position]

    return read


def first_samples(config: WaveRNNConfig, batch: int, device: torch.device) -> Tensor:
    """The samples [batch] before the first ones: silence."""
    return torch.full((batch,), config.silence if config.mode == "raw" else 0.0, device=device)


class FrameStepper:
    """A batch of streams that moves on frame by frame."""

    def __init__(self, model: WaveRNN, batch: int, device: torch.device) -> None:
        self.model, self.config = model, model.config
        self.stepper = model.stepper(batch)
        self.samples = first_samples(self.config, batch, device)

    def run_frame(self, windows: Tensor, tape: Tensor, cancelled: Cancelled | None = None) -> Tensor:
        """Windows [batch, n_mels, 2 * pad + 1] and tape [hop, batch, uniforms] -> the frame's samples [batch, hop]."""
        self.samples = self.samples[: len(windows)]
        self.stepper.begin_frame(windows)
        made = []
        for offset in range(self.config.hop_length):
            stop_if(cancelled)
            outputs = self.stepper.step(offset, self.samples)
            self.samples = draw_samples(outputs, tape[offset], self.config)
            made.append(self.samples)
        return torch.stack(made, dim=1)


def sample_folds(
    model: WaveRNN,
    mel: np.ndarray,
    folds: Sequence[Fold],
    tapes: Sequence[Tape],
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> list[np.ndarray]:
    """Generate all folds of an utterance, many side by side; a fold that is done leaves the batch.

    Args:
        model: in eval mode.
        mel: float32 [n_mels, frames], scaled to [-max_abs_value, max_abs_value].
        folds: stretches of the mel's frames.
        tapes: for each fold float32 [fold.frames * hop, config.uniforms], or what gives its next n rows.
        progress: called with (samples done, samples in all).
        cancelled: asked before each step.

    Returns:
        For each fold its samples [fold.frames * hop]: integer labels, or float32 values in mol mode.

    Raises:
        VocodingCancelled: `cancelled` returned True.
    """
    hop = model.config.hop_length
    done, total = 0, sum(fold.frames for fold in folds) * hop
    order = longest_first(folds)
    made: dict[int, list[np.ndarray]] = {index: [] for index in order}
    for first in range(0, len(order), LANES):
        for batch, samples in _sample_batch(model, mel, folds, tapes, order[first : first + LANES], cancelled):
            for index, row in zip(batch, samples, strict=True):
                made[index].append(row)
            done += samples.size
            if progress is not None:
                progress(done, total)
    return [np.concatenate(made[index]) for index in range(len(folds))]


def longest_first(folds: Sequence[Fold]) -> list[int]:
    """Indices of the folds in the order in which they should share batches."""
    return sorted(range(len(folds)), key=lambda index: -folds[index].frames)


def _sample_batch(
    model: WaveRNN,
    mel: np.ndarray,
    folds: Sequence[Fold],
    tapes: Sequence[Tape],
    order: list[int],
    cancelled: Cancelled | None,
) -> Iterator[tuple[list[int], np.ndarray]]:
    """The folds of `order`, frame by frame: which of them go on, and their samples [batch, hop]."""
    config, device = model.config, next(model.parameters()).device
    readers = {index: read_tape(tapes[index]) for index in order}
    with torch.inference_mode():
        stream = FrameStepper(model, len(order), device)
    for frame in range(folds[order[0]].frames):
        active = [index for index in order if folds[index].frames > frame]
        windows = np.stack([mel_window(mel.T, folds[i].start + frame, 1, config.pad, config) for i in active])
        tape = np.stack([readers[index](config.hop_length) for index in active], axis=1)
        with torch.inference_mode():  # not around a yield: the mode belongs to the thread, not to this generator
            samples = stream.run_frame(to_device(windows, device), to_device(tape, device), cancelled)
        yield active, samples.cpu().numpy().astype(label_type(config), copy=False)


def sample_stream(
    model: WaveRNN,
    mel: np.ndarray,
    tape_of: ReadTape,
    chunk_frames: int = CHUNK_FRAMES,
    cancelled: Cancelled | None = None,
) -> Iterator[np.ndarray]:
    """Generate an utterance as one stream and hand it out in chunks; equal to `sample_folds` with a single fold.

    Args:
        tape_of: gives the next n rows of the tape, float32 [n, config.uniforms].
        chunk_frames: of each chunk.
        cancelled: asked before each step.

    Raises:
        VocodingCancelled: `cancelled` returned True.
    """
    fold, parts = Fold(0, mel.shape[1]), []
    for _, samples in _sample_batch(model, mel, [fold], [tape_of], [0], cancelled):
        parts.append(samples[0])
        if len(parts) == chunk_frames:
            yield np.concatenate(parts)
            parts = []
    if parts:
        yield np.concatenate(parts)


def label_type(config: WaveRNNConfig) -> type[np.generic]:
    """How samples are kept: labels need 2 bytes, which counts where an utterance is long."""
    return np.int16 if config.mode == "raw" else np.float32


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """A tensor of the same numbers."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)
