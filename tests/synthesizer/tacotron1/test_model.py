"""The network: shapes, padding, teacher forcing."""

import pytest
import torch

from speech.errors import ConfigError
from synthesizer.tacotron1.config import Architecture, InferenceSettings, Tacotron1Config
from synthesizer.tacotron1.layers import CBHG
from synthesizer.tacotron1.model import Tacotron1
from tests.synthesizer.tacotron1.toy import toy_config


def teacher_forced(model, symbols, lengths, mel, mel_lengths, speaker):
    mask = torch.arange(symbols.shape[1])[None] < lengths[:, None]
    mel_mask = torch.arange(mel.shape[1])[None] < mel_lengths[:, None]
    return model(model.read(symbols, mask, speaker), mel, mel_mask, 2)


@pytest.fixture
def model():
    torch.manual_seed(0)
    return Tacotron1(toy_config(prenet_dropout=0.0)).eval()


def test_shapes(model):
    lengths, mel_lengths = torch.tensor([7, 4]), torch.tensor([12, 8])
    output = teacher_forced(
        model, torch.ones(2, 7, dtype=torch.long), lengths, torch.zeros(2, 12, 80), mel_lengths, torch.randn(2, 256)
    )
    assert output.decoder_mel.shape == output.mel.shape == (2, 12, 80)
    assert output.stop_logits.shape == (2, 6) and output.alignments.shape == (2, 7, 6)
    torch.testing.assert_close(output.alignments.sum(1), torch.ones(2, 6))
    assert output.alignments[1, 4:].abs().max() == 0  # padding


def test_padding_does_not_change_a_row(model):
    torch.manual_seed(1)
    symbols, mel, speaker = torch.randint(2, 60, (2, 9)), torch.randn(2, 12, 80), torch.randn(2, 256)
    both = teacher_forced(model, symbols, torch.tensor([9, 5]), mel, torch.tensor([12, 8]), speaker)
    alone = teacher_forced(model, symbols[1:, :5], torch.tensor([5]), mel[1:, :8], torch.tensor([8]), speaker[1:])
    torch.testing.assert_close(both.mel[1:, :8], alone.mel, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(both.alignments[1:, :5, :4], alone.alignments, atol=1e-5, rtol=1e-4)


def test_one_step_changes_every_parameter():
    torch.manual_seed(0)
    model = Tacotron1(toy_config())
    before = {name: value.clone() for name, value in model.named_parameters()}
    symbols = torch.arange(66)[None]
    output = teacher_forced(
        model, symbols, torch.tensor([66]), torch.randn(1, 8, 80), torch.tensor([8]), torch.randn(1, 256)
    )
    loss = output.mel.square().mean() + output.decoder_mel.square().mean() + output.stop_logits.square().mean()
    loss.backward()
    torch.optim.Adam(model.parameters(), 1e-3).step()
    unchanged = [name for name, value in model.named_parameters() if torch.equal(value, before[name])]
    assert not unchanged


@pytest.mark.parametrize(("inputs", "size"), [(8, 8), (6, 8)])
def test_a_cbhg_keeps_the_length(inputs, size):
    cbhg = CBHG(inputs, size, 4, 2)
    mask = torch.ones(2, 5, dtype=torch.bool)
    assert cbhg(torch.randn(2, 5, inputs), mask).shape == (2, 5, size)
    assert isinstance(cbhg.to_highways, torch.nn.Identity) == (inputs == size)


def test_wrong_settings_are_refused():
    for changes in (
        {"n_symbols": 80},
        {"encoder_size": 15},
        {"attention_kernel": 4},
        {"lstm_size": 0},
        {"highways": -1},
        {"prenet_dropout": 1.0},
        {"prenet_sizes": (0, 4)},
    ):
        with pytest.raises(ConfigError):
            toy_config(**changes)
    with pytest.raises(ConfigError):
        InferenceSettings(reduction_factor=0)
    with pytest.raises(ConfigError):
        InferenceSettings(silence_threshold=-9)
    with pytest.raises(ConfigError, match="max_reduction_factor"):
        Tacotron1Config(Architecture(max_reduction_factor=1))
