"""Free-running decoding of a Tacotron 1: symbols and an embedding in, mel and alignment out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from synthesizer.attention_window import Window
from synthesizer.decoding_check import Decoded
from synthesizer.stopping import STOP_LOGIT, Cancelled, rest_steps, step_limit, stop_if
from synthesizer.tacotron1.config import InferenceSettings
from synthesizer.tacotron1.model import Tacotron1

FEWEST_FRAMES = 10  # before which the stop token is ignored


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


@torch.inference_mode()
def free_run(
    model: Tacotron1,
    sentence: Sentence,
    settings: InferenceSettings,
    *,
    window: Window | None = None,
    most_steps: int | None = None,
    cancelled: Cancelled | None = None,
) -> FreeRun:
    """Decode one sentence, on its own, so that the rest of a batch does not change it.

    Args:
        model: in eval mode.
        window: tokens behind and ahead of the focus that attention may move to; None for no limit.
        most_steps: limit on the length, by default one that speech does not reach.
        cancelled: polled at every step; True stops decoding.

    Raises:
        WorkCancelled: `cancelled` returned True.
    """
    device, mel = next(model.parameters()).device, model.config.mel
    generator = torch.Generator().manual_seed(sentence.seed)
    symbols = torch.from_numpy(sentence.symbols)[None].to(device)
    speaker = torch.from_numpy(np.array(sentence.embedding, np.float32))[None].to(device)
    memory = model.read(symbols, torch.ones_like(symbols, dtype=torch.bool), speaker, generator)

    factor, last = settings.reduction_factor, symbols.shape[1] - 1
    rest = rest_steps(mel, factor)
    decoder, state = model.decoder, model.decoder.start(memory)
    frame = torch.zeros(1, mel.n_mels, device=device)
    all_frames: list[Tensor] = []
    weights: list[Tensor] = []
    resting, stopped = 0, False
    for step in range(most_steps or step_limit(mel, factor, last + 1)):
        stop_if(cancelled)
        frames, stop, state = decoder.step(decoder.prenet(frame, generator), state, memory, factor, window)
        frame = frames[:, -1]
        all_frames.append(frames)
        weights.append(state.weights[0])
        resting = resting + 1 if int(state.weights.argmax()) == last else 0
        stopped = resting >= rest or (float(stop) > STOP_LOGIT and step * factor > FEWEST_FRAMES)
        if stopped:
            break
    whole = torch.cat(all_frames, 1)
    refined = model.finish(whole, torch.ones(whole.shape[:2], dtype=torch.bool, device=device))
    return FreeRun(whole, refined, torch.stack(weights, 1), stopped)


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
