"""Sampling on a GPU in half precision, with one CUDA graph per mel frame.

A sample takes about twenty small GPU kernels, each shorter than its launch. So the work of a whole mel frame is
captured once as a CUDA graph and then replayed. All that it reads and writes (mel windows, random numbers, states,
samples) is in fixed buffers.

The loop does not depend on CUDA. Without CUDA it runs uncaptured, which is how it is tested.
"""

import copy
import logging
from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from vocoder.control import NO_CONTROL, Control
from vocoder.wavernn.folding import Fold
from vocoder.wavernn.model import WaveRNN
from vocoder.wavernn.samples import draw_samples
from vocoder.wavernn.sampling import (
    ReadTape,
    Sampler,
    Tape,
    first_drawn,
    fold_windows,
    label_type,
    longest_first,
    read_tape,
    stream_windows,
    to_device,
)
from waveform.segments import MelFrames

logger = logging.getLogger(__name__)

BATCHES = (1, 8, 32, 128)  # batch sizes; each has its own graph, captured when it is first needed
FRAMES_PER_SYNC = 2  # frames queued on the GPU before a synchronisation: 400 samples, about 20 ms
STATES = {"compact": ("state",), "classic": ("first", "second")}  # attributes of the steppers


class HalfSampler(Sampler):
    """A WaveRNN in half precision that replays a captured graph per frame.

    The rounding of a fold's values depends on the batch size, and so, rarely, do its samples.

    Args:
        model: in eval mode, on the device to run on. It is copied.
        dtype: of weights, states and products. Samples are drawn in float32.
        record: replay a CUDA graph; False runs the same steps uncaptured, on any device.
    """

    def __init__(self, model: WaveRNN, dtype: torch.dtype = torch.float16, record: bool = True) -> None:
        self.model = copy.deepcopy(model).to(dtype).eval().requires_grad_(False)
        self.config, self.dtype, self.record = model.config, dtype, record
        self.device = next(model.parameters()).device
        self._idle: dict[int, list[_FrameLoop]] = {batch: [] for batch in BATCHES}

    def sample_folds(
        self, mel: np.ndarray, folds: Sequence[Fold], tapes: Sequence[Tape], control: Control = NO_CONTROL
    ) -> list[np.ndarray]:
        done, total = 0, sum(fold.frames for fold in folds) * self.config.hop_length
        made: list[np.ndarray] = [np.empty(0)] * len(folds)
        order = longest_first(folds)
        for first in range(0, len(order), BATCHES[-1]):
            batch, parts = order[first : first + BATCHES[-1]], []
            windows = fold_windows(mel, [folds[i] for i in batch], self.config)
            for rows, finished in self._run(windows, [tapes[i] for i in batch], control):
                parts.append(rows)
                done += finished
                control.report(done, total)
            samples = np.concatenate(parts, axis=1)
            for index, row in zip(batch, samples, strict=False):
                made[index] = row[: folds[index].frames * self.config.hop_length]
        return made

    def sample_stream(self, mel: MelFrames, tape_of: ReadTape, control: Control = NO_CONTROL) -> Iterator[np.ndarray]:
        for rows, _ in self._run(stream_windows(mel, self.config), [tape_of], control):
            yield rows[0]

    def _run(
        self, all_windows: Iterator[np.ndarray], tapes: Sequence[Tape], control: Control
    ) -> Iterator[tuple[np.ndarray, int]]:
        """Windows of each frame, as `fold_windows` has them -> samples [batch, n * hop] of the next frames, and how
        many of them belong to a fold.

        A graph has a fixed width, so a fold stays in the batch after its end, and what it generates then is noise.
        """
        batch = next(size for size in BATCHES if size >= len(tapes))
        # A loop that is in use is not in the list, so no two runs share one.
        loop = self._idle[batch].pop() if self._idle[batch] else self._new_loop(batch)
        try:
            yield from self._run_with(loop, all_windows, [read_tape(tape) for tape in tapes], control)
        finally:
            self._idle[batch].append(loop)

    def _run_with(
        self, loop: "_FrameLoop", all_windows: Iterator[np.ndarray], readers: Sequence[ReadTape], control: Control
    ) -> Iterator[tuple[np.ndarray, int]]:
        loop.reset()
        waiting: list[Tensor] = []
        frames = 0  # of all folds, since the last part
        for windows in all_windows:
            control.check()
            alive = len(windows)
            tape = np.stack([read(self.config.hop_length) for read in readers[:alive]], axis=1)
            with torch.inference_mode():
                loop.windows[:alive].copy_(to_device(windows, self.device))
                loop.tape[:, :alive].copy_(to_device(tape, self.device))
                loop.advance()
                waiting.append(loop.made.clone())
            frames += alive
            if len(waiting) == FRAMES_PER_SYNC:
                yield self._rows(waiting), frames * self.config.hop_length
                waiting, frames = [], 0
        if waiting:
            yield self._rows(waiting), frames * self.config.hop_length

    def _rows(self, made: list[Tensor]) -> np.ndarray:
        """Samples of consecutive frames, [hop, batch] each -> [batch, n * hop]."""
        return torch.cat(made).t().cpu().numpy().astype(label_type(self.config), copy=False)

    def _new_loop(self, batch: int) -> "_FrameLoop":
        with torch.inference_mode():
            loop = _FrameLoop(self.model, batch, self.device, self.dtype)
        if self.record and self.device.type == "cuda":
            loop.record()
        return loop


