"""Free-running decoding: symbols and an embedding in, mel and alignment out.

On a CPU every sentence is computed on its own by the compiled decoder, so that it gives the same to the last bit
whatever is decoded beside it; on other devices sentences run as one masked batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from synthesizer.tacotron.fast_convolutions import Cancelled, DecodingCancelled, stop_if
from synthesizer.tacotron.fast_decoder import fast_decoder_of
from synthesizer.tacotron.model import SILENCE, Tacotron2, length_mask
from synthesizer.tacotron.postfilter import apply_postfilter
from synthesizer.tacotron.variance import restore_variance

__all__ = ["Decoded", "DecodingCancelled", "free_run", "step_limit"]

SECONDS_PER_TOKEN = 0.2  # no one speaks slower than this on the whole; it bounds an utterance that never stops
EXTRA_SECONDS = 1.5
STOP_LOGIT = 0.0  # a stop probability of one half
REST_SECONDS = 0.4  # attention that rests on the end mark for so long has read everything
MASK_BLOCK = 64  # decoder steps of dropout masks drawn at once
STEPS_AT_ONCE = 16  # of the compiled decoder for one sentence; a few milliseconds between two looks at `cancelled`

Progress = Callable[[int, int], None]
Window = tuple[int, int]


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

    def rows(self, first: int, steps: int = 1) -> Tensor:
        """[steps, sum of the prenet's sizes], already scaled; to be asked for in order and within one block."""
        if first % MASK_BLOCK == 0 or self._block is None:
            self._block = self._prenet.draw_masks(MASK_BLOCK, self._generator)
        return self._block[first % MASK_BLOCK : first % MASK_BLOCK + steps]


class _Job(NamedTuple):
    """What `free_run` was asked for; voices [sentences, 256] are where the model is."""

    model: Tacotron2
    texts: Sequence[np.ndarray]
    voices: Tensor
    masks: list[PrenetMasks]
    rest_steps: int
    progress: Progress | None
    cancelled: Cancelled | None
    window: Window | None
    refined: bool
    pitch_ranges: Sequence[float]  # of the melody that the decoder is told


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
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
    window: Window | None = None,
    engine: Literal["auto", "torch"] = "auto",
    refined: bool = True,
    pitch_ranges: Sequence[float] | None = None,
    rises: Sequence[bool] | None = None,
    middles: Sequence[float | None] | None = None,
) -> list[Decoded]:
    """Decode sentences together; each one gives what it would give alone.

    Args:
        model: in eval mode.
        texts: symbol ids, int64 [tokens] each.
        embeddings: [sentences, 256].
        seeds: of the prenet's dropout, one a sentence.
        progress: called with (steps done, most steps there can be).
        cancelled: asked at least every 50 ms; True ends the work.
        window: tokens behind and ahead of the focus, the token with the most weight in the step before, that attention
            may look at; None is unrestricted. (1, 4) holds a reading that jumps: a step can neither go far back nor
            skip a word.
        engine: "auto" is the compiled decoder on the CPU and PyTorch elsewhere; "torch" the reference everywhere.
        pitch_ranges: how far the voice goes up and down in each, in units of what is usual; only a model that predicts
            its melody, or has a postfilter, heeds them.
        rises: which of them end on a rising pitch, as questions do; only a model with a postfilter heeds it.
        middles: the median pitch of each voice in Hz, None where it is not known; heeded by a postfilter.
        refined: False leaves the decoder's own frames, which it was fed with: without postnet, nor variance given back.

    Raises:
        DecodingCancelled: `cancelled` returned True.
    """
    rest_steps = max(1, round(REST_SECONDS * model.config.mel.frames_per_second / model.config.reduction_factor))
    device = next(model.parameters()).device
    voices = torch.as_tensor(np.asarray(embeddings), dtype=torch.float32, device=device)
    masks = [PrenetMasks(model, seed) for seed in seeds]
    usual = [1.0] * len(texts)
    pitch_ranges = pitch_ranges or usual
    # Where a postfilter draws the harmonics, what it is told is how far the voice goes, and is enough.
    told = pitch_ranges if model.postfilter is None else usual
    job = _Job(model, texts, voices, masks, rest_steps, progress, cancelled, window, refined, told)
    results = _run_compiled(job) if engine == "auto" and device.type == "cpu" else _run_reference(job)
    if not refined:
        return results
    manners = [
        Manner(*manner)
        for manner in zip(pitch_ranges, rises or [False] * len(texts), middles or [None] * len(texts), strict=True)
    ]
    return [
        replace(result, mel=_finished(model, result.mel, voice, manner, cancelled))
        for result, voice, manner in zip(results, voices, manners, strict=True)
    ]


class Manner(NamedTuple):
    """What a postfilter is told of a sentence's pitch: see `apply_postfilter`."""

    pitch_range: float
    rises: bool
    middle: float | None


