"""Devices, precision and processes, on top of Accelerate."""

import dataclasses
import logging
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
import torch

from speech.errors import EXIT_SPEECH_ERROR, ConfigError, SpeechError
from training.config import FitConfig

if TYPE_CHECKING:
    from accelerate import Accelerator

logger = logging.getLogger(__name__)

T = TypeVar("T")

MAX_WAIT = timedelta(hours=4)  # of other processes, while the first one validates and saves


def process_rank() -> int:
    """Rank of this process among those that torchrun started; 0 without torchrun."""
    return int(os.environ.get("RANK", "0"))


def make_accelerator(config: FitConfig) -> "Accelerator":
    """An `Accelerator` for the device and precision of `config`, which joins the processes that torchrun started."""
    from accelerate import Accelerator, InitProcessGroupKwargs
    from accelerate.state import AcceleratorState

    device = chosen_device(config)
    if not torch.distributed.is_initialized():
        # Accelerate keeps the first device and precision of a process, but a second fit() may use others.
        AcceleratorState._reset_state(reset_partial_state=True)
    precision = {"fp32": "no"}.get(chosen := chosen_precision(config, device), chosen)
    return Accelerator(
        cpu=device == "cpu", mixed_precision=precision, kwargs_handlers=[InitProcessGroupKwargs(timeout=MAX_WAIT)]
    )


