import math

import pytest
import torch
from torch.nn import functional

from encoder.campplus.config import CAMPPlusConfig
from encoder.campplus.model import CAMPPlusModel
from encoder.config import MarginConfig, PartialsConfig
from encoder.data import BatchConfig, SpeakerBatches
from encoder.margin import AAMSoftmax, MarginTask, aam_logits, margin_at
from modelfile.header import ModelHeader
from speech.errors import ConfigError

BATCH = BatchConfig(speakers=4, utterances=2, frames=20, speeds=(1.0, 1.1))
TOY = CAMPPlusConfig(
    n_mels=40, embedding_size=8, head_channels=4, channels=8, growth_rate=4, bottleneck=2, layers=(1, 1, 1),
    segment_frames=5, partials=PartialsConfig(20, 10),
)  # fmt: skip


def test_the_margin_is_added_to_the_angle_of_the_right_class() -> None:
    angles = torch.tensor([[0.5, 1.0], [2.0, 0.3]])
    logits = aam_logits(angles.cos(), torch.tensor([0, 1]), margin=0.2, scale=10)
    expected = 10 * torch.tensor([[0.7, 1.0], [2.0, 0.5]]).cos()
    torch.testing.assert_close(logits, expected, atol=1e-4, rtol=0)


def test_the_logit_never_rises_with_the_angle() -> None:
    angles = torch.linspace(0, math.pi, 500)[:, None]
    logits = aam_logits(angles.cos(), torch.zeros(500, dtype=torch.int64), margin=0.4, scale=1)
    assert (logits.diff(dim=0) < 1e-4).all()


def test_without_a_margin_it_is_a_softmax_of_cosines() -> None:
    torch.manual_seed(0)
    classifier = AAMSoftmax(5, 8, MarginConfig(scale=20))
    embeddings, labels = functional.normalize(torch.randn(6, 8), dim=-1), torch.arange(6) % 5
    loss, right = classifier(embeddings, labels, 0.0)
    cosines = functional.cosine_similarity(embeddings[:, None], classifier.directions[None], dim=-1)
    torch.testing.assert_close(loss, functional.cross_entropy(20 * cosines, labels), atol=1e-4, rtol=1e-4)
    assert float(right) == pytest.approx(float((cosines.argmax(dim=1) == labels).float().mean()))
    assert classifier(embeddings, labels, 0.2)[0] > loss


def test_the_margin_rises_between_two_fractions_of_the_steps() -> None:
    config = MarginConfig(margin=0.2, rise=(0.2, 0.6))
    margins = [margin_at(step, 100, config) for step in (0, 20, 40, 60, 99)]
    assert margins == pytest.approx([0, 0, 0.1, 0.2, 0.2])
    assert margin_at(0, 100, MarginConfig(rise=(0, 0))) == pytest.approx(0)


def test_one_batch_overfits_and_every_parameter_changes(toy_store) -> None:
    torch.manual_seed(0)
    batches = SpeakerBatches(toy_store, BATCH)
    config = MarginConfig(rise=(0, 0.1), speeds=BATCH.speeds)
    task = MarginTask(
        CAMPPlusModel(TOY), toy_store, ModelHeader("encoder", "campplus"), config, classes=batches.classes, steps=100
    )
    modules = {"model": task.model, **task.extra_modules}
    before = {name: {k: v.clone() for k, v in module.state_dict().items()} for name, module in modules.items()}
    optimizer = torch.optim.Adam([p for module in modules.values() for p in module.parameters()], lr=1e-2)
    batch = batches.batch_at(0)
    for step in range(60):
        losses = task.step(batch, step, torch.Generator())
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    assert losses["loss"] < 0.2 and losses["right"] == 1
    assert losses["items"] == 8
    for name, module in modules.items():
        for key, value in module.state_dict().items():
            assert not torch.equal(value, before[name][key]), (name, key)


@pytest.mark.parametrize("values", [{"margin": -0.1}, {"margin": 2.0}, {"rise": (0.5, 0.2)}, {"scale": 0}])
def test_invalid_settings_are_refused(values) -> None:
    with pytest.raises(ConfigError):
        MarginConfig(**values)
