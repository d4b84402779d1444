from dataclasses import replace

import pytest
import torch

from encoder.lstm.config import LSTMConfig
from encoder.lstm.model import SpeakerEncoderModel


@pytest.mark.parametrize("compression", ["none", "log"])
def test_embeddings_are_unit_vectors_without_negative_entries(toy_config: LSTMConfig, compression) -> None:
    torch.manual_seed(0)
    model = SpeakerEncoderModel(replace(toy_config, compression=compression))
    embeddings = model(torch.rand(5, 20, 40))
    assert embeddings.shape == (5, 12)
    assert (embeddings >= 0).all()
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(5))


@pytest.mark.parametrize("compression", ["none", "log"])
def test_digital_silence_gives_finite_values_and_gradients(toy_config: LSTMConfig, compression) -> None:
    model = SpeakerEncoderModel(replace(toy_config, compression=compression))
    embeddings = model(torch.zeros(2, 20, 40))
    embeddings.sum().backward()
    assert torch.isfinite(embeddings).all()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


def test_an_embedding_does_not_depend_on_its_batch(toy_config: LSTMConfig) -> None:
    torch.manual_seed(0)
    model = SpeakerEncoderModel(toy_config).eval()
    mels = torch.rand(4, 20, 40)
    torch.testing.assert_close(model(mels)[1:2], model(mels[1:2]))


def test_no_unit_starts_below_the_relu(toy_config: LSTMConfig) -> None:
    torch.manual_seed(0)
    assert (SpeakerEncoderModel(toy_config)(torch.rand(8, 20, 40)) > 0).float().mean() > 0.7
