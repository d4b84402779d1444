"""The compiled engine: a WaveRNN on a CPU, many times faster than PyTorch runs it, equal to it on the same tape.

Three ways through one set of kernels: a single stream, which is heard soonest; folds side by side in the lanes of the
processor's vectors, which costs least for each sample; and either of them on several threads.
"""

import contextlib
import logging
import math
import queue
import threading
import time
from collections import deque
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from vocoder.data import mel_window
from vocoder.inference import Cancelled, Progress, stop_if
from vocoder.wavernn import packing as at
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.folding import Fold
from vocoder.wavernn.model import WaveRNN
from vocoder.wavernn.packing import PackedWaveRNN, aligned, pack
from vocoder.wavernn.sampling import CHUNK_FRAMES, ReadTape, Tape, label_type, read_tape

logger = logging.getLogger(__name__)

LANES = 16  # folds side by side at most, on a thread
# How long a step takes by the number of lanes, in steps of a single stream: about 3.5 and 6.5 with dense matrices, 5
# and 7.5 with sparse ones. Fixed, not measured on the spot, so that what is built on it is the same in every run.
LANE_COSTS = {1: 1.0, 8: 4.4, LANES: 7.0}

_CALL_SECONDS = 0.015  # that a kernel is given to work before it must look up
_FIRST_STEPS = 4  # samples of the first call, when it is not known how long they take
_STRETCH_FRAMES = 64  # of a mel that are made ready at once
_WAIT_SECONDS = 0.02  # for threads, before the caller is asked whether to go on


