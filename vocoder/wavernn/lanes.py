"""SIMD lanes of one thread: the fold that each generates, their states, and the buffers of the kernels."""

import time
from collections import deque
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field

import numpy as np

from vocoder.wavernn import packing as at
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.data import mel_window
from vocoder.wavernn.folding import Fold
from vocoder.wavernn.packing import PackedWaveRNN, aligned
from vocoder.wavernn.prediction import FLOOR, predict_from_mel
from vocoder.wavernn.sampling import ReadTape, label_type

WIDTHS = (1, 2, 4, 8, 16)  # numbers of lanes for which there are kernels
TILE = 16  # units of a lane that are stored together, and frames that are prepared together

_CALL_SECONDS = 0.015  # duration of a kernel call, between which cancelling is checked
_FIRST_STEPS = 4  # samples of the first call, before the speed is known
_SEGMENT_FRAMES = 64  # frames of a mel that are converted together


@dataclass
class Job:
    """A fold, its progress, and its samples."""

    mel: np.ndarray
    fold: Fold
    read_tape: ReadTape
    config: WaveRNNConfig
    frame: int = 0
    samples: np.ndarray = field(init=False)
    _around: np.ndarray = field(init=False)  # mel around the frames [_first, _stop) of the fold, in kernel layout
    _first: int = 0
    _stop: int = 0

    def __post_init__(self) -> None:
        self.samples = np.zeros(self.fold.frames * self.config.hop_length, dtype=label_type(self.config))

    @property
    def left(self) -> int:
        """Frames that are not generated yet."""
        return self.fold.frames - self.frame

    def window(self, ahead: int) -> np.ndarray:
        """The frame `ahead` of the next one and its neighbours: [taps * n_mels]."""
        frame, pad = self.frame + ahead, self.config.pad
        if not self._first <= frame < self._stop:
            self._first, self._stop = frame, min(frame + _SEGMENT_FRAMES, self.fold.frames)
            around = mel_window(self.mel.T, self.fold.start + frame, self._stop - frame, pad, self.config)
            self._around = np.ascontiguousarray(around.T)
        return self._around[frame - self._first :][: 2 * pad + 1].reshape(-1)


