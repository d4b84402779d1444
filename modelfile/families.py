"""Model families: each is a folder of its stage with a `family.py`, which is found by its name.

    encoder/lstm/family.py    FAMILY = Family(kind="lstm", config=LSTMConfig, load=..., ...)

Scripts, cloning, toolbox and evaluation get a family by the kind in a model file's header, and name none themselves.
A `family.py` must not import torch, directly or indirectly, since `--help` needs the flags of all families.
"""

import functools
import importlib
import importlib.util
import pkgutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from speech.errors import ConfigError, ModelFileError

if TYPE_CHECKING:
    from torch import Tensor

    from modelfile.header import ModelHeader
    from modelfile.public import Converted, PublicCheckpoint


STAGES = ("encoder", "synthesizer", "vocoder")


@dataclass(frozen=True)
class Family:
    """One architecture of a stage.

    Attributes:
        kind: its name: in the header of its model files, and for `--model` of the training scripts.
        config: frozen dataclass of the architecture, stored whole in each model file.
        load: (header, weights, device, **options) -> the stage's facade.
        training_flags: subclass of `training.flags.TrainingFlags`; None for a family that is not trained.
        plan: (flags, store, run) -> `training.config.TrainingPlan`; None for a family that is not trained.
        needs_file: whether it has model files; without them, `load` takes None for header and weights.
        convert: a public checkpoint -> header and weights of a model file, or None for checkpoints of other families;
            raises `ModelFileError` for one that is incomplete. None for a family without public checkpoints.
        end_to_end: whether a synthesizer of this family generates audio itself, so that no vocoder is needed.
        units: header -> number of different units of speech that a synthesizer converts, 0 if it reads text only; None
            for a family that reads text only.
        order: position in lists. Files without a kind in their header are read as the first family.
    """

    kind: str
    config: type
    load: Callable[..., Any]
    training_flags: type | None = None
    plan: Callable[..., Any] | None = None
    needs_file: bool = True
    convert: "Callable[[PublicCheckpoint], Converted | None] | None" = None
    end_to_end: bool = False
    units: "Callable[[ModelHeader], int] | None" = None
    order: int = 100


@functools.cache
def families_of(stage: str) -> Mapping[str, Family]:
    """All families of a stage ("encoder", "synthesizer" or "vocoder") by kind, in their order.

    Raises:
        ModelFileError: there is no such stage. The name may come from a file, so nothing else is imported.
    """
    if stage not in STAGES:
        raise ModelFileError(f"There is no stage {stage[:40]!r}: give a model of one of {', '.join(STAGES)}.")
    package = importlib.import_module(stage)
    found = []
    for module in pkgutil.iter_modules(package.__path__):
        if module.ispkg and importlib.util.find_spec(f"{stage}.{module.name}.family") is not None:
            found.append(importlib.import_module(f"{stage}.{module.name}.family").FAMILY)
    return {family.kind: family for family in sorted(found, key=lambda family: (family.order, family.kind))}


def family_of(stage: str, kind: str) -> Family:
    """The family of a kind; the first one if the kind is "".

    Raises:
        ConfigError: the stage has no such family.
    """
    families = families_of(stage)
    if not kind:
        return next(iter(families.values()))
    if kind not in families:
        raise ConfigError(f"There is no {stage} family {kind!r}: choose {', '.join(families)}.")
    return families[kind]


def read_family_file(stage: str, path: Any) -> tuple[Family, "ModelHeader", "dict[str, Tensor]"]:
    """Family, header and weights of a model file.

    Raises:
        ModelFileError: missing, damaged, of a different stage, or of a family that this version does not have.
    """
    from modelfile.checkpoint import load_model_file

    header, weights = load_model_file(path, stage)
    if header.kind and header.kind not in families_of(stage):
        raise ModelFileError(f"{path} is of the unknown {stage} family {header.kind!r}: update the program.")
    return family_of(stage, header.kind), header, weights


def load_family(stage: str, path: Any, device: Any, **options: Any) -> Any:
    """Load a model file with the family that its header names, and return the stage's facade.

    Raises:
        ModelFileError: as `read_family_file`.
    """
    family, header, weights = read_family_file(stage, path)
    return family.load(header, weights, device, **options)
