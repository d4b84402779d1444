"""The networks of DINO and their losses, apart from the data: student, teacher, projection heads, centre."""

import copy
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from encoder.base import EncoderModel
from encoder.config import DinoConfig
from encoder.dino import (
    Centre,
    ProjectionHead,
    balanced_probabilities,
    dino_loss,
    entropies,
    koleo_loss,
    spread,
    teacher_probabilities,
)
from training.schedule import cosine

TEMPERATURE_RISE = 0.1  # fraction of the steps


class DinoLearner:
    """A student that learns from crops, and the teacher that follows it.

    Args:
        student: the encoder to train.
        config: head, temperatures and schedules.
        steps: of the whole training, for the schedules.

    Attributes:
        modules: all networks besides the student, by name; they belong to the state of a run.
        last_entropies: of the teacher's last output, mean and marginal; None before the first step.
    """

    def __init__(self, student: EncoderModel, config: DinoConfig, steps: int) -> None:
        self.student, self.config, self.steps = student, config, steps
        self.teacher: EncoderModel = copy.deepcopy(student).requires_grad_(False)
        self.head = ProjectionHead(student.config.embedding_size, config)
        self.teacher_head = copy.deepcopy(self.head).requires_grad_(False)
        self.centre = Centre(config.prototypes, config.centre_momentum)
        self.modules: dict[str, nn.Module] = {
            "head": self.head, "teacher": self.teacher, "teacher_head": self.teacher_head, "centre": self.centre,
        }  # fmt: skip
        self.last_entropies: tuple[Tensor, Tensor] | None = None

    def losses(self, long: Tensor, views: Sequence[Tensor], step: int) -> dict[str, Tensor]:
        """`loss` with its parts `dino` and `koleo`, entropies of the teacher's output, and spread of the embeddings.

        Args:
            long: crops of the teacher, power mels [crops, utterances, frames, n_mels].
            views: embeddings of the student, [crops, utterances, embedding_size] each; the first ones are of the
                teacher's crops.
        """
        config = self.config
        start, end = config.teacher_temperature
        temperature = cosine(step, start=start, end=end, steps=round(TEMPERATURE_RISE * self.steps))
        with torch.no_grad():
            scores = self.teacher_head(self.teacher(long.flatten(0, 1))).unflatten(0, long.shape[:2])
            if config.balance == "sinkhorn":
                targets = balanced_probabilities(scores, temperature)
            else:
                targets = teacher_probabilities(scores, self.centre.value, temperature)
                self.centre.update(scores)
        student = self.head(torch.cat(list(views)), train_prototypes=step >= config.frozen_steps * self.steps)
        parts = {"dino": dino_loss(student, targets, config.student_temperature)}
        loss = parts["dino"]
        if config.koleo_weight > 0:
            parts["koleo"] = torch.stack([koleo_loss(crops) for crops in views[0]]).mean()
            loss = loss + config.koleo_weight * parts["koleo"]
        mean_entropy, marginal_entropy = entropies(targets)
        self.last_entropies = (mean_entropy.detach(), marginal_entropy.detach())
        return {
            "loss": loss,
            **parts,
            "teacher_entropy": mean_entropy,
            "marginal_entropy": marginal_entropy,
            "spread": spread(views[0][0].detach()),
        }

    def embed(self, crops: Tensor) -> Tensor:
        """By the student: power mels [crops, utterances, frames, n_mels] -> [crops, utterances, embedding_size]."""
        return self.student(crops.flatten(0, 1)).unflatten(0, crops.shape[:2])

    def after_step(self, done: int) -> None:
        """Move the teacher towards the student, after `done` optimiser steps."""
        start, end = self.config.momentum
        momentum = cosine(done - 1, start=start, end=end, steps=self.steps)
        move_towards(self.teacher, self.student, momentum)
        move_towards(self.teacher_head, self.head, momentum)


@torch.no_grad()
def move_towards(average: nn.Module, module: nn.Module, momentum: float) -> None:
    """Each parameter of `average` becomes momentum * itself + (1 - momentum) * that of `module`."""
    torch._foreach_lerp_(list(average.parameters()), list(module.parameters()), 1 - momentum)
