"""Short versions of the fault scripts; `python -m tests.faults.NAME --count N` runs a long one."""

import logging
import os
import signal
import sys

import pytest

if not hasattr(os, "fork") or sys.platform != "linux":
    pytest.skip("needs fork and /proc", allow_module_level=True)

from tests.faults import (
    clock,
    disk_full,
    harness,
    kills,
    manifests,
    model_files,
    network,
    recordings,
    texts,
    two_at_once,
    voice_files,
)
from tests.faults.harness import Findings, run_case, silent_server
from tests.faults.works import STAGES, TRAININGS

LIGHT = [stage for stage in STAGES if stage not in TRAININGS]
EVERY_STAGE = [*(pytest.param(stage, marks=pytest.mark.slow) for stage in TRAININGS), *LIGHT]


@pytest.fixture(autouse=True)
def logging_as_before():
    yield
    logging.disable(logging.NOTSET)  # the work of the scripts is quiet


def assert_none(findings: Findings) -> None:
    assert findings.cases and not findings.found, "\n".join(findings.found)


@pytest.mark.parametrize(
    ("script", "count"), [(recordings, 21), (texts, 20), (voice_files, 30)], ids=["recordings", "texts", "voices"]
)
def test_files_and_texts(tmp_path, script, count):
    assert_none(script.check(count, 1, tmp_path))


@pytest.mark.slow
@pytest.mark.parametrize(("script", "count"), [(model_files, 54), (network, 60)], ids=["models", "network"])
def test_files_that_need_torch(tmp_path, script, count):
    assert_none(script.check(count, 1, tmp_path))


@pytest.mark.parametrize(
    "stage", [pytest.param(kind, marks=[pytest.mark.slow] * (kind in ("run", "lhotse"))) for kind in manifests.KINDS]
)
def test_hostile_manifests(tmp_path, stage):
    assert_none(manifests.check(10, 1, tmp_path, stage))


@pytest.mark.parametrize("stage", EVERY_STAGE)
def test_kills(tmp_path, stage):
    assert_none(kills.check(6, 1, tmp_path, stage))


@pytest.mark.parametrize("stage", EVERY_STAGE)
def test_a_full_disk(tmp_path, stage):
    assert_none(disk_full.check(2, 1, tmp_path, stage))


@pytest.mark.parametrize("stage", EVERY_STAGE)
def test_two_at_once(tmp_path, stage):
    assert_none(two_at_once.check(1, 1, tmp_path, stage))


@pytest.mark.parametrize("stage", EVERY_STAGE)
def test_clock_changes(tmp_path, stage):
    assert_none(clock.check(1, 1, tmp_path, stage))


def writes_elsewhere() -> None:
    with open("../elsewhere", "w") as file:
        file.write("a")


def connects(server: str) -> None:
    import socket

    host, port = server.split(":")
    socket.create_connection((host, int(port))).close()


def fails() -> None:
    raise ValueError("a bug")


def takes_memory() -> None:
    bytearray(2_000_000_000)


def crashes() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def waits() -> None:
    os.mkfifo("pipe")
    with open("pipe") as pipe:
        pipe.read()


@pytest.mark.parametrize(
    ("function", "fault"),
    [
        (writes_elsewhere, "wrote outside its folder"),
        (fails, "traceback: ValueError: a bug"),
        (crashes, "ended with -11"),
        (waits, "hang"),
    ],
)
def test_the_harness_finds_faults(tmp_path, monkeypatch, function, fault):
    monkeypatch.setattr(harness, "HANG_SECONDS", 1.0)
    (tmp_path / "case").mkdir()
    outcome = run_case(function, tmp_path / "case")
    assert len(outcome.faults) == 1 and outcome.faults[0].startswith(fault)


def test_the_harness_finds_connections_and_memory(tmp_path):
    with silent_server() as (server, contacts):
        outcome = run_case(lambda: connects(server), tmp_path)
        assert any(fault.startswith("network: socket.connect") for fault in outcome.faults) and contacts() == 1
    assert run_case(takes_memory, tmp_path, megabytes=100).faults[0].startswith("memory: ")