def chosen_device(config: FitConfig) -> str:
    """ "cpu", "cuda" or "mps".

    Raises:
        ConfigError: this machine does not have the device.
    """
    available = {"auto": True, "cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if not available[config.device]:
        raise ConfigError(f"This machine has no {config.device} device that PyTorch can use: choose cpu or auto.")
    if config.device != "auto":
        return config.device
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"


def chosen_precision(config: FitConfig, device: str) -> str:
    """ "fp32", "bf16" or "fp16".

    bf16 instructions of a CPU double the speed of LSTMs and convolutions. Autocast on a CPU leaves softmax, squares and
    norms in bf16, unlike on a GPU, so a task converts the inputs of its losses to float32.

    Raises:
        ConfigError: fp16 on a CPU.
    """
    if config.precision == "fp16" and device == "cpu":
        raise ConfigError("The precision fp16 needs a GPU: choose bf16, fp32 or auto for a CPU.")
    if config.precision != "auto":
        return config.precision
    if device == "cuda":
        return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
    return "bf16" if device == "cpu" and cpu_multiplies_bf16() else "fp32"


def chosen_matmul_precision(config: FitConfig, device: str) -> str:
    """The argument of `torch.set_float32_matmul_precision`."""
    if config.matmul_precision != "auto":
        return config.matmul_precision
    if device == "cuda":
        return "high"  # TF32
    return "medium" if device == "cpu" and cpu_multiplies_bf16() else "highest"


def cpu_multiplies_bf16() -> bool:
    """Whether products of bf16 are faster than those of fp32 on this CPU: with AMX, or with AVX512-BF16 of AMD.

    AVX512-BF16 of Intel has half the throughput. Where a virtual machine hides AMX, convolutions in bf16 took 1.3 times
    as long as in fp32.
    """

    def supports(name: str) -> bool:
        check = getattr(torch.cpu, name, None)
        return check is not None and bool(check())

    if supports("_is_amx_tile_supported"):
        return True
    if not supports("_is_avx512_bf16_supported"):
        return False
    from llvmlite.binding import get_host_cpu_name

    return bool(get_host_cpu_name().startswith("znver"))  # Zen


def seed_everything(seed: int, rank: int, step: int, stream: int = 0) -> torch.Generator:
    """Seed torch, numpy and Python with a function of the arguments, and return a separate generator.

    Each step has its own seed. So no random state has to be saved, validation does not affect training, and a
    resumed step draws the same numbers.
    """
    import random

    words = np.random.SeedSequence([seed, rank, step, stream]).generate_state(4, np.uint64)
    torch.manual_seed(int(words[0]))
    np.random.seed(int(words[1]) % 2**32)  # noqa: NPY002, for code that uses the global state
    random.seed(int(words[2]))
    return torch.Generator().manual_seed(int(words[3]) % 2**63)


def to_device(batch: Any, device: torch.device) -> Any:
    """Move the tensors in any nesting of dict, list, tuple, named tuple and dataclass."""
    if isinstance(batch, torch.Tensor):
        return batch.to(device, non_blocking=True)
    if isinstance(batch, Mapping):
        return {key: to_device(value, device) for key, value in batch.items()}
    if isinstance(batch, tuple) and hasattr(batch, "_fields"):
        return type(batch)(*(to_device(value, device) for value in batch))
    if isinstance(batch, list | tuple):
        return type(batch)(to_device(value, device) for value in batch)
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        moved = {field.name: to_device(getattr(batch, field.name), device) for field in dataclasses.fields(batch)}
        return dataclasses.replace(batch, **moved)
    return batch


def first_tensor(batch: Any) -> torch.Tensor | None:
    """Any tensor of a batch, for its leading dimension."""
    if isinstance(batch, torch.Tensor):
        return batch
    if dataclasses.is_dataclass(batch) and not isinstance(batch, type):
        batch = [getattr(batch, field.name) for field in dataclasses.fields(batch)]
    if isinstance(batch, Mapping):
        batch = list(batch.values())
    if isinstance(batch, list | tuple):
        for value in batch:
            if (found := first_tensor(value)) is not None:
                return found
    return None


def average_gradients(
    parameters: Sequence[torch.nn.Parameter], flags: Sequence[float], device: torch.device
) -> list[float]:
    """Average the gradients over all processes and sum the `flags`, in one flat all-reduce.

    Unlike with DistributedDataParallel, a task may call any method of its model, leave parameters unused and have
    parameters outside the model. The flags need no extra message. A parameter without a gradient in any process
    keeps None, as in a single process.
    """
    world = torch.distributed.get_world_size()
    grads = [torch.zeros_like(parameter) if parameter.grad is None else parameter.grad for parameter in parameters]
    used = torch.tensor([float(parameter.grad is not None) for parameter in parameters], device=device)
    tail = torch.tensor(list(flags), dtype=torch.float32, device=device)
    flat = torch.cat([grad.reshape(-1).float() for grad in grads] + [used, tail])
    torch.distributed.all_reduce(flat)
    sizes = [grad.numel() for grad in grads] + [len(parameters), len(flags)]
    *summed, used, tail = flat.split(sizes)
    for parameter, total, count in zip(parameters, summed, used.tolist(), strict=True):
        if count:
            parameter.grad = (total / world).view_as(parameter).to(parameter.dtype)
    return tail.tolist()


def in_first_process(accelerator: "Accelerator", work: Callable[[], T]) -> T | None:
    """Call `work` in the first process while the others wait. Returns its result there, None in the others.

    Raises:
        SpeechError: `work` raised it. The other processes then end without a message of their own.
    """
    result, error = None, None
    if accelerator.is_main_process:
        try:
            result = work()
        except SpeechError as raised:
            error = raised
    if accelerator.num_processes > 1:
        failed = torch.tensor(float(error is not None), device=accelerator.device)
        torch.distributed.broadcast(failed, src=0)
        if failed.item() and not accelerator.is_main_process:
            raise SystemExit(EXIT_SPEECH_ERROR)
    if error is not None:
        raise error
    return result


def share_from_first(tensors: Sequence[torch.Tensor]) -> None:
    """Overwrite the tensors of all processes with those of the first one."""
    for tensor in tensors:
        torch.distributed.broadcast(tensor, src=0)


def gather(tensor: torch.Tensor) -> torch.Tensor:
    """The rows of a tensor in all processes, in order of their rank: [n, ...] -> [processes * n, ...]."""
    if not torch.distributed.is_initialized():
        return tensor
    parts = [torch.empty_like(tensor) for _ in range(torch.distributed.get_world_size())]
    torch.distributed.all_gather(parts, tensor.contiguous())
    return torch.cat(parts)
