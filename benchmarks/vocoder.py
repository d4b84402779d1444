"""Measure speed and memory of the vocoders, compared to a WaveRNN in PyTorch with the folds of public SV2TTS programs.

    python benchmarks/vocoder.py [--quick] [--seconds 1 5] [--json FILE]

The WaveRNNs have random weights, pruned by magnitude, because the speed does not depend on the training. The spectral
vocoder is the default model. The mels are those of `samples/`. A real-time factor below 1 is faster than real time.

The cases of one length run alternately, several times, and the fastest run of each counts. So other load on the machine
affects all of them alike. Memory is the peak of a separate process, minus that of an interpreter with PyTorch and the
mel. All cases take half an hour or more, most of it for the reference and dense models. --quick takes three minutes.

A case is named by model (classic: two GRU-512 as in public checkpoints; compact: the default sizes; compact512: one
GRU-512; excitation: the default sizes with linear prediction, refined), percent pruned, mode (stream or folds),
threads, and seconds of speech.
"""

from __future__ import annotations

import itertools
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

os.environ["OMP_NUM_THREADS"] = "1"  # the measured code sets its number of threads itself
ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # instead of this folder, where this file would hide the package `vocoder`

import numpy as np  # noqa: E402

from benchmarks.measuring import (  # noqa: E402
    BenchmarkArguments,
    Rows,
    memory_is_measurable,
    minimum_times,
    report,
    run_program,
)
from evaluation.memory import kilobytes  # noqa: E402
from speech.errors import SpeechError, exit_on_speech_error  # noqa: E402

if TYPE_CHECKING:
    from vocoder import Vocoder
    from vocoder.wavernn.inference import WaveRNNVocoder
    from vocoder.wavernn.model import WaveRNN

SAMPLE_RATE, HOP = 16_000, 200
SHAPES = {
    "classic": ("classic", 512, 512),
    "compact": ("compact", 384, 256),
    "compact512": ("compact", 512, 256),
    "excitation": ("excitation", 384, 256),
}  # shape, GRU units, fully connected width
REFINED = ("excitation",)  # as the included model
SPARSITIES = {"dense": 0.0, "90": 0.9, "95": 0.95, "975": 0.975}
REFERENCE_TARGET, REFERENCE_OVERLAP = 8000, 400  # samples: the settings of public SV2TTS vocoders
LONG_SECONDS = 600
TURNS = 5
MAX_SECONDS = 3  # of all runs of a case, after which it is not repeated


@dataclass(frozen=True)
class Arguments(BenchmarkArguments):
    """Measure the vocoder."""

    quick: bool = False
    """Measure only the most important cases, with 5 s of speech. A quarter of the PyTorch reference is run, because all
    of its steps take the same time."""
    seconds: tuple[float, ...] = (1, 5, 12.5, 30)
    """Lengths of speech in seconds; --quick uses 5 only."""

    @property
    def lengths(self) -> tuple[float, ...]:
        return (5,) if self.quick else self.seconds


@exit_on_speech_error
def main(argv: list[str] | None = None) -> None:
    arguments = Arguments.parse(argv, __doc__)
    measures = (measure_start, measure_speed, measure_dense, measure_first_chunks, measure_length, measure_memory)
    report(itertools.chain.from_iterable(measure(arguments) for measure in measures), arguments.json)


# --- speed ------------------------------------------------------------------------------------------------------------


@dataclass
class Case:
    """Something to be timed.

    Attributes:
        work: one run.
        fraction: of the whole work that a run does.
        threads: PyTorch threads during a run.
    """

    name: str
    work: Callable[[], object]
    fraction: float = 1.0
    threads: int = 1
    seconds: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        return min(self.seconds) / self.fraction

    def run_once(self) -> None:
        import torch

        torch.set_num_threads(self.threads)
        started = time.perf_counter()
        self.work()
        self.seconds.append(time.perf_counter() - started)
        torch.set_num_threads(1)


