"""`fit` on a toy: a stopped run resumes bit-identically, and errors leave the last good state."""

import dataclasses
import json
import logging
import os
import signal
import sys
from pathlib import Path

import pytest
import torch
from safetensors import SafetensorError, safe_open
from safetensors import torch as safetensors_torch
from safetensors.torch import load_file

from modelfile.checkpoint import load_into, load_model_file
from modelfile.header import read_header
from speech.errors import ConfigError, StorageError, TrainingError
from tests.training.toy import TOY_FIT, ToyBatches, ToyModel, ToyTask
from training.loop import FitConfig, fit, resume_command
from training.run_directory import RunDirectory, SavedState


def config(**changes) -> FitConfig:
    return dataclasses.replace(TOY_FIT, **changes)


def run_log(run: Path) -> list[dict]:
    return [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]


def newest(run: Path) -> SavedState:
    state = RunDirectory(run).latest_state()
    assert state is not None
    return state


def same_state(one: Path, two: Path) -> bool:
    """Whether the newest states of two runs agree to the bit, tensors and counters."""
    first, second = newest(one), newest(two)
    assert first.tensors.keys() == second.tensors.keys()
    return (first.step, first.values) == (second.step, second.values) and all(
        torch.equal(tensor, second.tensors[name]) for name, tensor in first.tensors.items()
    )


def stop_at(task: ToyTask, step: int) -> ToyTask:
    task.on_step = lambda now: signal.raise_signal(signal.SIGINT) if now == step else None
    return task


@pytest.fixture(scope="module")
def straight(tmp_path_factory) -> Path:
    """Ten steps without a stop, with averaged weights."""
    run = tmp_path_factory.mktemp("straight") / "run"
    result = fit(ToyTask(), ToyBatches(), config(ema_decay=0.9), run)
    assert (result.reason, result.step) == ("finished", 10)
    return run


def test_files_of_a_run(straight):
    assert {path.name for path in straight.iterdir()} == {
        "config.json", "model.safetensors", "best.safetensors", "state", "events", "samples", "log.jsonl", ".lock"
    }  # fmt: skip
    assert list((straight / "events").iterdir())
    train = [line for line in run_log(straight) if "loss" in line]
    assert [line["step"] for line in train] == [2, 4, 6, 8, 10]
    assert {"loss", "distance", "lr", "grad_norm", "items_per_s", "steps_per_s"} < train[0].keys()
    validation = [line for line in run_log(straight) if "validation/error" in line]
    assert [line["step"] for line in validation] == [4, 8, 10]
    assert all(line["validation/training_mode"] == 0 for line in validation)


def test_interrupted_and_resumed_equals_straight(straight, tmp_path):
    run = tmp_path / "run"
    first = fit(stop_at(ToyTask(), 4), ToyBatches(), config(ema_decay=0.9), run)
    assert (first.reason, first.step) == ("signal", 5)
    assert "--resume" in first.sentence and "step 5" in first.sentence
    torch.manual_seed(99)  # the random state of the new process must not matter
    second = fit(ToyTask(), ToyBatches(), config(ema_decay=0.9, prefetch=0), run, resume=True)
    assert (second.reason, second.step) == ("finished", 10)
    assert same_state(run, straight)
    for name in ("model", "best"):
        one, two = (load_file(folder / f"{name}.safetensors") for folder in (run, straight))
        assert all(torch.equal(one[key], two[key]) for key in two)


def test_resuming_from_an_older_state_repeats_the_same_steps(straight, tmp_path):
    """As after kill -9: the newest state is older than the log and the best model."""
    run = tmp_path / "run"
    fit(stop_at(ToyTask(), 8), ToyBatches(), config(ema_decay=0.9), run)
    states = RunDirectory(run).state_files()
    assert [path.name for path in states] == ["step-000000005.safetensors", "step-000000009.safetensors"]
    states[-1].unlink()
    (run / "state" / ".step-000000009.safetensors.77.partial").write_bytes(b"half")
    (run / "samples" / ".step-000000009-1.wav.77.partial").write_bytes(b"half")
    fit(ToyTask(), ToyBatches(), config(ema_decay=0.9), run, resume=True)
    assert same_state(run, straight)
    steps = [(line["step"], "loss" in line) for line in run_log(run)]
    assert len(steps) == len(set(steps)), "the log repeats no line"
    assert not list(run.rglob("*.partial"))


