"""Free-running decoding: symbols and an embedding in, mel and alignment out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from synthesizer.model import SILENCE, Tacotron2, length_mask

SECONDS_PER_TOKEN = 0.2  # no one speaks slower than this on the whole; it bounds an utterance that never stops
EXTRA_SECONDS = 1.5
STOP_LOGIT = 0.0  # a stop probability of one half
REST_SECONDS = 0.4  # attention that rests on the end mark for so long has read everything
MASK_BLOCK = 64  # decoder steps of dropout masks drawn at once


@dataclass(frozen=True)
class Decoded:
    """One decoded sentence.

    Attributes:
        mel: float32 [80, frames], dB scaled to [-4, 4].
        alignment: float32 [tokens, steps].
        stopped: false if it ran into the limit on its length.
    """

    mel: np.ndarray
    alignment: np.ndarray
    stopped: bool


class PrenetMasks:
    """The prenet's dropout masks of one sentence, from a seed of its own: what it gives depends on no other one."""

    def __init__(self, model: Tacotron2, seed: int) -> None:
        self._prenet = model.prenet
        self._generator = torch.Generator().manual_seed(seed)
        self._block: Tensor | None = None

    def row(self, step: int) -> Tensor:
        """[sum of the prenet's sizes], already scaled."""
        if step % MASK_BLOCK == 0 or self._block is None:
            self._block = self._prenet.draw_masks(MASK_BLOCK, self._generator)
        return self._block[step % MASK_BLOCK]


def step_limit(model: Tacotron2, tokens: int) -> int:
    """The most decoder steps that a text of so many tokens may take."""
    seconds = EXTRA_SECONDS + SECONDS_PER_TOKEN * tokens
    return int(seconds * model.config.mel.frames_per_second / model.config.reduction_factor) + 1


@torch.inference_mode()
def free_run(
    model: Tacotron2,
    texts: Sequence[np.ndarray],
    embeddings: np.ndarray,
    seeds: Sequence[int],
    progress: Callable[[int, int], None] | None = None,
) -> list[Decoded]:
    """Decode sentences together; each one gives what it would give alone.

    Args:
        model: in eval mode.
        texts: symbol ids, int64 [tokens] each.
        embeddings: [sentences, 256].
        seeds: of the prenet's dropout, one a sentence.
        progress: called with (steps done, most steps there can be).
    """
    device = next(model.parameters()).device
    lengths = torch.tensor([len(text) for text in texts], device=device)
    symbols = torch.zeros(len(texts), int(lengths.max()), dtype=torch.long, device=device)
    for row, text in enumerate(texts):
        symbols[row, : len(text)] = torch.from_numpy(text)
    mask = length_mask(lengths, symbols.shape[1])
    memory = model.encoder(symbols, mask)
    speaker = model.join_speaker(model.emphasise(torch.as_tensor(embeddings, dtype=torch.float32, device=device)))

    limits = torch.tensor([step_limit(model, len(text)) for text in texts], device=device)
    masks = [PrenetMasks(model, seed) for seed in seeds]
    attention = model.attention.start(memory, mask)
    state = model.start(len(texts), device)
    frame = torch.full((len(texts), model.config.mel.n_mels), SILENCE, device=device)
    rest_steps = max(1, round(REST_SECONDS * model.config.mel.frames_per_second / model.config.reduction_factor))
    resting = torch.zeros_like(lengths)
    ends = torch.full_like(lengths, -1)
    all_frames, all_weights = [], []
    for step in range(int(limits.max())):
        drawn = torch.stack([row.row(step) for row in masks]).to(device)
        frames, stop, weights, state = model.decode_step(frame, state, attention, memory, speaker, drawn)
        frame = frames[:, -1]
        all_frames.append(frames)
        all_weights.append(weights)
        resting = torch.where(weights.argmax(1) == lengths - 1, resting + 1, 0)
        finished = (stop > STOP_LOGIT) | (resting >= rest_steps)
        ends = torch.where((ends < 0) & finished & (step < limits), step, ends)
        if progress is not None:
            progress(step + 1, int(limits.max()))
        if bool(((ends >= 0) | (step + 1 >= limits)).all()):
            break

    stopped = (ends >= 0).tolist()
    # The step that says stop is already silence; a sentence keeps at least one step.
    steps = torch.clamp(torch.where(ends >= 0, ends, torch.minimum(limits, torch.tensor(len(all_frames)))), min=1)
    mel = torch.cat(all_frames, 1)
    mel_lengths = steps * model.config.reduction_factor
    mel = mel[:, : int(mel_lengths.max())]
    mel = torch.clamp(mel + model.postnet(mel, length_mask(mel_lengths, mel.shape[1])), -4.0, 4.0)
    alignments = torch.stack(all_weights, 2)
    return [
        Decoded(
            mel[row, : mel_lengths[row]].T.contiguous().cpu().numpy(),
            alignments[row, : lengths[row], : steps[row]].cpu().numpy(),
            stopped[row],
        )
        for row in range(len(texts))
    ]
