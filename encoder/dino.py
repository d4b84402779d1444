"""Training without speaker labels: self-distillation (Caron et al., "DINO", arXiv 2104.14294).

A student embeds short and long crops of an utterance, a teacher its long crops. The student is trained to predict the
teacher's output for a different crop of the same utterance. The teacher is a moving average of the student. Centring
and sharpening of its output prevent collapse, where all utterances get the same output. Applied to speakers by Han et
al., arXiv 2304.05754.
"""

import math

import torch
from torch import Tensor, nn
from torch.nn import functional

from encoder.config import DinoConfig

SINKHORN_ITERATIONS = 3
MIN_SPREAD = 0.02  # below it, embeddings of different recordings have a mean cosine of 0.98
MAX_ENTROPY = 0.99  # of the largest possible
MIN_INFORMATION = 0.01  # of the largest entropy; what the teacher's output says about the utterance


class ProjectionHead(nn.Module):
    """Embeddings [..., dim] -> scores of the prototypes [..., prototypes], cosines of a bottleneck with them.

    The bottleneck is normalised over all embeddings of a call.
    """

    def __init__(self, embedding_size: int, config: DinoConfig):
        super().__init__()
        self.scale = math.sqrt(embedding_size)  # entries of an embedding of L2 norm 1 get a variance of 1
        hidden = config.head_size
        self.layers = nn.Sequential(
            nn.Linear(embedding_size, hidden), nn.GELU(), nn.Linear(hidden, hidden), nn.GELU(),
            nn.Linear(hidden, config.bottleneck_size),
        )  # fmt: skip
        # Without it, the mean of the GELU's output gives all utterances nearly the same scores.
        self.normalise = nn.BatchNorm1d(config.bottleneck_size, affine=False)
        self.prototypes = nn.Parameter(torch.randn(config.prototypes, config.bottleneck_size))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.trunc_normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, embeddings: Tensor, train_prototypes: bool = True) -> Tensor:
        """Without `train_prototypes` no gradient reaches them."""
        hidden = self.layers(self.scale * embeddings).float()
        hidden = functional.normalize(self.normalise(hidden.flatten(0, -2)).view_as(hidden), dim=-1, eps=1e-6)
        prototypes = self.prototypes if train_prototypes else self.prototypes.detach()
        with torch.autocast(hidden.device.type, enabled=False):  # the temperatures multiply any error by 25
            return hidden @ functional.normalize(prototypes.float(), dim=-1).T


class Centre(nn.Module):
    """Moving average of the teacher's scores, which is subtracted from them: no prototype is used by all utterances."""

    value: Tensor

    def __init__(self, prototypes: int, momentum: float):
        super().__init__()
        self.momentum = momentum
        self.register_buffer("value", torch.zeros(prototypes))

    @torch.no_grad()
    def update(self, scores: Tensor) -> None:
        """Move it towards the mean of scores [..., prototypes]."""
        self.value.lerp_(scores.flatten(0, -2).mean(dim=0), 1 - self.momentum)


def teacher_probabilities(scores: Tensor, centre: Tensor, temperature: float) -> Tensor:
    """Centred and sharpened: softmax((scores - centre) / temperature). Without a gradient.

    Args:
        scores: [..., prototypes].
        centre: [prototypes].
    """
    return functional.softmax((scores.detach() - centre) / temperature, dim=-1)


def balanced_probabilities(scores: Tensor, temperature: float) -> Tensor:
    """Sharpened, and each prototype equally probable over a batch (Sinkhorn-Knopp; Caron et al., arXiv 2006.09882).

    Args:
        scores: [crops, batch, prototypes]; each crop is balanced by itself.

    Returns:
        Probabilities of the same shape, without a gradient.
    """
    logits = scores.detach().float() / temperature
    for _ in range(SINKHORN_ITERATIONS):
        logits = logits - logits.logsumexp(dim=1, keepdim=True)
        logits = logits - logits.logsumexp(dim=2, keepdim=True)
    return logits.exp()


def dino_loss(student: Tensor, teacher: Tensor, temperature: float) -> Tensor:
    """Mean cross entropy over all pairs of a teacher's crop and a different crop of the student (paper, eq. 2 and 3).

    Args:
        student: scores [crops, batch, prototypes]; the first ones are of the teacher's crops.
        teacher: probabilities [long crops, batch, prototypes].
        temperature: of the student.

    Returns:
        Scalar, in nats.
    """
    predicted = functional.log_softmax(student / temperature, dim=-1)
    entropies = -torch.einsum("tbk,sbk->ts", teacher, predicted) / student.shape[1]
    different = ~torch.eye(len(teacher), len(student), dtype=torch.bool, device=student.device)
    return entropies[different].mean()


def koleo_loss(embeddings: Tensor) -> Tensor:
    """Minus the mean log distance to the nearest (KoLeo; Sablayrolles et al., arXiv 1806.03198).

    Args:
        embeddings: [batch, dim] of different utterances, L2 norm 1.
    """
    itself = torch.eye(len(embeddings), dtype=torch.bool, device=embeddings.device)
    nearest = (embeddings @ embeddings.T).masked_fill(itself, -1).amax(dim=1)
    return -0.5 * (2 - 2 * nearest).clamp_min(1e-6).log().mean()


def entropies(probabilities: Tensor) -> tuple[Tensor, Tensor]:
    """Mean entropy of distributions [..., prototypes], and the entropy of their mean, in nats."""
    rows = probabilities.flatten(0, -2)
    return entropy(rows).mean(), entropy(rows.mean(dim=0))


def entropy(probabilities: Tensor) -> Tensor:
    """Of distributions [..., n], in nats."""
    return torch.special.entr(probabilities).sum(dim=-1)


def spread(embeddings: Tensor) -> Tensor:
    """1 - mean cosine of all pairs of embeddings [n, dim] of L2 norm 1, each also with itself: 0 if all are equal."""
    return 1 - embeddings.mean(dim=0).square().sum()


def collapse(mean_entropy: float, marginal_entropy: float, embedding_spread: float, prototypes: int) -> str | None:
    """Whether training has collapsed, as a sentence; None if not.

    Args:
        mean_entropy, marginal_entropy: of the teacher's output, as `entropies`.
        embedding_spread: as `spread`, of different utterances.
    """
    largest = math.log(prototypes)
    if embedding_spread < MIN_SPREAD:
        what = f"all recordings get nearly the same embedding (spread {embedding_spread:.2g})"
    elif mean_entropy > MAX_ENTROPY * largest:
        what = f"the teacher's output is uniform (entropy {mean_entropy:.3g} of {largest:.3g})"
    elif marginal_entropy - mean_entropy < MIN_INFORMATION * largest:
        what = "the teacher gives all recordings the same output"
    else:
        return None
    return f"The training has collapsed: {what}. Start again with a lower learning rate or --dino.koleo-weight 0.1."
