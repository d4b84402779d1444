"""The Tacotron: shapes, masks, gradients, and free running equal to teacher forcing."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from synthesizer.batches import BatchConfig, SynthesizerBatches, collate
from synthesizer.stopping import step_limit
from synthesizer.tacotron.config import ATTENTION_KINDS, InferenceSettings
from synthesizer.tacotron.decoding import free_run
from synthesizer.tacotron.model import Tacotron2, TeacherForcing
from synthesizer.tacotron.task import LossConfig
from synthesizer.tacotron.task_inputs import teacher_forcing
from tests.synthesizer.toy import SETTINGS, sentences, toy_config, toy_run, toy_store, toy_task


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_store(tmp_path_factory.mktemp("store"))


def run(model, batch):
    return model(teacher_forcing(batch, batch.embedding), batch.reduction_factor)


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
@pytest.mark.parametrize("factor", [4, 3, 1])
def test_shapes(store, kind: str, factor: int) -> None:
    batch = collate(store, [0, 1, 2], BatchConfig(), factor, None)
    output = run(Tacotron2(toy_config(attention=kind)), batch)
    steps = batch.mel.shape[1] // factor
    assert output.mel.shape == output.decoder_mel.shape == batch.mel.shape
    assert output.stop_logits.shape == (3, steps)
    assert output.alignments.shape == (3, batch.symbols.shape[1], steps)


def test_utterance_is_the_same_alone_and_in_a_batch(store) -> None:
    torch.manual_seed(0)
    model = Tacotron2(toy_config(prenet_dropout=0.0)).eval()
    together = collate(store, [0, 7], BatchConfig(), 4, None)
    alone = collate(store, [0], BatchConfig(), 4, None)
    length = alone.mel.shape[1]
    torch.testing.assert_close(run(model, together).mel[:1, :length], run(model, alone).mel, rtol=1e-4, atol=1e-4)


def test_free_running_equals_teacher_forcing_with_its_own_frames() -> None:
    torch.manual_seed(0)
    model = Tacotron2(toy_config(prenet_dropout=0.0)).eval()
    text = np.arange(2, 14)
    embedding = torch.nn.functional.normalize(torch.randn(1, 256), dim=1)
    decoded = free_run(model, sentences([text], embedding.numpy()), InferenceSettings(reduction_factor=2))[0]
    steps = decoded.alignment.shape[1]
    frames = free_frames(model, text, embedding, steps)
    lengths = torch.tensor([12]), torch.tensor([2 * steps])
    output = model(TeacherForcing(torch.tensor(text)[None], lengths[0], frames, lengths[1], embedding), 2)
    torch.testing.assert_close(output.alignments[0], torch.from_numpy(decoded.alignment), rtol=1e-3, atol=1e-4)
    torch.testing.assert_close(output.mel[0].clamp(-4, 4).T, torch.from_numpy(decoded.mel), rtol=1e-3, atol=1e-3)


def free_frames(model, text, embedding, steps):
    """The output of the decoder before the postnet: [1, frames, 80]."""
    lengths = torch.tensor([len(text)])
    mask = torch.ones(1, len(text), dtype=torch.bool)
    memory, speaker = model.encoder(torch.tensor(text)[None], mask), model.join_speaker(embedding)
    attention, state = model.attention.start(memory, mask), model.start(len(lengths), torch.device("cpu"))
    frame, frames = torch.full((1, 80), -4.0), []
    for _ in range(steps):
        new, _, _, state = model.decode_step(frame, state, attention, memory, speaker, torch.ones(1, 28), 2)
        frame = new[:, -1]
        frames.append(new)
    return torch.cat(frames, 1)


def test_sentence_decodes_the_same_alone_and_in_a_batch() -> None:
    torch.manual_seed(0)
    model = Tacotron2(toy_config()).eval()
    rng = np.random.default_rng(0)
    texts = [rng.integers(2, 60, size) for size in (5, 20, 9, 14, 3, 30, 11, 7)]
    voices = torch.nn.functional.normalize(torch.randn(8, 256), dim=1).numpy()
    inputs = sentences(texts, voices)
    together = free_run(model, inputs, SETTINGS)
    for k in (0, 4, 5):
        alone = free_run(model, inputs[k : k + 1], SETTINGS)[0]
        np.testing.assert_allclose(alone.mel, together[k].mel, atol=1e-4)
        np.testing.assert_allclose(alone.alignment, together[k].alignment, atol=1e-4)


def test_emphasis_moves_an_embedding_away_from_the_mean() -> None:
    model = Tacotron2(toy_config())
    mean, voice = torch.nn.functional.normalize(torch.rand(2, 256), dim=1)
    model.mean_embedding.copy_(mean)
    moved = model.emphasise(voice[None], 2.0)[0]
    assert float(moved @ mean) < float(voice @ mean)
    assert float(moved.norm()) == pytest.approx(1, abs=1e-5)
    torch.testing.assert_close(model.emphasise(voice[None], 1.0)[0], voice)


def test_decoding_is_bounded() -> None:
    model = Tacotron2(toy_config()).eval()
    with torch.no_grad():
        model.to_stop.bias.fill_(-1e3)
    decoded = free_run(model, sentences([np.array([5])], np.zeros((1, 256), np.float32)), SETTINGS)[0]
    assert decoded.alignment.shape[1] <= step_limit(model.config.mel, 4, 1)
    assert np.isfinite(decoded.mel).all() and np.abs(decoded.mel).max() <= 4


@pytest.mark.parametrize("kind", ATTENTION_KINDS)
def test_one_step_changes_every_parameter(store, kind: str) -> None:
    torch.manual_seed(0)
    task = toy_task(Tacotron2(toy_config(attention=kind)), store, LossConfig(guided_attention=1.0))
    before = {name: value.clone() for name, value in task.model.named_parameters()}
    optimizer = torch.optim.Adam(task.model.parameters(), 1e-3)
    batch = SynthesizerBatches(store, BatchConfig()).batch_at(0)
    task.step(batch, 0, torch.Generator().manual_seed(0))["loss"].backward()
    optimizer.step()
    assert [name for name, value in task.model.named_parameters() if torch.equal(value, before[name])] == []


def test_one_batch_overfits(store) -> None:
    torch.manual_seed(0)
    task = toy_task(Tacotron2(toy_config(prenet_dropout=0.0, zoneout=0.0)), store)
    batch = collate(store, [0, 1], BatchConfig(), 4, None)
    optimizer = torch.optim.Adam(task.model.parameters(), 1e-2)
    losses = []
    for step in range(60):
        optimizer.zero_grad()
        loss = task.step(batch, step, torch.Generator().manual_seed(step))["loss"]
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.35 * losses[0]


def test_padding_changes_no_loss(store) -> None:
    torch.manual_seed(0)
    task = toy_task(Tacotron2(toy_config(prenet_dropout=0.0)).eval(), store, LossConfig(embedding_noise=0.0))
    batch = collate(store, [0], BatchConfig(), 4, None)
    padded = replace(
        batch,
        mel=torch.nn.functional.pad(batch.mel, (0, 0, 0, 40), value=2.5),
        symbols=torch.nn.functional.pad(batch.symbols, (0, 7), value=9),
        allowed_tokens=torch.nn.functional.pad(batch.allowed_tokens, (0, 0, 0, 10)),
    )
    losses = [task.step(item, 0, torch.Generator().manual_seed(0)) for item in (batch, padded)]
    for name in ("loss", "mel", "stop"):
        torch.testing.assert_close(losses[0][name], losses[1][name], rtol=1e-4, atol=1e-5)


def test_validation_with_teacher_forcing_and_free_running(store) -> None:
    task, run = toy_task(Tacotron2(toy_config()).eval(), store), toy_run()
    figures = task.validate(0, run)
    assert task.best_metric in figures
    assert {"free_aligned", "free_coverage", "free_focus", "free_stopped"} <= set(figures)
    assert all(np.isfinite(value) for value in figures.values())
    assert run.images == 2 * len(task.free_running_indices)
    assert not run.audio
