"""How fast and how small the vocoder is, beside a WaveRNN in PyTorch that runs in folds as public SV2TTS programs do.

    python benchmarks/vocoder.py [--quick] [--seconds 1 5] [--json FILE]

The WaveRNN have random weights, pruned by magnitude: the speed does not depend on what they were trained for. The
spectral vocoder is the one that ships. The mels are those of `samples/`. A real-time factor below 1 is faster than
speech. The cases of one length take turns, several times, and of each the quickest turn counts: what else the machine
does then hits all of them alike. Memory is the greatest one of a process of its own, above the interpreter with PyTorch
and the mel. All cases take half an hour or more, most of it the reference and the dense models; the quick ones two or
three minutes.

A case is called by model (classic: two GRU-512 as in public checkpoints; compact: the default sizes, compact512: one
GRU-512), percent pruned, way of running (one stream, or folds), threads, and seconds of speech.
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
from typing import TYPE_CHECKING, Annotated

os.environ["OMP_NUM_THREADS"] = "1"  # of what runs aside; what is measured says how many it takes
ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # in place of this folder, whose name for this file would hide the package `vocoder`

import numpy as np  # noqa: E402
import tyro  # noqa: E402

from benchmarks.measuring import Rows, memory_is_measurable, report, run_program  # noqa: E402
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
}  # kind, GRU units, fully connected width
SPARSITIES = {"dense": 0.0, "90": 0.9, "95": 0.95, "975": 0.975}
REFERENCE_TARGET, REFERENCE_OVERLAP = 8000, 400  # samples: the settings of public SV2TTS vocoders
LONG_SECONDS = 600
TURNS = 5
PATIENCE_SECONDS = 3  # of turns, after which a case is not repeated


@dataclass(frozen=True)
class Arguments:
    """Measure the vocoder."""

    quick: bool = False
    """Only the cases on 5 s that have a target; a quarter of the PyTorch reference, which takes longest, stands for the
    whole: each of its steps costs the same."""
    seconds: tuple[float, ...] = (1, 5, 12.5, 30)
    """Lengths of speech; with --quick it is 5 s whatever is named here."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Also write the figures here, as a list of {case, value, unit}."""

    @property
    def lengths(self) -> tuple[float, ...]:
        return (5,) if self.quick else self.seconds


@exit_on_speech_error
def main(argv: list[str] | None = None) -> None:
    arguments = tyro.cli(Arguments, args=argv, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))
    measures = (measure_start, measure_speed, measure_first_chunks, measure_length, measure_memory)
    report(itertools.chain.from_iterable(measure(arguments) for measure in measures), arguments.json)


# --- speed ------------------------------------------------------------------------------------------------------------


@dataclass
class Case:
    """Something to be timed.

    Attributes:
        work: one turn of it.
        share: of the whole that a turn is.
        threads: that PyTorch is given meanwhile.
    """

    name: str
    work: Callable[[], object]
    share: float = 1.0
    threads: int = 1
    seconds: list[float] = field(default_factory=list)

    @property
    def best(self) -> float:
        return min(self.seconds) / self.share

    def take_turn(self) -> None:
        import torch

        torch.set_num_threads(self.threads)
        started = time.perf_counter()
        self.work()
        self.seconds.append(time.perf_counter() - started)
        torch.set_num_threads(1)


def take_turns(cases: Sequence[Case], turns: int = TURNS) -> None:
    """Time cases side by side: a turn of each, then again, those left out that take long."""
    for turn in range(turns + 1):  # the first one also warms up
        for case in cases:
            if turn == 0 or sum(case.seconds) < PATIENCE_SECONDS:
                case.take_turn()


def measure_speed(arguments: Arguments) -> Rows:
    """Real-time factor of everything on mels of each length, and the ratio to the reference."""
    vocoders = {name: make_vocoder(shape, pruned, threads) for name, (shape, pruned, threads, _) in ways(arguments)}
    spectral = load_spectral()
    for seconds in arguments.lengths:
        mel = mel_of(seconds)
        cases = [Case(name, partial(speak, vocoders[name], mel, way)) for name, (*_, way) in ways(arguments)]
        if spectral is not None:
            cases.append(Case("spectral_1t", partial(spectral.vocode, mel)))
        references = reference_cases(seconds, 0.25 if arguments.quick else 1.0)
        take_turns(cases + references)
        for case in cases:
            yield f"{case.name}_{seconds:g}s_rtf", case.best / seconds, ""
        reference = min(references, key=lambda case: case.best)
        yield f"reference_folds_{seconds:g}s_rtf", reference.best / seconds, ""
        ours = next(case for case in cases if case.name == "classic95_folds_2t")
        yield f"classic95_folds_vs_torch_{seconds:g}s", reference.best / ours.best, "times"


