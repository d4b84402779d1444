"""How fast the synthesizer speaks and learns, on one thread.

    python benchmarks/synthesizer.py [--quick] [--json FILE]

Speaking: seconds of speech made in a second, by the default model and by a model of the Tacotron 2 paper's sizes
(random weights: the speed does not depend on what they were trained for), beside our own reference in PyTorch.
Learning: frames in a second beside a plain loop, in which prenet, `LSTMCell`s, attention and projections are called
once per decoder step under autograd; that both have the same gradients is checked first. What is compared takes turns,
and the least processor time of several turns counts.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = "1"
    sys.path[0] = str(ROOT)  # in place of this folder, whose name for this file would hide the package `synthesizer`

import numpy as np  # noqa: E402
import tyro  # noqa: E402

from benchmarks.measuring import Rows, least_times, memory_is_measurable, report, run_program  # noqa: E402
from speech.errors import exit_on_speech_error  # noqa: E402

if TYPE_CHECKING:
    from torch import Tensor
    from torch.optim import Optimizer

    from synthesizer.tacotron.config import SynthesizerConfig
    from synthesizer.tacotron.model import Tacotron2, TrainingOutput

DEFAULT_MODEL = ROOT / "models/default/synthesizer.safetensors"
LETTERS_A_SENTENCE = (60, 90)  # of the sentences that are spoken: about five seconds
EQUAL = 1e-3  # of the norm of a gradient


@dataclass(frozen=True)
class Arguments:
    """Measure the synthesizer."""

    quick: bool = False
    """Fewer repeats, shorter training batches, no compilation; the figures scatter more."""
    json: Annotated[Path | None, tyro.conf.arg(metavar="FILE")] = None
    """Also write the figures here, as a list of {case, value, unit}."""

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


# --- speaking -------------------------------------------------------------------------------------------------------


def measure_decoding(arguments: Arguments) -> Rows:
    """The default model on sample sentences, one at a time and several together."""
    from synthesizer import Synthesizer

    model = Synthesizer.load(DEFAULT_MODEL).model
    texts = sample_sentences(8)
    yield from decoding_rates("decode_1t", model, texts, arguments.repeats)
    compiled, reference = least_times(
        min(3, arguments.repeats), decoding(model, texts[:1]), decoding(model, texts[:1], engine="torch")
    )
    yield "decode_1t_batch1_vs_torch", reference / compiled, "times"


def measure_paper_sizes(arguments: Arguments) -> Rows:
    """The sizes of the paper, with as many frames a decoder step as public models have."""
    from synthesizer.tacotron.config import SynthesizerConfig

    texts = sample_sentences(8)
    for factor in (2, 1):
        model = random_model(replace(SynthesizerConfig.paper_sizes(), reduction_factor=factor))
        if factor == 2:
            yield "paper_sizes_parameters", sum(weight.numel() for weight in model.parameters()) / 1e6, "million"
        yield from decoding_rates(f"decode_1t_paper_sizes_r{factor}", model, texts, arguments.repeats)


def measure_attentions(arguments: Arguments) -> Rows:
    """Both attentions in the default sizes."""
    from synthesizer.tacotron.config import ATTENTION_KINDS, SynthesizerConfig

    texts = sample_sentences(1)
    for kind in ATTENTION_KINDS:
        model = random_model(SynthesizerConfig(attention=kind))
        run = decoding(model, texts, window=(0, 4))  # without one, random weights would wander
        yield f"decode_1t_{kind}_batch1_times_realtime", run() / least_times(arguments.repeats, run)[0], "times"


def decoding_rates(case: str, model: Tacotron2, texts: list[np.ndarray], repeats: int) -> Rows:
    """Batches of 1, 4 and 8; that of one is the mean over four sentences, one after another."""
    alone = [decoding(model, [text]) for text in texts[:4]]
    seconds = sum(run() for run in alone)
    yield f"{case}_batch1_times_realtime", seconds / sum(least_times(repeats, *alone)), "times"
    for size in (4, 8):
        run = decoding(model, texts[:size])
        yield f"{case}_batch{size}_times_realtime", run() / least_times(repeats, run)[0], "times"


def decoding(model: Tacotron2, texts: list[np.ndarray], **settings: Any) -> Callable[[], float]:
    """A function that decodes the texts and returns the seconds of speech that it made."""
    from synthesizer.tacotron.decoding import free_run

    voices = np.random.default_rng(0).normal(size=(len(texts), 256)).astype(np.float32)
    voices /= np.linalg.norm(voices, axis=1, keepdims=True)

    def run() -> float:
        decoded = free_run(model, texts, voices, range(len(texts)), **settings)
        return sum(item.mel.shape[1] for item in decoded) / model.config.mel.frames_per_second

    return run


def measure_first_sentence(arguments: Arguments) -> Rows:
    """From a text of several sentences to the mel of the first one, by a synthesizer that has spoken before."""
    from synthesizer import Synthesizer
    from synthesizer.options import EmbeddedVoice

    synthesizer = Synthesizer.load(DEFAULT_MODEL)
    voice = EmbeddedVoice(np.full(256, 1 / 16, np.float32))
    text = "The door was open, and nobody was there. She went in. It was dark."
    (least,) = least_times(2 * arguments.repeats, lambda: next(iter(synthesizer.stream(text, voice))))
    yield "first_sentence_ms", 1000 * least, "ms"


def sample_sentences(count: int) -> list[np.ndarray]:
    """Symbols of sample sentences of usual length, int64 [tokens] each."""
    from synthesizer.text.front_end import text_to_transcript
    from synthesizer.text.transcript import encode

    low, high = LETTERS_A_SENTENCE
    lines = (ROOT / "samples/sentences.txt").read_text(encoding="utf-8").splitlines()
    chosen = [line.strip() for line in lines if low <= len(line) <= high]
    return [encode(text_to_transcript(chosen[k % len(chosen)]), 1.0) for k in range(count)]


def random_model(config: SynthesizerConfig) -> Tacotron2:
    """Random weights, with a stop token that never speaks: a sentence ends when its attention rests on the last one."""
    import torch

    from synthesizer.tacotron.model import Tacotron2

    torch.manual_seed(0)
    model = Tacotron2(config).eval().requires_grad_(False)
    model.to_stop.bias.fill_(-1e3)
    return model


# --- learning -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Batch:
    """Utterances of random sound, for `Tacotron2.forward`."""

    symbols: Tensor
    symbol_lengths: Tensor
    mel: Tensor
    mel_lengths: Tensor
    embedding: Tensor


def compare_training(arguments: Arguments) -> Rows:
    """A training step of the default sizes (forward, loss, backward, optimiser) beside the plain loop's.

    The default batch has 12,800 frames: 20 utterances of 8 s, or 32 of 5 s, where the plain loop's products are larger
    and repeat less often. The quick one has half of the frames. The figure without a precision is that of the one that
    training chooses on this processor.
    """
    from synthesizer.tacotron.config import SynthesizerConfig

    check_gradients(SynthesizerConfig())
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
    """What is measured, and which of them training chooses: bf16 only where the processor does not emulate it."""
    from training.config import FitConfig
    from training.processes import chosen_precision, cpu_multiplies_bf16

    return ("fp32", "bf16") if cpu_multiplies_bf16() else ("fp32",), chosen_precision(FitConfig(), "cpu")


def training_steps(batch: Batch, precision: str) -> list[Callable[[], None]]:
    """A step of ours and one of the plain loop, of models with the same weights."""
    import torch

    from benchmarks.plain_tacotron import plain_forward
    from synthesizer.tacotron.config import SynthesizerConfig
    from synthesizer.tacotron.model import Tacotron2

    steps: list[Callable[[], None]] = []
    for forward in (Tacotron2.forward, plain_forward):
        torch.manual_seed(0)
        model = Tacotron2(SynthesizerConfig()).train()
        optimizer = torch.optim.AdamW(model.parameters())
        steps.append(partial(training_step, model, forward, batch, precision, optimizer))
    return steps


def training_step(
    model: Tacotron2, forward: Callable[..., TrainingOutput], batch: Batch, precision: str, optimizer: Optimizer
) -> None:
    import torch

    optimizer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        output = forward(model, *vars(batch).values(), 4)
    loss_of(output, batch).backward()
    optimizer.step()


def loss_of(output: TrainingOutput, batch: Batch) -> Tensor:
    """Something of everything that a forward pass gives."""
    from synthesizer.tacotron.model import length_mask

    mask = length_mask(batch.mel_lengths, batch.mel.shape[1])
    target = batch.mel[mask]
    mel = ((output.decoder_mel[mask] - target) ** 2).mean() + (output.mel[mask] - target).abs().mean()
    return mel + (output.stop_logits**2).mean() + (output.alignments**2).mean()


def random_batch(rows: int, frames: int) -> Batch:
    """Utterances of nearly equal length, as buckets have them; a token lasts five frames."""
    import torch
    from torch.nn import functional

    generator = torch.Generator().manual_seed(0)
    lengths = frames - 4 * torch.randint(0, max(1, frames // 40), (rows,), generator=generator)
    lengths[0] = frames
    tokens = lengths // 5
    return Batch(
        torch.randint(2, 60, (rows, int(tokens.max())), generator=generator),
        tokens,
        torch.randn(rows, frames, 80, generator=generator).clamp(-4, 4),
        lengths,
        functional.normalize(torch.randn(rows, 256, generator=generator), dim=1),
    )


def check_gradients(config: SynthesizerConfig) -> None:
    """Both ways have the same loss and gradients where nothing is left to chance; else AssertionError."""
    import torch

    from benchmarks.plain_tacotron import plain_forward
    from synthesizer.tacotron.model import Tacotron2

    torch.manual_seed(0)
    chances = {"encoder_dropout": 0.0, "prenet_dropout": 0.0, "zoneout": 0.0, "postnet_dropout": 0.0}
    model = Tacotron2(replace(config, **chances)).train()  # type: ignore[arg-type]
    batch = random_batch(3, 40)
    found = []
    ways: tuple[Callable[..., TrainingOutput], ...] = (Tacotron2.forward, plain_forward)
    for forward in ways:
        model.zero_grad()
        loss_of(forward(model, *vars(batch).values(), config.reduction_factor), batch).backward()
        found.append([weight.grad.clone() for weight in model.parameters() if weight.grad is not None])
    for (name, _), own, other in zip(model.named_parameters(), *found, strict=True):
        if name.endswith("convolution.bias"):  # normalisation takes it away again: its gradient is rounding
            continue
        difference = float((own - other).norm() / other.norm().clamp_min(1e-6))
        assert difference < EQUAL, f"the gradient of {name} differs by {difference:.1g}"


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
from synthesizer.tacotron.decoding import free_run
from synthesizer.tacotron.inference import Synthesizer
model = Synthesizer.load(sys.argv[1]).model
start = time.process_time()
free_run(model, [np.arange(2, 9)], np.zeros((1, 256), np.float32), [0])
print(json.dumps({"seconds": time.process_time() - start}))
"""


def measure_memory(arguments: Arguments) -> Rows:
    """The greatest memory of a process that speaks eight sentences, above what it holds with torch imported."""
    if not memory_is_measurable():
        return
    lines = (ROOT / "samples/sentences.txt").read_text(encoding="utf-8").splitlines()
    figures = run_program(MEMORY_PROGRAM, str(DEFAULT_MODEL), " ".join(lines[:8]))
    yield "memory_8_sentences_mb", figures["above"] * 1024 / 1e6, "MB"
    yield "memory_8_sentences_with_torch_mb", figures["all"] * 1024 / 1e6, "MB"


def measure_compilation(arguments: Arguments) -> Rows:
    """Processor time of the first sentence of a process, before and after numba has kept the compiled loop."""
    if arguments.quick:
        return
    with tempfile.TemporaryDirectory() as cache:
        for case in ("first_compilation_s", "start_from_cache_s"):
            kept_in = {"NUMBA_CACHE_DIR": cache}
            yield case, run_program(COMPILATION_PROGRAM, str(DEFAULT_MODEL), environment=kept_in)["seconds"], "s"


if __name__ == "__main__":
    main()
