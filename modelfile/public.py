"""Public PyTorch checkpoints (`.pt`), read for conversion to model files. Nothing but tensors is unpickled."""

import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speech.errors import ModelFileError


def read_public_checkpoint(path: str | Path, stage: str) -> tuple[dict[str, Tensor], int]:
    """Read the tensors in "model_state" and the training step.

    Args:
        stage: "encoder" or "vocoder", for the messages.

    Raises:
        ModelFileError: missing, not a PyTorch file of plain tensors, or without a "model_state".
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"There is no public {stage} at {path}: give the path of its .pt file.")
    try:
        checkpoint: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ModelFileError(f"{path} is not a PyTorch file of plain tensors: give the public {stage}.pt.") from error
    state = checkpoint.get("model_state") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelFileError(f"{path} is not a public {stage}: it has no 'model_state' of tensors.")
    return state, int(torch.as_tensor(checkpoint.get("step", 0)).max())