def _finished(
    model: Tacotron2, mel: np.ndarray, voice: Tensor, manner: Manner, cancelled: Cancelled | None
) -> np.ndarray:
    """A mel [n_mels, frames] with what averaging took from it given back: harmonics and variance."""
    stop_if(cancelled)
    if model.postfilter is not None:
        whole, voice = torch.from_numpy(mel).to(voice.device), model.emphasise(voice[None])[0]
        finished = apply_postfilter(model.postfilter, whole, voice, model.config, *manner)
        mel = finished.contiguous().cpu().numpy()
    return restore_variance(mel, model.config.variance_gains, model.config.variance_emphasis)


def _run_compiled(job: _Job) -> list[Decoded]:
    """Sentence by sentence but for the loop over steps, where they share the reading of the weights."""
    model, texts, voices, masks, rest_steps, progress, cancelled, window, refined, pitch_ranges = job
    decoder = fast_decoder_of(model, STOP_LOGIT)
    speakers = torch.cat([model.join_speaker(model.emphasise(voice[None])) for voice in voices])
    memories = [
        _intoned(model, decoder.encode(text, cancelled), speaker, pitch_range)
        for text, speaker, pitch_range in zip(texts, speakers, pitch_ranges, strict=True)
    ]
    limits = [step_limit(model, len(text)) for text in texts]
    run = decoder.start(memories, speakers, limits)
    parts, step, most = [], 0, max(limits)
    # A power of two, so that steps done at once never cross a block of masks.
    at_once = 1 << max(0, (STEPS_AT_ONCE // len(texts)).bit_length() - 1)
    while step < most and any(end < 0 and step < limit for end, limit in zip(run.ends, limits, strict=True)):
        stop_if(cancelled)
        drawn = np.stack([row.rows(step, at_once).numpy() for row in masks])
        parts.append(run.advance(step, drawn, rest_steps, window))
        step = min(step + at_once, most)
        if progress is not None:
            progress(step, most)

    results = []
    for row, (text, end, limit) in enumerate(zip(texts, run.ends.tolist(), limits, strict=True)):
        # The step that says stop is already silence; a sentence keeps at least one step.
        steps = max(1, end if end >= 0 else limit)
        frames = np.concatenate([part.frames[row] for part in parts])[:steps].reshape(-1, model.config.mel.n_mels)
        alignment = np.concatenate([part.weights[row] for part in parts])[:steps, : len(text)].T
        mel = decoder.refine(frames, cancelled) if refined else np.ascontiguousarray(frames.T)
        results.append(Decoded(mel, np.ascontiguousarray(alignment), end >= 0))
    return results


def _intoned(model: Tacotron2, memory: Tensor, speaker: Tensor, pitch_range: float) -> Tensor:
    mask = torch.ones(1, len(memory), dtype=torch.bool)
    return model.intone(memory[None], speaker[None], mask, pitch_range=pitch_range)[0][0]


def _run_reference(job: _Job) -> list[Decoded]:
    """All sentences as one padded batch, on any device."""
    model, texts, voices, masks, rest_steps, progress, cancelled, window, refined, pitch_ranges = job
    device = voices.device
    lengths = torch.tensor([len(text) for text in texts], device=device)
    symbols = torch.zeros(len(texts), int(lengths.max()), dtype=torch.long, device=device)
    for row, text in enumerate(texts):
        symbols[row, : len(text)] = torch.from_numpy(text)
    mask = length_mask(lengths, symbols.shape[1])
    speaker = model.join_speaker(model.emphasise(voices))
    scales = torch.tensor(pitch_ranges, device=device)[:, None]
    memory, _ = model.intone(model.encoder(symbols, mask), speaker, mask, pitch_range=scales)

    limits = torch.tensor([step_limit(model, len(text)) for text in texts], device=device)
    attention = model.attention.start(memory, mask)
    state = model.start(len(texts), device)
    frame = torch.full((len(texts), model.config.mel.n_mels), SILENCE, device=device)
    resting = torch.zeros_like(lengths)
    ends = torch.full_like(lengths, -1)
    all_frames, all_weights = [], []
    for step in range(int(limits.max())):
        stop_if(cancelled)
        drawn = torch.cat([row.rows(step) for row in masks]).to(device)
        frames, stop, weights, state = model.decode_step(frame, state, attention, memory, speaker, drawn, window)
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
    steps = torch.clamp(torch.where(ends >= 0, ends, torch.minimum(limits, torch.tensor(len(all_frames)))), min=1)
    mel = torch.cat(all_frames, 1)
    mel_lengths = steps * model.config.reduction_factor
    mel = mel[:, : int(mel_lengths.max())]
    stop_if(cancelled)
    if refined:
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
