"""Sampling from a WaveRNN: what all engines share, and the reference in PyTorch.

The randomness is a tape of uniform numbers, drawn in advance or in blocks from the same generator. So two engines can
be compared sample by sample.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from vocoder.control import NO_CONTROL, Control
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.data import mel_window
from vocoder.wavernn.folding import Fold
from vocoder.wavernn.model import WaveRNN
from vocoder.wavernn.samples import draw_samples
from vocoder.wavernn.stepper import Stepper
from waveform.segments import MelFrames

LANES = 64  # largest batch of folds in the reference; a step with more would delay cancelling too much

ReadTape = Callable[[int], np.ndarray]  # n -> the next n rows, float32 [n, config.uniforms] in [0, 1)
Tape = np.ndarray | ReadTape


class Sampler(ABC):
    """Generates samples with a WaveRNN. All samplers agree, sample by sample, on the same tapes (in half precision
    nearly)."""

    @abstractmethod
    def sample_folds(
        self, mel: np.ndarray, folds: Sequence[Fold], tapes: Sequence[Tape], control: Control = NO_CONTROL
    ) -> list[np.ndarray]:
        """Generate all folds of an utterance, side by side.

        Args:
            mel: float32 [n_mels, frames], scaled to [-max_abs_value, max_abs_value].
            folds: ranges of the mel's frames, of any number and lengths.
            tapes: for each fold float32 [fold.frames * hop, config.uniforms], or a function for its next n rows.

        Returns:
            For each fold its samples [fold.frames * hop]: int16 labels, or float32 values in mol mode and in the
            excitation shape.

        Raises:
            WorkCancelled: `control.cancelled` returned True. It is called in the caller's thread, as is `progress`.
        """

    @abstractmethod
    def sample_stream(self, mel: MelFrames, tape_of: ReadTape, control: Control = NO_CONTROL) -> Iterator[np.ndarray]:
        """Generate an utterance as one stream, in parts of any length that together equal a single fold.

        Args:
            mel: as for `sample_folds`. Segments are requested as they are needed.
            tape_of: returns the next n rows of the tape, float32 [n, config.uniforms].

        Raises:
            WorkCancelled: `control.cancelled` returned True.
        """


class TorchSampler(Sampler):
    """The reference in PyTorch.

    Args:
        model: in eval mode.
        sharpen: sharpen the distributions where the pitch is clear (excitation shape only).
    """

    def __init__(self, model: WaveRNN, sharpen: bool = True) -> None:
        self.model, self.config, self.sharpen = model, model.config, sharpen
        self.device = next(model.parameters()).device

    def sample_folds(
        self, mel: np.ndarray, folds: Sequence[Fold], tapes: Sequence[Tape], control: Control = NO_CONTROL
    ) -> list[np.ndarray]:
        done, total = 0, sum(fold.frames for fold in folds) * self.config.hop_length
        made: list[list[np.ndarray]] = [[] for _ in folds]
        order = longest_first(folds)
        for first in range(0, len(order), LANES):
            batch = order[first : first + LANES]
            windows = fold_windows(mel, [folds[index] for index in batch], self.config)
            for samples in self._run(windows, [tapes[index] for index in batch], control):
                for index, row in zip(batch, samples, strict=False):
                    made[index].append(row)
                done += samples.size
                control.report(done, total)
        return [np.concatenate(parts) for parts in made]

    def sample_stream(self, mel: MelFrames, tape_of: ReadTape, control: Control = NO_CONTROL) -> Iterator[np.ndarray]:
        for samples in self._run(stream_windows(mel, self.config), [tape_of], control):
            yield samples[0]

    def _run(self, all_windows: Iterator[np.ndarray], tapes: Sequence[Tape], control: Control) -> Iterator[np.ndarray]:
        """Windows of each frame, as `fold_windows` has them -> its samples [active folds, hop]."""
        readers = [read_tape(tape) for tape in tapes]
        with torch.inference_mode():
            stream = FrameStepper(self.model, len(readers), self.device, self.sharpen)
        for windows in all_windows:
            tape = np.stack([read(self.config.hop_length) for read in readers[: len(windows)]], axis=1)
            with torch.inference_mode():  # not around a yield: the mode belongs to the thread, not to this generator
                samples = stream.run_frame(to_device(windows, self.device), to_device(tape, self.device), control)
            yield samples.cpu().numpy().astype(label_type(self.config), copy=False)


def make_tape(config: WaveRNNConfig, samples: int, seed: int, fold: int = 0) -> np.ndarray:
    """Random numbers of one fold: float32 [samples, config.uniforms] in [0, 1); a prefix of any longer tape."""
    return open_tape(config, seed, fold)(samples)


def open_tape(config: WaveRNNConfig, seed: int, fold: int = 0) -> ReadTape:
    """The numbers of `make_tape` in blocks, so that a long utterance needs no long tape."""
    generator = np.random.default_rng([seed, fold])
    return lambda rows: generator.random((rows, config.uniforms), dtype=np.float32)


def read_tape(tape: Tape) -> ReadTape:
    """A function that returns the next n rows of a tape of either form."""
    if callable(tape):
        return tape
    position = 0

    def read(rows: int) -> np.ndarray:
        nonlocal position
        position += rows
        return tape[position - rows : position]

    return read


def first_drawn(config: WaveRNNConfig, batch: int, device: torch.device) -> Tensor:
    """What counts as drawn [batch] before the first samples: silence."""
    return torch.full((batch,), config.silence if config.mode == "raw" else 0.0, device=device)


class FrameStepper:
    """Generates a batch of streams frame by frame."""

    def __init__(self, model: WaveRNN, batch: int, device: torch.device, sharpen: bool = True) -> None:
        self.model, self.config, self.sharpen = model, model.config, sharpen
        self.stepper: Stepper = model.stepper(batch)
        self.drawn = first_drawn(self.config, batch, device)

    def run_frame(self, windows: Tensor, tape: Tensor, control: Control) -> Tensor:
        """Windows [batch, n_mels, 2 * pad + 1] and tape [hop, batch, uniforms] -> the frame's samples [batch, hop]."""
        self.drawn = self.drawn[: len(windows)]
        self.stepper.begin_frame(windows)
        made = []
        for offset in range(self.config.hop_length):
            control.check()
            outputs = self.stepper.step(offset, self.drawn)
            if self.sharpen:
                outputs = self.stepper.sharpened(outputs)
            self.drawn = draw_samples(outputs, tape[offset], self.config)
            made.append(self.stepper.samples(self.drawn))
        return torch.stack(made, dim=1)


