"""Comparison of finished training runs."""

import json
from pathlib import Path

import torch

from modelfile.checkpoint import load_weights
from modelfile.header import read_header
from training.run_directory import RunDirectory


def differences(run: Path, whole: Path) -> list[str]:
    """A sentence for each difference between two finished runs: weights, headers, states, counters, steps of the log.

    Bit for bit, with all that a resumed run goes on from: optimiser moments, averages, discriminators.
    """
    one, two = RunDirectory(run), RunDirectory(whole)
    faults = [f"left over: {path.name}" for path in run.rglob("*.partial")]
    for name in sorted(path.name for path in whole.glob("*.safetensors")):
        if read_header(run / name) != read_header(whole / name):
            faults.append(f"differs: header of {name}")
        faults += _different_tensors(load_weights(run / name), load_weights(whole / name), name)
    state, state_2 = one.latest_state(), two.latest_state()
    assert state is not None and state_2 is not None
    if (state.step, state.values) != (state_2.step, state_2.values):
        faults.append("differs: counters of the state")
    faults += _different_tensors(state.tensors, state_2.tensors, "the state")
    steps = [json.loads(line)["step"] for line in one.log.read_text(encoding="utf-8").splitlines()]
    if steps != sorted(steps):
        faults.append(f"differs: the log has the steps {steps}")
    return faults


def _different_tensors(one: dict[str, torch.Tensor], two: dict[str, torch.Tensor], where: str) -> list[str]:
    names = sorted(one.keys() | two.keys())
    same = {name for name in one.keys() & two.keys() if torch.equal(one[name], two[name])}
    return [f"differs: {name} of {where}" for name in names if name not in same]
