"""Measure training speed in samples per second: compact and classic WaveRNN, and our recurrence against `nn.GRU`.

    python benchmarks/vocoder_training.py [--quick] [--json FILE]

A figure is a whole training step (forward, loss, backward, clipping, optimiser) on one thread, on random crops. The
candidates run alternately, and the minimum processor time of several runs counts, so other load has little effect.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["OMP_NUM_THREADS"] = "1"
sys.path[0] = str(Path(__file__).resolve().parents[1])  # instead of this folder, whose files are named like packages

from benchmarks.measuring import BenchmarkArguments, Rows, minimum_times, report, training_precisions  # noqa: E402
from speech.errors import exit_on_speech_error  # noqa: E402
from vocoder.wavernn.config import WaveRNNConfig, classic_config  # noqa: E402

if TYPE_CHECKING:
    from vocoder.wavernn.model import WaveRNN

BATCH, FRAMES = 16, 3


@dataclass(frozen=True)
class Arguments(BenchmarkArguments):
    """Measure the training of the vocoder."""

    rounds = (2, 6)


@exit_on_speech_error
def main(argv: list[str] | None = None) -> None:
    arguments = Arguments.parse(argv, __doc__)
    report(measure(arguments.repeats), arguments.json)


def measure(repeats: int) -> Rows:
    """Classic and compact through `nn.GRU`, and compact through our recurrence.

    In fp32, and in bf16 if the processor supports it. The ratio without a precision is that of the precision that
    training chooses on this processor.
    """
    from vocoder.wavernn.compact import CompactWaveRNN
    from vocoder.wavernn.model import build_wavernn

    class ThroughGRU(CompactWaveRNN):
        """The compact shape with PyTorch's own GRU kernel, as on a GPU."""

        _states_on_cpu = CompactWaveRNN._states

    rates = {}
    models = {
        "classic": build_wavernn(classic_config()),
        "compact": ThroughGRU(WaveRNNConfig()),
        "compact_own": build_wavernn(WaveRNNConfig()),
    }
    precisions, chosen = training_precisions()
    steps = {
        (name, precision): training_step(model, precision) for precision in precisions for name, model in models.items()
    }
    for case, seconds in zip(steps, minimum_times(repeats, *steps.values()), strict=True):
        rates[case] = BATCH * FRAMES * WaveRNNConfig().hop_length / seconds
    for (name, precision), rate in rates.items():
        yield f"train_{name}_{precision}_samples_per_s", rate, "samples/s"
    ratios = {"compact_vs_classic": ("compact", "classic"), "own_recurrence_vs_nn_gru": ("compact_own", "compact")}
    for ratio, (candidate, baseline) in ratios.items():
        for precision in precisions:
            times = rates[candidate, precision] / rates[baseline, precision]
            yield f"train_{ratio}_samples_per_s_{precision}", times, "times"
            if precision == chosen:
                yield f"train_{ratio}_samples_per_s", times, "times"


def training_step(model: WaveRNN, precision: str) -> Callable[[], None]:
    """A training step on random crops. As in training, bf16 includes the products that PyTorch calls float32."""
    import torch

    from vocoder.wavernn.samples import sample_loss

    generator = torch.Generator().manual_seed(0)
    config = model.config
    samples = torch.randint(config.labels, (BATCH, FRAMES * config.hop_length + 1), generator=generator)
    mel = torch.rand(BATCH, config.mel.n_mels, FRAMES + 2 * config.pad, generator=generator) * 2 - 1
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)

    def step() -> None:
        torch.set_float32_matmul_precision("medium" if precision == "bf16" else "highest")
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=precision == "bf16"):
            loss = sample_loss(model(samples[:, :-1], mel), samples[:, 1:], config)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()

    return step


if __name__ == "__main__":
    main()