def ways(arguments: Arguments) -> list[tuple[str, tuple[str, str, int, str]]]:
    """What runs of the compiled engine: a name, then shape, percent pruned, threads, and way of running."""
    quick = (("classic", "95", "folds", 2), ("classic", "95", "stream", 1), ("compact", "95", "stream", 1))
    how = (("stream", 1), ("folds", 1), ("folds", 2))
    full = [(*model, *way) for model in itertools.product(SHAPES, SPARSITIES) for way in how]
    return [
        (f"{shape}{'_' if shape[-1].isdigit() else ''}{pruned}_{way}_{threads}t", (shape, pruned, threads, way))
        for shape, pruned, way, threads in (quick if arguments.quick else full)
    ]


def measure_first_chunks(arguments: Arguments) -> Rows:
    """Milliseconds to the first 0.1 s of a stream, with everything warm."""
    mel = mel_of(5)
    models = {name: make_vocoder(*model[:3]) for name, model in ways(arguments) if model[3] == "stream"}
    cases = [Case(name.removesuffix("_stream_1t"), partial(first_chunk, model, mel)) for name, model in models.items()]
    spectral = load_spectral()
    if spectral is not None:
        cases.append(Case("spectral", partial(first_chunk, spectral, mel)))
    take_turns(cases, 2 * TURNS)
    for case in cases:
        yield f"{case.name}_first_chunk_ms", 1000 * case.best, "ms"


def measure_length(arguments: Arguments) -> Rows:
    """What share of the time for 5 s goes to 1 s; in folds short clips gain less, as there is less to run abreast."""
    for shape, way, threads, name in (
        ("classic", "folds", 2, ""),
        ("compact", "folds", 2, "_compact95_folds_2t"),
        ("compact", "stream", 1, "_compact95_stream_1t"),
    ):
        vocoder = make_vocoder(shape, "95", threads)
        short, long = (Case("", partial(speak, vocoder, mel_of(seconds), way)) for seconds in (1, 5))
        take_turns((short, long), 2 * TURNS)
        yield f"linear_1s_share_of_5s{name}", short.best / long.best, ""


def speak(vocoder: Vocoder, mel: np.ndarray, way: str) -> None:
    if way == "folds":
        vocoder.vocode(mel, seed=0)
    else:
        for _ in vocoder.stream(mel, seed=0):
            pass


def first_chunk(vocoder: Vocoder, mel: np.ndarray) -> None:
    next(iter(vocoder.stream(mel, seed=0)))


