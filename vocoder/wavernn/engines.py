"""Which engine runs a WaveRNN where, and how many folds suit it."""

import functools
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch

from speech.errors import ConfigError, SpeechError, one_line
from vocoder.wavernn.engine import LANE_COSTS
from vocoder.wavernn.folding import choose_count
from vocoder.wavernn.model import WaveRNN
from vocoder.wavernn.sampling import LANES, Sampler, TorchSampler

logger = logging.getLogger(__name__)

Engine = Literal["auto", "compiled", "torch"]

OVERLAP_FRAMES = 4  # 50 ms: 25 ms to swing in, then 25 ms of fade around the cut
LONGEST_FOLD = 400  # frames heard of a fold: 5 s, past which nothing is gained
# An eighth of a second. Folds as short as that were measured as near to recordings as one stream, in whole and at cuts.
SHORTEST_FOLD = 10


@dataclass(frozen=True)
class Running:
    """An engine that is ready to run.

    Attributes:
        sampler: how samples are made.
        cost: how long it takes for one sample of each of so many folds, in any unit.
    """

    sampler: Sampler
    cost: Callable[[int], float]

    def fold_count(self, frames: int) -> int:
        """Folds that an utterance is best cut into."""
        return choose_count(frames, SHORTEST_FOLD, LONGEST_FOLD, OVERLAP_FRAMES, self.cost)


def start_engine(model: WaveRNN, engine: Engine, threads: int | None) -> Running:
    """Make an engine and warm it up; the model lies on the device where PyTorch is to run it.

    Raises:
        ConfigError: the compiled engine was asked for by name and cannot run here.
        ModelFileError: the weights are of no use.
    """
    device = next(model.parameters()).device.type
    if engine != "torch" and device == "cpu":
        try:
            return _start_compiled(model, threads or torch.get_num_threads())
        except SpeechError:
            raise
        except Exception as error:  # no numba, or no code for this processor: whatever it is, there is the reference
            reason = one_line(error)
        if engine == "compiled":
            raise ConfigError(f"The compiled vocoder cannot run here ({reason}): install numba, or take engine torch.")
        logger.warning("The compiled vocoder cannot run here (%s), so PyTorch speaks, many times slower.", reason)
    if engine == "auto" and device == "cuda":
        from vocoder.wavernn.half import BATCHES, HalfSampler

        return Running(HalfSampler(model), _batch_cost(BATCHES[-1]))
    return Running(TorchSampler(model), _batch_cost(LANES))


def _start_compiled(model: WaveRNN, threads: int) -> Running:
    from vocoder.wavernn.engine import CompiledSampler

    sampler = CompiledSampler(model, threads)
    sampler.warm_up()
    return Running(sampler, functools.partial(_lanes_cost, threads=threads))


def _lanes_cost(folds: int, threads: int) -> float:
    share = math.ceil(folds / threads)
    return min(math.ceil(share / lanes) * cost for lanes, cost in LANE_COSTS.items())


def _batch_cost(lanes: int) -> Callable[[int], float]:
    """In PyTorch a step is mostly overhead, whose share falls as the batch grows up to `lanes`."""
    return lambda folds: math.ceil(folds / lanes) + folds / lanes
