"""Joint training of a VITS and its speaker encoder (DINO-VITS: Pankov et al., arXiv 2311.09770).

The condition of the VITS is the encoder's embedding of a reference crop that may be noisy. So the encoder gets the
gradient of the synthesizer's losses, beside that of a DINO loss on crops of the same recording. A further loss brings
the clone's embedding to that of the clean recording, both by the teacher.
"""

from __future__ import annotations

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from corpora.store import FeatureStore
from speech.audio import SAMPLE_RATE
from speech.errors import ConfigError
from synthesizer.training_flags import JointEncoder
from synthesizer.vits.config import VitsConfig
from synthesizer.vits.data import VitsBatch, collate
from synthesizer.vits.flags import VitsFlags
from synthesizer.vits.model import Vits
from synthesizer.vits.references import ReferenceMaker
from synthesizer.vits.spectrogram import PowerMels
from synthesizer.vits.task import VitsTask
from training.run_directory import RunDirectory

ENCODER_FILE = "encoder.safetensors"  # of best.safetensors
NEWEST_ENCODER_FILE = "model-encoder.safetensors"  # of model.safetensors


class JointVitsTask(VitsTask):
    """Trains both. The newest model is the best, because the embedding space changes with every step.

    Args:
        encoder: that learns with the network.
        references: makes its crops.

    Raises:
        ConfigError: the audio has not the sample rate of the encoder.
    """

    best_metric = "step"
    best_mode: Literal["min", "max"] = "max"

    def __init__(
        self,
        network: Vits,
        config: VitsConfig,
        store: FeatureStore,
        flags: VitsFlags,
        header: dict[str, str],
        encoder: JointEncoder,
        references: ReferenceMaker,
    ) -> None:
        if config.architecture.mel.sample_rate != SAMPLE_RATE:
            raise ConfigError(f"--dino needs a store at {SAMPLE_RATE} Hz, the rate of the speaker encoder.")
        super().__init__(network, config, store, flags, header)
        self.encoder, self.references = encoder, references
        self.power_mels = PowerMels(encoder.n_mels)
        self.extra_modules = {**self.extra_modules, **encoder.modules, "power_mels": self.power_mels}

    def step(self, batch: VitsBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of one batch; "loss" is their weighted sum."""
        assert batch.references is not None
        long, short = batch.references.long, batch.references.short
        views = [self.encoder.embed(crops) for crops in (long, short) if len(crops)]
        dino = self.encoder.losses(long, views, step)
        losses = self._losses(batch, views[0][0], step, generator)
        figures = {name: value.detach() for name, value in dino.items() if name != "loss"}
        return {**losses, **figures, "loss": losses["loss"] + self.flags.joint.dino_weight * dino["loss"]}

    def _distances(self, wav: Tensor, recorded: Tensor, batch: VitsBatch) -> tuple[Tensor, dict[str, Tensor]]:
        """With the distance of the clone's embedding from that of the clean recording."""
        assert batch.references is not None
        total, parts = super()._distances(wav, recorded, batch)
        with torch.no_grad():
            target = self.encoder.measure(batch.references.clean)
        found = self.encoder.measure(self.power_mels(wav))
        parts["consistency"] = 1 - F.cosine_similarity(found.float(), target.float()).mean()
        return total + self.flags.joint.consistency_weight * parts["consistency"], parts

    def param_groups(self) -> list[dict[str, Any]]:
        trained = [
            parameter
            for module in self.encoder.modules.values()
            for parameter in module.parameters()
            if parameter.requires_grad
        ]
        return [*super().param_groups(), {"params": trained}]

    def after_step(self, done: int, averages: Any) -> None:
        self.encoder.after_step(done)

    def collated(self, indices: list[int]) -> VitsBatch:
        return collate(self.store, indices, self.config.architecture, None, self.references)

    def embedding_of(self, batch: VitsBatch) -> Tensor:
        assert batch.references is not None
        return self.encoder.embed(batch.references.long[:1])[0]

    def validate(self, step: int, run: RunDirectory) -> dict[str, float]:
        """As without an encoder; the encoder of these weights is written, too."""
        figures = super().validate(step, run)
        self.encoder.save(run.path / ENCODER_FILE, step)
        return {**figures, "step": step}

    def finish(self, run: RunDirectory, step: int) -> None:
        self.encoder.save(run.path / NEWEST_ENCODER_FILE, step)
        if not (run.path / ENCODER_FILE).is_file():
            self.encoder.save(run.path / ENCODER_FILE, step)

    def model_file(self) -> dict[str, Any]:
        return {**super().model_file(), "embedding_space": self.encoder.embedding_space}