def test_a_damaged_newest_state_is_skipped(straight, tmp_path):
    run = tmp_path / "run"
    fit(stop_at(ToyTask(), 8), ToyBatches(), config(ema_decay=0.9), run)
    newest = RunDirectory(run).state_files()[-1]
    newest.write_bytes(newest.read_bytes()[:-20])
    fit(ToyTask(), ToyBatches(), config(ema_decay=0.9), run, resume=True)
    assert same_state(run, straight)


def damage(path: Path, kind: str) -> None:
    """Damage the last tensor of a state, the state's header staying whole."""
    content = bytearray(path.read_bytes())
    if kind == "flipped bit":
        content[-3] ^= 0x10
        path.write_bytes(content)
        return
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
    tensors = load_file(path)
    tensors["module/model/last.bias"][0] = float("nan")
    del metadata["checksum"]  # as of an older version
    safetensors_torch.save_file(tensors, path, metadata)


@pytest.mark.parametrize("kind", ["flipped bit", "NaN"])
def test_a_damaged_state_with_a_whole_header_is_skipped(straight, tmp_path, caplog, kind):
    run = tmp_path / "run"
    fit(stop_at(ToyTask(), 8), ToyBatches(), config(ema_decay=0.9), run)
    path = RunDirectory(run).state_files()[-1]
    damage(path, kind)
    fit(ToyTask(), ToyBatches(), config(ema_decay=0.9, keep_last=1), run, resume=True)
    assert path.name in caplog.text and "using the state before it" in caplog.text
    assert same_state(run, straight)
    assert [path.name for path in (run / "state").glob("[!d]*")] == ["step-000000010.safetensors"]
    assert (run / "state" / f"damaged-{path.name}").is_file()


def test_a_run_whose_states_are_all_damaged_is_not_started_again(tmp_path):
    run = RunDirectory(tmp_path / "run")
    fit(ToyTask(), ToyBatches(), config(), run.path)
    for path in run.state_files():
        damage(path, "flipped bit")
    before = run.log.read_text()
    with pytest.raises(TrainingError, match="No state in"):
        fit(ToyTask(), ToyBatches(), config(), run.path, resume=True)
    assert run.log.read_text() == before and len(run.state_files()) == 2


def test_states_without_a_checksum_are_read_and_newer_ones_are_refused(tmp_path):
    run = RunDirectory(tmp_path / "run")
    fit(ToyTask(), ToyBatches(), config(), run.path)
    path = run.state_files()[-1]
    with safe_open(path, framework="pt") as file:
        metadata = dict(file.metadata())
    tensors = load_file(path)
    del metadata["checksum"]
    safetensors_torch.save_file(tensors, path, metadata)
    assert newest(run.path).step == 10
    safetensors_torch.save_file(tensors, path, {**metadata, "format_version": "99"})
    with pytest.raises(TrainingError, match="newer version"):
        newest(run.path)


def test_validation_does_not_affect_training(straight, tmp_path):
    fit(ToyTask(), ToyBatches(), config(ema_decay=0.9, validate_every=1, log_every=3, save_every=0), tmp_path / "run")
    one, two = (newest(path).tensors for path in (tmp_path / "run", straight))
    assert all(torch.equal(one[name], two[name]) for name in two)


def test_the_average_is_saved_as_model_and_both_as_state(straight):
    state = newest(straight)
    header, weights = load_model_file(straight / "model.safetensors", "toy", "small")
    assert (header.step, header.licence, header.extra["note"]) == (10, "CC0", "a toy")
    assert torch.equal(weights["first.weight"], state.tensors["average/first.weight"])
    assert not torch.equal(weights["first.weight"], state.tensors["module/model/first.weight"])
    load_into(ToyModel(ToyTask().config), weights)


def test_one_step_changes_every_parameter(tmp_path):
    task = ToyTask()
    before = [p.detach().clone() for module in (task.model, task.extra_modules["scale"]) for p in module.parameters()]
    fit(task, ToyBatches(), config(steps=1), tmp_path / "run")
    after = [p for module in (task.model, task.extra_modules["scale"]) for p in module.parameters()]
    assert all(not torch.equal(one, two) for one, two in zip(before, after, strict=True))


