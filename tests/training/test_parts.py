"""Prefetching, signals, random seeds, averages, TensorBoard writers and export."""

import signal
import subprocess
import sys
import threading
from collections import namedtuple
from dataclasses import dataclass

import pytest
import torch
from torch import nn

from modelfile.checkpoint import load_weights, save_model
from modelfile.header import ModelHeader, read_header
from speech.errors import ModelFileError, StorageError
from tests.training.toy import ToyConfig, ToyModel
from training.average import WeightAverage
from training.config import FitConfig
from training.export import export_model, main
from training.prefetch import Prefetcher
from training.processes import chosen_precision, cpu_multiplies_bf16, first_tensor, seed_everything, to_device
from training.run_directory import RunDirectory
from training.stopping import StopRequest


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_batches_come_in_order(depth):
    prefetcher = Prefetcher(lambda step: step * step, range(2, 8), depth)
    assert list(prefetcher) == [(step, step * step) for step in range(2, 8)]
    prefetcher.close()


def test_batches_are_prepared_up_to_the_depth():
    made, third = [], threading.Event()

    def batch_at(step):
        made.append(step)
        if step == 3:
            third.set()
        return step

    prefetcher = Prefetcher(batch_at, range(100), depth=2)
    next(iter(prefetcher))
    assert third.wait(10), "with one batch taken, two in the queue and one in hand, step 3 is reached"
    prefetcher.close()
    assert len(made) <= 5


def test_an_error_in_the_thread_is_raised_where_the_batch_is_used():
    prefetcher = Prefetcher(lambda step: 1 // (2 - step), range(5), 2)
    with pytest.raises(ZeroDivisionError):
        list(prefetcher)
    prefetcher.close()


def test_the_first_signal_is_a_request_and_the_second_kills():
    script = (
        "import signal; from training.stopping import StopRequest\n"
        "with StopRequest() as stop:\n"
        "    signal.raise_signal(signal.SIGTERM); print(stop.requested, flush=True)\n"
        "    signal.raise_signal(signal.SIGTERM); print('still here', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGTERM and done.stdout == "True\n"


def test_a_forwarded_signal_does_not_kill():
    before = signal.getsignal(signal.SIGINT)
    with StopRequest(echo_seconds=60) as stop:
        for _ in range(3):
            signal.raise_signal(signal.SIGINT)
        assert stop.requested
    assert signal.getsignal(signal.SIGINT) is before


def test_outside_the_main_thread_handlers_are_unchanged():
    before, seen = signal.getsignal(signal.SIGINT), []

    def work():
        with StopRequest() as stop:
            seen.append((stop.requested, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(False, before)]


def test_batches_of_any_nesting_are_moved():
    Pair = namedtuple("Pair", "left right")

    @dataclass(frozen=True)
    class Batch:
        mels: torch.Tensor
        names: tuple[str, ...]

    batch: dict = {"b": Batch(torch.ones(2, 3), ("x",)), "p": Pair(torch.zeros(1), 3), "l": [torch.zeros(1), None]}
    moved = to_device(batch, torch.device("meta"))
    assert moved["b"].mels.is_meta and moved["b"].names == ("x",)
    assert moved["p"].left.is_meta and moved["p"].right == 3 and moved["l"][0].is_meta and moved["l"][1] is None
    assert first_tensor(batch) is batch["b"].mels and first_tensor(["x"]) is None


def test_random_numbers_depend_only_on_seed_rank_step_and_stream():
    def draw(*key):
        generator = seed_everything(*key)
        return torch.rand(1).item(), torch.rand(1, generator=generator).item()

    assert draw(1, 0, 5) == draw(1, 0, 5)
    assert len({draw(*key) for key in ((1, 0, 5), (2, 0, 5), (1, 1, 5), (1, 0, 6), (1, 0, 5, 1))}) == 5


def test_the_writer_is_a_no_op_outside_a_session(tmp_path):
    directory = RunDirectory(tmp_path / "run")
    directory.writer.add_scalar("loss", 1.0, 0)
    directory.close()
    assert not (tmp_path / "run").exists()
    directory.start({})
    directory.open_events()
    directory.writer.add_scalar("loss", 1.0, 0)
    directory.close()
    assert list((tmp_path / "run" / "events").iterdir())


def test_weight_average():
    model = nn.Linear(1, 1, bias=False)
    nn.init.zeros_(model.weight)
    average = WeightAverage(model, decay=0.5)
    nn.init.ones_(model.weight)
    average.update(100)
    assert average.tensors["weight"].item() == pytest.approx(0.5)
    average.update(0)  # in the first step the new weights count 9 tenths
    assert average.tensors["weight"].item() == pytest.approx(0.95)
    with average.applied():
        assert model.weight.item() == pytest.approx(0.95)
    assert model.weight.item() == 1.0


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    for name, step in (("best", 3), ("model", 5)):
        save_model(
            folder / f"{name}.safetensors",
            ToyModel(ToyConfig()),
            ModelHeader(
                "toy", "small", ToyConfig(), step, "unknown", embedding_space="space", extra={"best_value": "1"}
            ),
        )
    return folder


def test_export_writes_the_best_model_in_half_precision(run, tmp_path, capsys):
    out = tmp_path / "models" / "toy.safetensors"
    main([str(run), str(out), "--trained-on", "a corpus", "--licence", "CC0"])
    header = read_header(out)
    assert (header.step, header.kind, header.trained_on, header.licence) == (3, "small", "a corpus", "CC0")
    assert header.embedding_space == "space" and header.extra == {"best_value": "1"}
    assert load_weights(out)["first.weight"].shape == (8, 4)
    assert out.stat().st_size < (run / "best.safetensors").stat().st_size
    assert "step 3" in capsys.readouterr().out


def test_export_of_the_newest_model_keeps_its_header(run, tmp_path):
    header = export_model(run, tmp_path / "out.safetensors", newest=True, dtype="float32")
    assert (header.step, header.licence) == (5, "unknown")


def test_export_refuses_to_overwrite_and_needs_a_model(run, tmp_path):
    with pytest.raises(StorageError, match="--force"):
        export_model(run, run / "best.safetensors")
    with pytest.raises(ModelFileError, match="no model yet"):
        export_model(tmp_path, tmp_path / "out.safetensors")


def test_frozen_parameters_are_not_averaged():
    torch.manual_seed(0)
    model = nn.Linear(50, 50)
    model.weight.requires_grad_(False)
    frozen = model.weight.detach().clone()
    average = WeightAverage(model, 0.999)
    for step in range(300):
        with torch.no_grad():
            model.bias.add_(0.01)
        average.update(step)
    with average.applied():
        assert torch.equal(model.weight, frozen)
        assert not torch.allclose(model.bias, torch.zeros(50))


@pytest.mark.parametrize(
    ("amx", "avx512", "name", "expected"),
    [
        (True, True, "sapphirerapids", True),
        (False, True, "emeraldrapids", False),  # a virtual machine that hides AMX
        (False, True, "znver4", True),
        (False, False, "znver3", False),
    ],
)
def test_bf16_is_chosen_where_it_is_faster(monkeypatch, amx, avx512, name, expected):
    monkeypatch.setattr("torch.cpu._is_amx_tile_supported", lambda: amx)
    monkeypatch.setattr("torch.cpu._is_avx512_bf16_supported", lambda: avx512)
    monkeypatch.setattr("llvmlite.binding.get_host_cpu_name", lambda: name)
    assert cpu_multiplies_bf16() == expected
    assert chosen_precision(FitConfig(), "cpu") == ("bf16" if expected else "fp32")
