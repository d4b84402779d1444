"""The parts of the network: flow, decoder, spectrograms, durations, scores."""

import numpy as np
import pytest
import torch

from speech.mel import synthesis_mel
from speech.mel_config import MelConfig
from synthesizer.vits.decoder import HifiGanDecoder
from synthesizer.vits.durations import expand
from synthesizer.vits.flow import Flow
from synthesizer.vits.layers import mask_of
from synthesizer.vits.model import frame_scores
from synthesizer.vits.prior import Encoded
from synthesizer.vits.spectral_decoder import SpectralDecoder, deemphasis
from synthesizer.vits.spectrogram import Spectrograms
from tests.synthesizer.vits.toy import toy_architecture, toy_network
from vocoder.spectral.config import SpectralConfig
from vocoder.spectral.inference import SpectralVocoder
from vocoder.spectral.model import SpectralGenerator


def toy_flow(affine: bool) -> Flow:
    return toy_network(flow_affine=affine, flow_couplings=4).flow


@pytest.mark.parametrize("affine", [False, True])
def test_the_flow_inverts(affine):
    torch.manual_seed(0)
    flow, speaker = toy_flow(affine), torch.randn(3, 6, 1)
    mask = mask_of(torch.tensor([20, 15, 1]), 20)
    z = torch.randn(3, 6, 20) * mask
    with torch.no_grad():
        flowed, _ = flow(z, mask, speaker)
        back = flow.inverse(flowed, mask, speaker)
    assert (flowed - z).abs().max() > 0.1
    assert (back - z).abs().max() < 1e-4


@pytest.mark.parametrize("affine", [False, True])
def test_the_log_determinant_is_that_of_autograd(affine):
    torch.manual_seed(0)
    flow, speaker, mask = toy_flow(affine).double(), torch.randn(1, 6, 1).double(), torch.ones(1, 1, 4).double()
    for coupling in flow.couplings:
        coupling.leave.weight.data.normal_(std=1.0)  # type: ignore[union-attr, operator]
    z = torch.randn(1, 6, 4).double()
    jacobian = torch.autograd.functional.jacobian(lambda x: flow(x, mask, speaker)[0].flatten(), z).reshape(24, 24)
    found = flow(z, mask, speaker)[1][0]
    torch.testing.assert_close(found, torch.linalg.slogdet(jacobian).logabsdet, atol=1e-5, rtol=1e-5)
    assert bool(found.abs() > 0.01) == affine