def test_a_run_directory_is_not_started_twice(straight):
    with pytest.raises(TrainingError, match="--resume"):
        fit(ToyTask(), ToyBatches(), config(), straight)


@pytest.mark.skipif(os.name == "nt", reason="there are no locks")
def test_two_trainings_in_one_run_directory_are_refused(straight, tmp_path):
    run = tmp_path / "run"
    task = ToyTask()
    refused = []

    def start_another(step: int) -> None:
        random = torch.get_rng_state()  # of this step's dropout, which `ToyTask` would seed again
        for resume in (True, False) if step == 6 else ():
            with pytest.raises(TrainingError) as error:
                fit(ToyTask(), ToyBatches(), config(ema_decay=0.9), run, resume)
            refused.append(str(error.value))
        torch.set_rng_state(random)

    task.on_step = start_another
    fit(task, ToyBatches(), config(ema_decay=0.9), run)
    assert "Another process is training" in refused[0] and "\n" not in refused[0]
    assert "already holds a training run" in refused[1]
    assert same_state(run, straight)
    fit(ToyTask(), ToyBatches(), config(ema_decay=0.9), run, resume=True)  # the lock is free again


@pytest.mark.skipif(sys.platform != "linux", reason="other systems allow Unicode names only")
@pytest.mark.parametrize("name", [b"caf\xe9", b"\xff\xfe", b"\xc3"])
def test_a_run_directory_whose_name_is_not_utf8(tmp_path, name, monkeypatch):
    messages: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: messages.append(record.getMessage())  # type: ignore[method-assign]
    logger = logging.getLogger("training")
    monkeypatch.setattr(logger, "handlers", [handler])
    monkeypatch.setattr(logger, "propagate", False)  # a report with such a name cannot be sent to pytest-xdist
    run = tmp_path / os.fsdecode(name)
    fit(ToyTask(), ToyBatches(), config(steps=2), run)
    assert any("TensorBoard cannot write" in message for message in messages)
    assert newest(run).step == 2
    assert fit(ToyTask(), ToyBatches(), config(steps=4), run, resume=True).step == 4
    assert load_model_file(run / "best.safetensors", "toy")[1]
    assert read_header(run / "best.safetensors").step == 4 and run_log(run)


def test_resume_needs_a_run(tmp_path):
    with pytest.raises(TrainingError, match="without --resume"):
        fit(ToyTask(), ToyBatches(), config(), tmp_path / "nothing", resume=True)


def test_resumed_with_fewer_steps_and_so_a_shorter_warm_up(tmp_path):
    run = tmp_path / "run"
    fit(ToyTask(), ToyBatches(), config(steps=2), run)
    assert fit(ToyTask(), ToyBatches(), config(steps=4, warmup_steps=1), run, resume=True).step == 4


def test_resume_names_the_setting_that_differs(tmp_path):
    run = tmp_path / "run"
    fit(ToyTask(), ToyBatches(), config(steps=2), run, settings={"batch": 6})
    again = {"run_dir": run, "resume": True, "settings": {"batch": 6}}
    with pytest.raises(TrainingError, match=r"fit\.learning_rate = 0\.01, not 0\.02"):
        fit(ToyTask(), ToyBatches(), config(steps=2, learning_rate=0.02), **again)
    with pytest.raises(TrainingError, match=r"model\.width = 8, not 9"):
        fit(ToyTask(width=9), ToyBatches(), config(steps=2), **again)
    with pytest.raises(TrainingError, match=r"settings\.batch = 6, not 7"):
        fit(ToyTask(), ToyBatches(), config(steps=2), **{**again, "settings": {"batch": 7}})
    result = fit(ToyTask(), ToyBatches(), config(steps=3, log_every=1, max_minutes=9, keep_last=1), **again)
    assert result.step == 3 and len(RunDirectory(run).state_files()) == 1


def test_settings_with_former_names_are_read(tmp_path):
    run = tmp_path / "run"
    fit(ToyTask(), ToyBatches(), config(steps=2), run, settings={"old": 1, "loss": {"old": 2, "older": 3}})
    names = {"loss.old": "new", "older": "newer", "old": "other"}
    again = {"run_dir": run, "resume": True, "former_names": names}
    with pytest.raises(TrainingError, match=r"settings\.loss\.newer = 3, not 4"):
        settings = {"other": 1, "loss": {"newer": 4}, "new": 2}
        fit(ToyTask(), ToyBatches(), config(steps=3), settings=settings, **again)
    settings = {"other": 1, "loss": {"newer": 3}, "new": 2}
    assert fit(ToyTask(), ToyBatches(), config(steps=3), settings=settings, **again).step == 3
    assert RunDirectory(run).description()["settings"] == settings


