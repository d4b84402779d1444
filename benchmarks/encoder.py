"""Speed and memory of the speaker encoders, compared with Resemblyzer and with a GE2E loss written as a loop.

    python benchmarks/encoder.py [--quick] [--json FILE]

Everything runs on one thread, on speech made from `samples/`. Compared functions run alternately, and the minimum
processor time of several runs counts, so that other programs have little effect. A ratio of 2 means that this encoder
is twice as fast.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS"):
    os.environ[variable] = "1"
ROOT = Path(__file__).resolve().parents[1]
sys.path[0] = str(ROOT)  # instead of this folder, where this file would hide the package `encoder`

import numpy as np  # noqa: E402

from benchmarks.measuring import (  # noqa: E402
    BenchmarkArguments,
    Rows,
    memory_is_measurable,
    minimum_times,
    report,
    run_command,
    run_program,
)
from speech.audio import SAMPLE_RATE, read_audio, write_audio  # noqa: E402
from speech.errors import SpeechError, exit_on_speech_error  # noqa: E402
from speech.vad import prepare_reference  # noqa: E402

if TYPE_CHECKING:
    import torch

    from encoder import SpeakerEncoder

SECONDS = (5, 10, 60)
SPEAKERS, UTTERANCES, EMBEDDING_SIZE = 64, 10, 256
CLIP_SECONDS = 10.0  # in the corpus for preprocessing
EQUAL = 1e-5
SAME_VOICE = 0.9995  # cosine of both embeddings of one utterance

Loss = Callable[["torch.Tensor"], "torch.Tensor"]


@dataclass(frozen=True)
class Arguments(BenchmarkArguments):
    """Measure the speaker encoder."""

    rounds = (3, 9)


@exit_on_speech_error
def main(argv: list[str] | None = None) -> None:
    arguments = Arguments.parse(argv, __doc__)
    measures = (compare_with_resemblyzer, compare_families, compare_losses, measure_preparation, measure_memory)
    with tempfile.TemporaryDirectory() as scratch:
        report((row for measure in measures for row in measure(arguments, Path(scratch))), arguments.json)


# --- embedding ------------------------------------------------------------------------------------------------------


def compare_with_resemblyzer(arguments: Arguments, scratch: Path) -> Rows:
    """Both with the public weights: embedding of prepared audio, and of a file of 60 s."""
    try:
        from resemblyzer import VoiceEncoder, preprocess_wav
    except ImportError as error:
        print(f"Skipping the comparison with Resemblyzer: {error.name} is not installed.", flush=True)
        return
    from encoder.convert import find_resemblyzer_weights, load_public_encoder

    weights = find_resemblyzer_weights()
    assert weights is not None, "the package resemblyzer has no weights"
    theirs = VoiceEncoder("cpu", verbose=False)
    path = scratch / "60s.wav"
    write_audio(path, speech_of(60))

    def compare(ours: SpeakerEncoder, suffix: str) -> Rows:
        for seconds in SECONDS:
            speech = prepare_reference(speech_of(2 * seconds))[: seconds * SAMPLE_RATE]
            assert ours.embed(speech, prepared=True) @ theirs.embed_utterance(speech) > SAME_VOICE
            yield from _compared(
                f"embed_{seconds}s{suffix}",
                arguments.repeats,
                partial(ours.embed, speech, prepared=True),
                partial(theirs.embed_utterance, speech),
            )
        yield from _compared(
            f"file_to_embedding_60s{suffix}",
            arguments.repeats,
            lambda: ours.embed(read_audio(path)),
            lambda: theirs.embed_utterance(preprocess_wav(path)),
        )

    yield from compare(load_public_encoder(weights), "")
    yield from compare(load_public_encoder(weights, precision="fp32"), "_fp32")


def _compared(case: str, repeats: int, ours: Callable[[], object], theirs: Callable[[], object]) -> Rows:
    own, other = minimum_times(repeats, ours, theirs)
    yield case, own, "s"
    yield f"{case}_vs_resemblyzer", other / own, "times"


def compare_families(arguments: Arguments, scratch: Path) -> Rows:
    """An untrained CAM++ of the default sizes and of the paper's, compared with the LSTM: embedding of prepared audio.

    Both without bfloat16, which only the LSTM uses, and once with it.
    """
    from encoder import SpeakerEncoder
    from encoder.campplus.config import CAMPPlusConfig
    from encoder.campplus.inference import CAMPPlusEncoder
    from encoder.campplus.model import CAMPPlusModel

    default = ROOT / "models/default/encoder.safetensors"
    sizes = {
        "campplus": CAMPPlusConfig(),
        "campplus_paper": CAMPPlusConfig(
            head_channels=32, channels=128, growth_rate=32, layers=(12, 24, 16), embedding_size=512
        ),
    }
    encoders: dict[str, SpeakerEncoder] = {
        "lstm": SpeakerEncoder.load(default),
        "lstm_fp32": SpeakerEncoder.load(default, precision="fp32"),
        **{name: CAMPPlusEncoder(CAMPPlusModel(size), embedding_space="untrained") for name, size in sizes.items()},
    }
    for seconds in SECONDS[:2]:
        speech = prepare_reference(speech_of(2 * seconds))[: seconds * SAMPLE_RATE]
        calls = [partial(encoder.embed, speech, prepared=True) for encoder in encoders.values()]
        times = dict(zip(encoders, minimum_times(arguments.repeats, *calls), strict=True))
        for name in sizes:
            yield f"{name}_{seconds}s", times[name], "s"
            for other in ("lstm", "lstm_fp32"):
                yield f"{name}_{seconds}s_vs_{other}", times[other] / times[name], "times"


# --- the loss -------------------------------------------------------------------------------------------------------


def compare_losses(arguments: Arguments, scratch: Path) -> Rows:
    """The GE2E softmax loss with its gradients, compared with two loops that follow the paper's definition.

    One is over utterances. The other is over speakers, as in public implementations.
    """
    import torch
    from torch.nn import functional

    from encoder.ge2e import GE2ELoss

    generator = torch.Generator().manual_seed(0)
    voices = torch.randn(SPEAKERS, 1, EMBEDDING_SIZE, generator=generator)
    spread = torch.randn(SPEAKERS, UTTERANCES, EMBEDDING_SIZE, generator=generator)
    outputs = (voices + spread).requires_grad_()  # of the network, before normalisation
    criterion = GE2ELoss()
    parameters = (criterion.log_scale, criterion.offset)

    def gradients(loss: Loss) -> list[torch.Tensor]:
        value = loss(functional.normalize(outputs, dim=-1))
        return [value.detach(), *torch.autograd.grad(value, (outputs, *parameters))]

    loops: dict[str, Loss] = {
        "loop": lambda embeddings: loop_over_utterances(embeddings, criterion.scale, criterion.offset),
        "loop_over_speakers": lambda embeddings: loop_over_speakers(embeddings, criterion.scale, criterion.offset),
    }
    for name, loop in loops.items():
        for own, other in zip(gradients(criterion), gradients(loop), strict=True):
            difference = float((own - other).abs().max())
            assert difference < EQUAL, f"the loss or a gradient differs from that of {name} by {difference:.1g}"

    embeddings = functional.normalize(outputs, dim=-1).detach().requires_grad_()

    def step(loss: Loss) -> Callable[[], object]:
        return lambda: torch.autograd.grad(loss(embeddings), (embeddings, *parameters))

    own_time, *loop_times = minimum_times(arguments.repeats, step(criterion), *map(step, loops.values()))
    yield "ge2e_64x10_loss_and_gradient", own_time * 1000, "ms"
    for name, loop_time in zip(loops, loop_times, strict=True):
        yield f"ge2e_64x10_vs_{name}", loop_time / own_time, "times"


def loop_over_utterances(embeddings: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """Equations 5, 6 and 8 of the paper (arXiv 1710.10467), utterance by utterance; mean over utterances."""
    import torch
    from torch.nn import functional

    speakers, utterances, _ = embeddings.shape
    centroids = [embeddings[speaker].mean(dim=0) for speaker in range(speakers)]
    losses = []
    for speaker in range(speakers):
        for utterance in range(utterances):
            others = [embeddings[speaker, other] for other in range(utterances) if other != utterance]
            seen = [*centroids[:speaker], torch.stack(others).mean(dim=0), *centroids[speaker + 1 :]]
            similarity = functional.cosine_similarity(embeddings[speaker, utterance], torch.stack(seen), dim=-1)
            scores = scale * similarity + offset
            losses.append(torch.logsumexp(scores, dim=0) - scores[speaker])
    return torch.stack(losses).mean()


def loop_over_speakers(embeddings: torch.Tensor, scale: torch.Tensor, offset: torch.Tensor) -> torch.Tensor:
    """The same for all utterances at once per centroid."""
    import torch
    from torch.nn import functional

    speakers, utterances, _ = embeddings.shape
    centroids = embeddings.mean(dim=1)
    columns = []
    for speaker in range(speakers):
        exclusive = (embeddings[speaker].sum(dim=0) - embeddings[speaker]) / (utterances - 1)
        own = functional.cosine_similarity(embeddings[speaker], exclusive, dim=-1)
        others = functional.cosine_similarity(embeddings, centroids[speaker].expand_as(embeddings), dim=-1)
        columns.append(torch.cat([others[:speaker], own[None], others[speaker + 1 :]]))
    scores = scale * torch.stack(columns, dim=-1) + offset
    labels = torch.arange(speakers).repeat_interleave(utterances)
    return functional.cross_entropy(scores.flatten(0, 1), labels)


# --- preparation ----------------------------------------------------------------------------------------------------


def measure_preparation(arguments: Arguments, scratch: Path) -> Rows:
    """`preprocess.py encoder` with one job on two corpora. Their difference excludes the start-up time.

    Processor time of the program and its worker counts, so this is the rate of one core.
    """
    few, many = (30, 180) if arguments.quick else (60, 480)
    taken = {}
    for clips in (few, many):
        corpus = scratch / f"corpus-{clips}"
        write_corpus(corpus, clips)
        taken[clips] = min(preparation_seconds(corpus, scratch / f"store-{clips}-{turn}") for turn in range(2))
    yield "preprocess_start_up", taken[few] - few * (taken[many] - taken[few]) / (many - few), "s"
    rate = (many - few) * CLIP_SECONDS / (taken[many] - taken[few])
    yield "preprocess_audio_s_per_s_per_core", rate, "s/s"


def write_corpus(folder: Path, clips: int) -> None:
    """Write a folder for each of ten speakers with WAV files of 10 s, each a different part of the sample sentences."""
    length = round(CLIP_SECONDS * SAMPLE_RATE)
    speech = speech_of(60)
    for number in range(clips):
        speaker = folder / f"speaker{number % 10}"
        speaker.mkdir(parents=True, exist_ok=True)
        write_audio(speaker / f"{number:04}.wav", np.roll(speech, -7919 * number)[:length])


def preparation_seconds(corpus: Path, store: Path) -> float:
    """Processor seconds of preprocessing in a separate process, including its workers."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, str(ROOT / "preprocess.py"), "encoder", str(corpus), "--out", str(store), "--jobs", "1"]
    run_command(command)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# --- memory ---------------------------------------------------------------------------------------------------------

