from dataclasses import replace

import numpy as np
import pytest
import torch
from matplotlib import image

from encoder.campplus.config import CAMPPlusConfig
from encoder.campplus.inference import CAMPPlusEncoder
from encoder.campplus.model import CAMPPlusModel
from encoder.config import AugmentationConfig, no_augmentation
from encoder.data import BatchConfig, SpeakerBatches
from encoder.lstm.config import LSTMConfig
from encoder.lstm.inference import LSTMEncoder
from encoder.lstm.model import SpeakerEncoderModel
from encoder.lstm.task import LSTMTask
from encoder.task import EncoderTask, LossConfig, distillation_loss
from encoder.trials import VerificationTrials
from modelfile.header import ModelHeader
from speech.errors import ConfigError, CorpusError
from training.run_directory import RunDirectory

BATCH = BatchConfig(speakers=4, utterances=2, frames=20, pause_grid=5)
AUGMENTED = AugmentationConfig()
HEADER = ModelHeader("encoder", "lstm")


def make_model(config: LSTMConfig, seed: int) -> SpeakerEncoderModel:
    torch.manual_seed(seed)
    return SpeakerEncoderModel(replace(config, compression="log"))


def make_task(toy_store, config: LSTMConfig, ge2e: float, distill: float) -> LSTMTask:
    teacher = LSTMEncoder(make_model(config, seed=1), embedding_space="teacher space")
    loss = LossConfig(ge2e_weight=ge2e, distill_weight=distill, distill_every=5)
    return LSTMTask(make_model(config, seed=2), toy_store, HEADER, loss, teacher=teacher if distill else None)


@pytest.mark.parametrize(("ge2e", "distill"), [(1.0, 0.0), (0.0, 1.0), (0.5, 1.0)])
def test_one_step_changes_every_parameter(toy_store, toy_config, ge2e: float, distill: float) -> None:
    task = make_task(toy_store, toy_config, ge2e, distill)
    assert ("ge2e" in task.extra_modules) == (ge2e > 0)
    modules = {"model": task.model, **task.extra_modules}
    before = {name: {k: v.clone() for k, v in module.state_dict().items()} for name, module in modules.items()}
    parameters = [parameter for module in modules.values() for parameter in module.parameters()]
    losses = task.step(SpeakerBatches(toy_store, BATCH, AUGMENTED).batch_at(0), 0, torch.Generator())
    losses["loss"].backward()
    torch.optim.Adam(parameters, lr=1e-2).step()
    for name, module in modules.items():
        for key, value in module.state_dict().items():
            if key != "offset":  # a softmax does not depend on it
                assert not torch.equal(value, before[name][key]), (name, key)
    assert losses["items"] == 8


def test_an_encoder_of_another_family_is_distilled(toy_store, toy_config) -> None:
    """Either family learns from the other; the embeddings of whole windows are compared."""
    small = CAMPPlusConfig(
        n_mels=40, embedding_size=12, head_channels=2, channels=8, growth_rate=4, bottleneck=4, layers=(1, 1, 1),
        segment_frames=10, partials=toy_config.partials,
    )  # fmt: skip
    torch.manual_seed(0)
    lstm = LSTMEncoder(make_model(toy_config, seed=1), embedding_space="teacher space")
    campplus = CAMPPlusEncoder(CAMPPlusModel(small), embedding_space="other space")
    loss = LossConfig(ge2e_weight=0.0, distill_weight=1.0)
    batch = SpeakerBatches(toy_store, BATCH).batch_at(0)
    tasks: list[EncoderTask] = [
        EncoderTask(CAMPPlusModel(small).train(), toy_store, HEADER, loss, teacher=lstm),
        LSTMTask(make_model(toy_config, seed=2), toy_store, HEADER, loss, teacher=campplus),
    ]
    for task, space in zip(tasks, ("teacher space", "other space"), strict=True):
        optimizer = torch.optim.Adam(task.model.parameters(), lr=1e-2)
        losses = []
        for step in range(60):
            optimizer.zero_grad()
            value = task.step(batch, step, torch.Generator())["loss"]
            value.backward()
            optimizer.step()
            losses.append(float(value.detach()))
        assert losses[-1] < 0.7 * losses[0]
        assert task.embedding_space() == space


