"""GE2E losses (Wan et al., "Generalized end-to-end loss for speaker verification", arXiv 1710.10467)."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional


def similarity_matrix(embeddings: Tensor) -> Tensor:
    """Cosine of each utterance with each speaker's centroid. The centroid of its own speaker excludes the utterance.

    One matrix product suffices. With e the unit embeddings [S*U, D], s the sums over a speaker's utterances [S, D] and
    p = e s^T, the products with the exclusive centroids are:

        e . (s_own - e)     = p_own - 1                    (e . e = 1)
        |s_own - e|^2       = |s_own|^2 - 2 p_own + 1

    A cosine does not depend on scale, so sums replace the means.

    Args:
        embeddings: [speakers, utterances, dim], rows of L2 norm 1, at least two utterances per speaker.

    Returns:
        [speakers, utterances, speakers], cosines in [-1, 1].
    """
    speakers, utterances, _ = embeddings.shape
    if utterances < 2:
        raise ValueError("the GE2E loss needs at least two utterances of every speaker")
    sums = embeddings.sum(dim=1)
    squared_norms = sums.square().sum(dim=-1)
    products = (embeddings.flatten(0, 1) @ sums.T).unflatten(0, (speakers, utterances))
    own = torch.diagonal(products, dim1=0, dim2=2).T  # [speakers, utterances]
    own_norms = (squared_norms[:, None] - 2 * own + 1).clamp_min(1e-8).sqrt()
    cosines = products / squared_norms.clamp_min(1e-8).sqrt()
    is_own = torch.eye(speakers, dtype=torch.bool, device=embeddings.device)[:, None, :]
    return torch.where(is_own, ((own - 1) / own_norms)[:, :, None], cosines)


def ge2e_softmax_loss(embeddings: Tensor, scale: Tensor | float, offset: Tensor | float) -> Tensor:
    """Mean cross entropy of the speaker, with scores `scale * cosine + offset` (paper, eq. 6).

    The offset is part of the paper's definition. It is the same for all speakers, so the softmax does not depend on it
    and its gradient is zero.

    Args:
        embeddings: [speakers, utterances, dim], rows of L2 norm 1.
        scale: positive factor of the cosines.
        offset: added to the scaled cosines.

    Returns:
        Scalar, at least 0, in nats per utterance.
    """
    speakers, utterances, _ = embeddings.shape
    scores = scale * similarity_matrix(embeddings.float()) + offset
    labels = torch.arange(speakers, device=embeddings.device).repeat_interleave(utterances)
    return functional.cross_entropy(scores.flatten(0, 1), labels)


def ge2e_contrast_loss(embeddings: Tensor, scale: Tensor | float, offset: Tensor | float) -> Tensor:
    """Mean of 1 - sigmoid(own score) + sigmoid(score of the most similar other speaker) (paper, eq. 7).

    Only the hardest impostor counts. The paper prefers it for fixed phrases, and the softmax for free speech.

    Args:
        embeddings: [speakers, utterances, dim], rows of L2 norm 1; at least two speakers.
        scale: positive factor of the cosines.
        offset: added to the scaled cosines; it matters, unlike in the softmax loss.

    Returns:
        Scalar in [0, 2].
    """
    speakers = embeddings.shape[0]
    if speakers < 2:
        raise ValueError("the GE2E contrast loss needs at least two speakers")
    scores = scale * similarity_matrix(embeddings.float()) + offset
    is_own = torch.eye(speakers, dtype=torch.bool, device=embeddings.device)[:, None, :]
    own = torch.diagonal(scores, dim1=0, dim2=2).T
    impostor = scores.masked_fill(is_own, float("-inf")).amax(dim=2)
    return (1 - torch.sigmoid(own) + torch.sigmoid(impostor)).mean()


class GE2ELoss(nn.Module):
    """One of the losses with its trained scale and offset, which start at the paper's 10 and -5.

    The parameter is the logarithm of the scale, so that the scale stays positive.
    """

    def __init__(self, kind: Literal["softmax", "contrast"] = "softmax") -> None:
        super().__init__()
        self.kind = kind
        self.log_scale = nn.Parameter(torch.tensor(10.0).log())
        self.offset = nn.Parameter(torch.tensor(-5.0))

    @property
    def scale(self) -> Tensor:
        return self.log_scale.exp()

    def forward(self, embeddings: Tensor) -> Tensor:
        """The loss of embeddings [speakers, utterances, dim]."""
        loss = ge2e_softmax_loss if self.kind == "softmax" else ge2e_contrast_loss
        return loss(embeddings, self.scale, self.offset)
