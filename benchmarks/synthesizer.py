"""Speed of the synthesizer on one thread.

    python benchmarks/synthesizer.py [--quick] [--json FILE]

Decoding: seconds of speech per second, for the default model and for a model with the sizes of the Tacotron 2 paper
(random weights: they do not change the speed), against the reference in PyTorch.
Training: frames per second, against a plain loop that calls prenet, `LSTMCell`s, attention and projections once per
decoder step under autograd. Both must have the same gradients, which is checked first. Measurements alternate, and the
least processor time of several repeats counts.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = "1"
    sys.path[0] = str(ROOT)  # in place of this folder, whose name for this file would hide the package `synthesizer`

import numpy as np  # noqa: E402
import tyro  # noqa: E402

from benchmarks.measuring import BenchmarkArguments, Rows, least_times, memory_is_measurable, report, run_program  # noqa: E402
from speech.errors import exit_on_speech_error  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from synthesizer.tacotron.config import Architecture, InferenceSettings
    from synthesizer.tacotron.inference import TacotronSynthesizer
    from synthesizer.tacotron.model import Tacotron2, TeacherForcing, TrainingOutput

DEFAULT_MODEL = ROOT / "models/default/synthesizer.safetensors"
SENTENCE_LETTERS = (60, 90)  # of the decoded sentences: about five seconds
TOLERANCE = 1e-3  # relative, of a gradient
REDUCTION_FACTOR = 4


@dataclass(frozen=True)
class Arguments(BenchmarkArguments):
    """Measure the synthesizer; --quick also skips compilation."""

    @property
    def repeats(self) -> int:
        return 3 if self.quick else 7


@exit_on_speech_error
def main(argv: list[str] | None = None) -> None:
    arguments = tyro.cli(Arguments, args=argv, description=__doc__, config=(tyro.conf.FlagCreatePairsOff,))
    import torch

    torch.set_num_threads(1)
    measures = (measure_decoding, measure_paper_sizes, measure_attentions, measure_first_sentence, compare_training)
    rows = (row for measure in (*measures, measure_memory, measure_compilation) for row in measure(arguments))
    report(rows, arguments.json)


# --- decoding -------------------------------------------------------------------------------------------------------


def measure_decoding(arguments: Arguments) -> Rows:
    """The default model on sample sentences, one at a time and as a batch."""
    model = load_default().model
    texts = sample_sentences(8)
    yield from decoding_rates("decode_1t", model, texts, arguments.repeats)
    compiled, reference = least_times(
        min(3, arguments.repeats), decoding(model, texts[:1]), decoding(model, texts[:1], engine="torch")
    )
    yield "decode_1t_batch1_vs_torch", reference / compiled, "times"


def measure_paper_sizes(arguments: Arguments) -> Rows:
    """The sizes of the paper, with the reduction factors of public models."""
    from synthesizer.tacotron.config import Architecture, InferenceSettings

    texts = sample_sentences(8)
    model = random_model(Architecture.paper_sizes())
    for factor in (2, 1):
        if factor == 2:
            yield "paper_sizes_parameters", sum(weight.numel() for weight in model.parameters()) / 1e6, "million"
        yield from decoding_rates(
            f"decode_1t_paper_sizes_r{factor}", model, texts, arguments.repeats, InferenceSettings(factor)
        )


def measure_attentions(arguments: Arguments) -> Rows:
    """Both kinds of attention with the default sizes."""
    from synthesizer.tacotron.config import ATTENTION_KINDS, Architecture

    texts = sample_sentences(1)
    for kind in ATTENTION_KINDS:
        model = random_model(Architecture(attention=kind))
        run = decoding(model, texts, window=(0, 4))  # without one, attention of random weights would jump
        yield f"decode_1t_{kind}_batch1_times_realtime", run() / least_times(arguments.repeats, run)[0], "times"


def decoding_rates(
    case: str, model: Tacotron2, texts: list[np.ndarray], repeats: int, settings: InferenceSettings | None = None
) -> Rows:
    """Batches of 1, 4 and 8. The first is the mean over four sentences."""
    alone = [decoding(model, [text], settings) for text in texts[:4]]
    seconds = sum(run() for run in alone)
    yield f"{case}_batch1_times_realtime", seconds / sum(least_times(repeats, *alone)), "times"
    for size in (4, 8):
        run = decoding(model, texts[:size], settings)
        yield f"{case}_batch{size}_times_realtime", run() / least_times(repeats, run)[0], "times"


def decoding(
    model: Tacotron2, texts: list[np.ndarray], settings: InferenceSettings | None = None, **options: Any
) -> Callable[[], float]:
    """A function that decodes the texts and returns the seconds of speech."""
    from synthesizer.tacotron.config import InferenceSettings
    from synthesizer.tacotron.decoding import SentenceInput, free_run

    voices = np.random.default_rng(0).normal(size=(len(texts), 256)).astype(np.float32)
    voices /= np.linalg.norm(voices, axis=1, keepdims=True)

    sentences = [SentenceInput(text, voice, seed) for seed, (text, voice) in enumerate(zip(texts, voices, strict=True))]

    def run() -> float:
        decoded = free_run(model, sentences, settings or InferenceSettings(), **options)
        return sum(item.mel.shape[1] for item in decoded) / model.config.mel.frames_per_second

    return run


def measure_first_sentence(arguments: Arguments) -> Rows:
    """Time to the mel of the first of several sentences, after an earlier synthesis."""
    from synthesizer import Synthesizer
    from synthesizer.options import EmbeddedVoice

    synthesizer = Synthesizer.load(DEFAULT_MODEL)
    voice = EmbeddedVoice(np.full(256, 1 / 16, np.float32))
    text = "The door was open, and nobody was there. She went in. It was dark."
    (least,) = least_times(2 * arguments.repeats, lambda: next(iter(synthesizer.stream(text, voice))))
    yield "first_sentence_ms", 1000 * least, "ms"


def sample_sentences(count: int) -> list[np.ndarray]:
    """Symbols of sample sentences of typical length, int64 [tokens] each."""
    from synthesizer.text.front_end import text_to_transcript
    from synthesizer.text.transcript import encode

    low, high = SENTENCE_LETTERS
    lines = (ROOT / "samples/sentences.txt").read_text(encoding="utf-8").splitlines()
    chosen = [line.strip() for line in lines if low <= len(line) <= high]
    return [encode(text_to_transcript(chosen[k % len(chosen)]), 1.0) for k in range(count)]


def load_default() -> TacotronSynthesizer:
    """The default model."""
    from synthesizer import Synthesizer
    from synthesizer.tacotron.inference import TacotronSynthesizer

    synthesizer = Synthesizer.load(DEFAULT_MODEL)
    assert isinstance(synthesizer, TacotronSynthesizer)
    return synthesizer


def random_model(config: Architecture) -> Tacotron2:
    """Random weights, with a stop token that never fires: a sentence ends when attention stays on the end symbol."""
    import torch

    from synthesizer.tacotron.model import Tacotron2

    torch.manual_seed(0)
    model = Tacotron2(config).eval().requires_grad_(False)
    model.to_stop.bias.fill_(-1e3)
    return model


# --- training -------------------------------------------------------------------------------------------------------


def compare_training(arguments: Arguments) -> Rows:
    """A training step with the default sizes (forward, loss, backward, optimiser), against the plain loop.

    The default batch has 12,800 frames: 20 utterances of 8 s, or 32 of 5 s, for which the plain loop has larger and
    fewer products. The quick batch has half of the frames. The figure without a precision is for the precision that
    training chooses on this processor.
    """
    from synthesizer.tacotron.config import Architecture

    check_gradients(Architecture())
    precisions, chosen = training_precisions()
    shapes = {"": (20, 320)} if arguments.quick else {"": (20, 640), "_32_rows": (32, 400)}
    for suffix, shape in shapes.items():
        batch = random_batch(*shape)
        for precision in precisions:
            steps = training_steps(batch, precision)
            ours, plain = least_times(2 if arguments.quick else 4, *steps)
            yield f"train_frames_per_s_{precision}{suffix}", int(batch.mel_lengths.sum()) / ours, "frames/s"
            yield f"train_frames_per_s_vs_plain_loop_{precision}{suffix}", plain / ours, "times"
            if precision == chosen and not suffix:
                yield "train_frames_per_s_vs_plain_loop", plain / ours, "times"


def training_precisions() -> tuple[tuple[str, ...], str]:
    """Precisions to measure, and the one that training chooses: bf16 only if the processor has it natively."""
    from training.config import FitConfig
    from training.processes import chosen_precision, cpu_multiplies_bf16

    return ("fp32", "bf16") if cpu_multiplies_bf16() else ("fp32",), chosen_precision(FitConfig(), "cpu")


def training_steps(batch: TeacherForcing, precision: str) -> list[Callable[[], None]]:
    """One step of the optimised pass and one of the plain loop, for models with the same weights."""
    import torch

    from benchmarks.plain_tacotron import plain_forward
    from synthesizer.tacotron.config import Architecture
    from synthesizer.tacotron.model import Tacotron2

    steps: list[Callable[[], None]] = []
    for forward in (Tacotron2.forward, plain_forward):
        torch.manual_seed(0)
        model = Tacotron2(Architecture()).train()
        optimizer = torch.optim.AdamW(model.parameters())
        steps.append(partial(training_step, model, forward, batch, precision, optimizer))
    return steps


def training_step(
    model: Tacotron2,
    forward: Callable[..., TrainingOutput],
    batch: TeacherForcing,
    precision: str,
    optimizer: Optimizer,
) -> None:
    import torch

    optimizer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        output = forward(model, batch, REDUCTION_FACTOR)
    loss_of(output, batch).backward()
    optimizer.step()


def loss_of(output: TrainingOutput, batch: TeacherForcing) -> Tensor:
    """A loss that depends on all outputs of a forward pass."""
    from synthesizer.tacotron.model import length_mask

    mask = length_mask(batch.mel_lengths, batch.mel.shape[1])
    target = batch.mel[mask]
    mel = ((output.decoder_mel[mask] - target) ** 2).mean() + (output.mel[mask] - target).abs().mean()
    return mel + (output.stop_logits**2).mean() + (output.alignments**2).mean()


def random_batch(rows: int, frames: int) -> TeacherForcing:
    """Random utterances of nearly equal length, as in training; five frames per token."""
    import torch
    from torch.nn import functional

    from synthesizer.tacotron.model import TeacherForcing

    generator = torch.Generator().manual_seed(0)
    lengths = frames - 4 * torch.randint(0, max(1, frames // 40), (rows,), generator=generator)
    lengths[0] = frames
    tokens = lengths // 5
    return TeacherForcing(
        torch.randint(2, 60, (rows, int(tokens.max())), generator=generator),
        tokens,
        torch.randn(rows, frames, 80, generator=generator).clamp(-4, 4),
        lengths,
        functional.normalize(torch.randn(rows, 256, generator=generator), dim=1),
    )


def check_gradients(config: Architecture) -> None:
    """Check that both passes have the same loss and gradients without dropout; else AssertionError."""
    import torch

    from benchmarks.plain_tacotron import plain_forward
    from synthesizer.tacotron.config import TrainingSettings
    from synthesizer.tacotron.model import Tacotron2

    torch.manual_seed(0)
    training = TrainingSettings(encoder_dropout=0.0, postnet_dropout=0.0)
    model = Tacotron2(replace(config, prenet_dropout=0.0, zoneout=0.0), training).train()
    batch = random_batch(3, 40)
    gradients = []
    passes: tuple[Callable[..., TrainingOutput], ...] = (Tacotron2.forward, plain_forward)
    for forward in passes:
        model.zero_grad()
        loss_of(forward(model, batch, REDUCTION_FACTOR), batch).backward()
        gradients.append([weight.grad.clone() for weight in model.parameters() if weight.grad is not None])
    for (name, _), own, other in zip(model.named_parameters(), *gradients, strict=True):
        if name.endswith("convolution.bias"):  # cancelled by the normalisation: its gradient is rounding error
            continue
        difference = float((own - other).norm() / other.norm().clamp_min(1e-6))
        assert difference < TOLERANCE, f"the gradient of {name} differs by {difference:.1g}"


# --- memory and compilation -----------------------------------------------------------------------------------------

MEMORY_PROGRAM = """
import json, sys
import numpy as np
import torch
from evaluation.memory import kilobytes

