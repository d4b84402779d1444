import numpy as np
import pytest
import torch

from encoder.lstm.config import LSTMConfig
from encoder.lstm.inference import LSTMEncoder
from encoder.lstm.model import SpeakerEncoderModel
from encoder.lstm.recurrence import Bfloat16LSTM, has_bfloat16_products, with_bfloat16_products
from speech.errors import ConfigError

needs_products = pytest.mark.skipif(not has_bfloat16_products(), reason="this processor has no bfloat16 products")


@pytest.fixture(scope="module")
def model() -> SpeakerEncoderModel:
    torch.manual_seed(0)
    return SpeakerEncoderModel(LSTMConfig(hidden_size=32, embedding_size=24, compression="log")).eval()


def test_other_numbers_of_bands() -> None:
    torch.manual_seed(0)
    model = SpeakerEncoderModel(LSTMConfig(n_mels=80, hidden_size=32, embedding_size=24, compression="log")).eval()
    wav = np.random.default_rng(0).normal(0, 0.1, 40_000).astype(np.float32)
    exact, auto = (LSTMEncoder(model, embedding_space="toy", precision=name) for name in ("fp32", "auto"))
    assert exact.features(wav, 100).shape == (100, 80)
    assert auto.embed(wav, prepared=True) @ exact.embed(wav, prepared=True) > 0.9995
    with pytest.raises(ValueError, match="80 values per frame, not 40"):
        Bfloat16LSTM(model.lstm)(torch.zeros(1, 10, 40))


@needs_products
def test_states_are_those_of_the_lstm(model: SpeakerEncoderModel) -> None:
    inputs = torch.randn(5, 160, 40)
    with torch.inference_mode():
        expected, _ = model.lstm(inputs)
        states, _ = Bfloat16LSTM(model.lstm)(inputs)
    assert states.dtype == torch.float32
    assert states.shape == expected.shape
    assert torch.cosine_similarity(states.flatten(1), expected.flatten(1)).min() > 0.999


@needs_products
def test_cells_are_float32() -> None:
    """A cell to which 0.001 is added in each frame: in bfloat16 it would stop at 0.25."""
    lstm = torch.nn.LSTM(1, 16, 1, batch_first=True)
    with torch.no_grad():
        for parameter in lstm.parameters():
            parameter.zero_()
        # gates of 16 units each: input 0.001, forget 1, cell 1, output 1
        bias = torch.tensor([-6.9, 20.0, 20.0, 20.0]).repeat_interleave(16)
        lstm.get_parameter("bias_ih_l0").copy_(bias)
        expected, _ = lstm(torch.zeros(1, 500, 1))
        states, _ = Bfloat16LSTM(lstm)(torch.zeros(1, 500, 1))
    assert expected[0, -1, 0] > 0.4
    torch.testing.assert_close(states[0, -1], expected[0, -1], rtol=0.02, atol=0)


@needs_products
def test_the_fast_model_shares_what_is_not_recurrent(model: SpeakerEncoderModel) -> None:
    fast = with_bfloat16_products(model)
    assert fast.linear is model.linear
    assert isinstance(model.lstm, torch.nn.LSTM) and isinstance(fast.lstm, Bfloat16LSTM)
    mels = torch.rand(3, 160, 40)
    with torch.inference_mode():
        assert torch.cosine_similarity(fast(mels), model(mels)).min() > 0.999


@needs_products
def test_uncompressed_mels_go_through_a_float32_layer() -> None:
    torch.manual_seed(0)
    model = SpeakerEncoderModel(LSTMConfig(hidden_size=32, compression="none")).eval()
    fast = with_bfloat16_products(model).lstm
    assert isinstance(fast, Bfloat16LSTM) and (len(fast.exact), len(fast.layers)) == (1, 2)
    mels = torch.rand(3, 160, 40) * 10.0 ** torch.randint(-8, 1, (1, 1, 40))
    with torch.inference_mode():
        expected, (states, _) = model.lstm(mels)[0], fast(mels)
        assert torch.cosine_similarity(states.flatten(1), expected.flatten(1)).min() > 0.999
    own, shared = (lstm.get_parameter("weight_hh_l0") for lstm in (model.lstm, fast.exact[0]))
    assert own.data_ptr() == shared.data_ptr()


def test_precision(model: SpeakerEncoderModel) -> None:
    exact = LSTMEncoder(model, embedding_space="toy", precision="fp32")
    auto = LSTMEncoder(model, embedding_space="toy")
    wav = np.random.default_rng(0).normal(0, 0.1, 40_000).astype(np.float32)
    expected = exact.embed(wav, prepared=True)
    embedding = auto.embed(wav, prepared=True)
    assert embedding @ expected > 0.9995
    if not has_bfloat16_products():
        np.testing.assert_array_equal(embedding, expected)
    with pytest.raises(ConfigError, match="'int4'"):
        LSTMEncoder(model, embedding_space="toy", precision="int4")  # type: ignore[arg-type]


def test_older_processors_use_float32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_f": True, "avx512_bf16": False})
    assert not has_bfloat16_products()
