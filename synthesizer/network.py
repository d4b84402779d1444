"""A synthesizer that is one PyTorch network: its construction and its file."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Protocol, TypeVar

import torch
from torch import nn

from modelfile.checkpoint import save_model
from modelfile.header import ModelHeader
from speech.mel_config import MelConfig
from synthesizer.base import STAGE, Origin, Synthesizer


class _Architecture(Protocol):
    @property
    def mel(self) -> MelConfig: ...

    @property
    def speaker_embedding_size(self) -> int: ...


class _Inference(Protocol):
    @property
    def reduction_factor(self) -> int: ...


class NetworkConfig(Protocol):
    """What this class reads from the settings of a family."""

    @property
    def architecture(self) -> _Architecture: ...

    @property
    def inference(self) -> _Inference: ...


Network = TypeVar("Network", bound=nn.Module)
Config = TypeVar("Config", bound=NetworkConfig)


class NetworkSynthesizer(Synthesizer, Generic[Network, Config]):
    """Base of the families that have one network.

    Args:
        model: the network.
        config: its settings.
        origin: header entries of the model file.
    """

    kind: ClassVar[str]

    def __init__(self, model: Network, config: Config, origin: Origin, device: str | torch.device = "cpu") -> None:
        sizes, factor = config.architecture, config.inference.reduction_factor
        super().__init__(origin, sizes.mel, sizes.speaker_embedding_size, factor)
        self.device = torch.device(device)
        self.config = config
        self.model = model.to(self.device).eval().requires_grad_(False)

    def save(self, path: str | Path, dtype: torch.dtype | Literal["int8"] | None = None) -> None:
        config: Any = self.config
        header = ModelHeader(STAGE, self.kind, config, self.step, self.licence, self.trained_on, self.embedding_space)
        save_model(path, self.model, header, dtype)


def origin_of(header: ModelHeader) -> Origin:
    """The entries of a header that a synthesizer shows."""
    return Origin(header.embedding_space, header.licence, header.trained_on, header.step)
