"""Speed of the synthesizer on one thread.

    python benchmarks/synthesizer.py [--quick] [--json FILE]

Decoding: seconds of speech per second, for the default model and for a model with the sizes of the Tacotron 2 paper
(random weights: they do not change the speed), against the reference in PyTorch.
Training: frames per second, against a plain loop that calls prenet, `LSTMCell`s, attention and projections once per
decoder step under autograd. Both must have the same gradients, which is checked first. Measurements alternate, and the
minimum processor time of several repeats counts.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

ROOT = Path(__file__).resolve().parents[1]
if __name__ == "__main__":
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[variable] = "1"
    sys.path[0] = str(ROOT)  # in place of this folder, whose name for this file would hide the package `synthesizer`

import numpy as np  # noqa: E402

from benchmarks.measuring import (  # noqa: E402
    BenchmarkArguments,
    Rows,
    memory_is_measurable,
    minimum_times,
    report,
    run_program,
    training_precisions,
)
from speech.errors import exit_on_speech_error  # noqa: E402

if TYPE_CHECKING:
    from torch.optim import Optimizer

    from synthesizer.tacotron.config import Architecture, InferenceSettings
    from synthesizer.tacotron.inference import TacotronSynthesizer
    from synthesizer.tacotron.model import Tacotron2, TeacherForcing, TrainingOutput

DEFAULT_MODEL = ROOT / "models/default/synthesizer.safetensors"
SENTENCE_LETTERS = (60, 90)  # of the decoded sentences: about five seconds


@dataclass(frozen=True)
class Arguments(BenchmarkArguments):
    """Measure the synthesizer; --quick also skips compilation."""


@exit_on_speech_error
def main(argv: list[str] | None = None) -> None:
    arguments = Arguments.parse(argv, __doc__)
    measures = (
        measure_decoding, measure_paper_sizes, measure_tacotron1, measure_attentions, measure_first_sentence,
        compare_training,
    )  # fmt: skip
    rows = (row for measure in (*measures, measure_memory, measure_compilation) for row in measure(arguments))
    report(rows, arguments.json)


# --- decoding -------------------------------------------------------------------------------------------------------


def measure_decoding(arguments: Arguments) -> Rows:
    """The default model on sample sentences, one at a time and as a batch."""
    model = load_default().model
    texts = sample_sentences(8)
    yield from decoding_rates("decode_1t", model, texts, arguments.repeats)
    compiled, reference = minimum_times(
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


def measure_tacotron1(arguments: Arguments) -> Rows:
    """The sizes of the public SV2TTS synthesizer, with random weights, one sentence at a time with its postnet."""
    import torch

    from synthesizer.tacotron1.config import Architecture, InferenceSettings
    from synthesizer.tacotron1.decoding import Sentence, free_run
    from synthesizer.tacotron1.model import Tacotron1

    torch.manual_seed(0)
    model = Tacotron1(Architecture()).eval().requires_grad_(False)
    model.decoder.to_stop.bias.fill_(-1e3)
    settings = InferenceSettings()
    sentence = Sentence(np.random.default_rng(0).integers(2, 60, 75), np.full(256, 1 / 16, np.float32), 0)

    def decoded(engine: Literal["auto", "torch"]) -> float:
        run = free_run(model, sentence, settings, window=(1, 3), most_steps=200, engine=engine)
        return run.mel.shape[1] / model.config.mel.frames_per_second

    compiled, reference = minimum_times(min(3, arguments.repeats), lambda: decoded("auto"), lambda: decoded("torch"))
    yield "decode_1t_tacotron1_times_realtime", decoded("auto") / compiled, "times"
    yield "decode_1t_tacotron1_vs_torch", reference / compiled, "times"


def measure_attentions(arguments: Arguments) -> Rows:
    """Both kinds of attention with the default sizes."""
    from synthesizer.tacotron.config import ATTENTION_KINDS, Architecture

    texts = sample_sentences(1)
    for kind in ATTENTION_KINDS:
        model = random_model(Architecture(attention=kind))
        run = decoding(model, texts, window=(0, 4))  # without one, attention of random weights would jump
        yield f"decode_1t_{kind}_batch1_times_realtime", run() / minimum_times(arguments.repeats, run)[0], "times"


def decoding_rates(
    case: str, model: Tacotron2, texts: list[np.ndarray], repeats: int, settings: InferenceSettings | None = None
) -> Rows:
    """Batches of 1, 4 and 8. The first is the mean over four sentences."""
    alone = [decoding(model, [text], settings) for text in texts[:4]]
    seconds = sum(run() for run in alone)
    yield f"{case}_batch1_times_realtime", seconds / sum(minimum_times(repeats, *alone)), "times"
    for size in (4, 8):
        run = decoding(model, texts[:size], settings)
        yield f"{case}_batch{size}_times_realtime", run() / minimum_times(repeats, run)[0], "times"


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
    (least,) = minimum_times(2 * arguments.repeats, lambda: next(iter(synthesizer.stream(text, voice))))
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
    from benchmarks.plain_tacotron import check_gradients, random_batch
    from synthesizer.tacotron.config import Architecture

    check_gradients(Architecture())
    precisions, chosen = training_precisions()
    shapes = {"": (20, 320)} if arguments.quick else {"": (20, 640), "_32_rows": (32, 400)}
    for suffix, shape in shapes.items():
        batch = random_batch(*shape)
        for precision in precisions:
            steps = training_steps(batch, precision)
            ours, plain = minimum_times(2 if arguments.quick else 4, *steps)
            yield f"train_frames_per_s_{precision}{suffix}", int(batch.mel_lengths.sum()) / ours, "frames/s"
            yield f"train_frames_per_s_vs_plain_loop_{precision}{suffix}", plain / ours, "times"
            if precision == chosen and not suffix:
                yield "train_frames_per_s_vs_plain_loop", plain / ours, "times"


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

    from benchmarks.plain_tacotron import REDUCTION_FACTOR, loss_of

    optimizer.zero_grad()
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16"):
        output = forward(model, batch, REDUCTION_FACTOR)
    loss_of(output, batch).backward()
    optimizer.step()


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
