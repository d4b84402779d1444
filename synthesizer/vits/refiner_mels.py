"""Conversions of recordings to other voices, to train a refiner on: it has to give them back their own voice."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from corpora.store import FeatureStore, FeatureWriter
from speech.errors import CorpusError
from speech.mel import decode_mel
from synthesizer.phone_classifier import phones_of
from synthesizer.refiner.data import Progress, item_arrays
from synthesizer.text.symbols import PAD_ID
from synthesizer.vits.config import VitsConfig
from synthesizer.vits.data import VitsBatch, collate
from synthesizer.vits.layers import mask_of
from synthesizer.vits.model import Vits
from synthesizer.vits.spectral_decoder import SpectralDecoder

BATCH_ROWS = 16  # recordings in a batch
DECODING = "conversion"  # recorded in the store, so that one made otherwise is not continued

# A conversion in use may have any of these, and less or more of the other voice.
PITCH_MOVED = 0.4  # probability that the pitch is that of the other voice, too
RESIDUALS = (1.0, 0.85)  # `source_residual`
GUIDANCES = (-0.3, 0.0, 0.0, 0.5)  # `speaker_guidance`; less than 0 is nearer to the own voice


@torch.inference_mode()
def convert_recordings(
    model: Vits,
    config: VitsConfig,
    store: FeatureStore,
    indices: Sequence[int],
    directory: Path,
    origin: str,
    progress: Progress,
) -> FeatureStore:
    """Convert recordings of a store into another store; those that are there already are kept.

    The items are those of `synthesizer.refiner.data.RefinerItems`. Their symbols are those that the model's phone
    classifier finds in the recordings, as in use; without one they are unknown.

    Args:
        origin: identifies the weights of `model`. A store of other weights is refused.

    Raises:
        CorpusError: the recordings are of one speaker.
        StorageError: the store has mels of a different model, or cannot be written.
    """
    sizes = config.architecture
    of_speakers: dict[str, list[int]] = {}
    for index in indices:
        if store.meta(index)["split"] == "train":  # held-out speakers are no voices
            of_speakers.setdefault(store.meta(index)["speaker"], []).append(index)
    if len(of_speakers) < 2:
        raise CorpusError(f"{store.directory} has recordings of one speaker: a refiner needs several.")
    rng = np.random.default_rng(0)
    with FeatureWriter(directory) as writer:
        writer.write_info({"stage": "refiner", "model": origin, "decoding": DECODING})
        missing = [index for index in indices if store.keys[index] not in writer.done]
        missing.sort(key=lambda index: store.shape(index, "mel")[0])
        for first in progress(range(0, len(missing), BATCH_ROWS), "converting"):
            chosen = missing[first : first + BATCH_ROWS]
            others = [_of_another(store, index, of_speakers, rng) for index in chosen]
            made = _converted(model, config, store, chosen, others, rng)
            for index, mel in zip(chosen, made, strict=True):
                recorded = decode_mel(store.array(index, "mel"), sizes.mel.max_abs_value).T
                arrays = item_arrays(mel[:, : recorded.shape[1]], _symbols(model, recorded), recorded, sizes.mel)
                writer.add(store.keys[index], arrays, {})
    return FeatureStore(directory)


def _symbols(model: Vits, recorded: np.ndarray) -> np.ndarray:
    """The symbols in a mel [n_mels, frames]."""
    if model.phone_classifier is None:
        return np.full(recorded.shape[1], PAD_ID)
    return phones_of(model.phone_classifier, recorded)


def _of_another(store: FeatureStore, index: int, of_speakers: dict[str, list[int]], rng: np.random.Generator) -> int:
    """A recording of another speaker. Each speaker is as likely."""
    names = [name for name in of_speakers if name != store.meta(index)["speaker"]]
    recordings = of_speakers[names[int(rng.integers(len(names)))]]
    return recordings[int(rng.integers(len(recordings)))]


def _converted(
    model: Vits,
    config: VitsConfig,
    store: FeatureStore,
    chosen: Sequence[int],
    others: Sequence[int],
    rng: np.random.Generator,
) -> np.ndarray:
    """Mels [rows, n_mels, frames] of recordings in the voices of others."""
    assert isinstance(model.decoder, SpectralDecoder)
    device, mel_config = next(model.parameters()).device, config.architecture.mel
    batch, voices = (collate(store, rows, config.architecture, None) for rows in (chosen, others))
    assert batch.units is not None and batch.unit_lengths is not None
    pitch = _moved(batch, voices, rng)
    residuals, guidances = (
        torch.from_numpy(rng.choice(values, len(chosen)).astype(np.float32))[:, None, None].to(device)
        for values in (RESIDUALS, GUIDANCES)
    )
    units, lengths = batch.units.to(device), batch.unit_lengths.to(device)
    own, other = (model.condition(one.embedding.to(device)) for one in (batch, voices))
    spectrogram, frame_lengths = model.spectrograms.linear(batch.wav.to(device)), batch.frame_lengths.to(device)
    frames = spectrogram.shape[2]
    mask = mask_of(frame_lengths, frames)

    def prior(f0: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        encoded = model.encode_units(units, lengths, None if f0 is None else f0.to(device))
        return model.at_frames(encoded.mean, frames), model.at_frames(encoded.log_deviation, frames)

    residual = model.prior_latent(spectrogram, frame_lengths, own) - prior(batch.unit_pitch)[0]
    mean, deviation = prior(pitch)
    noise = torch.from_numpy(rng.standard_normal(mean.shape, np.float32)).to(device)
    drawn = (1 - residuals) * config.inference.noise_scale * noise * deviation.exp()
    latent = (mean + residuals * residual + drawn) * mask
    mel, near = (model.decoder.mel(model.flow.inverse(latent, mask, voice), voice, mask) for voice in (other, own))
    most = mel_config.max_abs_value
    made: np.ndarray = (mel + guidances * (mel - near)).clamp(-most, most).cpu().numpy()
    return made


def _moved(batch: VitsBatch, voices: VitsBatch, rng: np.random.Generator) -> torch.Tensor | None:
    """The F0 of the units, of some rows around the median of the other voice."""
    if batch.unit_pitch is None or voices.unit_pitch is None:
        return None
    pitch = batch.unit_pitch.clone()
    for row, other in zip(pitch, voices.unit_pitch, strict=True):
        if rng.random() < PITCH_MOVED and bool((row > 0).any()) and bool((other > 0).any()):
            row *= other[other > 0].median() / row[row > 0].median()
    return pitch
