"""The generator's layers in compiled code: integer products, the same result."""

import logging
import threading

import numpy as np
import pytest
import torch

from vocoder.spectral import fast_layers, streaming
from vocoder.spectral.config import SpectralConfig
from vocoder.spectral.fast_layers import FastBlock, FastHead, NotQuantised, Workspace
from vocoder.spectral.inference import SpectralVocoder
from vocoder.spectral.model import ConvNeXtBlock, SpectralGenerator

SIZES = [(16, 24, 3), (17, 23, 5), (320, 960, 7)]  # channels, hidden, kernel


@pytest.fixture(autouse=True)
def no_bfloat16(monkeypatch):
    monkeypatch.setattr(streaming, "has_bfloat16_products", lambda: False)


def blocks_of(model: SpectralGenerator) -> list[ConvNeXtBlock]:
    return [block for block in model.blocks if isinstance(block, ConvNeXtBlock)]


def with_int8_weights(channels: int = 160, hidden: int = 200, kernel: int = 7, blocks: int = 2) -> SpectralGenerator:
    """Random weights of all layers, those of the dense ones quantised to int8."""
    torch.manual_seed(channels)
    model = SpectralGenerator(SpectralConfig(channels=channels, hidden=hidden, blocks=blocks, kernel=kernel)).eval()
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "norm" not in name:
                value.copy_(torch.randn_like(value) / (value[0].numel() ** 0.5 if value.ndim > 1 else 4))
        inner = [dense for block in blocks_of(model) for dense in (block.widen, block.narrow)]
        for layer in [model.to_spectrum, *inner]:
            scales = layer.weight.abs().amax(dim=1, keepdim=True) / 127
            layer.weight.copy_((layer.weight / scales).round() * scales)
    return model.requires_grad_(False)


@pytest.mark.parametrize(("channels", "hidden", "kernel"), SIZES)
@pytest.mark.parametrize("frames", [1, 6, 95, 96, 97, 200])
def test_a_block_and_the_head_agree_with_the_model(channels, hidden, kernel, frames):
    model = with_int8_weights(channels, hidden, kernel, blocks=1)
    workspace, x = Workspace(model), torch.randn(frames + kernel - 1, channels)
    margin = kernel // 2
    (block,) = blocks_of(model)
    exact = block(x.t()[None])[0].t()[margin : margin + frames]
    made = FastBlock(block)(x, workspace)
    assert made.shape == exact.shape and (made - exact).norm() < 2e-4 * exact.norm()
    exact = model.to_spectrum(model.leave_norm(x))
    made = FastHead(model)(x, workspace)
    assert made.shape == exact.shape and (made - exact).norm() < 2e-4 * exact.norm()


def test_the_largest_sums_stay_within_32_bits():
    """Every weight and every activation has its largest quantised value."""
    model = with_int8_weights(16, 960, 3)
    block = blocks_of(model)[0]
    block.narrow.weight.fill_(1.0)
    block.widen.weight.fill_(0.0)
    assert block.widen.bias is not None
    block.widen.bias.fill_(5.0)
    x = torch.randn(10, 16)
    exact = block(x.t()[None])[0].t()[1:9]
    made = FastBlock(block)(x, Workspace(model))
    assert torch.allclose(made, exact, rtol=1e-4)


def test_frames_are_independent():
    model = with_int8_weights()
    workspace, x = Workspace(model), torch.randn(100, 160)
    head = FastHead(model)
    assert torch.equal(head(x, workspace)[60:73], head(x[60:73], workspace))


def test_the_stream_is_compiled_where_weights_were_stored_as_int8():
    model, mel = with_int8_weights(), torch.rand(1, 80, 90) * 2 - 1
    exact, fast = (
        streaming.GeneratorStream(streaming.FrameLayers(model, precision)).push(mel, last=True)
        for precision in ("float32", "auto")
    )
    assert streaming.FrameLayers(model).compiled and not streaming.FrameLayers(model, "float32").compiled
    assert 0 < (fast.abs() - exact.abs()).norm() / exact.abs().norm() < 1e-3


def test_parts_of_a_stream_are_the_whole():
    model, mel = with_int8_weights(), torch.rand(1, 80, 90) * 2 - 1
    layers = streaming.FrameLayers(model)
    whole = streaming.GeneratorStream(layers).push(mel, last=True)
    stream = streaming.GeneratorStream(layers)
    parts = [stream.push(mel[:, :, :50], last=False), stream.push(mel[:, :, 50:], last=True)]
    assert torch.allclose(torch.cat(parts, dim=2), whole, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("precision", ["auto", "float32"])
def test_other_weights_are_multiplied_in_floating_point(precision):
    torch.manual_seed(0)
    model = SpectralGenerator(SpectralConfig(blocks=1)).eval()
    with pytest.raises(NotQuantised):
        FastHead(model)
    layers = streaming.FrameLayers(model, precision)
    assert not layers.compiled and layers.workspace() is None


def test_where_nothing_can_be_compiled_pytorch_computes(monkeypatch, caplog):
    def fail(library):
        raise OSError("no memory to execute")

    monkeypatch.setattr(fast_layers, "functions_of", fail)
    layers = streaming.FrameLayers(with_int8_weights())
    assert not layers.compiled and "no memory to execute" in caplog.text
    assert streaming.GeneratorStream(layers).push(torch.zeros(1, 80, 40), last=True).shape == (1, 401, 40)


def test_two_threads_share_the_layers():
    vocoder, mel = SpectralVocoder(with_int8_weights(), refinements=2), np.zeros((80, 300), np.float32)
    expected, made = vocoder.vocode(mel), []
    threads = [threading.Thread(target=lambda: made.append(vocoder.vocode(mel))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(wav, expected) for wav in made) and len(made) == 2


def test_warming_up_leaves_nothing_to_compile(caplog):
    vocoder = SpectralVocoder(with_int8_weights(), refinements=2)
    vocoder.warm_up()
    with caplog.at_level(logging.INFO):
        vocoder.vocode(np.zeros((80, 20), np.float32))
    assert not caplog.records
