"""The facade: a trained encoder, from waveforms to embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from encoder.lstm.config import EncoderConfig
from encoder.lstm.model import SpeakerEncoderModel
from encoder.lstm.recurrence import has_bfloat16_products, with_bfloat16_products
from speech.errors import AudioError, ConfigError

Floats = NDArray[np.float32]
Precision = Literal["auto", "fp32"]

STAGE = "encoder"
MIN_SAMPLES = 1_600  # 0.1 s; below that there is not one pitch period after another to listen to
PARTIALS_PER_PASS = (
    32  # twice as many take twice the memory and are 1 % faster; three times, and the cache is too small
)


@dataclass(frozen=True, eq=False)
class Partials:
    """What the encoder heard in one clip, partial by partial.

    Attributes:
        embeddings: float32 [partials, embedding_size], L2 norm 1.
        starts, ends: float64 [partials], seconds in the clip as it was given, with its silences. A partial is 1.6 s
            of speech; where silences were cut out of it, it spans more.
        speech_seconds: what was left of the clip after its silences were cut out.
    """

    embeddings: Floats
    starts: NDArray[np.float64]
    ends: NDArray[np.float64]
    speech_seconds: float

    @property
    def embedding(self) -> Floats:
        """float32 [embedding_size]: the voice, the normalised mean of the partials."""
        return mean_embedding(self.embeddings)

    @property
    def similarity(self) -> Floats:
        """float32 [partials]: cosine of each with the mean of the others; 1 where there are no others.

        In a clip of one voice the curve is flat; where somebody else speaks, it dips.
        """
        if len(self.embeddings) < 2:
            return np.ones(len(self.embeddings), dtype=np.float32)
        others = self.embeddings.sum(axis=0) - self.embeddings
        norms = np.maximum(np.linalg.norm(others, axis=1), 1e-8)
        return np.einsum("ij,ij->i", self.embeddings, others) / norms


class SpeakerEncoder:
    """Turns speech into embeddings: `float32 [samples]` at 16 kHz -> `float32 [embedding_size]`, L2 norm 1.

    Holds no state besides the weights, so one instance may serve several threads. The weights are those at the time
    it was made: make a new one to hear a model that was trained further.

    Args:
        precision: "auto" multiplies in bfloat16 where the processor does that in hardware, which takes half the time
            and leaves the embedding within a cosine of 0.9998 of the other's; "fp32" never does.
    """

    def __init__(
        self,
        model: SpeakerEncoderModel,
        *,
        embedding_space: str,
        device: str | torch.device = "cpu",
        precision: Precision = "auto",
        licence: str = "",
        trained_on: str = "",
        step: int = 0,
    ):
        if precision not in get_args(Precision):
            raise ConfigError(f"The encoder's precision is {precision!r}; choose 'auto' or 'fp32'.")
        self.device = torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        fast = precision == "auto" and self.device.type == "cpu" and has_bfloat16_products()
        self._network = with_bfloat16_products(self.model) if fast else self.model
        self.embedding_space = embedding_space
        self.licence = licence
        self.trained_on = trained_on
        self.step = step

    @property
    def config(self) -> EncoderConfig:
        return self.model.config

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu", precision: Precision = "auto") -> Self:
        """Loads a model file; `precision` as in the class.

        Raises:
            ModelFileError: if it is missing, damaged, or not an encoder.
        """
        from modelfile.checkpoint import load_into, load_model_file
        from modelfile.header import config_from_header

        header, weights = load_model_file(path, STAGE)
        model = SpeakerEncoderModel(config_from_header(EncoderConfig, header))
        load_into(model, weights)
        return cls(
            model,
            embedding_space=header.embedding_space,
            device=device,
            precision=precision,
            licence=header.licence,
            trained_on=header.trained_on,
            step=header.step,
        )

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        """Writes a model file, as float32 or, for half the size, as `dtype=torch.float16`."""
        from modelfile.checkpoint import save_model
        from modelfile.header import ModelHeader

        header = ModelHeader(STAGE, "lstm", self.config, self.step, self.licence, self.trained_on, self.embedding_space)
        save_model(path, self.model, header, dtype)

    def embed(self, wav: Floats, *, prepared: bool = False) -> Floats:
        """Embeds one utterance: the normalised mean of its partials' embeddings.

        Memory grows with the clip by its trimmed copy and its mels, 80 kB a second; the network's own is bounded.

        Args:
            wav: [samples] at 16 kHz, in [-1, 1].
            prepared: the volume has been raised and the silences trimmed already (`speech.vad.prepare_reference`).

        Returns:
            float32 [embedding_size], L2 norm 1.

        Raises:
            AudioError: if the clip is empty, silent, not finite, not mono, or has no speech left after trimming.
        """
        return self.partials(wav, prepared=prepared).embedding

    def embed_partials(self, wav: Floats, *, prepared: bool = False) -> Floats:
        """Embeds every partial of an utterance; arguments and errors as `embed`.

        Returns:
            float32 [partials, embedding_size]; `partial_starts` says where they lie in the prepared sound.
        """
        return self.partials(wav, prepared=prepared).embeddings

    def embed_many(self, wavs: Sequence[Floats], *, prepared: bool = False) -> Floats:
        """Embeds several utterances in few passes through the network; arguments and errors as `embed`.

        `mean_embedding` makes one voice of several clips of it.

        Returns:
            float32 [len(wavs), embedding_size].
        """
        if not wavs:
            return np.zeros((0, self.config.embedding_size), dtype=np.float32)
        windows = [self._windows(_prepared(wav, prepared)[0]) for wav in wavs]
        partials = self._embed_windows([window for utterance in windows for window in utterance])
        ends = np.cumsum([len(utterance) for utterance in windows])
        return np.stack([mean_embedding(utterance) for utterance in np.split(partials, ends[:-1])])

    def partials(self, wav: Floats, *, prepared: bool = False) -> Partials:
        """Embeds every partial of a clip and says where in the clip it is; arguments and errors as `embed`."""
        speech, kept = _prepared(wav, prepared)
        samples, windows = len(speech), self._windows(speech)
        del speech  # a copy of the clip, which the network no longer needs
        starts = self.partial_starts(samples)
        ends = np.minimum(starts + self.config.partial_samples, samples)
        return Partials(
            self._embed_windows(windows),
            _seconds_in_clip(starts, kept, self.config),
            _seconds_in_clip(ends - 1, kept, self.config),
            samples / self.config.sample_rate,
        )

    def partial_similarity(self, wav: Floats, *, prepared: bool = False) -> tuple[NDArray[np.float64], Floats]:
        """How much each partial of a clip resembles the others; arguments and errors as `embed`.

        Returns:
            float64 [partials], seconds in the clip at which they start; float32 [partials], `Partials.similarity`.
        """
        partials = self.partials(wav, prepared=prepared)
        return partials.starts, partials.similarity

    def partial_starts(self, samples: int) -> NDArray[np.int64]:
        """First sample of every partial of a prepared utterance of that many samples; see `partial_starts`."""
        return partial_starts(samples, self.config)

    def _windows(self, speech: Floats) -> list[Floats]:
        """Views of a prepared utterance's mel, one for each partial: [partial_frames, n_mels]."""
        from speech.mel import encoder_mel

        frames = self.partial_starts(len(speech)) // self.config.hop_length
        mel = encoder_mel(speech, frames=int(frames[-1]) + self.config.partial_frames)
        return [mel[start : start + self.config.partial_frames] for start in frames]

    def _embed_windows(self, windows: Sequence[Floats]) -> Floats:
        # Written into one array: results kept one by one between the passes' large buffers would tear the heap, and
        # memory would grow by a pass's buffer with every pass.
        embeddings = np.empty((len(windows), self.config.embedding_size), dtype=np.float32)
        passes = -(-len(windows) // PARTIALS_PER_PASS)  # of nearly one size: a small one would take nearly as long
        with torch.inference_mode():
            for some in np.array_split(np.arange(len(windows)), passes):
                mels = np.stack(windows[some[0] : some[-1] + 1])
                embeddings[some] = self._network(torch.from_numpy(mels).to(self.device)).cpu().numpy()
        return embeddings


def mean_embedding(embeddings: ArrayLike, weights: ArrayLike | None = None) -> Floats:
    """The voice that several embeddings have in common: their normalised weighted mean.

    Args:
        embeddings: [n, embedding_size], each of L2 norm 1.
        weights: [n], at least 0 and not all 0; the same for all unless given. Seconds of speech are a good choice,
            since an embedding of twice the speech is nearer to the voice.

    Returns:
        float32 [embedding_size], L2 norm 1.

    Raises:
        ConfigError: if there are no embeddings, or the weights do not fit them.
    """
    rows = np.asarray(embeddings, dtype=np.float32)
    if rows.ndim != 2 or not len(rows):
        raise ConfigError(f"A mean needs at least one embedding, [n, size], not an array of shape {list(rows.shape)}.")
    shares = np.ones(len(rows), dtype=np.float32) if weights is None else np.asarray(weights, dtype=np.float32)
    if shares.shape != (len(rows),) or not np.isfinite(shares).all() or shares.min() < 0 or shares.sum() <= 0:
        raise ConfigError(f"{len(rows)} embeddings take as many weights, none below 0 and one of them above.")
    mean = (shares / shares.sum()) @ rows
    return mean / max(float(np.linalg.norm(mean)), 1e-8)


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


def _prepared(wav: Floats, prepared: bool) -> tuple[Floats, NDArray[np.int64] | None]:
    """What the encoder hears of a clip, and which windows of the clip that is; None for all of them."""
    from speech.vad import prepare_with_windows

    wav = _checked(wav)
    if prepared:
        return wav, None
    speech, windows = prepare_with_windows(wav)
    if len(speech) < MIN_SAMPLES:
        raise AudioError("No speech was found in the clip; give a recording in which somebody speaks.")
    return speech, windows


def _seconds_in_clip(
    samples: NDArray[np.int64], kept: NDArray[np.int64] | None, config: EncoderConfig
) -> NDArray[np.float64]:
    """Times in a clip of samples of what was kept of it."""
    from speech.vad import VAD_WINDOW

    if kept is not None:
        samples = kept[samples // VAD_WINDOW] * VAD_WINDOW + samples % VAD_WINDOW
    return samples / config.sample_rate


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
    if max(float(wav.max()), -float(wav.min())) < 1e-5:
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