MEMORY_PROGRAM = """
import json, sys
import torch
from evaluation.memory import kilobytes

torch.set_num_threads(1)
before = kilobytes("VmRSS")
from encoder import SpeakerEncoder
from speech.audio import read_audio
SpeakerEncoder.load(sys.argv[1]).embed(read_audio(sys.argv[2]))
print(json.dumps({"above": (kilobytes("VmHWM") - before) * 1024 / 1e6}))
"""


def measure_memory(arguments: Arguments, scratch: Path) -> Rows:
    """Peak memory of a process that embeds a file of 10 minutes, above that after importing torch."""
    if not memory_is_measurable():
        return
    path = scratch / "10min.wav"
    write_audio(path, speech_of(600))
    figures = run_program(MEMORY_PROGRAM, str(ROOT / "models/default/encoder.safetensors"), str(path))
    yield "memory_10min_mb", figures["above"], "MB"


# --- common ---------------------------------------------------------------------------------------------------------


def speech_of(seconds: float) -> np.ndarray:
    """The sample sentences in a loop: float32 [seconds * 16000]."""
    paths = sorted((ROOT / "samples").glob("*.flac"))
    if not paths:
        raise SpeechError(f"There are no sample recordings in {ROOT / 'samples'}: check out the complete repository.")
    sentences = np.concatenate([read_audio(path) for path in paths])
    return np.resize(sentences, round(seconds * SAMPLE_RATE))


if __name__ == "__main__":
    main()