def longest_first(folds: Sequence[Fold]) -> list[int]:
    """Indices of the folds in the order in which they should share batches."""
    return sorted(range(len(folds)), key=lambda index: -folds[index].frames)


def fold_windows(mel: np.ndarray, folds: Sequence[Fold], config: WaveRNNConfig) -> Iterator[np.ndarray]:
    """For each frame the windows of the folds that have not ended: float32 [active folds, n_mels, 2 * pad + 1].

    Args:
        folds: in order of decreasing length.
    """
    for frame in range(folds[0].frames):
        active = [fold for fold in folds if fold.frames > frame]
        yield np.stack([mel_window(mel.T, fold.start + frame, 1, config.pad, config) for fold in active])


def stream_windows(mel: MelFrames, config: WaveRNNConfig) -> Iterator[np.ndarray]:
    """As `fold_windows`, for the single fold that spans a whole mel."""
    for part, fold in stream_segments(mel, config.pad):
        yield from fold_windows(part, [fold], config)


def stream_segments(mel: MelFrames, pad: int) -> Iterator[tuple[np.ndarray, Fold]]:
    """Cut a mel into parts as its segments arrive.

    Returns:
        The frames of a part with up to `pad` neighbours on either side, and the range of the part among them.
    """
    start = 0
    while mel.has(start):
        mel.has(start + pad)  # the neighbours of the next frame, or the end
        stop, first = mel.known - (0 if mel.ended else pad), max(0, start - pad)
        yield mel.read(first, mel.known), Fold(start - first, stop - first)
        mel.forget(stop - pad)
        start = stop


def regrouped(parts: Iterable[np.ndarray], size: int) -> Iterator[np.ndarray]:
    """Join and cut [samples] arrays so that each has `size` samples, except the last."""
    kept: list[np.ndarray] = []
    count = 0
    for part in parts:
        kept.append(part)
        count += len(part)
        if count >= size:
            whole = np.concatenate(kept)
            for start in range(0, count - size + 1, size):
                yield whole[start : start + size]
            kept, count = [whole[count - count % size :]], count % size
    if count:
        yield np.concatenate(kept)


def label_type(config: WaveRNNConfig) -> type[np.generic]:
    """Type of stored samples. Labels take 2 bytes, which saves memory for long utterances."""
    return np.int16 if config.samples_are_labels else np.float32


def to_device(array: np.ndarray, device: torch.device) -> Tensor:
    """The array as a tensor on a device."""
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)
