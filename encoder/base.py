"""The facade of all encoder families: from waveforms to speaker embeddings."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from encoder.config import EncoderSettings
from encoder.partials import Floats, Partials, mean_embedding, partial_starts
from speech.errors import AudioError, ConfigError

if TYPE_CHECKING:
    from modelfile.header import ModelHeader

Precision = Literal["auto", "fp32"]

STAGE = "encoder"
MIN_SAMPLES = 1_600  # 0.1 s: shorter audio has too few pitch periods
PARTIALS_PER_PASS = 32  # 64 take twice the memory and are 1 % faster, 96 exceed the processor's cache


class EncoderModel(nn.Module):
    """Base of the networks: `forward` maps windows [n, frames, n_mels] to embeddings [n, embedding_size], L2 norm 1."""

    config: EncoderSettings


class SpeakerEncoder(ABC):
    """Turns speech into embeddings: float32 [samples] at `sample_rate` -> float32 [embedding_size], L2 norm 1.

    A family provides `kind` and the front end `features`, and may provide a faster `inference_model`.

    An instance has no state besides the weights, so several threads may share it. The weights are those at the time
    it was made: make a new one after training the model further.

    Args:
        model: the network.
        embedding_space: name of the space that the embeddings lie in.
        precision: "auto" may use a lower precision where the processor is faster with it; "fp32" never does.
        licence, trained_on, step: for the header of a saved file.
    """

    kind: str

    def __init__(
        self,
        model: EncoderModel,
        *,
        embedding_space: str,
        device: str | torch.device = "cpu",
        precision: Precision = "auto",
        licence: str = "",
        trained_on: str = "",
        step: int = 0,
    ):
        if precision not in get_args(Precision):
            raise ConfigError(f"The encoder's precision is {precision!r}: choose 'auto' or 'fp32'.")
        self.device = torch.device(device)
        self.config: EncoderSettings = model.config
        self.model: EncoderModel = model.to(self.device).eval().requires_grad_(False)
        self.precision = precision
        self._network = self.inference_model()
        self.embedding_space = embedding_space
        self.licence = licence
        self.trained_on = trained_on
        self.step = step

    @abstractmethod
    def features(self, speech: Floats, frames: int) -> Floats:
        """The model's input for an utterance.

        Args:
            speech: float32 [samples] at `sample_rate`, volume raised and long silences removed.
            frames: number of frames; frames after the end of the utterance are of silence.

        Returns:
            float32 [frames, n_mels].
        """

    def inference_model(self) -> EncoderModel:
        """The module that embeds: `model`, or a faster equivalent for the encoder's device and precision."""
        return self.model

    @property
    def sample_rate(self) -> int:
        """Hz of the audio that the encoder takes."""
        return self.config.sample_rate

    @property
    def n_mels(self) -> int:
        """Bands of the mels that the model takes."""
        return self.config.n_mels

    @classmethod
    def load(
        cls, path: str | Path, device: str | torch.device = "cpu", precision: Precision = "auto"
    ) -> "SpeakerEncoder":
        """Load a model file of any family; `precision` as in the class.

        Raises:
            ModelFileError: missing, damaged, or not an encoder.
        """
        from modelfile.families import load_family

        return load_family(STAGE, path, device, precision=precision)

    @classmethod
    def of_file(
        cls,
        model: EncoderModel,
        header: "ModelHeader",
        weights: Mapping[str, torch.Tensor],
        device: str | torch.device = "cpu",
        **options: Any,
    ) -> Self:
        """The encoder of a family's model file: `model` with the weights of the file.

        Args:
            options: `precision`.

        Raises:
            ModelFileError: the weights do not fit the model.
        """
        from modelfile.checkpoint import load_into

        load_into(model, weights)
        return cls(
            model,
            embedding_space=header.embedding_space,
            device=device,
            licence=header.licence,
            trained_on=header.trained_on,
            step=header.step,
            **options,
        )

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        """Write a model file, as float32 or, at half the size, as `torch.float16`."""
        from modelfile.checkpoint import save_model
        from modelfile.header import ModelHeader

        header = ModelHeader(
            STAGE, self.kind, self.config, self.step, self.licence, self.trained_on, self.embedding_space
        )
        save_model(path, self.model, header, dtype)

    def embed(self, wav: Floats, *, prepared: bool = False) -> Floats:
        """Embed one utterance: the normalised mean of its partials' embeddings.

        Memory grows with the length of the utterance by its prepared copy and its features; that of the model does not.

        Args:
            wav: [samples] at `sample_rate`, in [-1, 1].
            prepared: volume raised and silences removed already (`speech.vad.prepare_reference`).

        Returns:
            float32 [embedding_size], L2 norm 1.

        Raises:
            AudioError: empty, silent, not finite, not mono, or without speech.
        """
        return self.partials(wav, prepared=prepared).embedding

    def embed_many(self, wavs: Sequence[Floats], *, prepared: bool = False) -> Floats:
        """Embed several utterances in few passes through the model; arguments and errors as `embed`.

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
        """Embed each partial of a clip and locate it in the clip; arguments and errors as `embed`."""
        speech, kept = _prepared(wav, prepared)
        samples, windows = len(speech), self._windows(speech)
        del speech  # a copy of the clip, which the model does not need
        starts = self.partial_starts(samples)
        ends = np.minimum(starts + self.config.partials.partial_frames * self.config.hop_length, samples)
        return Partials(
            self._embed_windows(windows),
            _samples_in_clip(starts, kept) / self.sample_rate,
            _samples_in_clip(ends - 1, kept) / self.sample_rate,
            samples / self.sample_rate,
        )

    def partial_starts(self, samples: int) -> NDArray[np.int64]:
        """First sample of each partial of a prepared utterance, int64 [partials]."""
        return partial_starts(samples, self.config.hop_length, self.config.partials)

    def _windows(self, speech: Floats) -> list[Floats]:
        """Views of a prepared utterance's features, [partial_frames, n_mels] for each partial."""
        length = self.config.partials.partial_frames
        frames = self.partial_starts(len(speech)) // self.config.hop_length
        features = self.features(speech, int(frames[-1]) + length)
        return [features[start : start + length] for start in frames]

    def _embed_windows(self, windows: Sequence[Floats]) -> Floats:
        # One result array: many small arrays between the large buffers of the passes would fragment the heap, and
        # memory would grow with every pass.
        embeddings = np.empty((len(windows), self.config.embedding_size), dtype=np.float32)
        passes = -(
            -len(windows) // PARTIALS_PER_PASS
        )  # of similar size: a small one takes nearly as long as a full one
        with torch.inference_mode():
            for indices in np.array_split(np.arange(len(windows)), passes):
                batch = torch.from_numpy(np.stack(windows[indices[0] : indices[-1] + 1]))
                embeddings[indices] = self._network(batch.to(self.device)).cpu().numpy()
        return embeddings


