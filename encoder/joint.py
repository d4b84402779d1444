"""A speaker encoder that learns together with a synthesizer (DINO-VITS: Pankov et al., arXiv 2311.09770).

It gets the gradient of the synthesizer's losses and of a DINO loss on crops of the references.
"""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor, nn

from encoder.base import STAGE, EncoderModel, fingerprint
from encoder.campplus.config import CAMPPlusConfig
from encoder.campplus.model import CAMPPlusModel
from encoder.config import DinoConfig
from encoder.dino_learner import DinoLearner
from encoder.plan import load_encoder
from modelfile.checkpoint import save_model
from modelfile.header import ModelHeader

KIND = "campplus"


class JointEncoder:
    """The student is trained and saved; the teacher follows it and measures clones.

    Args:
        config: sizes of a new CAM++.
        dino: prototypes, temperatures and momentum.
        steps: of the whole training.
        start: model file of an encoder to start from, of any family; None for a CAM++ with random weights.
        licence, trained_on: for the header of its file.

    Raises:
        ModelFileError: `start` is not an encoder.
    """

    def __init__(
        self,
        config: CAMPPlusConfig,
        dino: DinoConfig,
        steps: int,
        start: Path | None = None,
        licence: str = "",
        trained_on: str = "",
    ) -> None:
        found = load_encoder(start)
        student: EncoderModel = CAMPPlusModel(config) if found is None else found.model.requires_grad_(True).train()
        weights = fingerprint(student)  # an encoder that was distilled has the space of its teacher
        self._start = (weights, weights if found is None else found.embedding_space)
        self.learner = DinoLearner(student, dino, steps)
        kind = KIND if found is None else found.kind
        self.header = ModelHeader(STAGE, kind, student.config, licence=licence, trained_on=trained_on)

    @property
    def modules(self) -> Mapping[str, nn.Module]:
        """All networks by name; those with parameters that require a gradient are trained."""
        return {"student": self.learner.student, **self.learner.modules}

    @property
    def n_mels(self) -> int:
        """Bands of the power mels that it takes."""
        return self.learner.student.config.n_mels

    @property
    def embedding_size(self) -> int:
        return self.learner.student.config.embedding_size

    @property
    def embedding_space(self) -> str:
        """Name of the space that the student's present weights define."""
        weights, space = self._start
        present = fingerprint(self.learner.student)
        return space if present == weights else present

    def embed(self, crops: Tensor) -> Tensor:
        """By the student: power mels [crops, utterances, frames, n_mels] -> [crops, utterances, embedding_size]."""
        return self.learner.embed(crops)

    def measure(self, mels: Tensor) -> Tensor:
        """By the teacher, whose weights get no gradient: [batch, frames, n_mels] -> [batch, embedding_size]."""
        return self.learner.teacher(mels)

    def losses(self, long: Tensor, views: list[Tensor], step: int) -> dict[str, Tensor]:
        """See `DinoLearner.losses`."""
        return self.learner.losses(long, views, step)

    def after_step(self, done: int) -> None:
        """Move the teacher towards the student."""
        self.learner.after_step(done)

    @torch.no_grad()
    def save(self, path: Path, step: int) -> None:
        """Write the student as a model file of an encoder."""
        header = {**vars(self.header), "step": step, "embedding_space": self.embedding_space}
        save_model(path, self.learner.student, ModelHeader(**header))
