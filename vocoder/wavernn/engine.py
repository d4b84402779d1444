"""The compiled engine: a WaveRNN on a CPU, many times faster than PyTorch and equal to it on the same tape.

Equal up to rounding. Folds of a dense classic model are multiplied in matrix registers (AMX) where the processor has
them: their weights and inputs are rounded to 16 bits, so their samples can differ from those of another processor.

One set of kernels runs a single stream, which has the lowest latency, or folds side by side in the SIMD lanes of the
processor, which takes the least time per sample. Folds can be distributed over threads.
"""

import contextlib
import math
import queue
import threading
from collections import deque
from collections.abc import Generator, Iterator, Mapping, Sequence

import numpy as np

from vocoder.control import NO_CONTROL, Control
from vocoder.wavernn.folding import Fold
from vocoder.wavernn.lanes import Job, Lanes
from vocoder.wavernn.model import WaveRNN
from vocoder.wavernn.packing import COLUMNS, SAMPLE_LOOP, PackedWaveRNN, pack
from vocoder.wavernn.sampling import ReadTape, Sampler, Tape, read_tape, stream_segments
from waveform.segments import MelFrames

# Time of a step by the number of lanes, relative to a single stream. Constants instead of measurements, so that the
# number of folds, and with it the samples, is the same in every run. The weights of a dense classic model do not fit
# into the nearest caches, so more lanes cost little; in matrix registers, 16 cost less than one in vectors.
LANE_COSTS = {1: 1.0, 2: 1.5, 4: 2.1, 8: 3.8}
DENSE_CLASSIC_COSTS = {1: 1.0, 2: 1.2, 4: 1.6, 8: 2.4, 16: 3.5}
TILED_COSTS = {1: 1.0, 16: 0.8}

_WAIT_SECONDS = 0.02  # for threads, before `cancelled` is called


class CompiledSampler(Sampler):
    """Generates samples with compiled kernels. Safe to use from several threads at once.

    Args:
        model: its weights are copied.
        threads: for `sample_folds`.
        sharpen: sharpen the distributions where the pitch is clear (excitation shape only).

    Raises:
        ModelFileError: weights are not finite.
    """

    def __init__(self, model: WaveRNN, threads: int = 1, sharpen: bool = True) -> None:
        self.config = model.config
        self.threads = max(1, threads)
        self._packed = pack(model, sharpen)
        self.lane_costs = _lane_costs(self._packed)
        self._warm = False

    def warm_up(self) -> None:
        """Load the kernels from the cache, or compile them, which is logged. Otherwise the first call does."""
        if self._warm:
            return
        from vocoder.wavernn.compiled import kernels_of

        kernels_of(self.config.shape)
        self._warm = True

    def sample_folds(
        self, mel: np.ndarray, folds: Sequence[Fold], tapes: Sequence[Tape], control: Control = NO_CONTROL
    ) -> list[np.ndarray]:
        """See `Sampler.sample_folds`. A lane whose fold has ended continues with the next one."""
        self.warm_up()
        jobs = [Job(mel, fold, read_tape(tape), self.config) for fold, tape in zip(folds, tapes, strict=True)]
        waiting = sorted((job for job in jobs if job.fold.frames), key=lambda job: -job.fold.frames)
        done, total = 0, sum(len(job.samples) for job in jobs)
        workers = min(self.threads, len(waiting))
        if not workers:
            return [job.samples for job in jobs]
        width = best_width(math.ceil(len(waiting) / workers), self.lane_costs)
        first, later = waiting[: workers * width], deque(waiting[workers * width :])
        runs = [Lanes(self._packed, width, first[worker::workers]).run(later) for worker in range(workers)]
        with contextlib.closing(runs[0] if workers == 1 else _in_threads(runs)) as work:
            control.check()
            for made in work:
                done += made
                if made:
                    control.report(done, total)
                control.check()
        return [job.samples for job in jobs]

    def sample_stream(self, mel: MelFrames, tape_of: ReadTape, control: Control = NO_CONTROL) -> Iterator[np.ndarray]:
        self.warm_up()
        lanes = Lanes(self._packed, 1)
        control.check()
        for part, fold in stream_segments(mel, self.config.pad):
            job, done = Job(part, fold, tape_of, self.config), 0
            for made in lanes.continue_with(job):
                control.check()
                yield job.samples[done : done + made]
                done += made

    def outputs(self, mel: np.ndarray, samples: np.ndarray) -> np.ndarray:
        """Teacher-forced outputs, to compare the engine with other implementations.

        Args:
            mel: float32 [n_mels, frames], scaled to [-max_abs_value, max_abs_value].
            samples: [frames * hop], labels of the excitation in the excitation shape.

        Returns:
            float32 [frames * hop, config.outputs]; row i depends on the samples before i.
        """
        self.warm_up()
        return Lanes(self._packed, 1).probe(mel, samples)


def best_width(folds: int, costs: Mapping[int, float]) -> int:
    """The number of lanes with which one thread takes least time for this number of equally long folds.

    Args:
        costs: time of a step by the number of lanes, as `CompiledSampler.lane_costs`.
    """
    return min(costs, key=lambda width: math.ceil(folds / width) * costs[width])


def _lane_costs(packed: PackedWaveRNN) -> Mapping[int, float]:
    if packed.tiled:
        return TILED_COSTS
    dense = (packed.plan[: len(SAMPLE_LOOP[packed.config.shape]), COLUMNS] < 0).all()
    return DENSE_CLASSIC_COSTS if dense and packed.config.shape == "classic" else LANE_COSTS


def _in_threads(runs: Sequence[Generator[int, None, None]]) -> Generator[int, None, None]:
    """Run several groups of lanes, each in a thread, and yield what they yield.

    Yields 0 when nothing has happened for a while, so that the caller can check for cancelling.
    """
    news: queue.SimpleQueue[int | BaseException | None] = queue.SimpleQueue()
    stopped = threading.Event()

    def work(run: Generator[int, None, None]) -> None:
        try:
            for made in run:
                news.put(made)
                if stopped.is_set():
                    return
            news.put(None)
        except BaseException as error:  # raised again in the caller's thread
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
