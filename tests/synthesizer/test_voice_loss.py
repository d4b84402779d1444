"""The ear in the loss: its front end against the real one, its gradient, and what it refuses."""

import dataclasses
import itertools
from collections.abc import Callable

import numpy as np
import pytest
import torch

from encoder.lstm.config import LSTMConfig
from encoder.lstm.model import SpeakerEncoderModel
from speech.audio import normalize_peak
from speech.errors import ConfigError
from speech.mel import MelConfig, encoder_mel, synthesis_mel
from synthesizer.tacotron.data import BatchConfig, SynthesizerBatches
from synthesizer.tacotron.model import Tacotron2, length_mask
from synthesizer.tacotron.task import LossConfig, Passage, SynthesizerTask, cut, join, read
from synthesizer.tacotron.voice_loss import SPEECH_LEVEL, EncoderFrontEnd, VoiceLoss
from tests.synthesizer.toy import toy_config, toy_store, with_melody
from tests.toy_models import speech_like


def test_front_end_hears_what_the_encoder_hears():
    """Band by band within a decibel or two on the whole, at the level of ordinary speech."""
    wav = speech_like(3.0, seed=2)
    wav = wav * np.sqrt(SPEECH_LEVEL / np.mean(wav**2)).astype(np.float32)
    real = encoder_mel(wav)
    mel = torch.from_numpy(synthesis_mel(normalize_peak(wav)).T.copy())
    heard = EncoderFrontEnd(MelConfig())(mel[None])[0].numpy()
    frames = min(len(real), len(heard))
    logs = np.log10(np.stack((real[:frames], heard[:frames])) + 1e-5) * 10
    assert abs(logs[0].mean() - logs[1].mean()) < 2
    assert np.corrcoef(logs[0].ravel(), logs[1].ravel())[0, 1] > 0.95


def test_other_sample_rates_are_refused():
    with pytest.raises(ConfigError, match="16000 Hz"):
        EncoderFrontEnd(dataclasses.replace(MelConfig(), sample_rate=24_000, fmax=8000.0))


def loss_and_mel(batch: int = 3, frames: int = 200):
    torch.manual_seed(0)
    encoder = SpeakerEncoderModel(LSTMConfig(hidden_size=16, num_layers=1, embedding_size=8))
    return VoiceLoss(encoder, MelConfig(), windows=2), torch.randn(batch, frames, 80, requires_grad=True)


def test_gradient_reaches_the_mel_and_nothing_of_the_encoder():
    hear, mel = loss_and_mel()
    wanted = torch.nn.functional.normalize(torch.rand(3, 8), dim=1)
    loss = hear(mel, torch.tensor([200, 200, 60]), wanted, torch.Generator().manual_seed(1))
    assert 0 < loss.item() < 2
    loss.backward()
    reached = mel.grad.abs().sum((1, 2))
    assert (reached[:2] > 0).all() and reached[2] == 0  # the third is shorter than a piece
    assert all(parameter.grad is None for parameter in hear.parameters())


def test_the_right_voice_costs_nothing():
    hear, mel = loss_and_mel(batch=1, frames=128)
    own = hear.encoder(hear.front_end(mel)).detach()
    lengths = torch.tensor([128])
    assert float(hear(mel, lengths, own, torch.Generator())) == pytest.approx(0, abs=1e-5)
    assert float(hear(mel, lengths - 1, own, torch.Generator())) == 0  # nothing long enough


def test_following_the_gradient_brings_the_voice_nearer():
    hear, mel = loss_and_mel(batch=1, frames=128)
    wanted = torch.nn.functional.normalize(torch.rand(1, 8), dim=1)
    optimiser = torch.optim.Adam([mel], lr=0.05)
    values = []
    for _ in range(20):
        loss = hear(mel, torch.tensor([128]), wanted, torch.Generator().manual_seed(0))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] < 0.8 * values[0]


@pytest.fixture
def listening(tmp_path) -> Callable[..., tuple[SynthesizerTask, dict[str, torch.Tensor]]]:
    """Makes a task that listens to what it says freely, and takes one step of it."""

    def build(stop_bias: float, **changes) -> tuple[SynthesizerTask, dict[str, torch.Tensor]]:
        torch.manual_seed(0)
        model = Tacotron2(toy_config(zoneout=0.0, **changes)).train()
        with torch.no_grad():
            model.to_stop.bias.fill_(stop_bias)
        encoder = SpeakerEncoderModel(LSTMConfig(hidden_size=16, num_layers=1, embedding_size=256))
        hear = VoiceLoss(encoder, MelConfig(), windows=4, seconds=0.05)
        weights = LossConfig(free_voice=1.0, embedding_noise=0.0)
        store = toy_store(tmp_path / "store")
        task = SynthesizerTask(model, store, BatchConfig(), weights, "toy", voice_loss=hear)
        batch = SynthesizerBatches(store, BatchConfig()).batch_at(0)
        return task, task.step(batch, 0, torch.Generator().manual_seed(1))

    return build


def test_what_is_said_freely_is_listened_to(listening):
    """Its voice counts in the loss, teaches the network, and leaves it as it was: training, with its own emphasis."""
    task, losses = listening(stop_bias=1e3, voice_emphasis=3.0)  # every sentence ends at once, after four frames
    rest = losses["mel"] + 0.5 * losses["stop"] + 0.5 * losses["word_guidance"]
    assert 0 < float(losses["free_voice"]) < 2
    torch.testing.assert_close(losses["loss"], rest + losses["free_voice"])
    losses["free_voice"].backward()
    assert float(task.network.speaker.weight.grad.abs().sum()) > 0
    assert task.network.training and task.network.config.voice_emphasis == 3.0


def test_sentences_that_never_end_are_not_listened_to(listening):
    _, losses = listening(stop_bias=-1e3, attention="location-sensitive")
    assert float(losses["free_voice"]) == 0


def test_joined_passages_are_cut_apart_again():
    torch.manual_seed(0)
    model = with_melody(Tacotron2(toy_config(prenet_dropout=0.0, melody_size=8))).eval()

    def passage(tokens: int, frames: int) -> Passage:
        lengths = torch.tensor([tokens, tokens - 2]), torch.tensor([frames, frames - 4])
        voices = torch.nn.functional.normalize(torch.randn(2, 256), dim=1)
        symbols, mel, melody = torch.randint(1, 50, (2, tokens)), torch.randn(2, frames, 80), torch.randn(2, tokens)
        return Passage(symbols, lengths[0], mel, lengths[1], voices, melody)

    for first, second in itertools.permutations((passage(9, 24), passage(6, 40))):
        together, alone = cut(read(model, join(first, second), 4), first, 4), read(model, first, 4)
        valid = length_mask(first.mel_lengths, first.mel.shape[1])
        torch.testing.assert_close(together.mel[valid], alone.mel[valid])
        torch.testing.assert_close(together.alignments, alone.alignments)
        torch.testing.assert_close(together.melody, alone.melody)