class Lanes:
    """Lanes that generate samples side by side.

    Args:
        packed: the network.
        width: number of lanes, one of `WIDTHS`.
        jobs: first jobs, at most one for each lane.
    """

    def __init__(self, packed: PackedWaveRNN, width: int, jobs: Sequence[Job] = ()) -> None:
        from vocoder.wavernn.compiled import kernels_of

        sizes, hop = packed.sizes, packed.config.hop_length
        self.config, self.width, self.hop, self._packed = packed.config, width, hop, packed
        self._kernels = kernels_of(packed.config.shape)
        self._net = (packed.plan, sizes, packed.floats, packed.ints)
        self._sizes = sizes
        self._block = TILE // width  # frames that are prepared together: their windows fill a vector
        self._rows = int(sizes[at.CONDITION]) * (hop // int(sizes[at.PER_CONDITION]))  # conditioning values of a frame
        self._memory = _zeros(int(sizes[at.MEMORY]) * width)
        self._memory[sizes[at.SHARPNESS] * width :][:width] = 1
        self._tiles, self._states = self._memory.reshape(-1, width, TILE), int(sizes[at.INPUTS]) // TILE
        self._windows = _zeros(int(sizes[at.TAPS] * sizes[at.MELS]) * TILE)
        self._raw = _zeros(self._rows * TILE)
        self._conditions = _zeros(self._rows * TILE)
        self._tape = _zeros(self._block * hop * self.config.uniforms * width)
        self._out = _zeros(self._block * hop * width)
        self._rows_at, self._nothing = np.zeros(TILE, dtype=np.int64), _zeros(0)
        self._workspace = _zeros(int(sizes[at.WORKSPACE] * (3 + sizes[at.DEPTH])) * TILE)
        self._steps = _FIRST_STEPS
        self._jobs: list[Job | None] = [None] * width
        for lane in range(width):
            self._reset(lane)
        for lane, job in enumerate(jobs):
            self._jobs[lane] = job

    def continue_with(self, job: Job) -> Generator[int, None, None]:
        """Run a job in the state that the previous one left; of a single lane. Yields as `run` does."""
        self._jobs[0] = job
        return self.run(deque())

    def run(self, waiting: deque[Job]) -> Generator[int, None, None]:
        """Run the jobs of the lanes, then the waiting ones. Yields the number of samples after each kernel call."""
        while True:
            self._take(waiting)
            busy = [(lane, job) for lane, job in enumerate(self._jobs) if job is not None]
            if not busy:
                return
            if len(busy) <= self.width // 2 and not (self._packed.tiled and len(busy) > 1):
                yield from self._narrowed(busy).run(waiting)
                return
            frames = min(self._block, *(job.left for _, job in busy))
            self._prepare(busy, frames)
            done, total = 0, frames * self.hop
            while done < total:
                count = min(self._steps, total - done)
                self._call(done, count, self._nothing)
                made = self._out[: count * self.width].reshape(count, self.width)
                for lane, job in busy:
                    first = job.frame * self.hop + done
                    job.samples[first : first + count] = made[:, lane]
                done += count
                yield count * len(busy)
            for _, job in busy:
                job.frame += frames

    def probe(self, mel: np.ndarray, samples: np.ndarray) -> np.ndarray:
        """See `CompiledSampler.outputs`; of a single lane."""
        tape = np.zeros((self._block * self.hop, self.config.uniforms), dtype=np.float32)
        job = Job(mel, Fold(0, mel.shape[1]), lambda rows: tape[:rows], self.config)
        self._begin(0, job)
        width, made = int(self._sizes[at.OUTPUTS]), []
        while job.left:
            frames = min(self._block, job.left)
            self._prepare([(0, job)], frames)
            count, first = frames * self.hop, job.frame * self.hop
            self._out[:count] = samples[first : first + count]
            outputs = _zeros(count * width)
            self._call(0, count, outputs)
            made.append(outputs.reshape(count, width)[:, : self.config.outputs])
            job.frame += frames
        return np.concatenate(made)

    def _take(self, waiting: deque[Job]) -> None:
        """Give waiting jobs to the lanes that are done."""
        for lane, job in enumerate(self._jobs):
            if job is None or not job.left:
                try:
                    self._begin(lane, waiting.popleft())
                except IndexError:  # none is left; other threads take from the same queue
                    self._jobs[lane] = None

    def _begin(self, lane: int, job: Job) -> None:
        """Start a job in a lane with the initial state."""
        self._jobs[lane] = job
        self._reset(lane)

    def _reset(self, lane: int) -> None:
        self._tiles[: self._states, lane] = 0
        start = self.config.silence if self.config.mode == "raw" else 0.0
        self._memory[self._sizes[at.LAST] * self.width + lane] = start

    def _narrowed(self, busy: list[tuple[int, Job]]) -> "Lanes":
        """Fewer lanes for the jobs that are still running, which then take less time."""
        lanes = Lanes(self._packed, next(width for width in WIDTHS if width >= len(busy)))
        last = self._sizes[at.LAST]
        for to, (lane, job) in enumerate(busy):
            lanes._jobs[to] = job
            lanes._tiles[: self._states, to] = self._tiles[: self._states, lane]
            lanes._memory[last * lanes.width + to] = self._memory[last * self.width + lane]
        return lanes

    def _prepare(self, busy: list[tuple[int, Job]], frames: int) -> None:
        """Read the tapes of the next frames and compute their conditioning."""
        width, uniforms = self.width, self.config.uniforms
        windows = self._windows.reshape(-1, self._block, width)
        tape = self._tape.reshape(-1, uniforms, width)
        for lane, job in busy:
            for ahead in range(frames):
                windows[:, ahead, lane] = job.window(ahead)
            rows = np.asarray(job.read_tape(frames * self.hop), dtype=np.float32)
            tape[: len(rows), 0, lane] = rows[:, 0]
            if uniforms > 1:  # inverse of the logistic CDF, with the bounds of `samples.draw_samples`
                uniform = rows[:, 1].clip(1e-5, 1 - 1e-5)
                tape[: len(rows), 1, lane] = np.log(uniform / (1 - uniform))
        self._kernels.condition(*self._net, self._workspace, self._windows, self._raw)
        if self.config.predicts:
            self._predict()
        by_frame = self._raw.reshape(-1, TILE, self._block, width).transpose(2, 0, 3, 1)
        self._conditions.reshape(by_frame.shape)[...] = by_frame

    def _predict(self) -> None:
        """Compute the linear prediction and the pitch of the frames in the windows."""
        config = self.config
        windows = self._windows.reshape(-1, config.mel.n_mels, TILE).transpose(2, 1, 0)
        prediction = predict_from_mel(windows, config)
        parts = self._raw.reshape(config.subframes, -1, TILE)[:, -at.PREDICTION_UNITS :].transpose(2, 0, 1)
        parts[..., : config.prediction_order] = prediction.coefficients
        values = parts[..., TILE:]
        values[..., at.LAG] = prediction.lags
        values[..., at.POWER] = prediction.powers() if self._packed.sharpen else 1
        values[..., at.LEAST] = FLOOR if self._packed.sharpen else 0

    def _call(self, first: int, count: int, probe: np.ndarray) -> None:
        """Generate samples [first, first + count) of the prepared block into the beginning of `out`."""
        started = time.perf_counter()
        tape = self._tape[first * self.config.uniforms * self.width :]
        self._kernels.steps(
            *self._net,
            self._memory,
            self._rows_at,
            self._conditions,
            tape,
            probe,
            int(len(probe) > 0),
            self._out,
            first,
            count,
            self.width,
        )
        if count:
            each = max(1e-7, (time.perf_counter() - started) / count)
            self._steps = max(1, min(4 * self._steps, int(_CALL_SECONDS / each)))


def _zeros(count: int) -> np.ndarray:
    return aligned(np.zeros(count, dtype=np.float32))