@pytest.mark.parametrize(("rates", "istft_hop"), [((5, 5, 4, 2), 1), ((8, 5, 5), 1), ((5, 5), 8), ((4, 3), 2)])
def test_chunks_of_the_decoder_equal_the_whole(rates, istft_hop):
    hop = int(np.prod(rates)) * istft_hop
    mel = MelConfig(sample_rate=80 * hop, n_fft=4 * hop, win_length=4 * hop, hop_length=hop, fmin=0, fmax=800)
    torch.manual_seed(0)
    config = toy_architecture(
        upsample_rates=rates, istft_hop=istft_hop, block_kernels=(3, 7, 11), block_dilations=(1, 3, 5), mel=mel
    )
    decoder, z, speaker = HifiGanDecoder(config).eval(), torch.randn(1, 6, 90), torch.randn(1, 6, 1)
    with torch.no_grad():
        whole = decoder(z, speaker)[0]
        chunks = [*decoder.stream(z, speaker, 17)]
    assert [len(chunk) for chunk in chunks] == [17 * hop] * 5 + [5 * hop]
    torch.testing.assert_close(torch.cat(chunks), whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(("rates", "istft_hop"), [((5, 5, 4, 2), 1), ((5, 5), 8)])
def test_frames_beyond_the_margin_have_no_influence(rates, istft_hop):
    torch.manual_seed(0)
    sizes = {"block_kernels": (3, 7, 11), "block_dilations": (1, 3, 5)}
    decoder = HifiGanDecoder(toy_architecture(upsample_rates=rates, istft_hop=istft_hop, **sizes))
    z = torch.randn(1, 6, 80, requires_grad=True)
    decoder(z, torch.randn(1, 6, 1))[0, 40 * 200 : 41 * 200].square().sum().backward()
    assert z.grad is not None
    reached = np.flatnonzero(z.grad.abs().sum((0, 1)))
    assert 40 - decoder.margin <= reached[0] and reached[-1] <= 40 + decoder.margin
    assert reached[-1] - reached[0] > decoder.margin  # the margin is not far too large


def test_chunks_of_a_spectral_decoder_equal_the_whole():
    torch.manual_seed(0)
    sizes = {"mel_layers": 2, "spectral_size": 8, "spectral_hidden": 12, "spectral_blocks": 2, "spectral_kernel": 3}
    decoder = SpectralDecoder(toy_architecture(decoder="spectral", **sizes)).eval()
    z, speaker = torch.randn(1, 6, 90), torch.randn(1, 6, 1)
    with torch.no_grad():
        whole = decoder(z, speaker)[0]
        chunks = [*decoder.stream(z, speaker, 40)]
        moved = decoder(torch.cat([torch.randn(1, 6, 1), z[:, :, 1:]], 2), speaker)[0]
    assert [len(chunk) for chunk in chunks] == [8000, 8000, 2000]
    torch.testing.assert_close(torch.cat(chunks), whole, atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(moved[200 * decoder.margin :], whole[200 * decoder.margin :], atol=1e-5, rtol=1e-4)
    with torch.no_grad():
        assert decoder(z[:, :, :1], speaker).shape == (1, 200)


@pytest.mark.parametrize("frames", [1, 30, 170])
def test_a_spectral_decoder_refines_as_its_vocoder(frames):
    torch.manual_seed(0)
    generator = SpectralGenerator(SpectralConfig(channels=8, hidden=12, blocks=2, kernel=3))
    sizes = {"spectral_size": 8, "spectral_hidden": 12, "spectral_blocks": 2, "spectral_kernel": 3}
    decoder = SpectralDecoder(toy_architecture(decoder="spectral", **sizes)).eval()
    decoder.vocoder.load_state_dict(generator.state_dict())
    mel = torch.rand(1, 80, frames) * 6 - 4
    vocoder = SpectralVocoder(generator, refinements=2, precision="float32")
    with torch.no_grad():
        made = torch.cat([*decoder.stream_audio(mel, 40, refinements=2)])
        plain = torch.cat([*decoder.stream_audio(mel, 40)])
    assert made.shape == plain.shape == (200 * frames,) and not torch.allclose(made, plain, atol=1e-3)
    np.testing.assert_allclose(made.numpy(), vocoder.vocode(mel[0].numpy()), atol=1e-4)


def test_deemphasis_undoes_preemphasis():
    wav = torch.randn(2, 3000)
    emphasised = torch.cat([wav[:, :1], wav[:, 1:] - 0.97 * wav[:, :-1]], 1)
    torch.testing.assert_close(deemphasis(emphasised, 0.97), wav, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(deemphasis(wav, 0.0), wav)


def test_the_mel_is_that_of_the_front_end():
    wav = np.random.default_rng(0).normal(scale=0.1, size=200 * 30).astype(np.float32)
    found = Spectrograms(MelConfig()).mel(torch.from_numpy(wav)[None])[0].numpy()
    np.testing.assert_allclose(found, synthesis_mel(wav)[:, :30], atol=2e-3)


def test_silence_has_finite_gradients():
    wav = torch.zeros(1, 4000, requires_grad=True)
    spectrograms = Spectrograms(MelConfig())
    (spectrograms.mel(wav).sum() + spectrograms.linear(wav).sum()).backward()
    assert wav.grad is not None and wav.grad.isfinite().all()


def test_tokens_are_repeated_for_their_frames():
    x = torch.tensor([[[1.0, 2, 3]], [[4.0, 5, 6]]])
    found = expand(x, torch.tensor([[2, 1, 3], [1, 2, 0]]), 6)
    assert found[0, 0].tolist() == [1, 1, 2, 3, 3, 3] and found[1, 0, :3].tolist() == [4, 5, 5]


def test_scores_are_log_likelihoods():
    torch.manual_seed(0)
    mean, deviation, z = torch.randn(1, 5, 3), 0.3 * torch.randn(1, 5, 3), torch.randn(1, 5, 7)
    scores = frame_scores(Encoded(mean, mean, deviation, torch.ones(1, 1, 3)), z)
    normal = torch.distributions.Normal(mean[:, :, None], deviation.exp()[:, :, None])
    torch.testing.assert_close(scores, normal.log_prob(z[..., None]).sum(1), atol=1e-4, rtol=1e-4)


def test_padding_of_a_batch_changes_nothing():
    network = toy_network().eval()
    symbols = torch.randint(1, 50, (1, 5))
    padded = torch.nn.functional.pad(symbols, (0, 4))
    with torch.no_grad():
        alone = network.text_encoder(*network.with_blanks(symbols, torch.tensor([5])))
        both = network.text_encoder(*network.with_blanks(padded, torch.tensor([5])))
    torch.testing.assert_close(both.mean[:, :, :11], alone.mean, atol=1e-5, rtol=1e-4)
    assert not both.mean[:, :, 11:].any()