def reference_cases(seconds: float, share: float) -> list[Case]:
    """The dense classic model in PyTorch, in even folds of which the last one is filled up, on one thread and on two.

    The better of the two counts: two threads beside another program can be slower than one. Each of its steps costs the
    same, so that a share of them can stand for the whole.
    """
    from vocoder.wavernn.folding import Fold
    from vocoder.wavernn.sampling import TorchSampler, open_tape

    model = make_model("classic", 0.0)
    length, stride = REFERENCE_TARGET + 2 * REFERENCE_OVERLAP, REFERENCE_TARGET + REFERENCE_OVERLAP
    count = max(1, -(-round(seconds * SAMPLE_RATE - REFERENCE_OVERLAP) // stride))
    frames = round(length // HOP * share)
    folds = [Fold(start, start + frames) for start in range(0, count * stride // HOP, stride // HOP)]
    mel = mel_of(folds[-1].stop * HOP / SAMPLE_RATE)

    def work() -> None:
        TorchSampler(model).sample_folds(mel, folds, [open_tape(model.config, 0, index) for index in range(count)])

    return [Case(f"reference_{threads}t", work, frames * HOP / length, threads) for threads in (1, 2)]


# --- processes of their own -------------------------------------------------------------------------------------------

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

# Arguments: seconds of mel, then "spectral", "reference", or shape, percent pruned, threads and way of running.
MEMORY_PROGRAM = """
import json, sys
import torch
torch.set_num_threads(1)
from benchmarks.vocoder import forget_peak, load_spectral, make_vocoder, mel_of, reference_cases, speak
from evaluation.memory import kilobytes
from vocoder import Vocoder
seconds, name, *rest = sys.argv[1:]
mel = mel_of(float(seconds))
interpreter = forget_peak()
if name == "reference":
    warm, work = 0, reference_cases(float(seconds), share=0.05)[0].work
else:
    pruned, threads, way = rest or ("", "1", "folds")
    vocoder = load_spectral() if name == "spectral" else make_vocoder(name, pruned, int(threads))
    warm, work = kilobytes("VmRSS"), lambda: speak(vocoder, mel, way)
work()
peak = kilobytes("VmHWM")
print(json.dumps({key: (peak - less) * 1024 / 1e6 for key, less in (("", interpreter), ("_above_warm", warm))}))
"""


def measure_start(arguments: Arguments) -> Rows:
    """What the engine adds to the first use in a process, with and without a cache of compiled kernels."""
    for shape, name in (("compact", ""), ("classic", "_classic")):
        with tempfile.TemporaryDirectory() as cache:
            environment = {"NUMBA_CACHE_DIR": cache}
            seconds = [run_program(START_PROGRAM, shape, environment=environment)["seconds"] for _ in range(4)]
            yield f"cold_compile{name}_s", seconds[0], "s"
            yield f"warm_start{name}_s", min(seconds[1:]), "s"


def measure_memory(arguments: Arguments) -> Rows:
    """The greatest memory while speaking, above an interpreter that has imported PyTorch and holds the mel.

    Each way speaks the longest mel once, with kernels from the cache; the reference takes a few of its steps, which all
    need the same. Two ways speak for ten minutes, for which the growth above a process that is ready to speak, with
    model and kernels, is told too.
    """
    if not memory_is_measurable():
        return
    seconds = f"{arguments.lengths[-1]:g}"
    every = {name: tuple(str(part) for part in way) for name, way in ways(arguments)}
    for name, words in {**every, "spectral_1t": ("spectral",), "reference_folds": ("reference",)}.items():
        if name != "spectral_1t" or load_spectral() is not None:
            yield f"{name}_{seconds}s_memory_mb", run_program(MEMORY_PROGRAM, seconds, *words)[""], "MB"
    for way, name in (("folds", ""), ("stream", "_stream"))[: 1 if arguments.quick else 2]:
        figures = run_program(MEMORY_PROGRAM, str(LONG_SECONDS), "compact", "95", "2", way)
        for kind, value in figures.items():
            yield f"memory_10min{name}{kind}_mb", value, "MB"


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


def make_vocoder(shape: str, pruned: str, threads: int, warm: bool = True) -> WaveRNNVocoder:
    from vocoder.wavernn.inference import WaveRNNVocoder

    vocoder = WaveRNNVocoder(make_model(shape, SPARSITIES[pruned]), engine="compiled", threads=threads)
    if warm:
        vocoder.warm_up()
    return vocoder


def load_spectral() -> Vocoder | None:
    """The spectral vocoder that ships; None where there is none."""
    from vocoder import Vocoder

    path = ROOT / "models" / "default" / "vocoder-spectral.safetensors"
    return Vocoder.load(path) if path.is_file() else None


def mel_of(seconds: float) -> np.ndarray:
    """The mel of the sample sentences one after another, again and again: float32 [80, frames] of so many seconds."""
    from speech.audio import read_audio
    from speech.mel import synthesis_mel

    paths = sorted((ROOT / "samples").glob("*.flac"))
    if not paths:
        raise SpeechError(f"There are no sample recordings in {ROOT / 'samples'}: check the repository out whole.")
    sentences = np.concatenate([synthesis_mel(read_audio(path)) for path in paths], axis=1)
    return sentences[:, np.arange(round(seconds * SAMPLE_RATE / HOP)) % sentences.shape[1]]


def forget_peak() -> float:
    """Begin to look for the greatest memory anew; returns the memory held now in kilobytes. Only on Linux."""
    Path("/proc/self/clear_refs").write_text("5")
    return kilobytes("VmRSS")


if __name__ == "__main__":
    main()
