"""Training and fine-tuning."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from modelfile.header import read_header
from speech.errors import ConfigError, ModelFileError
from synthesizer import Synthesizer
from synthesizer.options import EmbeddedVoice
from synthesizer.tacotron1.config import InferenceSettings
from synthesizer.tacotron1.flags import Tacotron1Flags
from synthesizer.tacotron1.inference import Tacotron1Synthesizer
from synthesizer.tacotron1.training import plan_training
from tests.synthesizer.tacotron1.toy import toy_config, toy_synthesizer
from tests.synthesizer.toy import toy_store
from tests.training.runs import differences
from train_synth import main


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    return toy_store(tmp_path_factory.mktemp("store"))


def toy_flags(store, run: Path = Path("unused"), **changes) -> Tacotron1Flags:
    given = {
        "store": store.directory, "run": run, "batch_frames": 200, "steps": 2, "device": "cpu", "precision": "fp32",
        "architecture": toy_config(), "guided_attention": 1.0,
    }  # fmt: skip
    return Tacotron1Flags(**{**given, **changes})


def test_batches_are_letters(store):
    symbols = plan_training(toy_flags(store), store).batches.batch_at(0).symbols
    assert int(symbols.max()) < 66 and int(symbols.min()) >= 0


def test_one_batch_overfits(store):
    plan = plan_training(toy_flags(store, architecture=toy_config(prenet_dropout=0.0)), store)
    batch = plan.batches.batch_at(0)
    optimizer = torch.optim.Adam(plan.task.model.parameters(), 5e-3)
    losses = []
    for step in range(40):
        loss = plan.task.step(batch, step, torch.Generator())["loss"]
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.6 * losses[0]


def test_validation_reports_losses_and_alignments(store):
    images: list[str] = []
    run = SimpleNamespace(writer=SimpleNamespace(add_image=lambda name, *_, **__: images.append(name)))
    task = plan_training(toy_flags(store), store).task
    task.model.eval()
    figures = task.validate(0, run)  # type: ignore[arg-type]
    assert {"validation_mel", "validation_stop", "validation_guided_attention", "free_aligned"} <= set(figures)
    assert all(np.isfinite(list(figures.values()))) and images == ["alignment/0", "alignment/1"]


def test_a_resumed_run_equals_an_uninterrupted_one(store, tmp_path):
    steps = {"steps": 4, "save_every": 2, "validate_every": 3}
    main(toy_flags(store, tmp_path / "whole", **steps))
    main(toy_flags(store, tmp_path / "parts", **steps, max_minutes=1e-9))  # stops after its first step
    main(toy_flags(store, tmp_path / "parts", **steps, resume=True))
    assert differences(tmp_path / "parts", tmp_path / "whole") == []


def test_a_trained_model_speaks_and_can_be_fine_tuned(store, tmp_path):
    main(toy_flags(store, tmp_path / "first", licence="CC0"))
    path = tmp_path / "first/best.safetensors"
    header = read_header(path)
    assert (header.kind, header.embedding_space, header.licence) == ("tacotron1", "toy", "CC0")
    synthesizer = Synthesizer.load(path)
    assert isinstance(synthesizer, Tacotron1Synthesizer) and synthesizer.config.architecture.lstm_size == 20
    assert synthesizer.synthesize("a", EmbeddedVoice(np.full(256, 1 / 16, np.float32))).mel.shape[0] == 80

    given = {"warm_start": path, "architecture": type(toy_config())(), "inference": InferenceSettings(1)}
    plan = plan_training(toy_flags(store, **given), store)
    assert plan.task.config.architecture == synthesizer.config.architecture  # type: ignore[attr-defined]
    assert plan.batches.batch_at(0).reduction_factor == 1
    torch.testing.assert_close(plan.task.model.state_dict(), synthesizer.model.state_dict())


def test_starts_that_do_not_fit_are_refused(store, tmp_path):
    other = toy_synthesizer()
    other.embedding_space = "other"
    other.save(tmp_path / "other.safetensors")
    with pytest.raises(ConfigError, match="embedding space"):
        plan_training(toy_flags(store, warm_start=tmp_path / "other.safetensors"), store)
    toy_synthesizer(n_symbols=75).save(tmp_path / "pinyin.safetensors")
    with pytest.raises(ConfigError, match="pinyin"):
        plan_training(toy_flags(store, warm_start=tmp_path / "pinyin.safetensors"), store)
    with pytest.raises(ModelFileError):
        plan_training(toy_flags(store, warm_start=tmp_path / "missing.safetensors"), store)
    with pytest.raises(ConfigError, match="--warm-start"):
        Tacotron1Flags(adapt=tmp_path).resolved()
    with pytest.raises(ConfigError, match="guided-attention"):
        toy_flags(store, guided_attention=-1.0)