def run_alternately(cases: Sequence[Case], turns: int = TURNS) -> None:
    """Run all cases alternately; long ones less often."""
    for turn in range(turns + 1):  # the first turn also warms up
        for case in cases:
            if turn == 0 or sum(case.seconds) < MAX_SECONDS:
                case.run_once()


def measure_speed(arguments: Arguments) -> Rows:
    """Real-time factors for mels of each length, and the speed-up over the reference."""
    vocoders = {
        name: make_vocoder(shape, pruned, threads) for name, (shape, pruned, threads, _) in configurations(arguments)
    }
    spectral = load_spectral()
    for seconds in arguments.lengths:
        mel = mel_of(seconds)
        cases = [
            Case(name, partial(generate, vocoders[name], mel, mode)) for name, (*_, mode) in configurations(arguments)
        ]
        if spectral is not None:
            cases.append(Case("spectral_1t", partial(spectral.vocode, mel)))
        references = reference_cases(seconds, 0.25 if arguments.quick else 1.0)
        run_alternately(cases + references)
        for case in cases:
            yield f"{case.name}_{seconds:g}s_rtf", case.best / seconds, ""
        reference = min(references, key=lambda case: case.best)
        yield f"reference_folds_{seconds:g}s_rtf", reference.best / seconds, ""
        ours = next(case for case in cases if case.name == "classic95_folds_2t")
        yield f"classic95_folds_vs_torch_{seconds:g}s", reference.best / ours.best, "times"


def measure_dense(arguments: Arguments) -> Rows:
    """The dense classic model, as converted from a public checkpoint: compiled against PyTorch, both with folds.

    On one thread each and in processor time, which other programs affect least.
    """
    seconds, fraction = 5, 0.25
    vocoder, mel = make_vocoder("classic", "dense", 1), mel_of(seconds)
    reference = reference_cases(seconds, fraction)[0]
    ours, theirs = minimum_times(2, partial(generate, vocoder, mel, "folds"), reference.work)
    theirs /= reference.fraction
    yield "classicdense_folds_1t_5s_cpu_rtf", ours / seconds, ""
    yield "reference_folds_1t_5s_cpu_rtf", theirs / seconds, ""
    yield "classicdense_folds_vs_torch_5s", theirs / ours, "times"


def configurations(arguments: Arguments) -> list[tuple[str, tuple[str, str, int, str]]]:
    """Runs of the compiled engine: a name, then shape, percent pruned, threads, and mode."""
    quick = (
        ("classic", "95", "folds", 2),
        ("classic", "95", "stream", 1),
        ("compact", "95", "stream", 1),
        ("excitation", "90", "stream", 1),
    )
    modes = (("stream", 1), ("folds", 1), ("folds", 2))
    full = [(*model, *mode) for model in itertools.product(SHAPES, SPARSITIES) for mode in modes]
    return [
        (f"{shape}{'_' if shape[-1].isdigit() else ''}{pruned}_{mode}_{threads}t", (shape, pruned, threads, mode))
        for shape, pruned, mode, threads in (quick if arguments.quick else full)
    ]


def measure_first_chunks(arguments: Arguments) -> Rows:
    """Latency of the first 0.1 s of a stream in milliseconds, after a warm-up."""
    mel = mel_of(5)
    models = {name: make_vocoder(*model[:3]) for name, model in configurations(arguments) if model[3] == "stream"}
    cases = [Case(name.removesuffix("_stream_1t"), partial(first_chunk, model, mel)) for name, model in models.items()]
    spectral = load_spectral()
    if spectral is not None:
        cases.append(Case("spectral", partial(first_chunk, spectral, mel)))
    run_alternately(cases, 2 * TURNS)
    for case in cases:
        yield f"{case.name}_first_chunk_ms", 1000 * case.best, "ms"


