"""Choice of the engine that runs a WaveRNN, and of the number of folds."""

import functools
import logging
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import torch

from speech.errors import ConfigError, SpeechError, one_line
from vocoder.wavernn.folding import choose_count
from vocoder.wavernn.model import WaveRNN
from vocoder.wavernn.sampling import LANES, Sampler, TorchSampler

logger = logging.getLogger(__name__)

Engine = Literal["auto", "compiled", "torch"]

OVERLAP_FRAMES = 4  # 50 ms: 25 ms of warm-up, then 25 ms of cross-fade around the cut
LONGEST_FOLD = 400  # frames of a fold without its overlap: 5 s; longer ones gain nothing
SHORTEST_FOLD = 10  # 0.125 s; folds of this length were measured as close to recordings as a single stream


@dataclass(frozen=True)
class Running:
    """An engine that is ready to run.

    Attributes:
        sampler: generates the samples.
        cost: number of folds -> time for one sample of each of them, in any unit.
    """

    sampler: Sampler
    cost: Callable[[int], float]

    def fold_count(self, frames: int) -> int:
        """The best number of folds for an utterance of this length."""
        return choose_count(frames, SHORTEST_FOLD, LONGEST_FOLD, OVERLAP_FRAMES, self.cost)


def start_engine(model: WaveRNN, engine: Engine, threads: int | None, sharpen: bool = True) -> Running:
    """Create an engine and warm it up.

    Args:
        model: on the device on which PyTorch runs it.
        sharpen: see `WaveRNNVocoder`.

    Raises:
        ConfigError: the engine is "compiled" and does not work on this machine.
        ModelFileError: the weights are not finite.
    """
    device = next(model.parameters()).device.type
    # The loop of the excitation shape has no CUDA graph: its compiled loop is faster on any machine.
    if engine != "torch" and (device == "cpu" or model.config.predicts):
        try:
            return _start_compiled(model, threads or torch.get_num_threads(), sharpen)
        except SpeechError:
            raise
        except Exception as error:  # no numba, or no code for this processor; the reference always works
            reason = one_line(error)
        if engine == "compiled":
            raise ConfigError(
                f"The compiled vocoder does not work here ({reason}): install numba, or use engine torch."
            )
        logger.warning("The compiled vocoder does not work here (%s). PyTorch runs it, many times slower.", reason)
    if engine == "auto" and device == "cuda" and not model.config.predicts:
        from vocoder.wavernn.half import BATCHES, HalfSampler

        return Running(HalfSampler(model), _batch_cost(BATCHES[-1]))
    return Running(TorchSampler(model, sharpen), _batch_cost(LANES))


def _start_compiled(model: WaveRNN, threads: int, sharpen: bool) -> Running:
    from vocoder.wavernn.engine import CompiledSampler

    sampler = CompiledSampler(model, threads, sharpen)
    sampler.warm_up()
    return Running(sampler, functools.partial(_lanes_cost, threads=threads, costs=sampler.lane_costs))


def _lanes_cost(folds: int, threads: int, costs: Mapping[int, float]) -> float:
    per_thread = math.ceil(folds / threads)
    return min(math.ceil(per_thread / lanes) * cost for lanes, cost in costs.items())


def _batch_cost(lanes: int) -> Callable[[int], float]:
    """A step in PyTorch is mostly overhead, which counts less per fold as the batch grows up to `lanes`."""
    return lambda folds: math.ceil(folds / lanes) + folds / lanes
