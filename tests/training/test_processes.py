"""Training that is stopped by signals, and training in two processes."""

import dataclasses
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from corpora.store import FeatureWriter
from tests.training import two_processes
from tests.training.toy import TOY_FIT, ToyBatches, ToyTask
from training.loop import fit
from training.run_directory import RunDirectory

pytestmark = pytest.mark.timeout(1200)  # starting processes is slow on a busy machine

SCRIPT = Path(__file__).with_name("toy.py")
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}


def start(run: Path, *arguments: str, launcher: tuple[str, ...] = ()) -> subprocess.Popen:
    command = [sys.executable, *launcher, str(SCRIPT), str(run), "--save-every", "3", *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT)


def wait_for_step(process: subprocess.Popen, step: int) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        if line.split() == ["step", str(step)]:
            return
    raise AssertionError(process.stderr.read() if process.stderr else "")


@pytest.mark.slow
def test_terminated_then_killed_then_resumed_equals_straight(tmp_path):
    run = tmp_path / "run"
    process = start(run, "--wait", "0.2")
    wait_for_step(process, 3)
    process.send_signal(signal.SIGTERM)
    out, errors = process.communicate(timeout=600)
    assert process.returncode == 0 and "result signal" in out
    assert re.search(r"is saved in .*\. Resume with: python .*toy\.py .* --resume", errors)

    process = start(run, "--wait", "0.2", "--resume")
    wait_for_step(process, 7)
    process.kill()
    process.communicate(timeout=600)
    assert process.returncode == -signal.SIGKILL

    process = start(run, "--resume")
    out, errors = process.communicate(timeout=600)
    assert process.returncode == 0 and "result finished 10" in out, errors

    straight = tmp_path / "straight"
    fit(ToyTask(), ToyBatches(), dataclasses.replace(TOY_FIT, save_every=3, ema_decay=0.9), straight)
    one, two = RunDirectory(run).latest_state(), RunDirectory(straight).latest_state()
    assert one is not None and two is not None
    assert one.step == two.step == 10 and one.values == two.values
    assert all(torch.equal(tensor, one.tensors[name]) for name, tensor in two.tensors.items())


@pytest.mark.slow
def test_an_error_of_two_processes_is_reported_once(tmp_path):
    run = tmp_path / "run"
    run.mkdir()
    (run / "config.json").write_text("{}")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    process = start(run, launcher=launcher)
    out, errors = process.communicate(timeout=600)
    assert process.returncode != 0 and out == ""
    assert errors.count("error: ") == errors.count("already holds a training run") == 1
    assert 'toy.py", line' not in errors  # no traceback of a worker; the launcher prints one of its own


@pytest.mark.slow
def test_two_processes_stop_together_and_agree(tmp_path):
    """Only the second process receives a signal. Both stop after the same step, which the first one has saved."""
    run = tmp_path / "run"
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    process = start(run, "--stop-rank", "1", "--stop-step", "4", launcher=launcher)
    out, errors = process.communicate(timeout=600)
    assert process.returncode == 0, errors
    results = re.findall(r"result (\w+) (\d+) ([0-9a-f]+)", out)
    assert len(results) == 2 and results[0] == results[1], "same reason, same step, same weights"
    assert results[0][:2] == ("signal", "5")
    state = RunDirectory(run).latest_state()
    assert state is not None
    assert state.step == 5 and state.values["world_size"] == 2
    assert not torch.equal(state.tensors["module/model/first.weight"], ToyTask().model.first.weight)


@pytest.mark.slow
@pytest.mark.parametrize("stage", two_processes.STAGES)
def test_two_processes_with_half_the_batch_agree_with_one_step_by_step(tmp_path, stage):
    """A toy model; gloo on this machine."""
    make_stores(tmp_path)
    script = Path(__file__).with_name("two_processes.py")
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2")
    command = [sys.executable, *launcher, str(script), stage, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 0, done.stderr
    one, two = two_processes.weights_after_steps(stage, tmp_path, tmp_path / "one"), np.load(tmp_path / "two.npy")
    assert one.shape == two.shape == (two_processes.STEPS + 1, one.shape[1])
    assert np.array_equal(one[0], two[0])
    for step in range(1, len(one)):
        moved = np.linalg.norm(one[step] - one[0])
        assert moved > 0 and np.linalg.norm(one[step] - two[step]) < 0.01 * moved, step


def make_stores(folder: Path) -> None:
    """Toy stores of the stages."""
    from tests.encoder.conftest import toy_mel
    from tests.synthesizer.toy import toy_store
    from tests.vocoder.conftest import make_vocoder_store

    rng = np.random.default_rng(0)
    with FeatureWriter(folder / "encoder") as writer:
        writer.write_info({"stage": "encoder"})
        for number in range(24):
            meta = {"speaker": f"s{number % 8}", "corpus": "toy", "split": "train" if number % 8 < 6 else "validation"}
            writer.add(f"toy/{number}", {"mel": toy_mel(number % 8, 40, rng)}, meta)
    toy_store(folder / "synthesizer")
    make_vocoder_store(folder / "vocoder")
