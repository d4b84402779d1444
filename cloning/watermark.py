"""An inaudible watermark in generated speech: PerTh, with the weights of the optional package resemble-perth.

The package's weights are read with `weights_only=True`, so that nothing in their file can run. Its code is not
imported. The watermark carries no text: it is there or not. Detectors of the package find it too.
"""

from __future__ import annotations

import functools
import pickle
import warnings
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from speech.audio import resample
from speech.errors import ConfigError, ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

    from cloning.watermark_network import WatermarkNetwork

NAME = "PerTh"
PACKAGE = "resemble-perth"
WEIGHTS = "perth/perth_net/pretrained/implicit/perth_net_250000.pth.tar"

SAMPLE_RATE = 32_000  # of the network, in Hz
N_FFT, HOP = 2048, 320
FLOOR_DB, RANGE_DB = -180.0, 195.0  # magnitudes are scaled to (dB - FLOOR_DB) / RANGE_DB
MIN_SAMPLES = N_FFT  # at SAMPLE_RATE; shorter audio has no watermark
SILENCE = 1e-4  # audio with a lower peak has no watermark

UNREADABLE = (OSError, RuntimeError, ValueError, TypeError, KeyError, AttributeError, EOFError)

THRESHOLD = 0.75  # docs/responsible-use.md has the error rates
BLOCK_SECONDS = 10.0  # of detection


class Watermarker:
    """Embeds and detects the watermark.

    Args:
        network: with its weights, on the CPU.
    """

    def __init__(self, network: WatermarkNetwork) -> None:
        self.network = network

    def apply(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """Add the watermark: float32 [samples] -> float32 [samples], which may exceed 1. Silence stays as it is.

        Only the difference is computed at the network's sample rate, so that the rest of the audio is unchanged.
        """
        import torch

        if not _can_hold(wav, sample_rate):
            return wav
        from cloning.watermark_network import BINS

        with torch.inference_mode():
            source = resample(wav, sample_rate, SAMPLE_RATE)
            spectrum = _stft(source)
            gain_db = RANGE_DB * self.network.residual(_scaled_magnitudes(spectrum))
            spectrum[:BINS] *= 10 ** (gain_db / 20) - 1
            spectrum[BINS:] = 0
            added = torch.istft(spectrum, N_FFT, HOP, window=torch.hann_window(N_FFT), length=len(source)).numpy()
        added = resample(added, SAMPLE_RATE, sample_rate)[: len(wav)]
        return wav + np.pad(added, (0, len(wav) - len(added)))

    def scores(self, wav: np.ndarray, sample_rate: int) -> np.ndarray:
        """Scores of parts of equal length, of at most 10 s: about 1 with a watermark, about 0 without.

        Args:
            wav: float32 [samples].
            sample_rate: in Hz.

        Returns:
            float32 [parts]; parts without audio are left out.
        """
        import torch

        parts = np.array_split(wav, max(int(np.ceil(len(wav) / (BLOCK_SECONDS * sample_rate))), 1))
        with torch.inference_mode():
            scores = [
                float(self.network.score(_scaled_magnitudes(_stft(resample(part, sample_rate, SAMPLE_RATE)))))
                for part in parts
                if _can_hold(part, sample_rate)
            ]
        return np.array(scores, dtype=np.float32)

    def check(self, wav: np.ndarray, sample_rate: int) -> None:
        """Raises: ModelFileError if there is audio in which the watermark is not detected."""
        scores = self.scores(wav, sample_rate)
        if not (scores >= THRESHOLD).all():
            raise ModelFileError(
                f"The watermark cannot be detected in the audio (score {scores.min():.2f}), so it is not output: "
                "choose another seed or a longer text."
            )


def require_weights() -> Path:
    """The weights of the installed package. Raises: ConfigError if there is none."""
    try:
        path = Path(str(metadata.distribution(PACKAGE).locate_file(WEIGHTS)))
    except metadata.PackageNotFoundError:
        path = None
    if path is None or not path.is_file():
        raise ConfigError(f"The watermark needs the package {PACKAGE}: run pip install -r requirements-watermark.txt.")
    return path


@functools.lru_cache(maxsize=1)
def load_watermarker() -> Watermarker:
    """Raises: ConfigError if the package is missing, ModelFileError if its weights are damaged."""
    import torch

    from cloning.watermark_network import WatermarkNetwork

    path = require_weights()
    network = WatermarkNetwork()
    try:
        with warnings.catch_warnings(action="ignore"):
            weights = torch.load(path, map_location="cpu", weights_only=True)["model"]
        network.load_state_dict(_renamed(weights))
    except (*UNREADABLE, pickle.UnpicklingError) as error:
        raise ModelFileError(f"{path} has no weights of the watermark: install {PACKAGE} again.") from error
    return Watermarker(network.eval().requires_grad_(False))


def _renamed(weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """The package's names of the network's weights as ours; its STFT windows are left out."""
    renamed = {}
    for name, tensor in weights.items():
        if name.startswith("decoder."):
            name = name.replace("decoder.", "decoders.", 1).replace("_layers.", ".layers.", 1)
        elif not name.startswith("encoder."):
            continue
        renamed[name.replace(".conv.", ".", 1)] = tensor
    return renamed


def _can_hold(wav: np.ndarray, sample_rate: int) -> bool:
    long_enough = len(wav) * SAMPLE_RATE >= MIN_SAMPLES * sample_rate
    return long_enough and float(np.max(np.abs(wav))) >= SILENCE


def _stft(wav: np.ndarray) -> Tensor:
    """float32 [samples] -> complex64 [N_FFT // 2 + 1, frames]."""
    import torch

    window = torch.hann_window(N_FFT)
    return torch.stft(torch.from_numpy(np.ascontiguousarray(wav)), N_FFT, HOP, window=window, return_complex=True)


def _scaled_magnitudes(spectrum: Tensor) -> Tensor:
    import torch

    decibels = 20 * torch.log10(spectrum.abs().clamp(min=10 ** (FLOOR_DB / 20)))
    return (decibels - FLOOR_DB) / RANGE_DB