@pytest.mark.parametrize(
    ("ge2e", "distill", "part", "target"), [(1.0, 0.0, "ge2e", 0.05), (0.0, 1.0, "distillation", 0.1)]
)
def test_one_batch_overfits(toy_store, toy_config, ge2e: float, distill: float, part: str, target: float) -> None:
    task = make_task(toy_store, toy_config, ge2e, distill)
    batch = SpeakerBatches(toy_store, BATCH).batch_at(0)
    parameters = [*task.model.parameters(), *task.ge2e.parameters()]
    optimizer = torch.optim.Adam(parameters, lr=1e-2)
    for step in range(120):
        losses = task.step(batch, step, torch.Generator())
        optimizer.zero_grad()
        losses["loss"].backward()
        optimizer.step()
    assert losses[part] < target


def test_the_teacher_is_not_trained(toy_store, toy_config) -> None:
    task = make_task(toy_store, toy_config, 0.0, 1.0)
    assert task.teacher is not None
    task.step(SpeakerBatches(toy_store, BATCH).batch_at(0), 0, torch.Generator())["loss"].backward()
    assert all(parameter.grad is None for parameter in task.teacher.model.parameters())


def test_the_trajectory_is_the_embeddings_of_prefixes(toy_config) -> None:
    model = make_model(toy_config, seed=0)
    mels = torch.rand(3, 23, 40)
    trajectory = model.trajectory(mels, 10)
    assert trajectory.shape == (3, 2, 12)
    torch.testing.assert_close(trajectory[:, 0], model(mels[:, :13]))
    torch.testing.assert_close(trajectory[:, 1], model(mels))


def test_embeddings_of_prefixes_that_end_at_any_frame(toy_config) -> None:
    model = make_model(toy_config, seed=0)
    mels = torch.rand(2, 23, 40)
    frames = torch.tensor([[4, 22], [0, 11]])
    embeddings = model.at_frames(mels, frames)
    for row in range(2):
        for column in range(2):
            expected = model(mels[row : row + 1, : frames[row, column] + 1])[0]
            torch.testing.assert_close(embeddings[row, column], expected)


def test_after_a_pause_student_and_teacher_are_compared_on_the_same_frames(toy_store, toy_config) -> None:
    model = make_model(toy_config, seed=1)
    only_pauses = replace(no_augmentation(), pause_probability=1.0, pause_fraction=(0.5, 0.5))
    batch = SpeakerBatches(toy_store, BATCH, only_pauses).batch_at(0)
    mels, clean, frames = (batch[name].flatten(0, 1) for name in ("mels", "clean", "clean_frames"))
    embeddings, targets = model.trajectory(mels, 1), model.at_frames(clean, frames)
    start = int((mels.sum(dim=2) == 0).int().argmax(dim=1)[0])
    torch.testing.assert_close(embeddings[0, :start], targets[0, :start])
    torch.testing.assert_close(targets[0, start : start + 10], targets[0, start - 1].expand(10, -1))
    torch.testing.assert_close(targets[0, -1], model(clean[:1, :10])[0])


def test_distillation_loss() -> None:
    targets = torch.nn.functional.normalize(torch.rand(6, 3, 8), dim=-1)
    assert abs(float(distillation_loss(targets, targets))) < 1e-5
    mean = torch.nn.functional.normalize(targets.mean(dim=0, keepdim=True), dim=-1).expand_as(targets)
    assert distillation_loss(mean, targets) > 0.7  # giving all the mean embedding is not enough


def test_a_perfect_student_has_cosine_one_and_the_space_of_its_teacher(toy_store, toy_config, tmp_path) -> None:
    task = make_task(toy_store, toy_config, 0.0, 1.0)
    assert task.teacher is not None
    assert (task.best_metric, task.best_mode) == ("teacher_cosine", "max")
    run = RunDirectory(tmp_path)
    assert task.validate(0, run)["teacher_cosine"] < 0.999
    task.model.load_state_dict(task.teacher.model.state_dict())
    assert task.validate(0, run)["teacher_cosine"] == pytest.approx(1, abs=1e-5)
    assert task.model_file()["embedding_space"] == "teacher space"


def test_without_a_teacher_the_weights_name_the_space(toy_store, toy_config, tmp_path) -> None:
    task = make_task(toy_store, toy_config, 1.0, 0.0)
    assert (task.best_metric, task.best_mode) == ("eer", "min")
    assert set(task.validate(0, RunDirectory(tmp_path))) == {"eer", "min_dcf", "noisy_eer"}
    name = task.model_file()["embedding_space"]
    assert name == task.model_file()["embedding_space"]
    with torch.no_grad():
        next(task.model.parameters()).add_(1)
    assert task.model_file()["embedding_space"] != name


