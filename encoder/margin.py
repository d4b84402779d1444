"""Training with speaker labels by AAM-softmax (Deng et al., "ArcFace", arXiv 1801.07698)."""

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.base import EncoderModel
from encoder.config import MarginConfig
from encoder.data import Batch, MelStore
from encoder.speaker_task import SpeakerTask
from modelfile.header import ModelHeader
from training.schedule import cosine


def aam_logits(cosines: Tensor, labels: Tensor, margin: float, scale: float) -> Tensor:
    """Scaled cosines; that of the right class is cos(angle + margin).

    Where the angle plus the margin would be above pi, it is cosine - margin * sin(margin) instead, so that the logit
    never rises with the angle.

    Args:
        cosines: [batch, classes], in [-1, 1].
        labels: int64 [batch].
        margin: radians, at least 0.

    Returns:
        [batch, classes].
    """
    right = cosines.gather(1, labels[:, None])
    sines = (1 - right.square()).clamp_min(1e-6).sqrt()
    shifted = right * math.cos(margin) - sines * math.sin(margin)
    shifted = torch.where(right > -math.cos(margin), shifted, right - margin * math.sin(margin))
    return scale * cosines.scatter(1, labels[:, None], shifted)


def margin_at(step: int, steps: int, config: MarginConfig) -> float:
    """The margin of a step: 0, then half a cosine up to `config.margin`."""
    first, last = (round(fraction * steps) for fraction in config.rise)
    return cosine(step, start=0.0, end=config.margin, first=first, steps=last - first)


class AAMSoftmax(nn.Module):
    """Classifier with one direction per class.

    Args:
        classes: number of training speakers, times that of their speeds.
        embedding_size: length of an embedding.
        config: scale of the cosines.
    """

    def __init__(self, classes: int, embedding_size: int, config: MarginConfig):
        super().__init__()
        self.config = config
        self.directions = nn.Parameter(functional.normalize(torch.randn(classes, embedding_size), dim=-1))

    def forward(self, embeddings: Tensor, labels: Tensor, margin: float) -> tuple[Tensor, Tensor]:
        """Cross entropy of embeddings [batch, dim] of L2 norm 1, and the fraction that is classified right.

        The fraction is without the margin.
        """
        cosines = self.cosines(embeddings)
        with torch.autocast(cosines.device.type, enabled=False):
            loss = functional.cross_entropy(aam_logits(cosines, labels, margin, self.config.scale), labels)
        return loss, (cosines.argmax(dim=1) == labels).float().mean()

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Of embeddings [batch, dim] of L2 norm 1 with the directions: float32 [batch, classes]."""
        with torch.autocast(embeddings.device.type, enabled=False):  # bfloat16 cosines are too coarse for the margin
            return embeddings.float() @ functional.normalize(self.directions.float(), dim=-1).T


class MarginTask(SpeakerTask):
    """Trains an encoder to classify the training speakers. The classifier is not part of the model file.

    Args:
        classes: as `AAMSoftmax`.
        steps: of the whole training, for the schedule of the margin.
        others: as `SpeakerTask`.
    """

    def __init__(
        self,
        model: EncoderModel,
        store: MelStore,
        header: ModelHeader,
        config: MarginConfig,
        *,
        classes: int,
        steps: int,
        **others: Any,
    ):
        super().__init__(model, store, header, **others)
        self.config, self.steps = config, steps
        self.classifier = AAMSoftmax(classes, model.config.embedding_size, config)
        self.extra_modules = {"classifier": self.classifier}

    def step(self, batch: Batch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss`, the fraction `right` and the `margin`."""
        speakers, utterances = batch["mels"].shape[:2]
        margin = margin_at(step, self.steps, self.config)
        labels = batch["speakers"].repeat_interleave(utterances)
        loss, right = self.classifier(self.model(batch["mels"].flatten(0, 1)), labels, margin)
        items = torch.tensor(speakers * utterances)
        return {"loss": loss, "right": right, "margin": torch.tensor(margin), "items": items}
