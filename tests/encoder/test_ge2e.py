import math

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from encoder.ge2e import GE2ELoss, ge2e_contrast_loss, ge2e_softmax_loss, similarity_matrix


def naive_loss(embeddings: Tensor, scale: Tensor, offset: Tensor, contrast: bool = False) -> Tensor:
    """The paper's equations 5 to 9, one utterance at a time."""
    speakers, utterances, _ = embeddings.shape
    total = torch.zeros((), dtype=embeddings.dtype)
    for speaker in range(speakers):
        for utterance in range(utterances):
            scores = []
            for other in range(speakers):
                members = [i for i in range(utterances) if other != speaker or i != utterance]
                centroid = torch.stack([embeddings[other, i] for i in members]).mean(dim=0)
                cosine = functional.cosine_similarity(embeddings[speaker, utterance], centroid, dim=0)
                scores.append(scale * cosine + offset)
            if contrast:
                impostor = max(torch.sigmoid(score) for other, score in enumerate(scores) if other != speaker)
                total = total + 1 - torch.sigmoid(scores[speaker]) + impostor
            else:
                total = total - scores[speaker] + torch.logsumexp(torch.stack(scores), dim=0)
    return total / (speakers * utterances)


def naive_contrast_loss(embeddings: Tensor, scale: Tensor, offset: Tensor) -> Tensor:
    return naive_loss(embeddings, scale, offset, contrast=True)


@pytest.mark.parametrize(
    ("fast", "naive_one"), [(ge2e_softmax_loss, naive_loss), (ge2e_contrast_loss, naive_contrast_loss)]
)
@pytest.mark.parametrize(("speakers", "utterances"), [(2, 2), (5, 3), (3, 8)])
def test_one_matrix_product_equals_the_naive_loop(speakers: int, utterances: int, fast, naive_one) -> None:
    torch.manual_seed(speakers)
    raw = torch.randn(speakers, utterances, 7)
    scale, offset = torch.tensor(6.0), torch.tensor(-2.0)
    results = []
    for loss_of in (fast, naive_one):
        leaves = [tensor.clone().requires_grad_() for tensor in (raw, scale, offset)]
        loss = loss_of(functional.normalize(leaves[0], dim=-1), leaves[1], leaves[2])
        loss.backward()
        results.append((loss.detach(), leaves[0].grad, leaves[1].grad))
    for ours, naive in zip(*results, strict=True):
        torch.testing.assert_close(ours, naive, atol=1e-5, rtol=1e-5)


def test_the_centroid_of_the_own_speaker_excludes_the_utterance() -> None:
    embeddings = functional.normalize(torch.randn(3, 2, 5), dim=-1)
    similarities = similarity_matrix(embeddings)
    expected = (embeddings[:, 0] * embeddings[:, 1]).sum(dim=-1)  # with two utterances, the centroid is the other one
    for speaker in range(3):
        for utterance in range(2):
            torch.testing.assert_close(similarities[speaker, utterance, speaker], expected[speaker])


def test_separated_speakers_have_zero_loss_and_equal_ones_that_of_chance() -> None:
    apart = torch.eye(4)[:, None, :].expand(4, 3, 4).contiguous()
    assert ge2e_softmax_loss(apart, 50.0, 0.0) < 1e-6
    equal = torch.eye(4)[:1, None, :].expand(4, 3, 4).contiguous()
    assert float(ge2e_softmax_loss(equal, 10.0, -5.0)) == pytest.approx(math.log(4), abs=1e-4)


def test_opposite_utterances_give_finite_gradients() -> None:
    # the exclusive centroid is never zero, but the sum of a speaker's embeddings can be
    embeddings = torch.stack([torch.eye(2), -torch.eye(2)], dim=1).requires_grad_()
    ge2e_softmax_loss(embeddings, 10.0, -5.0).backward()
    assert embeddings.grad is not None
    assert torch.isfinite(embeddings.grad).all()


def test_the_contrast_loss_trains_its_offset() -> None:
    torch.manual_seed(0)
    loss = GE2ELoss("contrast")
    embeddings = functional.normalize(torch.randn(4, 3, 8), dim=-1)
    loss(embeddings).backward()
    assert loss.offset.grad is not None
    assert loss.offset.grad.abs() > 1e-6
    with pytest.raises(ValueError, match="two speakers"):
        loss(embeddings[:1])


def test_one_utterance_a_speaker_is_refused() -> None:
    with pytest.raises(ValueError, match="two utterances"):
        ge2e_softmax_loss(torch.ones(3, 1, 4), 10.0, -5.0)


def test_the_scale_stays_positive() -> None:
    loss = GE2ELoss()
    torch.testing.assert_close(loss.scale.detach(), torch.tensor(10.0))
    optimizer = torch.optim.SGD(loss.parameters(), lr=5.0)
    for _ in range(20):  # wrong labels: the gradient lowers the scale at every step
        optimizer.zero_grad()
        embeddings = torch.eye(2)[torch.tensor([[0, 1], [1, 0]])]
        loss(embeddings).backward()
        optimizer.step()
    assert 0 <= loss.scale.item() < 10
