"""The compiled code of `alignment_search`, for numba."""

import numpy as np

from kernels.alignment_search import UNREACHABLE
from kernels.machine_code import MachineCode
from kernels.parts import FLOATS, INTEGER, INTEGERS, machine_code, moved, part

_UNREACHABLE = np.float32(UNREACHABLE)


@part
def _add_up(sums, tokens, frames, stride):
    """Scores [frames, stride] -> the highest sum of an alignment that ends in this token at this frame, in place."""
    for token in range(1, tokens):
        sums[token] = _UNREACHABLE
    for frame in range(1, frames):
        row, before = moved(sums, frame * stride), moved(sums, (frame - 1) * stride)
        row[0] += before[0]
        for token in range(1, tokens):
            row[token] += max(before[token], before[token - 1])


@part
def _trace_back(sums, tokens, frames, stride, durations):
    """The durations of the best alignment, from its end to its start."""
    token = tokens - 1
    for step in range(frames):
        frame = frames - 1 - step
        durations[token] += 1
        if token > 0 and frame > 0:
            before = moved(sums, (frame - 1) * stride)
            if token == frame or before[token - 1] > before[token]:
                token -= 1


def search(scores, tokens, frames, durations, batch, longest, stride):
    """See `alignment_search.search_alignment`; `scores` is [batch, longest, stride], `durations` all 0."""
    for row in range(batch):
        sums = moved(scores, row * longest * stride)
        _add_up(sums, tokens[row], frames[row], stride)
        _trace_back(sums, tokens[row], frames[row], stride, moved(durations, row * stride))


def compile_all() -> dict[str, MachineCode]:
    """The functions of `alignment_search.LIBRARY`."""
    return {"search": machine_code(search, FLOATS, INTEGERS, INTEGERS, INTEGERS, INTEGER, INTEGER, INTEGER)}
