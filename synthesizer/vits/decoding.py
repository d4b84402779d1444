"""Generate audio with a VITS: a sentence of text, or speech that is given as units."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from speech.errors import ConfigError
from speech.mel import synthesis_mel
from speech.mel_f0 import f0_from_mel
from synthesizer.decoding_check import Decoded
from synthesizer.fallbacks import SentenceRequest
from synthesizer.options import SourceAudio, SpeechUnits
from synthesizer.pacing import LONGEST_PAUSE_SECONDS
from synthesizer.phone_classifier import phones_of
from synthesizer.refiner.sampling import CoarseMel, refine
from synthesizer.splitting import breaks_of
from synthesizer.text.symbols import PAD_ID
from synthesizer.text.transcript import encode
from synthesizer.vits.config import VitsConfig
from synthesizer.vits.durations import expand
from synthesizer.vits.model import Vits
from synthesizer.vits.prior import Encoded
from synthesizer.vits.spectral_decoder import SpectralDecoder

Floats = NDArray[np.float32]
Check = Callable[[], None]


def nothing() -> None:
    """A check that never stops."""


@torch.inference_mode()
def decode_sentence(model: Vits, config: VitsConfig, request: SentenceRequest, check: Check = nothing) -> Decoded:
    """Speak a sentence.

    Args:
        check: called before each chunk of audio; an exception that it raises ends the work.
    """
    check()
    device = next(model.parameters()).device
    symbols = torch.from_numpy(encode(request.transcript, 1.0))[None].to(device)
    speaker = condition(model, request.embedding)
    encoded = model.text_encoder(*model.with_blanks(symbols, torch.tensor([symbols.shape[1]], device=device)))
    durations = model.durations_of(encoded, speaker, config.inference.length_scale / request.speed)
    durations = _with_pauses(model, config, durations, request)
    mean, deviation = (expand(x, durations, int(durations.sum())) for x in (encoded.mean, encoded.log_deviation))
    z = sample(model, config, mean, deviation, speaker, request.generator_seed)
    frames = _of_symbols(config, durations[0].cpu().numpy())
    if config.refines_texts:
        voice, coarse = Voice(request.embedding, request.reference), mel_of(model, z, speaker)
        spoken = np.repeat(symbols[0].cpu().numpy(), frames)
        chunks = refined_audio(model, config, coarse, voice, request.generator_seed, symbols=spoken, check=check)
    else:
        chunks = audio_of(model, config, z, speaker, check)
    wav = np.concatenate([*chunks])
    alignment = np.repeat(np.eye(len(frames), dtype=np.float32), frames, 1)
    mel = synthesis_mel(wav, config.architecture.mel)[:, : alignment.shape[1]]
    return Decoded(np.ascontiguousarray(mel), alignment, True, wav)


class Voice(NamedTuple):
    """Who is to speak.

    Attributes:
        embedding: float32 [speaker_embedding_size], L2 norm 1.
        reference: mel of a recording of the speaker, float32 [n_mels, frames]; None if there is none.
    """

    embedding: Floats
    reference: Floats | None = None


def convert_units(
    model: Vits, config: VitsConfig, speech: SpeechUnits, voice: Voice, seed: int, check: Check = nothing
) -> Iterator[Floats]:
    """Speech that is given as units, in another voice, in chunks of float32 [samples].

    The network reads all units first; the audio is generated chunk by chunk.

    Args:
        speech: its units, `unit_rate` per second.
        seed: of the prior's noise.

    Raises:
        ConfigError: the model has no units, or not as many different ones, or needs their pitch or their source.
    """
    sizes, units, pitch = config.architecture, np.asarray(speech.units), speech.pitch
    frames = round(len(units) * sizes.mel.frames_per_second / sizes.unit_rate)
    if units.ndim != 1 or not frames or (sizes.units and not 0 <= units.min() <= units.max() < sizes.units):
        raise ConfigError(f"The units must be a sequence of numbers from 0 to {sizes.units - 1}.")
    if pitch is not None and (pitch.shape != units.shape or not (np.isfinite(pitch) & (pitch >= 0)).all()):
        raise ConfigError("The pitch must be one frequency for each unit, 0 where it is unvoiced.")
    with torch.inference_mode():
        encoded = _encoded(model, units, pitch)
        mean, deviation = (model.at_frames(x, frames) for x in (encoded.mean, encoded.log_deviation))
        speaker, kept = condition(model, voice.embedding), config.inference.source_residual
        if kept:
            mean = mean + kept * residual_of(model, units, source_of(speech), frames)
        drawn = functools.partial(sample, model, config, mean, deviation, seed=seed, noise=1 - kept)
        if not config.refines_conversions and not config.inference.speaker_guidance:
            chunks = audio_of(model, config, drawn(speaker), speaker, check)
        else:
            mel = mel_of(model, drawn(speaker), speaker)
            if config.inference.speaker_guidance:
                spoken = condition(model, source_of(speech).embedding)
                mel = guided(config, mel, mel_of(model, drawn(spoken), spoken))
            if config.refines_conversions:
                f0 = None if pitch is None else of_frames(model, pitch, frames)
                phones = None if model.phone_classifier is None else _phones(model, source_of(speech).wav, frames)
                share = config.inference.conversion_refinement
                chunks = refined_audio(model, config, mel, voice, seed, f0=f0, symbols=phones, share=share, check=check)
            else:
                chunks = audio_of_mel(model, config, mel, check)
    while True:
        with torch.inference_mode():
            chunk = next(chunks, None)
        if chunk is None:
            return
        yield chunk


def condition(model: Vits, embedding: Floats) -> Tensor:
    """The condition of a speaker embedding [speaker_embedding_size]: [1, speaker_size, 1]."""
    device = next(model.parameters()).device
    return model.condition(torch.from_numpy(np.array(embedding, np.float32))[None].to(device))


def source_of(speech: SpeechUnits) -> SourceAudio:
    """Raises: ConfigError: there is no source."""
    if speech.source is None:
        raise ConfigError(
            "This VITS needs the recording besides its units (source_residual, speaker_guidance, refiner): give both."
        )
    return speech.source


def _encoded(model: Vits, units: NDArray[np.int64], pitch: Floats | None) -> Encoded:
    """The prior of units [units] and their F0."""
    device = next(model.parameters()).device
    given = torch.from_numpy(units.astype(np.int64))[None].to(device)
    heights = None if pitch is None else torch.from_numpy(pitch.astype(np.float32))[None].to(device)
    return model.encode_units(given, torch.tensor([len(units)], device=device), heights)


def residual_of(model: Vits, units: NDArray[np.int64], source: SourceAudio, frames: int) -> Tensor:
    """What the units do not tell of the speech: its latent variable in the space of the prior, minus the prior's mean.

    Returns:
        [1, latent_size, frames].
    """
    length = frames * model.config.mel.hop_length
    speaker = condition(model, source.embedding)
    wav = torch.from_numpy(np.array(source.wav[:length], np.float32)).to(speaker.device)
    spectrogram = model.spectrograms.linear(F.pad(wav, (0, length - len(wav)))[None])
    latent = model.prior_latent(spectrogram, torch.tensor([frames], device=speaker.device), speaker)
    return latent - model.at_frames(_encoded(model, units, source.pitch).mean, frames)


def sample(
    model: Vits,
    config: VitsConfig,
    mean: Tensor,
    log_deviation: Tensor,
    speaker: Tensor,
    seed: int,
    noise: float = 1.0,
) -> Tensor:
    """A sample of the prior as the decoder takes it, [1, latent_size, frames]. Args: noise: factor of its deviation."""
    generator = torch.Generator().manual_seed(seed)
    return model.latent(mean, log_deviation, speaker, noise * config.inference.noise_scale, generator)


def audio_of(model: Vits, config: VitsConfig, z: Tensor, speaker: Tensor, check: Check = nothing) -> Iterator[Floats]:
    """The audio of a latent variable in chunks, float32 [samples] each."""
    if isinstance(model.decoder, SpectralDecoder):
        yield from audio_of_mel(model, config, model.decoder.mel(z, speaker), check)
        return
    for chunk in model.decoder.stream(z, speaker, config.inference.chunk_frames, check):
        yield chunk.cpu().numpy()


def mel_of(model: Vits, z: Tensor, speaker: Tensor) -> Tensor:
    """The mel of a latent variable, [1, n_mels, frames], by a spectral decoder."""
    assert isinstance(model.decoder, SpectralDecoder)
    return model.decoder.mel(z, speaker)


def guided(config: VitsConfig, mel: Tensor, source: Tensor) -> Tensor:
    """The mel of a conversion, moved away from the same in the voice of the recording, `source`."""
    most = config.architecture.mel.max_abs_value
    return (mel + config.inference.speaker_guidance * (mel - source)).clamp(-most, most)


def audio_of_mel(model: Vits, config: VitsConfig, mel: Tensor, check: Check = nothing) -> Iterator[Floats]:
    """The audio of a mel [1, n_mels, frames] in chunks, by a spectral decoder."""
    assert isinstance(model.decoder, SpectralDecoder)
    settings = config.inference
    for chunk in model.decoder.stream_audio(mel, settings.chunk_frames, check, settings.waveform_refinements):
        yield chunk.cpu().numpy()


def refined_audio(
    model: Vits,
    config: VitsConfig,
    mel: Tensor,
    voice: Voice,
    seed: int,
    *,
    f0: Floats | None = None,
    symbols: NDArray[np.int64] | None = None,
    share: float = 1.0,
    check: Check = nothing,
) -> Iterator[Floats]:
    """The audio of a mel [1, n_mels, frames] that the refiner gives the voice, in chunks.

    Args:
        seed: of the noise that the refiner starts from.
        f0: [frames] in Hz, 0 where unvoiced; None measures it in the mel.
        symbols: that are spoken, [frames]. None if they are unknown, and for a refiner that is trained without them.
        share: fraction of the refiner's change that is applied, from 0 to 1.
    """
    assert model.refiner is not None
    sizes = config.architecture.mel
    mel = mel.clamp(-sizes.max_abs_value, sizes.max_abs_value)
    coarse = mel[0].cpu().numpy()
    f0 = f0_from_mel(coarse, sizes) if f0 is None else f0
    if symbols is None or model.phone_classifier is None:
        symbols = np.full(coarse.shape[1], PAD_ID)
    given = CoarseMel(coarse, symbols, f0, voice.embedding, voice.reference)
    refined = torch.from_numpy(refine(model.refiner, given, config.inference, seed, check))[None].to(mel.device)
    return audio_of_mel(model, config, torch.lerp(mel, refined, share), check)


def _phones(model: Vits, wav: Floats, frames: int) -> NDArray[np.int64]:
    """The symbols of a recording by the phone classifier, [frames]."""
    assert model.phone_classifier is not None
    found = phones_of(model.phone_classifier, synthesis_mel(wav, model.config.mel))
    return found[np.minimum(np.arange(frames), len(found) - 1)]


def of_frames(model: Vits, pitch: Floats, frames: int) -> Floats:
    """The F0 of units [units] for each frame: that of the unit at its middle, as it may be unvoiced."""
    rate = model.config.unit_rate / model.config.mel.frames_per_second
    units = ((np.arange(frames) + 0.5) * rate).astype(int)
    return pitch[np.minimum(units, len(pitch) - 1)]


def _with_pauses(model: Vits, config: VitsConfig, durations: Tensor, request: SentenceRequest) -> Tensor:
    """Durations [1, tokens] with pauses of the requested length, none longer than natural ones."""
    natural = torch.tensor(breaks_of(request.transcript))[None].long()
    breaks, _ = model.with_blanks(natural, torch.tensor([natural.shape[1]]))
    if config.architecture.blanks:  # a blank beside a break belongs to it
        breaks[:, 0::2] = torch.maximum(F.pad(natural, (1, 0)), F.pad(natural, (0, 1)))
    longest = round(LONGEST_PAUSE_SECONDS * config.architecture.mel.frames_per_second)
    paused = (durations.clamp(max=longest) * request.pauses).round().clamp(min=1).long()
    return torch.where(breaks.bool().to(durations.device), paused, durations)


def _of_symbols(config: VitsConfig, durations: NDArray[np.int64]) -> NDArray[np.int64]:
    """Frames of each symbol with the blank before it; the last one also has the blank at the end."""
    if not config.architecture.blanks:
        return durations
    frames = durations[0:-1:2] + durations[1::2]
    frames[-1] += durations[-1]
    return frames
