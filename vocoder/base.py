"""The facade of all trained vocoders: a model file says which kind it is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speech.errors import ConfigError, ModelFileError, WorkCancelled
from speech.mel import MelConfig

if TYPE_CHECKING:
    import torch

    from vocoder.wavernn.engines import Engine

STAGE = "vocoder"

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


class VocodingCancelled(WorkCancelled):
    """The caller's `cancelled` returned True; there is no result."""


def stop_if(cancelled: Cancelled | None) -> None:
    """Raises: VocodingCancelled if the caller says so."""
    if cancelled is not None and cancelled():
        raise VocodingCancelled


class Vocoder(ABC):
    """Mel spectrograms to waveforms. `Vocoder.load(path)` gives the right kind for a model file."""

    kind: str
    licence: str = ""
    trained_on: str = ""
    step: int = 0

    @staticmethod
    def load(
        path: str | Path,
        device: "str | torch.device" = "cpu",
        *,
        engine: "Engine" = "auto",
        threads: int | None = None,
    ) -> "Vocoder":
        """Load a vocoder of any kind.

        Args:
            engine: what runs it: "auto" is the fastest on this device, "compiled" the compiled CPU engine, "torch" the
                reference in PyTorch.
            threads: of the compiled engine of a WaveRNN; by default as many as PyTorch would use.

        Raises:
            ConfigError: there is no such engine on this device.
            ModelFileError: missing, damaged, not a vocoder, or of a kind that this version does not know.
        """
        from modelfile.checkpoint import load_model_file

        header, weights = load_model_file(path, STAGE)
        if header.kind == "wavernn":
            from vocoder.wavernn.inference import WaveRNNVocoder

            return WaveRNNVocoder.from_file(header, weights, device, engine=engine, threads=threads)
        if header.kind == "spectral":
            from vocoder.spectral.inference import SpectralVocoder

            if engine == "compiled":
                raise ConfigError(f"{path} is a spectral vocoder, which PyTorch runs: choose engine torch or auto.")
            return SpectralVocoder.from_file(header, weights, device)
        raise ModelFileError(f"{path} is a vocoder of the unknown kind '{header.kind}': update the program.")

    @property
    @abstractmethod
    def mel_config(self) -> MelConfig:
        """What a mel must be for this vocoder."""

    @property
    def sample_rate(self) -> int:
        """Of the waveforms, in Hz."""
        return self.mel_config.sample_rate

    @abstractmethod
    def vocode(
        self,
        mel: np.ndarray,
        seed: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> np.ndarray:
        """The waveform of a mel.

        Args:
            mel: [n_mels, frames], dB scaled to [-4, 4].
            seed: the same seed gives the same samples; None draws a fresh one. A spectral vocoder draws nothing.
            progress: called with (samples done, samples in all).
            cancelled: asked at least every 50 ms; True ends the work with `VocodingCancelled`.

        Returns:
            float32 [frames * hop_length] in [-1, 1].

        Raises:
            AudioError: the mel is empty, of another shape, or not finite.
        """

    @abstractmethod
    def stream(
        self,
        mel: np.ndarray,
        seed: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> Iterator[np.ndarray]:
        """The waveform in chunks of about 0.1 s, float32 [samples] each, as they are made.

        Arguments and errors are those of `vocode`; a bad mel is refused before the first chunk is asked for.
        """

    def warm_up(self) -> None:  # noqa: B027 - most kinds have nothing of that sort
        """Do what is only done once (compiling, loading kernels), so that the first sound does not wait for it."""

    @abstractmethod
    def save(self, path: str | Path, dtype: "torch.dtype | None" = None) -> None:
        """Write a model file, float32 unless `dtype` says otherwise."""
