"""A copy of a network for compiled code, which is kept with the network while its weights do not change."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import nn

Copy = TypeVar("Copy")

ATTRIBUTE = "compiled_copy"


def compiled_copy_of(model: nn.Module, settings: tuple[Any, ...], make: Callable[[], Copy]) -> Copy:
    """The kept copy, or a new one, which is kept if no weight is trainable.

    Args:
        settings: what the copy depends on besides the weights.
    """
    key = (settings, weights_key(model))
    kept = getattr(model, ATTRIBUTE, None)
    if kept is not None and kept[0] == key:
        return kept[1]  # type: ignore[no-any-return]
    setattr(model, ATTRIBUTE, None)
    made = make()
    if not any(parameter.requires_grad for parameter in model.parameters()):
        setattr(model, ATTRIBUTE, (key, made))
    return made


def weights_key(model: nn.Module) -> tuple[Any, ...]:
    """Changes when a weight does."""
    weights = (*model.parameters(), *model.buffers())
    return tuple((weight.data_ptr(), 0 if weight.is_inference() else weight._version) for weight in weights)