def _prepared(wav: Floats, prepared: bool) -> tuple[Floats, NDArray[np.int64] | None]:
    """The speech of a clip, and the indices of its VAD windows in the clip; None if all of the clip is kept."""
    from speech.vad import prepare_with_windows

    wav = _checked(wav)
    if prepared:
        return wav, None
    speech, windows = prepare_with_windows(wav)
    if len(speech) < MIN_SAMPLES:
        raise AudioError("No speech was found in the clip: give a recording in which somebody speaks.")
    return speech, windows


def _samples_in_clip(samples: NDArray[np.int64], kept: NDArray[np.int64] | None) -> NDArray[np.int64]:
    """Positions in a clip of samples of its speech, from which VAD windows were removed."""
    from speech.vad import VAD_WINDOW

    return samples if kept is None else kept[samples // VAD_WINDOW] * VAD_WINDOW + samples % VAD_WINDOW


def _checked(wav: Floats) -> Floats:
    wav = np.asarray(wav)
    if wav.ndim != 1:
        raise AudioError(f"The encoder takes one channel, but the clip has the shape {wav.shape}: mix it to mono.")
    if not np.issubdtype(wav.dtype, np.floating):
        raise AudioError(f"The encoder takes floats in [-1, 1], but the clip is {wav.dtype}: read it with read_audio.")
    if len(wav) < MIN_SAMPLES:
        raise AudioError("The clip is empty or shorter than a tenth of a second: give a longer one.")
    if not np.isfinite(wav).all():
        raise AudioError("The clip has values that are not finite (NaN): record or export it again.")
    if max(float(wav.max()), -float(wav.min())) < 1e-5:
        raise AudioError("The clip is silent: check the microphone or give a different recording.")
    return wav.astype(np.float32, copy=False)


def fingerprint(model: nn.Module) -> str:
    """Name of the embedding space that these weights define: "encoder-" and the start of their SHA-256."""
    import hashlib

    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().float().numpy().tobytes())
    return f"encoder-{digest.hexdigest()[:12]}"
