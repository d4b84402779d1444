"""How fast and how small the vocoder is, beside a WaveRNN in PyTorch that runs in folds as public SV2TTS programs do.

    python benchmarks/vocoder.py [--quick] [--json FILE]

The models have random weights, pruned by magnitude: the speed does not depend on what they were trained for. The mels
are those of `samples/`. A real-time factor below 1 is faster than speech; of several turns the quickest counts.
All cases take half an hour, most of it the reference and the dense models; the quick ones two or three minutes.

A case is called by model (classic: two GRU-512 as in public checkpoints; compact: the default sizes, compact512: one
GRU-512), percent pruned, way of running (one stream, or folds), threads, and seconds of speech.
"""

from __future__ import annotations

import itertools
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

os.environ["OMP_NUM_THREADS"] = "1"  # of what runs aside; what is measured says how many it takes
ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, whose name for this file would hide the package `vocoder`

import numpy as np  # noqa: E402
import tyro  # noqa: E402

from speech.errors import SpeechError, exit_on_speech_error  # noqa: E402

if TYPE_CHECKING:
    from vocoder.wavernn.inference import WaveRNNVocoder
    from vocoder.wavernn.model import WaveRNN

SAMPLE_RATE, HOP = 16_000, 200
SHAPES = {
    "classic": ("classic", 512, 512),
    "compact": ("compact", 384, 256),
    "compact512": ("compact", 512, 256),
}  # kind, GRU units, fully connected width
SPARSITIES = {"dense": 0.0, "90": 0.9, "95": 0.95, "975": 0.975}
REFERENCE_TARGET, REFERENCE_OVERLAP = 8000, 400  # samples: the settings of public SV2TTS vocoders
LONG_SECONDS = 600
PATIENCE_SECONDS = 10  # after which a case is not repeated

Rows = Iterator[tuple[str, float, str]]


@dataclass(frozen=True)
class Arguments:
    """Measure the vocoder."""

    quick: bool = False
    """Only the cases on 5 s that have a target; a quarter of the PyTorch reference, which takes longest, stands for the
    whole: each of its steps costs the same."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Also write the figures here, as a list of {case, value, unit}."""

    @property
    def seconds(self) -> tuple[float, ...]:
        return (5,) if self.quick else (1, 5, 12.5, 30)


@exit_on_speech_error
def main(argv: list[str] | None = None) -> None:
    arguments = tyro.cli(Arguments, args=argv, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))
    rows = []
    for measure in (measure_start, measure_engine, measure_reference, measure_length, measure_memory):
        for case, value, unit in measure(arguments):
            if math.isnan(value):  # this system does not tell
                continue
            print(f"{case:<40} {value:>10.4g} {unit}", flush=True)
            rows.append({"case": case, "value": value, "unit": unit})
    case = "classic95_folds_2t_5s_rtf"
    values = {row["case"]: float(str(row["value"])) for row in rows}
    times = values["reference_folds_5s_rtf"] / values[case]
    print(f"{'classic95_folds_vs_torch_5s':<40} {times:>10.4g} times")
    rows.append({"case": "classic95_folds_vs_torch_5s", "value": times, "unit": "times"})
    if arguments.json is not None:
        from training.files import write_json

        write_json(arguments.json, rows)


# --- the compiled engine ----------------------------------------------------------------------------------------------


def measure_engine(arguments: Arguments) -> Rows:
    """Real-time factor, peak memory, and the time to the first 0.1 s where it streams."""
    quick = (("classic", "95", "folds", 2), ("classic", "95", "stream", 1), ("compact", "95", "stream", 1))
    ways = (("stream", 1), ("folds", 1), ("folds", 2))
    full = [(*model, *way) for model in itertools.product(SHAPES, SPARSITIES) for way in ways]
    for shape, pruned, way, threads in quick if arguments.quick else full:
        vocoder = make_vocoder(shape, pruned, threads)
        vocoder.warm_up()
        model = f"{shape}{'_' if shape[-1].isdigit() else ''}{pruned}"
        for seconds in arguments.seconds:
            taken, memory = measured(3, speak, vocoder, mel_of(seconds), way)
            yield f"{model}_{way}_{threads}t_{seconds:g}s_rtf", taken / seconds, ""
            yield f"{model}_{way}_{threads}t_{seconds:g}s_memory_mb", memory, "MB"
        if way == "stream":
            yield f"{model}_first_chunk_ms", 1000 * measured(10, first_chunk, vocoder, mel_of(5))[0], "ms"


