"""The facade of all trained vocoders: a model file says which kind it is."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speech.errors import ModelFileError
from speech.mel import MelConfig

if TYPE_CHECKING:
    import torch

STAGE = "vocoder"

Progress = Callable[[int, int], None]
Cancelled = Callable[[], bool]


class VocodingCancelled(Exception):
    """The caller's `cancelled` said to stop; there is no result."""


class Vocoder(ABC):
    """Mel spectrograms to waveforms. `Vocoder.load(path)` gives the right kind for a model file."""

    kind: str
    licence: str = ""
    trained_on: str = ""
    step: int = 0

    @staticmethod
    def load(path: str | Path, device: "str | torch.device" = "cpu") -> "Vocoder":
        """Load a vocoder of any kind.

        Raises:
            ModelFileError: missing, damaged, not a vocoder, or of a kind that this version does not know.
        """
        from training.checkpoint import load_model_file

        header, weights = load_model_file(path, STAGE)
        if header.kind == "wavernn":
            from vocoder.wavernn.inference import WaveRNNVocoder

            return WaveRNNVocoder.from_file(header, weights, device)
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
            seed: the same seed gives the same samples; None draws a fresh one.
            progress: called with (samples done, samples in all).
            cancelled: asked now and then; True ends the work with `VocodingCancelled`.

        Returns:
            float32 [frames * hop_length] in [-1, 1].

        Raises:
            AudioError: the mel is empty, of another shape, or not finite.
        """

    @abstractmethod
    def stream(self, mel: np.ndarray, seed: int | None = None) -> Iterator[np.ndarray]:
        """The waveform in chunks, float32 [samples] each, as they are made; arguments and errors as `vocode`."""

    @abstractmethod
    def save(self, path: str | Path, dtype: "torch.dtype | None" = None) -> None:
        """Write a model file, float32 unless `dtype` says otherwise."""