def test_trials(toy_store) -> None:
    trials = VerificationTrials(toy_store, frames=20, windows_per_speaker=6)
    assert trials.windows.shape == (4 * 6, 20, 40)
    # the speaker with one utterance has no trial of the same speaker; the others have 2 windows of each of 3 utterances
    assert int(trials._same.sum()) == 3 * (6 * 5 // 2 - 3)
    envelopes = trials.windows.mean(dim=1)
    assert trials.equal_error_rate(torch.nn.functional.normalize(envelopes, dim=-1)) < 0.2
    rng = torch.Generator().manual_seed(0)
    noise = torch.nn.functional.normalize(torch.randn(24, 16, generator=rng), dim=-1)
    assert 0.3 < trials.equal_error_rate(noise) < 0.7


class TinyStore:
    def __init__(self, *items: tuple[str, str]):
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def meta(self, i: int) -> dict:
        return {"speaker": self.items[i][0], "split": self.items[i][1]}

    def array(self, i: int, name: str) -> np.ndarray:
        return np.full((30, 40), i)


def test_training_speakers_are_validated_only_without_others(caplog) -> None:
    known = [("a", "train"), ("a", "train"), ("b", "train"), ("a", "validation"), ("b", "validation")]
    held_out = [("c", "validation"), ("c", "validation"), ("d", "validation")]
    trials = VerificationTrials(TinyStore(*known, *held_out), frames=20, windows_per_speaker=2)
    assert trials.windows[:, 0, 0].tolist() == [5, 6, 7, 7]
    assert not caplog.records
    trials = VerificationTrials(TinyStore(*known), frames=20, windows_per_speaker=3)
    assert set(trials.windows[:, 0, 0].tolist()) == {0, 1, 2, 3, 4}
    assert "training speakers" in caplog.text


def test_recordings_take_the_place_of_speakers_without_names(caplog) -> None:
    store = TinyStore(("flat", "train"), ("flat", "train"), ("flat", "validation"))
    trials = VerificationTrials(store, frames=20, windows_per_speaker=3, names_needed=False)
    assert int(trials._same.sum()) == 3 * 3  # the pairs of the three windows of each recording
    assert len(trials._same) == 9 * 8 // 2
    assert "recordings apart" in caplog.text
    with pytest.raises(CorpusError):
        VerificationTrials(TinyStore(), frames=20, windows_per_speaker=3, names_needed=False)


def test_a_store_too_small_for_validation_is_refused() -> None:
    for items in ([("a", "train"), ("b", "train")], [("a", "train"), ("a", "validation")], []):
        with pytest.raises(CorpusError, match="two speakers"):
            VerificationTrials(TinyStore(*items), frames=20, windows_per_speaker=4)


@pytest.mark.slow  # UMAP is compiled on first use
def test_pictures_are_drawn_at_validation(toy_store, toy_config, tmp_path) -> None:
    teacher = LSTMEncoder(make_model(toy_config, seed=1), embedding_space="teacher space")
    loss = LossConfig(ge2e_weight=0.0, distill_weight=1.0)
    task = LSTMTask(make_model(toy_config, seed=2), toy_store, HEADER, loss, teacher=teacher, pictures=True)
    run = RunDirectory(tmp_path / "run")
    run.start({})
    run.open_events()
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        task.validate(7, run)
        assert torch.get_num_threads() == 1  # UMAP's loops set the number of cores
    finally:
        torch.set_num_threads(threads)
    run.close()
    for name in ("det", "speakers"):
        picture = image.imread(tmp_path / "run" / "samples" / f"step-000000007-{name}.png")
        assert picture.std() > 0.01


def test_invalid_settings_are_refused(toy_store, toy_config) -> None:
    model = make_model(toy_config, seed=0)
    with pytest.raises(ConfigError, match="teacher"):
        LSTMTask(model, toy_store, HEADER, LossConfig(distill_weight=1.0))
    for wrong in ({"ge2e_weight": 0.0}, {"ge2e_weight": -1.0, "distill_weight": 2.0}, {"distill_every": 0}):
        with pytest.raises(ConfigError):
            LossConfig(**wrong)
    other = LSTMEncoder(make_model(replace(toy_config, embedding_size=5), seed=0), embedding_space="other")
    with pytest.raises(ConfigError, match="embedding_size"):
        LSTMTask(model, toy_store, HEADER, LossConfig(distill_weight=1.0), teacher=other)