class CompiledSampler:
    """Draws samples from a WaveRNN by compiled kernels.

    May be used from several threads at once: what belongs to a run is not kept here.

    Args:
        model: its weights are copied.
        threads: that `sample_folds` may use.

    Raises:
        ModelFileError: weights that are not finite.
    """

    def __init__(self, model: WaveRNN, threads: int = 1) -> None:
        self.config = model.config
        self.threads = max(1, threads)
        self._packed = pack(model)
        self._warm = False

    @property
    def densities(self) -> dict[str, float]:
        """For each matrix of the sample loop the share of its 16x1 blocks that is stored; 1 runs as a dense matrix."""
        return dict(self._packed.densities)

    def warm_up(self) -> None:
        """Load all kernels from numba's cache, or compile them, which is announced; else the first sampling does."""
        if self._warm:
            return
        from vocoder.wavernn.compiled import CompileNotice

        with CompileNotice(lambda: logger.info("Compiling the vocoder for this processor, once: about ten seconds.")):
            group = _Group(self._packed, 1)
            for _ in range(2):  # kernels; either may find the disk full, which only keeps it from being kept
                with contextlib.suppress(OSError):
                    group.measure(0)
            group.measure(0)
        self._warm = True

    def sample_folds(
        self,
        mel: np.ndarray,
        folds: Sequence[Fold],
        tapes: Sequence[Tape],
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> list[np.ndarray]:
        """Generate all folds; equal to `sampling.sample_folds`, whose arguments and errors these are.

        Folds may have any lengths and be any number: a lane whose fold is done takes the next. `progress` and
        `cancelled` are called in the caller's thread, the latter every 50 ms or oftener.

        Returns:
            For each fold its samples [fold.frames * hop]: int16 labels, or float32 values in mol mode.
        """
        self.warm_up()
        jobs = [_Job(mel, fold, read_tape(tape), self.config) for fold, tape in zip(folds, tapes, strict=True)]
        waiting = deque(sorted((job for job in jobs if job.fold.frames), key=lambda job: -job.fold.frames))
        done, total = 0, sum(len(job.samples) for job in jobs)
        workers = min(self.threads, len(waiting))
        if not workers:
            return [job.samples for job in jobs]
        width = best_width(math.ceil(len(waiting) / workers))
        runs = [_Group(self._packed, width).run(waiting) for _ in range(workers)]
        with contextlib.closing(runs[0] if workers == 1 else _in_threads(runs)) as work:
            stop_if(cancelled)
            for made in work:
                done += made
                if made and progress is not None:
                    progress(done, total)
                stop_if(cancelled)
        return [job.samples for job in jobs]

    def sample_stream(
        self,
        mel: np.ndarray,
        tape_of: ReadTape,
        chunk_frames: int = CHUNK_FRAMES,
        cancelled: Cancelled | None = None,
    ) -> Iterator[np.ndarray]:
        """Generate an utterance as one stream, in chunks; see `sampling.sample_stream`.

        The chunks together equal `sample_folds` with a single fold.
        """
        self.warm_up()
        job, size = _Job(mel, Fold(0, mel.shape[1]), tape_of, self.config), chunk_frames * self.config.hop_length
        done = given = 0
        stop_if(cancelled)
        for made in _Group(self._packed, 1).run(deque([job])):
            done += made
            stop_if(cancelled)
            while done - given >= size or given < done == len(job.samples):
                yield job.samples[given : given + size]
                given = min(given + size, done)

    def outputs(self, mel: np.ndarray, samples: np.ndarray) -> np.ndarray:
        """What the network gives when it is fed with known samples, to compare it with other ways of running it.

        Args:
            mel: float32 [n_mels, frames], scaled to [-max_abs_value, max_abs_value].
            samples: [frames * hop].

        Returns:
            float32 [frames * hop, config.outputs]; row i has seen the samples before i.
        """
        self.warm_up()
        return _Group(self._packed, 1).probe(mel, samples)

    def step_seconds(self, width: int = 1, steps: int = 200) -> float:
        """How long one sample of each of 1, 8 or 16 lanes takes here and now: the best of three measurements."""
        self.warm_up()
        return min(_Group(self._packed, width).measure(steps) for _ in range(3)) / steps


def best_width(folds: int) -> int:
    """The number of lanes with which one thread is done soonest with so many folds of equal length."""
    return min(LANE_COSTS, key=lambda width: math.ceil(folds / width) * LANE_COSTS[width])


@dataclass
class _Job:
    """A fold, how far it has come, and its samples."""

    mel: np.ndarray
    fold: Fold
    read_tape: ReadTape
    config: WaveRNNConfig
    frame: int = 0
    samples: np.ndarray = field(init=False)
    _stretch: np.ndarray = field(
        init=False
    )  # the mel around the frames [_first, _stop) of the fold, as a kernel reads it
    _first: int = 0
    _stop: int = 0

    def __post_init__(self) -> None:
        self.samples = np.zeros(self.fold.frames * self.config.hop_length, dtype=label_type(self.config))

    @property
    def left(self) -> int:
        """Frames still to be made."""
        return self.fold.frames - self.frame

    def window(self, ahead: int) -> np.ndarray:
        """The frame `ahead` of the next one and its neighbours: [taps * n_mels]."""
        frame, pad = self.frame + ahead, self.config.pad
        if not self._first <= frame < self._stop:
            self._first, self._stop = frame, min(frame + _STRETCH_FRAMES, self.fold.frames)
            around = mel_window(self.mel.T, self.fold.start + frame, self._stop - frame, pad, self.config)
            self._stretch = np.ascontiguousarray(around.T)
        return self._stretch[frame - self._first :][: 2 * pad + 1].reshape(-1)


class _Group:
    """Lanes that one thread runs side by side: their states, and room for what the kernels read and write."""

    def __init__(self, packed: PackedWaveRNN, width: int) -> None:
        from vocoder.wavernn.compiled import kernels_of

        sizes, hop = packed.sizes, packed.config.hop_length
        self.config, self.width, self.hop = packed.config, width, hop
        self._kernels = kernels_of(packed.config.shape)
        self._net = (packed.plan, sizes, packed.floats, packed.ints)
        self._sizes = sizes
        self._block = LANES // width  # frames that are prepared at once: their windows fill a vector
        self._rows = int(sizes[at.CONDITION]) * (hop // int(sizes[at.PER_CONDITION]))  # numbers a frame is turned into
        self._memory = _zeros(int(sizes[at.MEMORY]) * width)
        self._windows = _zeros(int(sizes[at.TAPS] * sizes[at.MELS]) * LANES)
        self._raw = _zeros(self._rows * LANES)
        self._conditions = _zeros(self._rows * LANES)
        self._tape = _zeros(self._block * hop * self.config.uniforms * width)
        self._out = _zeros(self._block * hop * width)
        self._rows_at, self._nothing = np.zeros(LANES, dtype=np.int64), _zeros(0)
        self._room = _zeros(int(sizes[at.ROOM] * (3 + sizes[at.DEPTH])) * LANES)
        self._steps = _FIRST_STEPS

    def run(self, waiting: "deque[_Job]") -> Generator[int, None, None]:
        """Make all that waits; yields the number of samples each time that some are made."""
        lanes: list[_Job | None] = [None] * self.width
        while True:
            for lane, job in enumerate(lanes):
                if job is None or not job.left:
                    lanes[lane] = self._take(lane, waiting)
            busy = [(lane, job) for lane, job in enumerate(lanes) if job is not None]
            if not busy:
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
        """See `CompiledSampler.outputs`; of a group of one lane."""
        tape = np.zeros((self._block * self.hop, self.config.uniforms), dtype=np.float32)
        job = _Job(mel, Fold(0, mel.shape[1]), lambda rows: tape[:rows], self.config)
        self._take(0, deque([job]))
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

    def measure(self, steps: int) -> float:
        """Seconds for so many steps on an empty page; with 0 the kernels are only made ready."""
        self._kernels.condition(*self._net, self._room, self._windows, self._raw)
        started, left = time.perf_counter(), steps
        self._call(0, 0, self._nothing)
        while left > 0:
            count = min(left, self._block * self.hop)
            self._call(0, count, self._nothing)
            left -= count
        return time.perf_counter() - started

    def _take(self, lane: int, waiting: "deque[_Job]") -> _Job | None:
        """Give a lane the next fold, and a state as at the beginning; None where no fold waits."""
        try:
            job = waiting.popleft()
        except IndexError:  # another thread was faster
            return None
        state = self._memory.reshape(-1, self.width)
        state[: self._sizes[at.INPUTS], lane] = 0
        start = self.config.silence if self.config.mode == "raw" else 0.0
        self._memory[self._sizes[at.LAST] * self.width + lane] = start
        return job

    def _prepare(self, busy: list[tuple[int, _Job]], frames: int) -> None:
        """Read the tapes of the next frames, and turn their windows into conditions."""
        width, uniforms = self.width, self.config.uniforms
        windows = self._windows.reshape(-1, self._block, width)
        tape = self._tape.reshape(-1, uniforms, width)
        for lane, job in busy:
            for ahead in range(frames):
                windows[:, ahead, lane] = job.window(ahead)
            rows = np.asarray(job.read_tape(frames * self.hop), dtype=np.float32)
            tape[: len(rows), 0, lane] = rows[:, 0]
            if uniforms > 1:  # the inverse of the logistic distribution, within the bounds of `samples.draw_samples`
                uniform = rows[:, 1].clip(1e-5, 1 - 1e-5)
                tape[: len(rows), 1, lane] = np.log(uniform / (1 - uniform))
        self._kernels.condition(*self._net, self._room, self._windows, self._raw)
        by_frame = self._raw.reshape(self._rows, self._block, width).transpose(1, 0, 2)
        self._conditions.reshape(self._block, self._rows, width)[...] = by_frame

    def _call(self, first: int, count: int, probe: np.ndarray) -> None:
        """Make samples [first, first + count) of the block that was prepared, at the beginning of `out`."""
        started = time.perf_counter()
        tape = self._tape[first * self.config.uniforms * self.width :]
        self._kernels.steps(
            *self._net, self._memory, self._rows_at, self._conditions, tape, probe, self._out, first, count, self.width
        )
        if count:
            each = max(1e-7, (time.perf_counter() - started) / count)
            self._steps = max(1, min(4 * self._steps, int(_CALL_SECONDS / each)))


def _zeros(count: int) -> np.ndarray:
    return aligned(np.zeros(count, dtype=np.float32))


def _in_threads(runs: Sequence[Generator[int, None, None]]) -> Generator[int, None, None]:
    """What several groups yield, each in a thread of its own; at times 0, so that the caller can look around."""
    news: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def work(run: Generator[int, None, None]) -> None:
        try:
            for made in run:
                news.put(made)
                if stopped.is_set():
                    return
            news.put(None)
        except BaseException as error:  # the caller raises it
            news.put(error)

    threads = [threading.Thread(target=work, args=(run,), daemon=True) for run in runs]
    for thread in threads:
        thread.start()
    running = len(threads)
    try:
        while running:
            try:
                message = news.get(timeout=_WAIT_SECONDS)
            except queue.Empty:
                yield 0
                continue
            if isinstance(message, BaseException):
                raise message
            if message is None:
                running -= 1
            else:
                yield message
    finally:
        stopped.set()
        for thread in threads:
            thread.join()
