"""Speaker-consistency loss of conversions: recordings of a batch in the voices of others of the batch.

As in YourTTS (Casanova et al. 2022, arXiv 2112.02418, section 3), but of conversions instead of the recordings
themselves, and of mels.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from synthesizer.speaker_loss import MelEmbedder
from synthesizer.vits.data import VitsBatch
from synthesizer.vits.losses import cut, random_segments
from synthesizer.vits.model import TrainingOutput, Vits
from synthesizer.vits.spectral_decoder import SpectralDecoder

SECONDS = 1.6  # of a crop, a partial of the encoder
MOST_CROPS = 8  # of a batch


def conversion_distance(
    network: Vits,
    embedder: MelEmbedder,
    batch: VitsBatch,
    output: TrainingOutput,
    of_units: TrainingOutput | None,
    generator: torch.Generator,
) -> Tensor:
    """1 - cosine similarity between the embeddings of converted crops and of their voices, a scalar in [0, 2].

    The pitch is moved to the median of the recording that gives the voice, as in use, if the model takes pitch.

    Args:
        network: with a spectral decoder.
        output: of the batch, and `of_units`, the same with the prior of the units.
        generator: on the CPU, chooses the crops.

    Returns:
        0 for a batch of one recording.
    """
    decoder, config = network.decoder, network.config
    assert isinstance(decoder, SpectralDecoder)
    rows = min(len(batch.wav), MOST_CROPS)
    if rows < 2:
        return output.flowed.new_zeros(())
    latent = output.flowed
    if of_units is not None and batch.unit_pitch is not None:
        assert batch.units is not None and batch.unit_lengths is not None
        moved = network.encode_units(batch.units, batch.unit_lengths, pitch_of_next(batch.unit_pitch))
        latent = latent + network.at_frames(moved.mean, latent.shape[2]) - of_units.mean
    embedding = batch.embedding.roll(-1, 0)[:rows]
    length = round(SECONDS * config.mel.frames_per_second)
    starts, frames = random_segments(batch.frame_lengths[:rows], length, generator)
    latent, speaker = cut(latent[:rows], starts, frames), network.condition(embedding)
    z = network.flow.inverse(latent, torch.ones_like(latent[:, :1]), speaker)
    found = embedder(decoder.mel(z, speaker).transpose(1, 2))
    return 1 - F.cosine_similarity(found, embedding.float(), dim=1).mean()


def pitch_of_next(pitch: Tensor) -> Tensor:
    """F0 [batch, units] in Hz, 0 where it is unvoiced: each row around the median of the next row."""
    medians = [row[row > 0].median() if bool((row > 0).any()) else None for row in pitch]
    pairs = zip(medians, [*medians[1:], medians[0]], strict=True)
    factors = [1.0 if own is None or other is None else float(other / own) for own, other in pairs]
    return pitch * pitch.new_tensor(factors)[:, None]
