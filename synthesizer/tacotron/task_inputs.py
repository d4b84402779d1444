"""Batches as input of a teacher-forced pass: two of them in one pass, and the output of the first."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from synthesizer.batches import SynthesizerBatch
from synthesizer.masks import SILENCE
from synthesizer.tacotron.model import TeacherForcing, TrainingOutput
from synthesizer.token_pitch import UNKNOWN


def teacher_forcing(batch: SynthesizerBatch, embedding: Tensor) -> TeacherForcing:
    """A batch with these embeddings [batch, embedding_size]."""
    return TeacherForcing(batch.symbols, batch.symbol_lengths, batch.mel, batch.mel_lengths, embedding, batch.pitch)


def concatenated(first: TeacherForcing, second: TeacherForcing) -> TeacherForcing:
    """The rows of both, padded to the longer; both must have `pitch`."""
    tokens = max(first.symbols.shape[1], second.symbols.shape[1])
    frames = max(first.mel.shape[1], second.mel.shape[1])
    padded = []
    for one in (first, second):
        assert one.pitch is not None
        more = tokens - one.symbols.shape[1]
        padded.append(
            one._replace(
                symbols=F.pad(one.symbols, (0, more)),
                mel=F.pad(one.mel, (0, 0, 0, frames - one.mel.shape[1]), value=SILENCE),
                pitch=F.pad(one.pitch, (0, more), value=UNKNOWN),
            )
        )
    return TeacherForcing(*(torch.cat(parts) for parts in zip(*padded, strict=True)))


def output_of(output: TrainingOutput, first: TeacherForcing, reduction_factor: int) -> TrainingOutput:
    """The part of an output that belongs to the first input of `concatenated`, without its padding."""
    (rows, tokens), frames = first.symbols.shape, first.mel.shape[1]
    steps = frames // reduction_factor
    return TrainingOutput(
        output.decoder_mel[:rows, :frames],
        output.mel[:rows, :frames],
        output.stop_logits[:rows, :steps],
        output.alignments[:rows, :tokens, :steps],
        output.pitch[:rows, :tokens],
    )
