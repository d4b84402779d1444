from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional

from encoder.campplus.config import CAMPPlusConfig
from encoder.campplus.model import CAMPPlusModel, MaskedConvolution, TimeConvolution, statistics

TOY = CAMPPlusConfig(
    n_mels=16, embedding_size=6, head_channels=4, channels=8, growth_rate=4, bottleneck=2, layers=(2, 2, 2),
    segment_frames=5,
)  # fmt: skip


def toy_model(**changes: Any) -> CAMPPlusModel:
    torch.manual_seed(0)
    return CAMPPlusModel(replace(TOY, **changes))


@pytest.mark.parametrize("frames", [1, 20, 33])
def test_embeddings_are_unit_vectors(frames: int) -> None:
    embeddings = toy_model().eval()(torch.rand(5, frames, 16))
    assert embeddings.shape == (5, 6)
    torch.testing.assert_close(embeddings.norm(dim=-1), torch.ones(5))


def test_an_embedding_does_not_depend_on_its_batch_or_its_level() -> None:
    model = toy_model().eval()
    mels = torch.rand(4, 20, 16) + 1
    torch.testing.assert_close(model(mels)[1:2], model(mels[1:2]))
    torch.testing.assert_close(model(mels), model(100 * mels), atol=1e-4, rtol=1e-3)


def test_the_gain_of_each_band_counts_only_with_band_means() -> None:
    mels = torch.rand(4, 20, 16) + 1
    coloured = mels * torch.linspace(1, 50, 16)
    plain, with_means = toy_model().eval(), toy_model(band_means=True).eval()
    torch.testing.assert_close(plain(mels), plain(coloured), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(with_means(mels), with_means(100 * mels), atol=1e-4, rtol=1e-3)
    assert (with_means(mels) - with_means(coloured)).abs().max() > 0.01


def test_digital_silence_gives_finite_values_and_gradients() -> None:
    model = toy_model()
    embeddings = model(torch.cat([torch.zeros(2, 20, 16), torch.rand(2, 20, 16)]))
    (embeddings * torch.rand(6)).sum().backward()
    assert torch.isfinite(embeddings).all()
    gradients = [parameter.grad for parameter in model.parameters()]
    assert all(gradient is not None and torch.isfinite(gradient).all() for gradient in gradients)


def test_the_sizes_of_the_paper_have_its_number_of_parameters() -> None:
    paper = CAMPPlusModel(
        CAMPPlusConfig(head_channels=32, channels=128, growth_rate=32, layers=(12, 24, 16), embedding_size=512)
    )
    assert 7.0e6 < sum(parameter.numel() for parameter in paper.parameters()) < 7.4e6  # paper, table 1: 7.18 M


@pytest.mark.parametrize(("kernel_size", "dilation", "stride"), [(3, 1, 1), (3, 2, 1), (5, 1, 2)])
def test_a_time_convolution_equals_that_of_pytorch(kernel_size: int, dilation: int, stride: int) -> None:
    layer = TimeConvolution(4, 3, kernel_size, dilation, stride)
    expected = nn.Conv1d(4, 3, kernel_size, stride, kernel_size // 2 * dilation, dilation, bias=False)
    expected.weight.data = layer.linear.weight.data.unflatten(1, (kernel_size, 4)).transpose(1, 2)
    hidden = torch.rand(2, 9, 4)
    torch.testing.assert_close(layer(hidden), expected(hidden.transpose(1, 2)).transpose(1, 2))


def test_masks_are_of_the_mean_over_all_frames_and_over_the_segment() -> None:
    torch.manual_seed(0)
    layer = MaskedConvolution(4, 3, dilation=1, segment_frames=5)
    hidden = torch.rand(1, 12, 4)
    masked = layer(hidden) / layer.local(hidden)
    for start, end in ((0, 5), (5, 10), (10, 12)):
        mask = layer.mask(hidden[0].mean(dim=0) + hidden[0, start:end].mean(dim=0))
        torch.testing.assert_close(masked[0, start:end], mask.expand(end - start, -1))


def test_statistics_are_mean_and_standard_deviation() -> None:
    hidden = torch.randn(2, 50, 3)
    expected = torch.cat([hidden.mean(dim=1), hidden.std(dim=1, unbiased=False)], dim=-1)
    torch.testing.assert_close(statistics(hidden), expected, atol=1e-4, rtol=0)


def test_one_step_changes_every_parameter_and_statistic() -> None:
    model = toy_model()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    target = functional.normalize(torch.randn(6, 6), dim=-1)
    (model(torch.rand(6, 20, 16)) * target).sum().backward()
    optimizer.step()
    for name, value in model.state_dict().items():
        assert not torch.equal(value, before[name]), name
