"""Start a training from a finished model file: its config with flags on top, and its weights."""

import dataclasses
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from modelfile.families import read_family_file
from speech.errors import ModelFileError

if TYPE_CHECKING:
    from torch import Tensor, nn

Config = TypeVar("Config")

logger = logging.getLogger(__name__)


def read_start(
    path: Path | None,
    stage: str,
    kind: str,
    flags: Config,
    unpack: "Callable[[dict[str, Tensor], Config], dict[str, Tensor]] | None" = None,
) -> "tuple[Config, dict[str, Tensor] | None]":
    """Config and weights that a training starts from.

    Args:
        path: a model file; None starts from random weights with the config of the flags.
        kind: the family that the file must be of.
        flags: the family's config as the command line gives it. Settings that differ from their default replace those
            of the file.
        unpack: (stored weights, the file's config) -> weights of the model, for a family that stores them packed.

    Raises:
        ModelFileError: missing, damaged, or of a different stage or family.
    """
    if path is None:
        return flags, None
    from modelfile.header import config_from_header

    family, header, weights = read_family_file(stage, path)
    if family.kind != kind:
        raise ModelFileError(f"{path} is a {stage} of the family {family.kind!r}: give one of the family {kind!r}.")
    config = config_from_header(type(flags), header)
    return with_flags(config, flags), unpack(weights, config) if unpack else weights


def with_flags(found: Config, flags: Config) -> Config:
    """A file's config, with the settings of `flags` that differ from their default."""
    default: Any = type(flags)()
    names = [setting.name for setting in dataclasses.fields(default)]
    given = {name: getattr(flags, name) for name in names if getattr(flags, name) != getattr(default, name)}
    return dataclasses.replace(found, **given)  # type: ignore[type-var]


def take_over(model: "nn.Module", weights: "Mapping[str, Tensor] | None", path: Path | None) -> list[str]:
    """Copy the weights whose name and shape fit into `model`; without weights the model is not changed.

    Args:
        path: where the weights come from, for the messages.

    Returns:
        Names of the tensors that keep their random initial values.

    Raises:
        ModelFileError: no tensor fits.
    """
    if weights is None:
        return []
    from modelfile.checkpoint import warm_start

    left, tensors = warm_start(model, weights), len(model.state_dict())
    if len(left) == tensors:
        raise ModelFileError(f"No tensor in {path} fits this model: give the same architecture and sizes.")
    shown = ", ".join(left[:5]) + (", ..." if len(left) > 5 else "")
    random = f"; random weights for {shown}" if left else ""
    logger.info("starting from %s: %d of %d tensors%s", path, tensors - len(left), tensors, random)
    return left
