"""Training of an encoder by DINO. Speaker names, if there are any, are used only to measure."""

import copy
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import Tensor, nn

from encoder.base import EncoderModel
from encoder.config import DinoConfig
from encoder.crops import Crops
from encoder.data import MelStore
from encoder.dino import (
    Centre,
    ProjectionHead,
    collapse,
    dino_loss,
    entropies,
    koleo_loss,
    spread,
    teacher_probabilities,
)
from encoder.speaker_task import SpeakerTask
from modelfile.header import ModelHeader
from training.schedule import cosine

if TYPE_CHECKING:
    from training.run_directory import RunDirectory

logger = logging.getLogger(__name__)

TEMPERATURE_RISE = 0.1  # fraction of the steps
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
        self.teacher: EncoderModel = copy.deepcopy(model).requires_grad_(False)
        super().__init__(model, store, header, names_needed=False, **others)
        self.config, self.steps = config, steps
        self.head = ProjectionHead(model.config.embedding_size, config)
        self.teacher_head = copy.deepcopy(self.head).requires_grad_(False)
        self.centre = Centre(config.prototypes, config.centre_momentum)
        self.extra_modules = {
            "head": self.head, "teacher": self.teacher, "teacher_head": self.teacher_head, "centre": self.centre,
        }  # fmt: skip
        self._last: tuple[Tensor, Tensor] | None = None  # entropies of the teacher's output

    @property
    def embedder(self) -> EncoderModel:
        return self.teacher

    def step(self, batch: Crops, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss` with its parts `dino` and `koleo`, entropies of the teacher's output, and spread of the embeddings."""
        config, long = self.config, batch["long"]
        start, end = config.teacher_temperature
        temperature = cosine(step, start=start, end=end, steps=round(TEMPERATURE_RISE * self.steps))
        with torch.no_grad():
            scores = self.teacher_head(self.teacher(long.flatten(0, 1))).unflatten(0, long.shape[:2])
            targets = teacher_probabilities(scores, self.centre.value, temperature)
            self.centre.update(scores)
        embeddings = [self.model(crops.flatten(0, 1)).unflatten(0, crops.shape[:2]) for crops in self._views(batch)]
        student = self.head(torch.cat(embeddings), train_prototypes=step >= config.frozen_steps * self.steps)
        parts = {"dino": dino_loss(student, targets, config.student_temperature)}
        loss = parts["dino"]
        if config.koleo_weight > 0:
            parts["koleo"] = torch.stack([koleo_loss(crops) for crops in embeddings[0]]).mean()
            loss = loss + config.koleo_weight * parts["koleo"]
        mean_entropy, marginal_entropy = entropies(targets)
        self._last = (mean_entropy.detach(), marginal_entropy.detach())
        return {
            "loss": loss,
            **parts,
            "teacher_entropy": mean_entropy,
            "marginal_entropy": marginal_entropy,
            "spread": spread(embeddings[0][0].detach()),
            "items": torch.tensor(long.shape[1]),
        }

    def after_step(self, done: int, averages: Mapping[str, Tensor]) -> None:
        """Move the teacher towards the student."""
        start, end = self.config.momentum
        momentum = cosine(done - 1, start=start, end=end, steps=self.steps)
        move_towards(self.teacher, self.model, momentum)
        move_towards(self.teacher_head, self.head, momentum)

    def param_groups(self) -> list[dict[str, Any]]:
        """Biases and the parameters of norms have no weight decay."""
        parameters = [*self.model.parameters(), *self.head.parameters()]
        return [
            {"params": [parameter for parameter in parameters if parameter.ndim > 1]},
            {"params": [parameter for parameter in parameters if parameter.ndim <= 1], "decay_scale": 0.0},
        ]

    def validate(self, step: int, run: "RunDirectory") -> dict[str, float]:
        """The figures of the teacher, and the `spread` of its embeddings. A collapse is logged as a warning."""
        figures = super().validate(step, run)
        if step >= max(CHECKED_FROM_STEP, CHECKED_FROM * self.steps) and self._last is not None:
            mean_entropy, marginal_entropy = map(float, self._last)
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


@torch.no_grad()
def move_towards(average: nn.Module, module: nn.Module, momentum: float) -> None:
    """Each parameter of `average` becomes momentum * itself + (1 - momentum) * that of `module`."""
    torch._foreach_lerp_(list(average.parameters()), list(module.parameters()), 1 - momentum)
