"""What all training objectives of an encoder share: validation by verification trials, and the model file."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from encoder.base import EncoderModel, fingerprint
from encoder.data import MelStore
from encoder.pictures import add_pictures
from encoder.trials import VerificationTrials
from modelfile.header import ModelHeader
from training.config import Task

if TYPE_CHECKING:
    from training.run_directory import RunDirectory

WINDOWS_PER_PASS = 128
WINDOWS_PER_SPEAKER = 8


class SpeakerTask(Task):
    """Base of the objectives.

    Args:
        model: the encoder to train.
        store: feature store. The speakers of its validation split are for validation.
        header: stage, family, licence and training data for the model file.
        noise: recorded noise for the noisy validation windows, power mels [frames, n_mels] that training does not use.
        names_needed: as `VerificationTrials`.
        pictures: draw a DET curve and a map of the speakers at each validation, for TensorBoard and `samples/`.

    Raises:
        CorpusError: the store does not have two speakers, one of them with two utterances.
    """

    best_metric = "eer"

    def __init__(
        self,
        model: EncoderModel,
        store: MelStore,
        header: ModelHeader,
        *,
        noise: Sequence[np.ndarray] = (),
        pictures: bool = False,
        names_needed: bool = True,
    ):
        self.model: EncoderModel = model
        self.header = header
        frames = model.config.partials.partial_frames
        self.trials = VerificationTrials(store, frames, WINDOWS_PER_SPEAKER, noise, names_needed)
        self.pictures = pictures

    @property
    def embedder(self) -> EncoderModel:
        """The network that is validated and saved."""
        return self.model

    def validate(self, step: int, run: "RunDirectory") -> dict[str, float]:
        """Figures on windows of held-out speakers.

        Returns:
            `eer` and `min_dcf` over single windows, and `noisy_eer` with noise added.
        """
        embeddings, noisy = (self.embed(self.embedder, windows) for windows in (self.trials.windows, self.trials.noisy))
        if self.pictures:
            add_pictures(run, step, self.trials, {"clean": embeddings, "noise": noisy})
        return self.figures(embeddings, noisy)

    def figures(self, embeddings: Tensor, noisy: Tensor) -> dict[str, float]:
        """The figures of `validate`, of the embeddings [windows, dim] of clean and noisy windows."""
        return {
            "eer": self.trials.equal_error_rate(embeddings),
            "min_dcf": self.trials.min_dcf(embeddings),
            "noisy_eer": self.trials.equal_error_rate(noisy),
        }

    def model_file(self) -> dict[str, Any]:
        """Fields of the model file's `ModelHeader`."""
        return vars(replace(self.header, config=self.model.config, embedding_space=self.embedding_space()))

    def embedding_space(self) -> str:
        """Name of the space that the weights define."""
        return fingerprint(self.embedder)

    def embed(self, model: EncoderModel, windows: Tensor) -> Tensor:
        """Embeddings of windows [n, frames, n_mels]: float32 [n, dim], on the CPU."""
        device = next(self.model.parameters()).device
        model = model.to(device)
        with torch.inference_mode():
            return torch.cat([model(part.to(device)).float().cpu() for part in windows.split(WINDOWS_PER_PASS)])
