"""The facade: a trained encoder, from waveforms to embeddings."""

from collections.abc import Sequence
from pathlib import Path
from typing import Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from encoder.config import EncoderConfig
from encoder.model import SpeakerEncoderModel
from speech.errors import AudioError

Floats = NDArray[np.float32]

STAGE = "encoder"
MIN_SAMPLES = 1_600  # 0.1 s; below that there is not one pitch period after another to listen to
PARTIALS_PER_PASS = 128  # bounds the memory of a pass: an hour of sound is 4700 partials


class SpeakerEncoder:
    """Turns speech into embeddings: `float32 [samples]` at 16 kHz -> `float32 [embedding_size]`, L2 norm 1.

    Holds no state besides the weights, so one instance may serve several threads.
    """

    def __init__(
        self,
        model: SpeakerEncoderModel,
        *,
        embedding_space: str,
        device: str | torch.device = "cpu",
        licence: str = "",
        trained_on: str = "",
        step: int = 0,
    ):
        self.device = torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.embedding_space = embedding_space
        self.licence = licence
        self.trained_on = trained_on
        self.step = step

    @property
    def config(self) -> EncoderConfig:
        return self.model.config

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Self:
        """Loads a model file.

        Raises:
            ModelFileError: if it is missing, damaged, or not an encoder.
        """
        from training.checkpoint import config_from_header, load_into, load_model_file

        header, weights = load_model_file(path, STAGE)
        model = SpeakerEncoderModel(config_from_header(EncoderConfig, header))
        load_into(model, weights)
        return cls(
            model,
            embedding_space=header.embedding_space,
            device=device,
            licence=header.licence,
            trained_on=header.trained_on,
            step=header.step,
        )

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        """Writes a model file, as float32 or, for half the size, as `dtype=torch.float16`."""
        from training.checkpoint import save_model

        extra = {"embedding_space": self.embedding_space, "licence": self.licence, "trained_on": self.trained_on}
        save_model(path, self.model, stage=STAGE, config=self.config, step=self.step, extra=extra, dtype=dtype)

    def embed(self, wav: Floats, *, prepared: bool = False) -> Floats:
        """Embeds one utterance: the normalised mean of its partials' embeddings.

        Args:
            wav: [samples] at 16 kHz, in [-1, 1].
            prepared: the volume has been raised and the silences trimmed already (`speech.audio.prepare_reference`).

        Returns:
            float32 [embedding_size], L2 norm 1.

        Raises:
            AudioError: if the clip is empty, silent, not finite, not mono, or has no speech left after trimming.
        """
        return _mean_direction(self.embed_partials(wav, prepared=prepared))

    def embed_partials(self, wav: Floats, *, prepared: bool = False) -> Floats:
        """Embeds every partial of an utterance; arguments and errors as `embed`.

        Returns:
            float32 [partials, embedding_size]; `partial_starts` says where they lie in the prepared sound.
        """
        return self._embed_windows(self._windows(wav, prepared))

    def embed_many(self, wavs: Sequence[Floats], *, prepared: bool = False) -> Floats:
        """Embeds several utterances in few passes through the network; arguments and errors as `embed`.

        Returns:
            float32 [len(wavs), embedding_size].
        """
        if not wavs:
            return np.zeros((0, self.config.embedding_size), dtype=np.float32)
        windows = [self._windows(wav, prepared) for wav in wavs]
        partials = self._embed_windows(np.concatenate(windows))
        ends = np.cumsum([len(piece) for piece in windows])
        return np.stack([_mean_direction(piece) for piece in np.split(partials, ends[:-1])])

    def partial_starts(self, samples: int) -> NDArray[np.int64]:
        """First sample of every partial of a prepared utterance of that many samples; see `partial_starts`."""
        return partial_starts(samples, self.config)

    def _windows(self, wav: Floats, prepared: bool) -> Floats:
        """Prepares a waveform and cuts its mel into partials: [partials, partial_frames, n_mels]."""
        from speech.audio import prepare_reference
        from speech.mel import encoder_mel

        wav = _checked(wav)
        if not prepared:
            wav = prepare_reference(wav)
            if len(wav) < MIN_SAMPLES:
                raise AudioError("No speech was found in the clip; give a recording in which somebody speaks.")
        starts = self.partial_starts(len(wav))
        padding = max(0, int(starts[-1]) + self.config.partial_samples - len(wav))
        mel = encoder_mel(np.pad(wav, (0, padding)))
        frames = starts // self.config.hop_length
        return np.stack([mel[start : start + self.config.partial_frames] for start in frames])

    def _embed_windows(self, windows: Floats) -> Floats:
        with torch.inference_mode():
            pieces = [
                self.model(torch.from_numpy(windows[start : start + PARTIALS_PER_PASS]).to(self.device)).cpu()
                for start in range(0, len(windows), PARTIALS_PER_PASS)
            ]
        return torch.cat(pieces).numpy()


def partial_starts(samples: int, config: EncoderConfig) -> NDArray[np.int64]:
    """Where the partials of an utterance begin.

    They follow each other every `partial_step` frames. The last one reaches over the end, and is dropped if less than
    `min_coverage` of it would be sound; the only one is always kept.

        |----------------|                 sound
        [-------]                          partial 0
            [-------]
                [-------]
                    [-------]              half of it beyond the end: dropped

    Args:
        samples: length of the sound.

    Returns:
        int64 [partials], in samples, at least one.
    """
    frames = samples // config.hop_length + 1
    steps = max(1, frames - config.partial_frames + config.partial_step + 1)
    starts = np.arange(0, steps, config.partial_step, dtype=np.int64) * config.hop_length
    if len(starts) > 1 and samples - starts[-1] < config.min_coverage * config.partial_samples:
        starts = starts[:-1]
    return starts


def _mean_direction(partials: Floats) -> Floats:
    mean = partials.mean(axis=0)
    return mean / max(float(np.linalg.norm(mean)), 1e-8)


def _checked(wav: Floats) -> Floats:
    wav = np.asarray(wav)
    if wav.ndim != 1:
        raise AudioError(f"The encoder takes one channel, but the clip has the shape {wav.shape}; mix it to mono.")
    if not np.issubdtype(wav.dtype, np.floating):
        raise AudioError(f"The encoder takes floats in [-1, 1], but the clip is {wav.dtype}; read it with read_audio.")
    if len(wav) < MIN_SAMPLES:
        raise AudioError("The clip is empty or shorter than a tenth of a second; give a longer one.")
    if not np.isfinite(wav).all():
        raise AudioError("The clip holds values that are not finite (NaN); record or export it again.")
    if float(np.abs(wav).max()) < 1e-5:
        raise AudioError("The clip is silent; check the microphone or give another recording.")
    return wav.astype(np.float32, copy=False)


def fingerprint(model: nn.Module) -> str:
    """A name for the embedding space that these weights define: "encoder-" and the start of their SHA-256."""
    import hashlib

    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().float().numpy().tobytes())
    return f"encoder-{digest.hexdigest()[:12]}"