class _FrameLoop:
    """One mel frame of a batch of streams, with inputs, outputs and states in fixed buffers.

    Attributes:
        windows: [batch, n_mels, 2 * pad + 1] in [-1, 1], to be filled before `advance`.
        tape: float32 [hop, batch, uniforms], to be filled before `advance`.
        made: [hop, batch], the generated samples of the last frame.
    """

    def __init__(self, model: WaveRNN, batch: int, device: torch.device, dtype: torch.dtype) -> None:
        config = model.config
        self.config = config
        self.windows = torch.zeros(batch, config.mel.n_mels, 2 * config.pad + 1, device=device, dtype=dtype)
        self.tape = torch.zeros(config.hop_length, batch, config.uniforms, device=device)
        self.samples = first_drawn(config, batch, device)
        self.made = torch.zeros(config.hop_length, batch, device=device, dtype=self.samples.dtype)
        self.stepper = model.stepper(batch)
        self.states = {name: getattr(self.stepper, name).to(dtype).clone() for name in STATES[config.shape]}
        self.advance: Callable[[], None] = self._step_through

    def reset(self) -> None:
        """Set the last samples to silence and the states to zero."""
        with torch.inference_mode():
            self.samples.copy_(first_drawn(self.config, len(self.samples), self.samples.device))
            for state in self.states.values():
                state.zero_()

    def _step_through(self) -> None:
        """Generate a frame from the buffers and write the results back to them."""
        for name, state in self.states.items():
            setattr(self.stepper, name, state)
        self.stepper.begin_frame(self.windows)
        samples = self.samples
        for offset in range(self.config.hop_length):
            samples = draw_samples(self.stepper.step(offset, samples).float(), self.tape[offset], self.config)
            self.made[offset] = samples
        self.samples.copy_(samples)
        for name, state in self.states.items():
            state.copy_(getattr(self.stepper, name))

    def record(self) -> None:
        """Capture the frame as a CUDA graph. If that fails, frames run uncaptured and a warning is logged."""
        try:
            with torch.inference_mode():
                warmup = torch.cuda.Stream()
                warmup.wait_stream(torch.cuda.current_stream())
                with torch.cuda.stream(warmup):  # libraries choose and load their kernels on first use
                    for _ in range(2):
                        self._step_through()
                torch.cuda.current_stream().wait_stream(warmup)
                graph = torch.cuda.CUDAGraph()
                with torch.cuda.graph(graph):
                    self._step_through()
        except RuntimeError as error:
            logger.warning("The vocoder runs slower, because no CUDA graph could be captured: %s", error)
            return
        self.advance = graph.replay
