"""Free-running decoding: symbols and an embedding in, mel and alignment out.

On a CPU every sentence is computed on its own by the compiled decoder, so the result is the same to the last bit in
any batch. On other devices sentences run as one masked batch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from synthesizer.attention_window import Window
from synthesizer.decoding_check import Decoded
from synthesizer.masks import SILENCE, length_mask
from synthesizer.phone_classifier import goodness_of_pronunciation
from synthesizer.refiner.network import Refiner
from synthesizer.refiner.sampling import CoarseMel, refine, spoken_symbols
from synthesizer.stopping import STOP_LOGIT, Cancelled, rest_steps, step_limit, stop_if
from synthesizer.tacotron.config import InferenceSettings
from synthesizer.tacotron.fast_decoder import fast_decoder_of
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.postfilter import add_harmonics, predicted_f0
from synthesizer.tacotron.variance import restore_variance

MASK_BLOCK = 64  # decoder steps of dropout masks drawn at once
STEPS_AT_ONCE = 16  # of the compiled decoder for one sentence: a few milliseconds between two calls of `cancelled`

Progress = Callable[[int, int], None]
Stage = Literal["decoder", "postnet", "whole"]


@dataclass(frozen=True, eq=False)
class SentenceInput:
    """Input of the decoder for one sentence.

    Attributes:
        symbols: int64 [tokens].
        embedding: float32 [embedding_size], L2 norm 1.
        seed: of the prenet's dropout.
        pitch_range: factor on the F0 contour, for a model with a pitch predictor or a postfilter.
        rises: F0 rises at the end, as in a question; for a model with a postfilter.
        median_f0: of the voice in Hz, None if unknown; for a model with a postfilter.
        reference: mel of a recording of the speaker, [n_mels, frames], None if there is none; for a model with a
            refiner.
        refiner: used instead of the model's own, for a voice that the model was adapted to.
    """

    symbols: np.ndarray
    embedding: np.ndarray
    seed: int
    pitch_range: float = 1.0
    rises: bool = False
    median_f0: float | None = None
    reference: np.ndarray | None = None
    refiner: Refiner | None = None


class PrenetMasks:
    """Dropout masks of the prenet for one sentence, from a separate generator."""

    def __init__(self, model: Tacotron2, seed: int) -> None:
        self._prenet = model.prenet
        self._generator = torch.Generator().manual_seed(seed)
        self._block: Tensor | None = None

    def rows(self, first: int, steps: int = 1) -> Tensor:
        """Scaled masks [steps, sum of the prenet's sizes]; call in order, within one block at a time."""
        if first % MASK_BLOCK == 0 or self._block is None:
            self._block = self._prenet.draw_masks(MASK_BLOCK, self._generator)
        return self._block[first % MASK_BLOCK : first % MASK_BLOCK + steps]


@dataclass(frozen=True, eq=False)
class _Job:
    """Arguments of `free_run` as the two engines take them; voices [sentences, embedding_size] on the model's device,
    pitch_scales are the factors on the predicted F0 of the tokens."""

    model: Tacotron2
    sentences: Sequence[SentenceInput]
    settings: InferenceSettings
    voices: Tensor
    pitch_scales: Sequence[float]
    masks: Sequence[PrenetMasks]
    window: Window | None
    postnet: bool
    progress: Progress | None
    cancelled: Cancelled | None

    @property
    def texts(self) -> list[np.ndarray]:
        return [sentence.symbols for sentence in self.sentences]

    @property
    def limits(self) -> list[int]:
        mel, factor = self.model.config.mel, self.settings.reduction_factor
        return [step_limit(mel, factor, len(text)) for text in self.texts]

    @property
    def rest_steps(self) -> int:
        return rest_steps(self.model.config.mel, self.settings.reduction_factor)


@torch.inference_mode()
def free_run(
    model: Tacotron2,
    sentences: Sequence[SentenceInput],
    settings: InferenceSettings,
    *,
    window: Window | None = None,
    stage: Stage = "whole",
    engine: Literal["auto", "torch"] = "auto",
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> list[Decoded]:
    """Decode sentences as a batch; each result is independent of the rest of the batch.

    A model with a phone classifier decodes each sentence several times, and the candidate that is pronounced best is
    finished.

    Args:
        model: in eval mode.
        window: tokens behind and ahead of the focus (the token with the most weight at the previous step) that
            attention may move to; None for no limit. With (1, 4) it can neither go far back nor skip a word.
        stage: whose output is returned: of the decoder, of the postnet, or of refiner or postfilter too ("whole").
        engine: "auto" is the compiled decoder on the CPU and PyTorch elsewhere; "torch" is the reference everywhere.
        progress: called with (steps done, most possible steps).
        cancelled: polled at least every 50 ms; True stops decoding.

    Raises:
        WorkCancelled: `cancelled` returned True.
    """
    device = next(model.parameters()).device
    count = candidates_of(model, settings) if stage == "whole" else 1
    candidates = [replace(sentence, seed=sentence.seed + k) for sentence in sentences for k in range(count)]
    embeddings = np.stack([np.asarray(sentence.embedding) for sentence in candidates])
    # With a postfilter, pitch_range scales the contour of the postfilter only.
    ranges = [sentence.pitch_range if model.postfilter is None else 1.0 for sentence in candidates]
    job = _Job(
        model,
        candidates,
        settings,
        voices=torch.as_tensor(embeddings, dtype=torch.float32, device=device),
        pitch_scales=[pitch_range * settings.pitch_predictor_emphasis for pitch_range in ranges],
        masks=[PrenetMasks(model, sentence.seed) for sentence in candidates],
        window=window,
        postnet=stage != "decoder",
        progress=progress,
        cancelled=cancelled,
    )
    results = _run_compiled(job) if engine == "auto" and device.type == "cpu" else _run_reference(job)
    if stage != "whole":
        return results
    chosen = [_best(job, results, range(first, first + count)) for first in range(0, len(results), count)]
    return [replace(results[k], mel=_finished(job, results[k], job.voices[k], candidates[k])) for k in chosen]


def candidates_of(model: Tacotron2, settings: InferenceSettings) -> int:
    """Decodings of each sentence."""
    return settings.candidates if model.phone_classifier is not None else 1


def _best(job: _Job, results: Sequence[Decoded], candidates: range) -> int:
    """The candidate that is pronounced best; one that the stop token did not end is the last choice."""
    classifier = job.model.phone_classifier
    if classifier is None or len(candidates) == 1:
        return candidates[0]

    def goodness(number: int) -> tuple[bool, float]:
        stop_if(job.cancelled)
        result = results[number]
        return result.stopped, goodness_of_pronunciation(classifier, result, job.sentences[number].symbols)

    return max(candidates, key=goodness)


def _finished(job: _Job, result: Decoded, voice: Tensor, sentence: SentenceInput) -> np.ndarray:
    """The mel [n_mels, frames] of a sentence after refiner, or after postfilter and restoration of the variance."""
    stop_if(job.cancelled)
    model, settings, mel = job.model, job.settings, result.mel
    if model.postfilter is not None:
        whole = torch.from_numpy(mel).to(voice.device)
        emphasised = model.emphasise(voice[None], settings.voice_emphasis)[0]
        contour = predicted_f0(
            model.postfilter,
            whole,
            emphasised,
            model.config.mel,
            gain=settings.pitch_gain * sentence.pitch_range,
            final_rise=sentence.pitch_range if sentence.rises else None,
            median_f0=sentence.median_f0,
        )
        if model.refiner is not None and settings.refiner_steps:
            return _refined(job, result, contour, sentence)
        finished = add_harmonics(model.postfilter, whole, emphasised, contour, model.config.mel)
        mel = finished.contiguous().cpu().numpy()
    return restore_variance(mel, settings.variance_gains, settings.variance_emphasis)


def _refined(job: _Job, result: Decoded, contour: np.ndarray, sentence: SentenceInput) -> np.ndarray:
    refiner, settings = sentence.refiner or job.model.refiner, job.settings
    assert refiner is not None
    symbols = spoken_symbols(sentence.symbols, result.alignment, result.mel.shape[1])
    coarse = CoarseMel(result.mel, symbols, contour, sentence.embedding, sentence.reference)
    return refine(refiner, coarse, settings, sentence.seed, check=lambda: stop_if(job.cancelled))


def _run_compiled(job: _Job) -> list[Decoded]:
    """Sentence by sentence, except for the loop over steps, where sentences share the memory traffic of the weights."""
    model, texts, limits = job.model, job.texts, job.limits
    decoder = fast_decoder_of(model, STOP_LOGIT, job.settings.reduction_factor)
    emphasis = job.settings.voice_emphasis
    speakers = torch.cat([model.join_speaker(model.emphasise(voice[None], emphasis)) for voice in job.voices])
    different = {id(text): text for text in texts}  # candidates have the same text
    encoded = {key: decoder.encode(text, job.cancelled) for key, text in different.items()}
    memories = [
        _with_pitch(model, encoded[id(text)], speaker, scale)
        for text, speaker, scale in zip(texts, speakers, job.pitch_scales, strict=True)
    ]
    run = decoder.start(memories, speakers, limits)
    parts, step, most = [], 0, max(limits)
    # A power of two, so that steps done at once never cross a block of masks.
    at_once = 1 << max(0, (STEPS_AT_ONCE // len(texts)).bit_length() - 1)
    while step < most and any(end < 0 and step < limit for end, limit in zip(run.ends, limits, strict=True)):
        stop_if(job.cancelled)
        drawn = np.stack([row.rows(step, at_once).numpy() for row in job.masks])
        parts.append(run.advance(step, drawn, job.rest_steps, job.window))
        step = min(step + at_once, most)
        if job.progress is not None:
            job.progress(step, most)

    results = []
    for row, (text, end, limit) in enumerate(zip(texts, run.ends.tolist(), limits, strict=True)):
        # The step at which the stop token fires is silent already; a sentence keeps at least one step.
        steps = max(1, end if end >= 0 else limit)
        frames = np.concatenate([part.frames[row] for part in parts])[:steps].reshape(-1, model.config.mel.n_mels)
        alignment = np.concatenate([part.weights[row] for part in parts])[:steps, : len(text)].T
        mel = decoder.refine(frames, job.cancelled) if job.postnet else np.ascontiguousarray(frames.T)
        results.append(Decoded(mel, np.ascontiguousarray(alignment), end >= 0))
    return results


def _with_pitch(model: Tacotron2, memory: Tensor, speaker: Tensor, scale: float) -> Tensor:
    mask = torch.ones(1, len(memory), dtype=torch.bool)
    return model.add_pitch(memory[None], speaker[None], mask, scale=scale)[0][0]


def _run_reference(job: _Job) -> list[Decoded]:
    """All sentences as one padded batch, on any device."""
    model, texts, factor, device = job.model, job.texts, job.settings.reduction_factor, job.voices.device
    lengths = torch.tensor([len(text) for text in texts], device=device)
    symbols = torch.zeros(len(texts), int(lengths.max()), dtype=torch.long, device=device)
    for row, text in enumerate(texts):
        symbols[row, : len(text)] = torch.from_numpy(text)
    mask = length_mask(lengths, symbols.shape[1])
    speaker = model.join_speaker(model.emphasise(job.voices, job.settings.voice_emphasis))
    scales = torch.tensor(job.pitch_scales, device=device)[:, None]
    memory, _ = model.add_pitch(model.encoder(symbols, mask), speaker, mask, scale=scales)

    limits = torch.tensor(job.limits, device=device)
    attention = model.attention.start(memory, mask)
    state = model.start(len(texts), device)
    frame = torch.full((len(texts), model.config.mel.n_mels), SILENCE, device=device)
    resting = torch.zeros_like(lengths)
    ends = torch.full_like(lengths, -1)
    all_frames, all_weights = [], []
    for step in range(int(limits.max())):
        stop_if(job.cancelled)
        drawn = torch.cat([row.rows(step) for row in job.masks]).to(device)
        frames, stop, weights, state = model.decode_step(
            frame, state, attention, memory, speaker, drawn, factor, job.window
        )
        frame = frames[:, -1]
        all_frames.append(frames)
        all_weights.append(weights)
        resting = torch.where(weights.argmax(1) == lengths - 1, resting + 1, 0)
        finished = (stop > STOP_LOGIT) | (resting >= job.rest_steps)
        ends = torch.where((ends < 0) & finished & (step < limits), step, ends)
        if job.progress is not None:
            job.progress(step + 1, int(limits.max()))
        if bool(((ends >= 0) | (step + 1 >= limits)).all()):
            break
    return _batch_results(job, torch.cat(all_frames, 1), torch.stack(all_weights, 2), ends)


def _batch_results(job: _Job, mel: Tensor, alignments: Tensor, ends: Tensor) -> list[Decoded]:
    """Cut a padded batch into sentences: mel [batch, frames, n_mels], alignments [batch, tokens, steps], ends [batch],
    the steps at which they stopped or -1."""
    model, texts = job.model, job.texts
    stopped = (ends >= 0).tolist()
    limits = torch.tensor(job.limits, device=mel.device)
    steps = torch.clamp(torch.where(ends >= 0, ends, torch.clamp(limits, max=alignments.shape[2])), min=1)
    mel_lengths = steps * job.settings.reduction_factor
    mel = mel[:, : int(mel_lengths.max())]
    stop_if(job.cancelled)
    if job.postnet:
        mel = torch.clamp(mel + model.postnet(mel, length_mask(mel_lengths, mel.shape[1])), -4.0, 4.0)
    return [
        Decoded(
            mel[row, : mel_lengths[row]].T.contiguous().cpu().numpy(),
            alignments[row, : len(text), : steps[row]].cpu().numpy(),
            stopped[row],
        )
        for row, text in enumerate(texts)
    ]
