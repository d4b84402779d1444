import copy
import math

import pytest
import torch
from torch.nn import functional

from encoder.config import DinoConfig
from encoder.dino import (
    Centre,
    ProjectionHead,
    balanced_probabilities,
    collapse,
    dino_loss,
    entropies,
    koleo_loss,
    spread,
    teacher_probabilities,
)
from encoder.dino_learner import move_towards
from speech.errors import ConfigError

SMALL = DinoConfig(prototypes=7, head_size=5, bottleneck_size=4)


def test_the_centre_is_a_moving_average_of_the_mean_scores() -> None:
    centre = Centre(2, momentum=0.9)
    centre.update(torch.tensor([[[1.0, 0.0], [3.0, 2.0]]]))  # mean 2, 1
    torch.testing.assert_close(centre.value, torch.tensor([0.2, 0.1]))
    centre.update(torch.tensor([[0.0, 10.0]]))
    torch.testing.assert_close(centre.value, torch.tensor([0.18, 1.09]))


def test_the_teacher_is_centred_and_sharpened_without_a_gradient() -> None:
    scores = torch.tensor([[0.3, 0.1]], requires_grad=True)
    probabilities = teacher_probabilities(scores, torch.tensor([0.1, 0.0]), temperature=0.1)
    expected = math.e / (1 + math.e)  # a difference of 0.1 / 0.1
    torch.testing.assert_close(probabilities, torch.tensor([[expected, 1 - expected]]))
    assert not probabilities.requires_grad


def test_balanced_prototypes_are_equally_frequent_in_a_batch() -> None:
    torch.manual_seed(0)
    scores = (torch.randn(2, 64, 4) * 0.1 + torch.tensor([0.5, 0.0, 0.0, 0.0])).requires_grad_()
    probabilities = balanced_probabilities(scores, temperature=0.1)
    assert not probabilities.requires_grad
    torch.testing.assert_close(probabilities.sum(dim=-1), torch.ones(2, 64))
    torch.testing.assert_close(probabilities.mean(dim=1), torch.full((2, 4), 0.25), atol=0.02, rtol=0)
    # the order of the utterances by their score of a prototype stays nearly the same
    assert torch.corrcoef(torch.stack([probabilities[0, :, 0], scores[0, :, 0]]))[0, 1] > 0.5


def test_the_loss_is_the_cross_entropy_between_different_crops() -> None:
    torch.manual_seed(0)
    student = torch.randn(3, 4, 5)
    teacher = functional.softmax(torch.randn(2, 4, 5), dim=-1)
    terms = []
    for t in range(2):
        for s in range(3):
            if t != s:
                predicted = functional.log_softmax(student[s] / 0.1, dim=-1)
                terms.append(-(teacher[t] * predicted).sum(dim=-1).mean())
    assert len(terms) == 4
    torch.testing.assert_close(dino_loss(student, teacher, 0.1), torch.stack(terms).mean())


def test_the_moving_average_of_weights() -> None:
    module = torch.nn.Linear(2, 1)
    average = copy.deepcopy(module)
    with torch.no_grad():
        module.weight.copy_(torch.tensor([[1.0, 2.0]]))
        average.weight.copy_(torch.tensor([[0.0, 4.0]]))
    move_towards(average, module, momentum=0.75)
    torch.testing.assert_close(average.weight, torch.tensor([[0.25, 3.5]]))


def test_scores_are_cosines_and_prototypes_can_be_frozen() -> None:
    torch.manual_seed(0)
    head = ProjectionHead(3, SMALL)
    scores = head(functional.normalize(torch.randn(6, 3), dim=-1))
    assert scores.shape == (6, 7)
    assert scores.abs().max() <= 1 + 1e-6
    for train in (False, True):
        head.zero_grad()
        head(torch.rand(2, 3), train_prototypes=train).square().sum().backward()
        assert (head.prototypes.grad is not None) == train
        gradient = head.get_parameter("layers.0.weight").grad
        assert gradient is not None and gradient.abs().sum() > 0


def test_koleo_falls_as_neighbours_move_apart() -> None:
    angles = torch.tensor([0.0, 0.1, 2.0, 2.1])
    close = torch.stack([angles.cos(), angles.sin()], dim=-1).requires_grad_()
    distance = 2 * math.sin(0.05)
    torch.testing.assert_close(koleo_loss(close), torch.tensor(-math.log(distance)), atol=1e-3, rtol=0)
    apart = torch.tensor([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0], [0.0, -1.0]])
    torch.testing.assert_close(koleo_loss(apart), torch.tensor(-math.log(math.sqrt(2))))
    koleo_loss(close).backward()
    assert close.grad is not None and torch.isfinite(close.grad).all()


def test_entropies_and_spread() -> None:
    certain = torch.eye(4)[None]
    mean, marginal = entropies(certain)
    assert float(mean) == 0
    assert float(marginal) == pytest.approx(math.log(4))
    assert float(spread(torch.tensor([[1.0, 0.0]]).expand(5, -1))) == pytest.approx(0)
    assert float(spread(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]))) == pytest.approx(1)


@pytest.mark.parametrize(
    ("mean_entropy", "marginal", "embedding_spread", "sentence"),
    [
        (2.0, 6.0, 0.8, None),
        (2.0, 6.0, 0.001, "nearly the same embedding"),
        (math.log(1000), math.log(1000), 0.8, "output is uniform"),
        (2.0, 2.01, 0.8, "the same output"),
    ],
)
def test_a_collapse_is_one_sentence(mean_entropy, marginal, embedding_spread, sentence) -> None:
    found = collapse(mean_entropy, marginal, embedding_spread, 1000)
    assert found is None if sentence is None else sentence in (found or "")


@pytest.mark.parametrize(
    "values",
    [
        {"utterances": 1}, {"long_crops": 0}, {"long_crops": 1, "short_crops": 0}, {"prototypes": 0},
        {"student_temperature": 0}, {"teacher_temperature": (0.0, 0.1)}, {"momentum": (0.9, 1.1)},
        {"koleo_weight": -1}, {"short_frames": 0},
    ],
)  # fmt: skip
def test_invalid_settings_are_refused(values) -> None:
    with pytest.raises(ConfigError):
        DinoConfig(**values)