def measure_length(arguments: Arguments) -> Rows:
    """What share of the time for 5 s goes to 1 s; in folds short clips gain less, as there is less to run abreast."""
    for shape, way, threads, name in (
        ("classic", "folds", 2, ""),
        ("compact", "folds", 2, "_compact95_folds_2t"),
        ("compact", "stream", 1, "_compact95_stream_1t"),
    ):
        vocoder = make_vocoder(shape, "95", threads)
        short, long = (measured(5, speak, vocoder, mel_of(seconds), way)[0] for seconds in (1, 5))
        yield f"linear_1s_share_of_5s{name}", short / long, ""


def speak(vocoder: WaveRNNVocoder, mel: np.ndarray, way: str) -> None:
    if way == "folds":
        vocoder.vocode(mel, seed=0)
    else:
        for _ in vocoder.stream(mel, seed=0):
            pass


def first_chunk(vocoder: WaveRNNVocoder, mel: np.ndarray) -> None:
    next(vocoder.stream(mel, seed=0))


# --- the reference ----------------------------------------------------------------------------------------------------


def measure_reference(arguments: Arguments) -> Rows:
    """The dense classic model in PyTorch, in even folds of which the last one is filled up, on one thread and on two.

    The better of the two counts: two threads beside another program can be slower than one.
    """
    import torch

    from vocoder.wavernn.folding import Fold
    from vocoder.wavernn.sampling import open_tape, sample_folds

    model = make_model("classic", 0.0)
    length, stride = REFERENCE_TARGET + 2 * REFERENCE_OVERLAP, REFERENCE_TARGET + REFERENCE_OVERLAP
    for seconds in arguments.seconds:
        count = max(1, -(-round(seconds * SAMPLE_RATE - REFERENCE_OVERLAP) // stride))
        frames = length // HOP // (4 if arguments.quick else 1)
        folds = [Fold(start, start + frames) for start in range(0, count * stride // HOP, stride // HOP)]
        mel = mel_of(folds[-1].stop * HOP / SAMPLE_RATE)
        tapes = [open_tape(model.config, 0, index) for index in range(count)]
        best, memory = float("inf"), 0.0
        for threads in (1, 2):
            torch.set_num_threads(threads)
            taken, memory = measured(0, sample_folds, model, mel, folds, tapes)
            best = min(best, taken * (length / HOP / frames))
        torch.set_num_threads(1)
        yield f"reference_folds_{seconds:g}s_rtf", best / seconds, ""
        yield f"reference_folds_{seconds:g}s_memory_mb", memory, "MB"


# --- processes of their own -------------------------------------------------------------------------------------------

START_PROGRAM = """
import sys, time
import torch
torch.set_num_threads(1)
from benchmarks.vocoder import make_vocoder
vocoder = make_vocoder(sys.argv[1], "95", 1)
started = time.perf_counter()
vocoder.warm_up()
print(time.perf_counter() - started)
"""

MEMORY_PROGRAM = """
import sys
import torch
torch.set_num_threads(1)
from benchmarks.vocoder import forget_peak, kilobytes, make_vocoder, mel_of
mel = mel_of(float(sys.argv[1]))
vocoder = make_vocoder("compact", "95", 2)
vocoder.warm_up()
before = forget_peak()
if sys.argv[2] == "stream":
    for chunk in vocoder.stream(mel, seed=0):
        pass
else:
    vocoder.vocode(mel, seed=0)
print((kilobytes("VmHWM") - before) * 1024 / 1e6, kilobytes("VmHWM") * 1024 / 1e6)
"""


def measure_start(arguments: Arguments) -> Rows:
    """What the engine adds to the first use in a process, with and without a cache of compiled kernels."""
    for shape, name in (("compact", ""), ("classic", "_classic")):
        with tempfile.TemporaryDirectory() as cache:
            environment = {"NUMBA_CACHE_DIR": cache}
            seconds = [run_program(START_PROGRAM, shape, environment=environment)[0] for _ in range(4)]
            yield f"cold_compile{name}_s", seconds[0], "s"
            yield f"warm_start{name}_s", min(seconds[1:]), "s"


def measure_memory(arguments: Arguments) -> Rows:
    """The greatest memory of a process that speaks for 10 min: above what it holds when it is ready to (the interpreter
    with torch, numba, the model and the mel), and in all."""
    if not Path("/proc/self/status").is_file():
        print("The memory is left out, because only Linux tells a process's greatest one.", flush=True)
        return
    for way, name in (("folds", ""), ("stream", "_stream"))[: 1 if arguments.quick else 2]:
        above, whole = run_program(MEMORY_PROGRAM, str(LONG_SECONDS), way)
        yield f"memory_10min{name}_mb", above, "MB"
        yield f"memory_10min{name}_whole_process_mb", whole, "MB"


def run_program(program: str, *arguments: str, environment: dict[str, str] | None = None) -> list[float]:
    """The numbers that a program prints. Raises: SpeechError with the last line of what it said if it fails."""
    command = [sys.executable, "-c", program, *arguments]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **(environment or {})}, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SpeechError(f"A program failed while it was measured: {(done.stderr.splitlines() or ['no message'])[-1]}")
    return [float(number) for number in done.stdout.split()]


# --- common -----------------------------------------------------------------------------------------------------------


def make_model(shape: str, sparsity: float) -> WaveRNN:
    """Random weights, of which the smallest blocks are pruned as training would."""
    import torch

    from vocoder.wavernn.config import WaveRNNConfig
    from vocoder.wavernn.model import build_wavernn
    from vocoder.wavernn.pruning import Pruner, PruningSchedule

    kind, hidden, fc = SHAPES[shape]
    torch.manual_seed(0)
    model = build_wavernn(WaveRNNConfig(shape=kind, hidden_size=hidden, fc_size=fc, sparsity=sparsity))  # type: ignore[arg-type]
    if sparsity:
        Pruner(model, PruningSchedule(sparsity, start=0, steps=1, every=1)).after_step(1)
    return model.eval().requires_grad_(False)


def make_vocoder(shape: str, pruned: str, threads: int) -> WaveRNNVocoder:
    from vocoder.wavernn.inference import WaveRNNVocoder

    return WaveRNNVocoder(make_model(shape, SPARSITIES[pruned]), engine="compiled", threads=threads)


def mel_of(seconds: float) -> np.ndarray:
    """The mel of the sample sentences one after another, again and again: float32 [80, frames] of so many seconds."""
    from speech.audio import read_audio
    from speech.mel import synthesis_mel

    paths = sorted((ROOT / "samples").glob("*.flac"))
    if not paths:
        raise SpeechError(f"There are no sample recordings in {ROOT / 'samples'}: check the repository out whole.")
    sentences = np.concatenate([synthesis_mel(read_audio(path)) for path in paths], axis=1)
    return sentences[:, np.arange(round(seconds * SAMPLE_RATE / HOP)) % sentences.shape[1]]


def measured(turns: int, work: Callable[..., object], *given: Any) -> tuple[float, float]:
    """The least seconds of several turns, fewer where they take long; and the memory in MB that they took at their
    peak, NaN where the system does not tell."""
    before = forget_peak()
    seconds: list[float] = []
    while len(seconds) <= turns and sum(seconds) < PATIENCE_SECONDS:
        started = time.perf_counter()
        work(*given)
        seconds.append(time.perf_counter() - started)
    return min(seconds), (kilobytes("VmHWM") - before) * 1024 / 1e6


def forget_peak() -> float:
    """Begin to look for the greatest memory anew; returns the memory held now in kilobytes, NaN if not on Linux."""
    clear = Path("/proc/self/clear_refs")
    if not clear.is_file():
        return float("nan")
    clear.write_text("5")
    return kilobytes("VmRSS")


def kilobytes(field: str) -> float:
    """A figure of this process's memory, NaN where the system does not tell."""
    status = Path("/proc/self/status")
    if not status.is_file():
        return float("nan")
    return next(float(line.split()[1]) for line in status.read_text().splitlines() if line.startswith(f"{field}:"))


if __name__ == "__main__":
    main()