def test_a_state_of_a_different_shape_is_refused(tmp_path):
    run = tmp_path / "run"
    fit(ToyTask(), ToyBatches(), config(steps=1), run)
    task = ToyTask(width=9)
    task.config = ToyTask().config  # claims the old width
    with pytest.raises(TrainingError, match=r"does not fit the model at module/model/first\.weight"):
        fit(task, ToyBatches(), config(steps=2), run, resume=True)


def test_a_bad_step_is_skipped(tmp_path, caplog):
    task = ToyTask(bad_steps=(3, 4, 7))
    fit(task, ToyBatches(), config(ema_decay=0.9), tmp_path / "run")
    assert [record.args[1] for record in caplog.records if "not finite" in record.msg] == [3, 4, 7]
    tensors = newest(tmp_path / "run").tensors
    assert all(torch.isfinite(tensor).all() for tensor in tensors.values())
    assert tensors["optimizer/0/step"] == 7, "three of ten steps were skipped"
    assert all(line["loss"] is not None for line in run_log(tmp_path / "run") if "loss" in line)


def test_three_bad_steps_in_a_row_stop_with_the_last_good_state(tmp_path):
    run = tmp_path / "run"
    with pytest.raises(TrainingError, match=r"steps 6 to 8; the state after step 6 is kept"):
        fit(ToyTask(bad_steps=(6, 7, 8)), ToyBatches(), config(), run)
    state = newest(run)
    assert state.step == 6 and all(torch.isfinite(tensor).all() for tensor in state.tensors.values())
    assert read_header(run / "model.safetensors").step == 6
    result = fit(ToyTask(), ToyBatches(), config(), run, resume=True)
    assert result.step == 10
    fit(ToyTask(), ToyBatches(), config(), tmp_path / "clean")
    assert same_state(run, tmp_path / "clean")


def test_infinite_weights_do_not_replace_a_good_state(tmp_path):
    run = tmp_path / "run"
    task = ToyTask()

    def explode(step: int) -> None:
        if step == 7:
            with torch.no_grad():
                task.model.first.weight.fill_(float("inf"))

    task.on_step = explode
    with pytest.raises(TrainingError, match="states saved before are kept"):
        fit(task, ToyBatches(), config(), run)
    assert newest(run).step == 5 and read_header(run / "model.safetensors").step == 5


