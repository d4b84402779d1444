"""Free-running decoding of a Tacotron 1: symbols and an embedding in, mel and alignment out.

On a CPU the loop over steps is compiled (see `fast_decoder`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthesizer.attention_window import Window
from synthesizer.decoding_check import Decoded
from synthesizer.stopping import STOP_LOGIT, Cancelled, rest_steps, step_limit, stop_if
from synthesizer.tacotron1.config import InferenceSettings
from synthesizer.tacotron1.fast_decoder import fast_decoder_of
from synthesizer.tacotron1.model import Memory, Tacotron1

FEWEST_FRAMES = 10  # before which the stop token is ignored
STEPS_AT_ONCE = 16  # of the compiled decoder: tens of milliseconds between two calls of `cancelled`


@dataclass(frozen=True, eq=False)
class Sentence:
    """Input of the decoder.

    Attributes:
        symbols: int64 [tokens].
        embedding: float32 [speaker_embedding_size], L2 norm 1.
        seed: of the dropout of both prenets.
    """

    symbols: NDArray[np.int64]
    embedding: NDArray[np.float32]
    seed: int


@dataclass(frozen=True, eq=False)
class FreeRun:
    """Output of the loop over steps.

    Attributes:
        frames: of the decoder, [1, frames, n_mels].
        mel: of the postnet, of the same shape.
        alignment: [tokens, steps].
        stopped: False if it ran into the limit on its length.
    """

    frames: Tensor
    mel: Tensor
    alignment: Tensor
    stopped: bool


@dataclass(frozen=True, eq=False)
class _Job:
    """What both engines take; `factor` is the reduction factor."""

    model: Tacotron1
    memory: Memory
    generator: torch.Generator
    factor: int
    most_steps: int
    window: Window | None
    cancelled: Cancelled | None

    @property
    def rest(self) -> int:
        return rest_steps(self.model.config.mel, self.factor)

    @property
    def first_stop(self) -> int:
        """The first step at which the stop token counts."""
        return FEWEST_FRAMES // self.factor + 1


_Decoded = tuple[Tensor, Tensor, bool]
"""Frames [1, frames, n_mels], alignment [tokens, steps], and whether it ended by itself."""


@torch.inference_mode()
def free_run(
    model: Tacotron1,
    sentence: Sentence,
    settings: InferenceSettings,
    *,
    window: Window | None = None,
    most_steps: int | None = None,
    engine: Literal["auto", "torch"] = "auto",
    cancelled: Cancelled | None = None,
) -> FreeRun:
    """Decode one sentence, on its own, so that the rest of a batch does not change it.

    Args:
        model: in eval mode.
        window: tokens behind and ahead of the focus that attention may move to; None for no limit.
        most_steps: limit on the length, by default one that speech does not reach.
        engine: "auto" is the compiled decoder on the CPU and PyTorch elsewhere; "torch" is the reference everywhere.
        cancelled: polled every few steps; True stops decoding.

    Raises:
        WorkCancelled: `cancelled` returned True.
    """
    device, mel = next(model.parameters()).device, model.config.mel
    generator = torch.Generator().manual_seed(sentence.seed)
    symbols = torch.from_numpy(sentence.symbols)[None].to(device)
    speaker = torch.from_numpy(np.array(sentence.embedding, np.float32))[None].to(device)
    memory = model.read(symbols, torch.ones_like(symbols, dtype=torch.bool), speaker, generator)

    most = most_steps or step_limit(mel, settings.reduction_factor, symbols.shape[1])
    compiled = engine == "auto" and device.type == "cpu"
    job = _Job(model, memory, generator, settings.reduction_factor, most, window, cancelled)
    whole, weights, stopped = _run_compiled(job) if compiled else _run_reference(job)
    stop_if(cancelled)
    refined = model.finish(whole, torch.ones(whole.shape[:2], dtype=torch.bool, device=device))
    return FreeRun(whole, refined, weights, stopped)


def _run_compiled(job: _Job) -> _Decoded:
    prenet = job.model.decoder.prenet
    run = fast_decoder_of(job.model, job.factor, STOP_LOGIT).start(job.memory)
    parts = []
    for step in range(0, job.most_steps, STEPS_AT_ONCE):
        stop_if(job.cancelled)
        masks = prenet.draw_masks(min(STEPS_AT_ONCE, job.most_steps - step), job.generator).numpy()
        parts.append(run.advance(step, masks, job.first_stop, job.rest, job.window))
        if run.end >= 0:
            break
    steps = run.end + 1 if run.end >= 0 else job.most_steps
    frames = np.concatenate([part.frames for part in parts])[:steps].reshape(1, -1, job.model.config.mel.n_mels)
    weights = np.concatenate([part.weights for part in parts])[:steps].T
    return torch.from_numpy(frames), torch.from_numpy(np.ascontiguousarray(weights)), run.end >= 0


def _run_reference(job: _Job) -> _Decoded:
    model, factor = job.model, job.factor
    decoder, state, last = model.decoder, model.decoder.start(job.memory), job.memory.values.shape[1] - 1
    frame = torch.zeros(1, model.config.mel.n_mels, device=job.memory.values.device)
    all_frames: list[Tensor] = []
    weights: list[Tensor] = []
    resting, stopped = 0, False
    for step in range(job.most_steps):
        stop_if(job.cancelled)
        frames, stop, state = decoder.step(decoder.prenet(frame, job.generator), state, job.memory, factor, job.window)
        frame = frames[:, -1]
        all_frames.append(frames)
        weights.append(state.weights[0])
        resting = resting + 1 if int(state.weights.argmax()) == last else 0
        stopped = resting >= job.rest or (float(stop) > STOP_LOGIT and step >= job.first_stop)
        if stopped:
            break
    return torch.cat(all_frames, 1), torch.stack(weights, 1), stopped


def finished(run: FreeRun, settings: InferenceSettings, limit: float) -> Decoded:
    """The mel in [-limit, limit], without the silence after the last audible frame, and its alignment."""
    mel = run.mel[0].T.clamp(-limit, limit).float().cpu().numpy()
    audible = np.flatnonzero(mel.max(axis=0) >= settings.silence_threshold)
    factor = settings.reduction_factor
    steps = -(-(int(audible[-1]) + 1) // factor) if len(audible) else 1
    return Decoded(
        np.ascontiguousarray(mel[:, : steps * factor]),
        np.ascontiguousarray(run.alignment[:, :steps].float().cpu().numpy()),
        run.stopped,
    )
