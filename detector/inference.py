"""A trained detector in use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from detector.config import DEFAULT_DETECTOR, DetectorConfig
from detector.model import DetectorNetwork
from modelfile.checkpoint import StoredFloat, load_into, load_model_file, no_larger_than, save_model
from modelfile.header import ModelHeader, config_from_header
from speech.errors import AudioError
from speech.vad import prepare_reference

STAGE, KIND = "detector", "spectrogram"
WINDOW_SECONDS = 2.0
LEAST_SECONDS = 1.0  # of speech
MAX_WINDOWS = 32  # of a long clip, spread evenly
CERTAIN = 0.9  # probability from which a verdict is given; between 1 - CERTAIN and it a clip is uncertain

Verdict = Literal["recorded", "uncertain", "synthetic"]


@dataclass(frozen=True)
class Detection:
    """The result for one clip. `probability` is that of synthesized speech if both kinds are equally frequent."""

    probability: float

    @property
    def verdict(self) -> Verdict:
        if self.probability >= CERTAIN:
            return "synthetic"
        return "recorded" if self.probability <= 1 - CERTAIN else "uncertain"

    @property
    def sentence(self) -> str:
        """The result for users."""
        percent = f"{100 * min(max(self.probability, 0.01), 0.99):.0f} %"
        if self.verdict == "synthetic":
            return f"This is probably synthesized speech ({percent})."
        if self.verdict == "recorded":
            return f"No signs of synthesized speech ({percent})."
        return f"It is uncertain whether this is synthesized speech ({percent})."


class Detector:
    """Classifies speech as recorded or synthesized. It knows the generators that it was trained on, and similar ones.

    Args:
        network: in any mode; it is switched to inference.
        header: entries of the model file: licence, training data, step.
    """

    def __init__(self, network: DetectorNetwork, header: ModelHeader | None = None) -> None:
        self.network = network.eval()
        self.header = header or ModelHeader(STAGE, KIND)

    @property
    def config(self) -> DetectorConfig:
        return self.network.config

    @classmethod
    def load(cls, path: str | Path = DEFAULT_DETECTOR) -> Detector:
        """Raises: ModelFileError if the file is missing, damaged or not a detector."""
        header, weights = load_model_file(path, STAGE, KIND)
        config = config_from_header(DetectorConfig, header)
        with no_larger_than(weights):
            network = DetectorNetwork(config)
        load_into(network, weights)
        return cls(network, header)

    def save(self, path: str | Path, dtype: StoredFloat | None = None) -> None:
        """Write a model file atomically."""
        entries: dict[str, Any] = {**vars(self.header), "config": self.config}
        save_model(path, self.network, ModelHeader(**entries), dtype)

    def detect(self, wav: np.ndarray) -> Detection:
        """Classify a clip. Long silences are removed first; the level has no influence.

        Args:
            wav: float32 [samples] at 16 kHz, as decoded.

        Raises:
            AudioError: there is less than a second of speech, or the wav is not one channel of finite numbers.
        """
        prepared = prepare_reference(wav)
        if len(prepared) < LEAST_SECONDS * self.config.sample_rate:
            raise AudioError(
                f"The clip has less than {LEAST_SECONDS:g} s of speech, too little for a result: give a longer clip."
            )
        return Detection(probability_of(self.score(prepared), self.network.calibration))

    def score(self, prepared: np.ndarray) -> float:
        """Mean score over windows of 2 s, not calibrated. Args: prepared: as of `speech.vad.prepare_reference`."""
        windows = torch.from_numpy(windows_of(prepared, round(WINDOW_SECONDS * self.config.sample_rate)))
        with torch.inference_mode():
            return float(self.network(windows).mean())


def windows_of(wav: np.ndarray, size: int) -> np.ndarray:
    """Windows that overlap by half at most, the whole of a shorter clip: [samples] -> float32 [windows, size]."""
    if len(wav) <= size:
        return np.ascontiguousarray(wav, np.float32)[None]
    count = min(MAX_WINDOWS, int(np.ceil(2 * len(wav) / size)) - 1)
    starts = np.linspace(0, len(wav) - size, count).round().astype(int)
    return np.stack([wav[start : start + size] for start in starts]).astype(np.float32)


def probability_of(score: float, calibration: torch.Tensor) -> float:
    """Probability of synthesis of a clip's mean score, by the factor and offset of a trained network."""
    factor, offset = calibration.double().tolist()
    return float(torch.sigmoid(torch.tensor(factor * score + offset, dtype=torch.float64)))
