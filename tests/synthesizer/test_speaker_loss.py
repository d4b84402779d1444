"""Speaker-consistency loss: its front end, its gradient, and its use in training."""

import itertools
from collections.abc import Callable

import numpy as np
import pytest
import soxr
import torch
from torch import nn

from encoder.lstm.config import LSTMConfig
from encoder.lstm.model import SpeakerEncoderModel
from speech.audio import normalize_peak
from speech.errors import ConfigError
from speech.mel import encoder_mel, synthesis_mel
from speech.mel_config import MelConfig
from synthesizer.batches import BatchConfig, SynthesizerBatches
from synthesizer.masks import length_mask
from synthesizer.speaker_loss import SPEECH_LEVEL, EncoderFrontEnd, MelEmbedder, SpeakerLoss, VoiceDistance
from synthesizer.tacotron.config import InferenceSettings
from synthesizer.tacotron.model import Tacotron2, TeacherForcing
from synthesizer.tacotron.task import LossConfig, TacotronTask
from synthesizer.tacotron.task_inputs import concatenated, output_of
from tests.synthesizer.toy import toy_config, toy_store, toy_task, with_pitch
from tests.toy_models import speech_like


@pytest.mark.parametrize(("sample_rate", "bands"), [(16_000, 40), (24_000, 40), (16_000, 80)])
def test_front_end_approximates_that_of_the_encoder(sample_rate: int, bands: int):
    """On average within two decibels, at the level of usual speech."""
    wav = speech_like(3.0, seed=2)
    wav = wav * np.sqrt(SPEECH_LEVEL / np.mean(wav**2)).astype(np.float32)
    real = encoder_mel(wav, n_mels=bands)
    config = MelConfig() if sample_rate == 16_000 else MelConfig(24_000, 1200, 300, 1200, 80, fmax=11_000.0)
    resampled = soxr.resample(wav, 16_000, sample_rate).astype(np.float32)
    mel = torch.from_numpy(synthesis_mel(normalize_peak(resampled), config).T.copy())
    ours = EncoderFrontEnd(config, bands)(mel[None])[0].numpy()
    frames = min(len(real), len(ours))
    logs = np.log10(np.stack((real[:frames], ours[:frames])) + 1e-5) * 10
    assert abs(logs[0].mean() - logs[1].mean()) < 2
    assert np.corrcoef(logs[0].ravel(), logs[1].ravel())[0, 1] > 0.95


def test_lower_sample_rate_is_refused():
    with pytest.raises(ConfigError, match="16000 Hz"):
        EncoderFrontEnd(MelConfig(sample_rate=8_000, fmax=4000.0), 40)


def loss_and_mel(batch: int = 3, frames: int = 200):
    torch.manual_seed(0)
    encoder = SpeakerEncoderModel(LSTMConfig(hidden_size=16, num_layers=1, embedding_size=8))
    return SpeakerLoss(encoder, 40, MelConfig(), windows=2), torch.randn(batch, frames, 80, requires_grad=True)


def test_gradient_reaches_the_mel_and_not_the_encoder():
    speaker_loss, mel = loss_and_mel()
    target = torch.nn.functional.normalize(torch.rand(3, 8), dim=1)
    loss = speaker_loss(mel, torch.tensor([200, 200, 60]), target, torch.Generator().manual_seed(1))
    assert 0 < loss.item() < 2
    loss.backward()
    reached = mel.grad.abs().sum((1, 2))
    assert (reached[:2] > 0).all() and reached[2] == 0  # the third is shorter than a crop
    assert all(parameter.grad is None for parameter in speaker_loss.parameters())


def test_loss_of_the_right_voice_is_zero():
    speaker_loss, mel = loss_and_mel(batch=1, frames=128)
    own = speaker_loss.embed(mel).detach()
    lengths = torch.tensor([128])
    assert speaker_loss(mel, lengths, own, torch.Generator()).item() == pytest.approx(0, abs=1e-5)
    assert speaker_loss(mel, lengths - 1, own, torch.Generator()).item() == 0  # nothing long enough


def test_following_the_gradient_lowers_the_loss():
    speaker_loss, mel = loss_and_mel(batch=1, frames=128)
    target = torch.nn.functional.normalize(torch.rand(1, 8), dim=1)
    optimiser = torch.optim.Adam([mel], lr=0.05)
    values = []
    for _ in range(20):
        loss = speaker_loss(mel, torch.tensor([128]), target, torch.Generator().manual_seed(0))
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        values.append(loss.item())
    assert values[-1] < 0.8 * values[0]


