"""A trained spectral vocoder behind the verbs of `Vocoder`."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor

from speech.errors import ConfigError, ModelFileError
from speech.mel import MelConfig
from vocoder.base import STAGE, Cancelled, Progress, Vocoder, stop_if
from vocoder.checks import check_mel
from vocoder.emphasis import Deemphasis
from vocoder.spectral import refinement
from vocoder.spectral.config import SpectralConfig
from vocoder.spectral.model import SpectralGenerator
from vocoder.spectral.refinement import RefinedTransform
from vocoder.spectral.streaming import FrameLayers, GeneratorStream
from vocoder.spectral.transform import InverseTransform

if TYPE_CHECKING:
    from modelfile.checkpoint import ModelHeader

CHUNK_FRAMES = 8  # of a stream: 0.1 s
BLOCK_FRAMES = 128  # made at once at most: twice as many are a twentieth quicker and take ten megabytes more
REFINEMENTS = 16  # unless a file says otherwise
MOST_REFINEMENTS = 1000


class SpectralVocoder(Vocoder):
    """A trained spectral vocoder. It draws no random numbers, so `seed` has no effect on what it says.

    Args:
        model: the generator.
        device: where it runs; the inverse transform is done on the CPU.
        refinements: projections that make the spectrum fit the mel and itself (`vocoder.spectral.refinement`); 0 takes
            it as the network made it.
        precision: of the network on a CPU, "auto" or "float32"; see `FrameLayers`.

    Raises:
        ConfigError: the number of refinements is out of range.
    """

    kind = "spectral"

    def __init__(
        self,
        model: SpectralGenerator,
        device: str | torch.device = "cpu",
        *,
        refinements: int = REFINEMENTS,
        precision: Literal["auto", "float32"] = "auto",
        licence: str = "",
        trained_on: str = "",
        step: int = 0,
    ) -> None:
        self.device = torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        if not 0 <= refinements <= MOST_REFINEMENTS:
            raise ConfigError(f"{refinements} refinements are out of range: choose 0 to {MOST_REFINEMENTS}.")
        self.refinements, self.precision = refinements, precision
        self.licence, self.trained_on, self.step = licence, trained_on, step

    @classmethod
    def from_file(
        cls, header: "ModelHeader", weights: dict[str, Tensor], device: str | torch.device = "cpu"
    ) -> "SpectralVocoder":
        """Build the model that a file describes.

        Raises:
            ModelFileError: its config is refused or the weights do not fit it.
        """
        from modelfile.checkpoint import config_from_header, load_into

        model = SpectralGenerator.without_weights(config_from_header(SpectralConfig, header))
        load_into(model, weights)
        given = header.extra.get("refinements", str(REFINEMENTS))
        if not (given.isdecimal() and len(given) <= 4 and int(given) <= MOST_REFINEMENTS):
            raise ModelFileError(f"The file asks for {given[:20]!r} refinements: it is damaged.")
        about: dict[str, Any] = {"licence": header.licence, "trained_on": header.trained_on, "step": header.step}
        return cls(model, device, refinements=int(given), **about)

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        from modelfile.checkpoint import save_model

        save_model(
            path,
            self.model.state_dict(),
            stage=STAGE,
            kind=self.kind,
            config=self.config,
            step=self.step,
            licence=self.licence,
            trained_on=self.trained_on,
            extra={"refinements": str(self.refinements)},
            dtype=dtype,
        )

    @property
    def config(self) -> SpectralConfig:
        return self.model.config

    @property
    def mel_config(self) -> MelConfig:
        return self.config.mel

    def vocode(
        self,
        mel: np.ndarray,
        seed: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> np.ndarray:
        """See `Vocoder.vocode`; `seed` has no effect. Beside the result, memory does not grow with the mel's length."""
        mel = check_mel(mel, self.mel_config.n_mels)
        wav, done = np.empty(mel.shape[1] * self.config.hop_length, dtype=np.float32), 0
        for part in self._parts(mel, cancelled):
            wav[done : done + len(part)] = part
            done += len(part)
            if progress is not None:
                progress(done, len(wav))
        return wav

    def stream(
        self,
        mel: np.ndarray,
        seed: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> Iterator[np.ndarray]:
        """See `Vocoder.stream`; `seed` has no effect. The chunks together are what `vocode` gives.

        The first chunk waits for the frames that it depends on: with refinements for a block of them. Later ones are
        made in larger parts, as there is sound to be heard meanwhile.
        """
        return self._stream(check_mel(mel, self.mel_config.n_mels), progress, cancelled)

    def _stream(self, mel: np.ndarray, progress: Progress | None, cancelled: Cancelled | None) -> Iterator[np.ndarray]:
        size, done, total = CHUNK_FRAMES * self.config.hop_length, 0, mel.shape[1] * self.config.hop_length
        for part in self._parts(mel, cancelled):
            for start in range(0, len(part), size):
                stop_if(cancelled)
                chunk = part[start : start + size]
                done += len(chunk)
                if progress is not None:
                    progress(done, total)
                yield chunk

    def warm_up(self) -> None:
        """Load the compiled code, or compile it, which is announced; else the first sound does."""
        self.vocode(np.zeros((self.mel_config.n_mels, 1), dtype=np.float32))

    @functools.cached_property
    def _layers(self) -> FrameLayers:
        return FrameLayers(self.model, self.precision)

    def _parts(self, mel: np.ndarray, cancelled: Cancelled | None) -> Iterator[np.ndarray]:
        """The waveform in parts of about as many frames as `_plan` says."""
        scale, config = np.float32(self.mel_config.max_abs_value), self.config
        generator, transform = (
            GeneratorStream(self._layers, lambda: stop_if(cancelled)),
            self._transform(mel, cancelled),
        )
        finish, start, total = Deemphasis(config.mel.preemphasis), 0, mel.shape[1]
        for stop in self._plan(total):
            part = torch.from_numpy(mel[None, :, start:stop] / scale).to(self.device)
            spectrum = generator.push(part, last=stop == total)
            yield finish(transform.push(spectrum, last=stop == total)[0].numpy())
            start = stop

    def _plan(self, total: int) -> Iterator[int]:
        """The frames up to which the mel is read part by part: as few as the first chunk takes, then more.

        The parts are the same for whoever asks: a search would let the rounding of others grow.
        """
        size, ahead = CHUNK_FRAMES, self.config.lookahead
        if self.refinements:
            size, ahead = refinement.BLOCK_FRAMES, self.config.reach + refinement.LOOKAHEAD_FRAMES
        stop = size + ahead
        while stop < total:
            yield stop
            size = min(2 * size, BLOCK_FRAMES)
            stop += size
        yield total

    def _transform(self, mel: np.ndarray, cancelled: Cancelled | None) -> InverseTransform | RefinedTransform:
        config = self.mel_config
        if not self.refinements:
            return InverseTransform(self.model.window.cpu(), config.hop_length)
        return RefinedTransform(mel, config, self.refinements, lambda: stop_if(cancelled))