@pytest.mark.parametrize("wrong", [{"device": "mps"}, {"precision": "fp16"}])
def test_unavailable_devices_and_precisions(tmp_path, monkeypatch, wrong):
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ConfigError, match="choose"):
        fit(ToyTask(), ToyBatches(), config(**wrong), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_full_disk_leaves_the_older_state_usable(tmp_path, monkeypatch):
    run = tmp_path / "run"
    real = safetensors_torch.save_file

    def full_disk(tensors, path, metadata):
        if "step-000000010" in str(path):
            Path(path).write_bytes(b"the first half")
            raise SafetensorError("I/O error: No space left on device (os error 28)")
        real(tensors, path, metadata)

    monkeypatch.setattr(safetensors_torch, "save_file", full_disk)
    with pytest.raises(StorageError, match=r"disk is full.*state of step 5 is intact.*--resume\.$"):
        fit(ToyTask(), ToyBatches(), config(), run)
    assert [path.name for path in (run / "state").iterdir()] == ["step-000000005.safetensors"]
    monkeypatch.undo()
    fit(ToyTask(), ToyBatches(), config(), run, resume=True)
    fit(ToyTask(), ToyBatches(), config(), tmp_path / "clean")
    assert same_state(run, tmp_path / "clean")


@pytest.mark.parametrize(("mode", "best"), [("min", (0.25, 3)), ("max", (2.0, 2))])
def test_the_best_model_is_kept(tmp_path, mode, best):
    task, figures = ToyTask(), {1: 1.0, 2: 2.0, 3: 0.25, 4: float("nan"), 5: 1.0}
    task.best_mode = mode
    task.validate = lambda step, run: {"error": figures[step]}  # type: ignore[method-assign]
    result = fit(task, ToyBatches(), config(steps=5, validate_every=1), tmp_path / "run")
    assert (result.best, result.best_step) == best
    header = read_header(tmp_path / "run" / "best.safetensors")
    assert header.step == best[1] and float(header.extra["best_value"]) == best[0]


def test_max_minutes(tmp_path):
    result = fit(ToyTask(), ToyBatches(), config(max_minutes=1e-9), tmp_path / "run")
    assert (result.reason, result.step) == ("max_minutes", 1)
    assert "--resume" in result.sentence and newest(tmp_path / "run").step == 1


def test_only_the_last_states_are_kept(tmp_path):
    fit(ToyTask(), ToyBatches(), config(save_every=1, keep_last=2), tmp_path / "run")
    assert [path.name[9:14] for path in RunDirectory(tmp_path / "run").state_files()] == ["00009", "00010"]


def test_learning_rates_by_group(tmp_path):
    class FrozenScale(ToyTask):
        def param_groups(self):
            scale = list(self.extra_modules["scale"].parameters())
            return [{"params": list(self.model.parameters())}, {"params": scale, "lr_scale": 0.0}]

    task = FrozenScale()
    before = [p.detach().clone() for p in task.extra_modules["scale"].parameters()]
    fit(task, ToyBatches(), config(steps=4, log_every=1, learning_rate=4e-3, warmup_steps=4), tmp_path / "run")
    rates = [line["lr"] for line in run_log(tmp_path / "run") if "lr" in line]
    assert rates == pytest.approx([1e-3, 2e-3, 3e-3, 4e-3])
    assert all(torch.equal(p, q) for p, q in zip(before, task.extra_modules["scale"].parameters(), strict=True))


def test_bf16_runs_on_the_cpu_and_restores_global_settings(tmp_path):
    before = torch.get_float32_matmul_precision(), torch.get_num_threads()
    result = fit(
        ToyTask(), ToyBatches(), config(steps=2, precision="bf16", matmul_precision="medium"), tmp_path / "run"
    )
    assert result.step == 2
    assert (torch.get_float32_matmul_precision(), torch.get_num_threads()) == before
    weights = newest(tmp_path / "run").tensors
    assert weights["module/model/first.weight"].dtype == torch.float32


def test_an_error_in_the_data_is_raised(tmp_path):
    class Broken(ToyBatches):
        def batch_at(self, step):
            if step == 3:
                raise StorageError("The store is gone.")
            return super().batch_at(step)

    with pytest.raises(StorageError, match="gone"):
        fit(ToyTask(), Broken(), config(), tmp_path / "run")


@pytest.mark.parametrize(
    "wrong",
    [
        {"steps": 0}, {"learning_rate": 0.0}, {"learning_rate": float("nan")}, {"ema_decay": 1.0}, {"clip_norm": -1.0},
        {"precision": "int4"}, {"device": "tpu"}, {"decay": "linear"}, {"matmul_precision": "low"},
        {"max_minutes": float("inf")}, {"keep_last": 0}, {"prefetch": -1}, {"betas": (0.9, 1.0)},
    ],
)  # fmt: skip
def test_settings_out_of_range(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        config(**wrong)


def test_the_command_that_resumes(monkeypatch):
    assert resume_command(Path("runs/a"), "train.py") == "python train.py --run runs/a --resume"
    assert resume_command(Path("a run"), "train.py") == "python train.py --run 'a run' --resume"
    monkeypatch.setenv("WORLD_SIZE", "8")
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "4")
    assert resume_command(Path("a"), "train.py") == "torchrun --nproc-per-node 4 -- train.py --run a --resume"


def test_a_run_that_another_process_finished_while_this_one_waited_is_kept(tmp_path, monkeypatch):
    lock = RunDirectory._lock_out_others

    def wait(run: RunDirectory) -> None:
        run.config.write_text('{"of": "the other"}')
        lock(run)

    monkeypatch.setattr(RunDirectory, "_lock_out_others", wait)
    run = RunDirectory(tmp_path / "run")
    with pytest.raises(TrainingError, match="already holds a training run"):
        run.start({"of": "this one"})
    assert run.description() == {"of": "the other"}
    monkeypatch.undo()
    run.resume({"of": "the other"})  # nothing is locked
    run.close()