def measure_length(arguments: Arguments) -> Rows:
    """Time for 1 s relative to that for 5 s. Folds gain less on short clips, because there are fewer of them."""
    for shape, mode, threads, name in (
        ("classic", "folds", 2, ""),
        ("compact", "folds", 2, "_compact95_folds_2t"),
        ("compact", "stream", 1, "_compact95_stream_1t"),
    ):
        vocoder = make_vocoder(shape, "95", threads)
        short, long = (Case("", partial(generate, vocoder, mel_of(seconds), mode)) for seconds in (1, 5))
        run_alternately((short, long), 2 * TURNS)
        yield f"linear_1s_share_of_5s{name}", short.best / long.best, ""


def generate(vocoder: Vocoder, mel: np.ndarray, mode: str) -> None:
    if mode == "folds":
        vocoder.vocode(mel, seed=0)
    else:
        for _ in vocoder.stream(mel, seed=0):
            pass


def first_chunk(vocoder: Vocoder, mel: np.ndarray) -> None:
    next(iter(vocoder.stream(mel, seed=0)))


def reference_cases(seconds: float, fraction: float) -> list[Case]:
    """The dense classic model in PyTorch with folds of equal length, on one thread and on two.

    The better of the two counts, because two threads can be slower than one when other programs run. All steps take the
    same time, so a fraction of them is enough.
    """
    from vocoder.wavernn.folding import Fold
    from vocoder.wavernn.sampling import TorchSampler, open_tape

    model = make_model("classic", 0.0)
    length, stride = REFERENCE_TARGET + 2 * REFERENCE_OVERLAP, REFERENCE_TARGET + REFERENCE_OVERLAP
    count = max(1, -(-round(seconds * SAMPLE_RATE - REFERENCE_OVERLAP) // stride))
    frames = round(length // HOP * fraction)
    folds = [Fold(start, start + frames) for start in range(0, count * stride // HOP, stride // HOP)]
    mel = mel_of(folds[-1].stop * HOP / SAMPLE_RATE)

    def work() -> None:
        TorchSampler(model).sample_folds(mel, folds, [open_tape(model.config, 0, index) for index in range(count)])

    return [Case(f"reference_{threads}t", work, frames * HOP / length, threads) for threads in (1, 2)]


# --- separate processes -----------------------------------------------------------------------------------------------

START_PROGRAM = """
import json, sys, time
import torch
torch.set_num_threads(1)
from benchmarks.vocoder import make_vocoder
vocoder = make_vocoder(sys.argv[1], "95", 1, warm=False)
started = time.perf_counter()
vocoder.warm_up()
print(json.dumps({"seconds": time.perf_counter() - started}))
"""

# Arguments: seconds of mel, then "spectral", "reference", or shape, percent pruned, threads and mode.
MEMORY_PROGRAM = """
import json, sys
import torch
torch.set_num_threads(1)
from benchmarks.vocoder import generate, load_spectral, make_vocoder, mel_of, reference_cases, reset_peak
from evaluation.memory import kilobytes
from vocoder import Vocoder
seconds, name, *rest = sys.argv[1:]
mel = mel_of(float(seconds))
interpreter = reset_peak()
if name == "reference":
    warm, work = 0, reference_cases(float(seconds), fraction=0.05)[0].work
else:
    pruned, threads, mode = rest or ("", "1", "folds")
    vocoder = load_spectral() if name == "spectral" else make_vocoder(name, pruned, int(threads))
    warm, work = kilobytes("VmRSS"), lambda: generate(vocoder, mel, mode)
work()
peak = kilobytes("VmHWM")
print(json.dumps({key: (peak - less) * 1024 / 1e6 for key, less in (("", interpreter), ("_above_warm", warm))}))
"""


def measure_start(arguments: Arguments) -> Rows:
    """Start-up time of the engine in a new process, with and without a cache of compiled kernels."""
    for shape, name in (("compact", ""), ("classic", "_classic")):
        with tempfile.TemporaryDirectory() as cache:
            environment = {"NUMBA_CACHE_DIR": cache}
            seconds = [run_program(START_PROGRAM, shape, environment=environment)["seconds"] for _ in range(4)]
            yield f"cold_compile{name}_s", seconds[0], "s"
            yield f"warm_start{name}_s", min(seconds[1:]), "s"


def measure_memory(arguments: Arguments) -> Rows:
    """Peak memory, minus that of an interpreter with PyTorch and the mel.

    Each configuration vocodes the longest mel once, with kernels from the cache. The reference runs a few steps, which
    need as much memory as all. Two configurations vocode ten minutes; for these, the growth over a process with loaded
    model and kernels is reported too.
    """
    if not memory_is_measurable():
        return
    seconds = f"{arguments.lengths[-1]:g}"
    every = {name: tuple(map(str, settings)) for name, settings in configurations(arguments)}
    for name, words in {**every, "spectral_1t": ("spectral",), "reference_folds": ("reference",)}.items():
        if name != "spectral_1t" or load_spectral() is not None:
            yield f"{name}_{seconds}s_memory_mb", run_program(MEMORY_PROGRAM, seconds, *words)[""], "MB"
    for mode, name in (("folds", ""), ("stream", "_stream"))[: 1 if arguments.quick else 2]:
        figures = run_program(MEMORY_PROGRAM, str(LONG_SECONDS), "compact", "95", "2", mode)
        for kind, value in figures.items():
            yield f"memory_10min{name}{kind}_mb", value, "MB"


# --- shared -----------------------------------------------------------------------------------------------------------


def make_model(shape: str, sparsity: float) -> WaveRNN:
    """A model with random weights, of which the smallest blocks are pruned as in training."""
    import torch

    from vocoder.wavernn.config import WaveRNNConfig
    from vocoder.wavernn.model import build_wavernn
    from vocoder.wavernn.pruning import Pruner, PruningSchedule

    architecture, hidden, fc = SHAPES[shape]
    torch.manual_seed(0)
    model = build_wavernn(WaveRNNConfig(shape=architecture, hidden_size=hidden, fc_size=fc, sparsity=sparsity))  # type: ignore[arg-type]
    if sparsity:
        Pruner(model, PruningSchedule(sparsity, start=0, steps=1, every=1)).after_step(1)
    return model.eval().requires_grad_(False)


def make_vocoder(shape: str, pruned: str, threads: int, warm: bool = True) -> WaveRNNVocoder:
    from vocoder.wavernn.inference import WaveRNNVocoder
    from waveform.refinements import REFINEMENTS

    model, refinements = make_model(shape, SPARSITIES[pruned]), REFINEMENTS if shape in REFINED else 0
    vocoder = WaveRNNVocoder(model, engine="compiled", threads=threads, refinements=refinements)
    if warm:
        vocoder.warm_up()
    return vocoder


def load_spectral() -> Vocoder | None:
    """The default spectral vocoder; None if the models folder has none."""
    from vocoder import Vocoder

    path = ROOT / "models" / "default" / "vocoder-spectral.safetensors"
    return Vocoder.load(path) if path.is_file() else None


def mel_of(seconds: float) -> np.ndarray:
    """The mel of the repeated sample sentences, of this length: float32 [80, frames]."""
    from speech.audio import read_audio
    from speech.mel import synthesis_mel

    paths = sorted((ROOT / "samples").glob("*.flac"))
    if not paths:
        raise SpeechError(f"There are no sample recordings in {ROOT / 'samples'}: check out the complete repository.")
    sentences = np.concatenate([synthesis_mel(read_audio(path)) for path in paths], axis=1)
    return sentences[:, np.arange(round(seconds * SAMPLE_RATE / HOP)) % sentences.shape[1]]


def reset_peak() -> float:
    """Reset the peak memory of this process; returns its present memory in kilobytes. Only on Linux."""
    Path("/proc/self/clear_refs").write_text("5")
    return kilobytes("VmRSS")


if __name__ == "__main__":
    main()