@pytest.fixture
def free_running_step(tmp_path) -> Callable[..., tuple[TacotronTask, dict[str, torch.Tensor]]]:
    """Makes a task with the loss in free running, and takes one step of it."""

    def build(stop_bias: float, **changes) -> tuple[TacotronTask, dict[str, torch.Tensor]]:
        torch.manual_seed(0)
        model = Tacotron2(toy_config(zoneout=0.0, **changes)).train()
        with torch.no_grad():
            model.to_stop.bias.fill_(stop_bias)
        encoder = SpeakerEncoderModel(LSTMConfig(hidden_size=16, num_layers=1, embedding_size=256))
        speaker_loss = SpeakerLoss(encoder, 40, MelConfig(), windows=4, seconds=0.05)
        weights = LossConfig(free_voice=1.0, embedding_noise=0.0)
        store = toy_store(tmp_path / "store")
        inference = InferenceSettings(voice_emphasis=3.0)
        task = toy_task(model, store, weights, inference=inference, speaker_loss=speaker_loss)
        batch = SynthesizerBatches(store, BatchConfig()).batch_at(0)
        return task, task.step(batch, 0, torch.Generator().manual_seed(1))

    return build


def test_free_running_sentences_have_a_loss(free_running_step):
    """It trains the network and changes neither its mode nor its settings."""
    task, losses = free_running_step(stop_bias=1e3)  # every sentence stops at once, after four frames
    rest = losses["mel"] + 0.5 * losses["stop"] + 0.5 * losses["word_guidance"]
    assert 0 < float(losses["free_voice"]) < 2
    torch.testing.assert_close(losses["loss"], rest + losses["free_voice"])
    losses["free_voice"].backward()
    assert float(task.network.speaker.weight.grad.abs().sum()) > 0
    assert task.network.training and task.config.inference.voice_emphasis == 3.0


def test_sentences_that_do_not_stop_are_ignored(free_running_step):
    _, losses = free_running_step(stop_bias=-1e3, attention="location-sensitive")
    assert float(losses["free_voice"]) == 0


def test_concatenated_inputs_do_not_change_each_other():
    torch.manual_seed(0)
    model = with_pitch(Tacotron2(toy_config(prenet_dropout=0.0, pitch_predictor_size=8))).eval()

    def random_input(tokens: int, frames: int) -> TeacherForcing:
        lengths = torch.tensor([tokens, tokens - 2]), torch.tensor([frames, frames - 4])
        voices = torch.nn.functional.normalize(torch.randn(2, 256), dim=1)
        symbols, mel, pitch = torch.randint(1, 50, (2, tokens)), torch.randn(2, frames, 80), torch.randn(2, tokens)
        return TeacherForcing(symbols, lengths[0], mel, lengths[1], voices, pitch)

    for first, second in itertools.permutations((random_input(9, 24), random_input(6, 40))):
        together, alone = output_of(model(concatenated(first, second), 4), first, 4), model(first, 4)
        valid = length_mask(first.mel_lengths, first.mel.shape[1])
        torch.testing.assert_close(together.mel[valid], alone.mel[valid])
        torch.testing.assert_close(together.alignments, alone.alignments)
        torch.testing.assert_close(together.pitch, alone.pitch)


def test_only_the_lstm_of_an_encoder_is_in_training_mode():
    """Batch norm would use the statistics of the batch. On a GPU, an LSTM gives no gradient in eval mode."""
    norm, lstm = nn.BatchNorm1d(8), nn.LSTM(8, 8)
    MelEmbedder(nn.ModuleList([norm, lstm]), 40, MelConfig()).train()  # as the training loop calls it
    assert lstm.training and not norm.training
    assert not any(parameter.requires_grad for part in (norm, lstm) for parameter in part.parameters())


def test_voice_distance_compares_with_the_recording():
    torch.manual_seed(0)
    encoder = SpeakerEncoderModel(LSTMConfig(hidden_size=16, num_layers=1, embedding_size=8))
    distance = VoiceDistance(encoder, 40, MelConfig())
    recorded, made = torch.randn(2, 3, 160, 80)
    assert distance(recorded, recorded).item() == pytest.approx(0, abs=1e-6)
    made.requires_grad_()
    loss = distance(made, recorded)
    assert 0 < loss.item() < 2
    loss.backward()
    assert made.grad is not None and made.grad.any(dim=2).any(dim=1).all()
    assert all(parameter.grad is None for parameter in encoder.parameters())
