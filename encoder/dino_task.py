"""Training of an encoder by DINO. Speaker names, if there are any, are used only to measure."""

import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor

from encoder.base import EncoderModel
from encoder.config import DinoConfig
from encoder.crops import Crops
from encoder.data import MelStore
from encoder.dino import collapse, spread
from encoder.dino_learner import DinoLearner
from encoder.speaker_task import SpeakerTask
from modelfile.header import ModelHeader

if TYPE_CHECKING:
    from training.run_directory import RunDirectory

logger = logging.getLogger(__name__)

# A collapse is reported after these steps and this fraction of all steps. Before, the statistics of batch norm are not
# those of the network, and all embeddings have similar directions.
CHECKED_FROM_STEP = 100
CHECKED_FROM = 0.1


class DinoTask(SpeakerTask):
    """Trains a student by DINO. The model file holds the teacher, and the newest one is the best.

    Choosing the best by the equal error rate would use the speaker names.

    Args:
        config: crops, head and schedules.
        steps: of the whole training, for the schedules.
        others: as `SpeakerTask`.
    """

    best_metric = "teacher_step"
    best_mode: Literal["min", "max"] = "max"

    def __init__(
        self,
        model: EncoderModel,
        store: MelStore,
        header: ModelHeader,
        config: DinoConfig,
        *,
        steps: int,
        **others: Any,
    ):
        self.learner = DinoLearner(model, config, steps)
        super().__init__(model, store, header, names_needed=False, **others)
        self.config, self.steps = config, steps
        self.extra_modules = self.learner.modules

    @property
    def teacher(self) -> EncoderModel:
        """The moving average of the student."""
        return self.learner.teacher

    @property
    def embedder(self) -> EncoderModel:
        return self.teacher

    def step(self, batch: Crops, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The figures of `DinoLearner.losses`."""
        embeddings = [self.learner.embed(crops) for crops in self._views(batch)]
        losses = self.learner.losses(batch["long"], embeddings, step)
        return {**losses, "items": torch.tensor(batch["long"].shape[1])}

    def after_step(self, done: int, averages: Mapping[str, Tensor]) -> None:
        """Move the teacher towards the student."""
        self.learner.after_step(done)

    def param_groups(self) -> list[dict[str, Any]]:
        """Biases and the parameters of norms have no weight decay."""
        parameters = [*self.model.parameters(), *self.learner.head.parameters()]
        return [
            {"params": [parameter for parameter in parameters if parameter.ndim > 1]},
            {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "decay_scale": 0.0},
        ]

    def validate(self, step: int, run: "RunDirectory") -> dict[str, float]:
        """The figures of the teacher, and the `spread` of its embeddings. A collapse is logged as a warning."""
        figures = super().validate(step, run)
        if step >= max(CHECKED_FROM_STEP, CHECKED_FROM * self.steps) and self.learner.last_entropies is not None:
            mean_entropy, marginal_entropy = map(float, self.learner.last_entropies)
            problem = collapse(mean_entropy, marginal_entropy, figures["spread"], self.config.prototypes)
            if problem:
                logger.warning(problem)
        return {**figures, "teacher_step": step}

    def figures(self, embeddings: Tensor, noisy: Tensor) -> dict[str, float]:
        return {**super().figures(embeddings, noisy), "spread": float(spread(embeddings))}

    def stored_weights(self) -> Mapping[str, Tensor]:
        return self.teacher.state_dict()

    def _views(self, batch: Crops) -> list[Tensor]:
        return [batch["long"], batch["short"]] if len(batch["short"]) else [batch["long"]]