torch.set_num_threads(1)
before = kilobytes("VmRSS")
from synthesizer import Synthesizer
from synthesizer.options import EmbeddedVoice
synthesizer = Synthesizer.load(sys.argv[1])
synthesizer.synthesize(sys.argv[2], EmbeddedVoice(np.full(256, 1 / 16, np.float32)))
print(json.dumps({"above": kilobytes("VmHWM") - before, "all": kilobytes("VmHWM")}))
"""

COMPILATION_PROGRAM = """
import json, sys, time
import numpy as np
import torch

torch.set_num_threads(1)
from synthesizer import Synthesizer
from synthesizer.tacotron.config import InferenceSettings
from synthesizer.tacotron.decoding import SentenceInput, free_run
model = Synthesizer.load(sys.argv[1]).model
start = time.process_time()
free_run(model, [SentenceInput(np.arange(2, 9), np.zeros(256, np.float32), 0)], InferenceSettings())
print(json.dumps({"seconds": time.process_time() - start}))
"""


def measure_memory(arguments: Arguments) -> Rows:
    """Peak memory of a process that synthesizes eight sentences, above that with torch imported."""
    if not memory_is_measurable():
        return
    lines = (ROOT / "samples/sentences.txt").read_text(encoding="utf-8").splitlines()
    figures = run_program(MEMORY_PROGRAM, str(DEFAULT_MODEL), " ".join(lines[:8]))
    yield "memory_8_sentences_mb", figures["above"] * 1024 / 1e6, "MB"
    yield "memory_8_sentences_with_torch_mb", figures["all"] * 1024 / 1e6, "MB"


def measure_compilation(arguments: Arguments) -> Rows:
    """Processor time of the first sentence of a process, without and with compiled code in the cache."""
    if arguments.quick:
        return
    with tempfile.TemporaryDirectory() as cache:
        for case in ("first_compilation_s", "start_from_cache_s"):
            environment = {"NUMBA_CACHE_DIR": cache}
            yield case, run_program(COMPILATION_PROGRAM, str(DEFAULT_MODEL), environment=environment)["seconds"], "s"


if __name__ == "__main__":
    main()
