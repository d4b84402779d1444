"""The vocoder's facade: what all families have in common."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict, Unpack

import numpy as np

from modelfile.families import load_family
from speech.mel_config import MelConfig
from vocoder.checks import check_mel
from vocoder.control import Cancelled, Control, Progress
from waveform.segments import MelFrames

if TYPE_CHECKING:
    import torch

    Device = str | torch.device

STAGE = "vocoder"
CHUNK_FRAMES = 8  # of a stream: 0.1 s


class About(TypedDict, total=False):
    """Description of a model in its file: see `modelfile.header.ModelHeader`."""

    licence: str
    trained_on: str
    step: int


class Vocoder(ABC):
    """Mel spectrogram -> waveform. `Vocoder.load(path)` reads a model file of any family.

    Attributes:
        kind: the family, as in the header of its model files.
        licence, trained_on: of the model; "" if unknown.
        step: training steps behind the weights.
    """

    kind: str
    licence: str = ""
    trained_on: str = ""
    step: int = 0

    def __init__(self, **about: Unpack[About]) -> None:
        self.licence = about.get("licence", "")
        self.trained_on = about.get("trained_on", "")
        self.step = about.get("step", 0)

    @staticmethod
    def load(path: str | Path, device: "Device" = "cpu", **options: Any) -> "Vocoder":
        """Load a vocoder of any family.

        Args:
            options: of the family's `load`; for example `engine` and `threads` of a WaveRNN.

        Raises:
            ConfigError: an option has no such value on this device.
            ModelFileError: missing, damaged, not a vocoder, or of a family that this version does not have.
        """
        return load_family(STAGE, path, device, **options)

    @property
    @abstractmethod
    def mel_config(self) -> MelConfig:
        """Mel settings that the vocoder's input must have."""

    @property
    def sample_rate(self) -> int:
        """Of the waveforms, in Hz."""
        return self.mel_config.sample_rate

    def vocode(
        self,
        mel: np.ndarray,
        seed: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> np.ndarray:
        """Generate the waveform of a mel.

        Args:
            mel: [n_mels, frames], dB scaled to [-4, 4].
            seed: the same seed gives the same samples; None draws one. A spectral vocoder has no randomness.
            progress: called with (samples generated, samples in total).
            cancelled: called at least every 50 ms; True ends the work with `WorkCancelled`.

        Returns:
            float32 [frames * hop_length] in [-1, 1].

        Raises:
            AudioError: the mel is empty, has a different number of bands, or is not finite.
        """
        mel = check_mel(mel, self.mel_config.n_mels)
        return self._generate_whole(mel, seed, Control(progress, cancelled))

    def stream(
        self,
        mel: np.ndarray,
        seed: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> Iterator[np.ndarray]:
        """Generate the waveform in chunks of at most 0.1 s, float32 [samples] each, as they become ready.

        Arguments and errors are those of `vocode`. A bad mel is refused before the first chunk is requested. Samples of
        Griffin-Lim may exceed 1: a stream cannot be scaled by its peak.
        """
        frames = MelFrames.whole(check_mel(mel, self.mel_config.n_mels))
        control = Control(progress, cancelled)
        return self._chunks(self._generate(frames, seed, control), frames, control)

    def stream_segments(
        self,
        segments: Iterable[np.ndarray],
        seed: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> Iterator[np.ndarray]:
        """Generate the waveform of a mel that arrives in segments, such as the sentences of a text.

        The chunks together are what `stream` generates for the concatenated segments. A family that cannot continue
        across segments generates each of them by itself.

        Args:
            segments: mels as for `vocode`. Each is requested when it is needed, and checked then.
            progress: called with (samples generated, samples of the segments so far).
        """
        n_mels = self.mel_config.n_mels
        frames = MelFrames(check_mel(segment, n_mels) for segment in segments)
        control = Control(progress, cancelled)
        return self._chunks(self._generate(frames, seed, control), frames, control)

    def warm_up(self) -> None:  # noqa: B027 - most families have nothing to prepare
        """Compile and load kernels now, so that the first audio is not delayed."""

    @abstractmethod
    def save(self, path: str | Path, dtype: "torch.dtype | None" = None) -> None:
        """Write a model file, float32 unless `dtype` is given."""

    @abstractmethod
    def _generate(self, mel: MelFrames, seed: int | None, control: Control) -> Iterator[np.ndarray]:
        """The waveform in parts of any length, float32 [samples], in total frames * hop_length samples.

        The samples lie in [-1, 1], unless the family cannot limit them before it has seen all of them.

        A family without a state across segments generates each of `mel.segments()` by itself.
        """

    def _generate_whole(self, mel: np.ndarray, seed: int | None, control: Control) -> np.ndarray:
        """What `vocode` returns for a mel that was checked."""
        return joined(self._generate(MelFrames.whole(mel), seed, control), self._samples(mel.shape[1]), control)

    def _chunks(self, parts: Iterator[np.ndarray], mel: MelFrames, control: Control) -> Iterator[np.ndarray]:
        size, done = self._samples(CHUNK_FRAMES), 0
        for part in parts:
            for start in range(0, len(part), size):
                control.check()
                chunk = part[start : start + size]
                done += len(chunk)
                control.report(done, self._samples(mel.known))
                yield chunk

    def _samples(self, frames: int) -> int:
        return frames * self.mel_config.hop_length


def joined(parts: Iterable[np.ndarray], samples: int, control: Control) -> np.ndarray:
    """Parts of a waveform -> float32 [samples], without a second copy of a long one."""
    wav, done = np.empty(samples, dtype=np.float32), 0
    for part in parts:
        wav[done : done + len(part)] = part
        done += len(part)
        control.report(done, samples)
    return wav
