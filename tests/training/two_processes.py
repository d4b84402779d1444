"""Steps of a toy model of each stage in one process, or in two with half of each batch.

Also a script, `torchrun two_processes.py STAGE FOLDER`: the first process writes the weights after each step.
"""

import os
import sys
from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from corpora.store import FeatureStore
from encoder.config import MarginConfig, PartialsConfig
from encoder.data import BatchConfig, SpeakerBatches
from encoder.lstm.config import LSTMConfig
from encoder.lstm.model import SpeakerEncoderModel
from encoder.margin import MarginTask
from modelfile.header import ModelHeader
from synthesizer.batches import BatchConfig as SynthesizerBatchConfig
from synthesizer.batches import collate
from synthesizer.tacotron.config import TacotronConfig, TrainingSettings
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.task import LossConfig, TacotronTask
from tests.synthesizer.toy import HEADER, SETTINGS, toy_config
from training.config import FitConfig, Task
from training.loop import fit
from vocoder.wavernn.batches import WaveRNNBatches
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.model import build_wavernn
from vocoder.wavernn.task import Validation, WaveRNNTask

STEPS = 4
FIT = FitConfig(
    steps=STEPS, learning_rate=1e-3, eps=1e-4, validate_every=0, save_every=0, precision="fp32", device="cpu",
    threads=1, progress=False, ema_decay=0.0,
)  # fmt: skip

Batch = Any
Stage = tuple[Task, Callable[[int], Batch]]


def encoder(stores: Path) -> Stage:
    """AAM-softmax, whose loss is a mean over windows. The losses of GE2E and of a teacher compare those of a batch."""
    store = FeatureStore(stores / "encoder")
    model = SpeakerEncoderModel(
        LSTMConfig(hidden_size=16, num_layers=2, embedding_size=12, partials=PartialsConfig(20, 10))
    )
    batches = SpeakerBatches(store, BatchConfig(speakers=4, utterances=2, frames=20))
    header = ModelHeader("encoder", "lstm")
    return MarginTask(model, store, header, MarginConfig(), classes=batches.classes, steps=STEPS), batches.batch_at


class _EqualItems:
    """A store whose items have the length and the text of its first one, so that both halves weigh the same."""

    def __init__(self, store: FeatureStore) -> None:
        self._store = store
        self.mel_config, self._frames = store.mel_config, store.shape(0, "mel")[0]

    def meta(self, i: int) -> dict[str, Any]:
        return {**self._store.meta(i), "transcript": self._store.meta(0)["transcript"]}

    def array(self, i: int, name: str) -> np.ndarray:
        found = self._store.array(i, name)
        return found[: self._frames] if name == "mel" else found

    def has(self, i: int, name: str) -> bool:
        return name in ("mel", "embedding")


class _FrozenStatistics(TacotronTask):
    """Batch normalisation by its running statistics: those of a batch are of the items of one process."""

    def step(self, batch: Batch, step: int, generator: torch.Generator) -> dict[str, torch.Tensor]:
        for module in self.model.modules():
            if isinstance(module, nn.BatchNorm1d):
                module.eval()
        return super().step(batch, step, generator)


def synthesizer(stores: Path) -> Stage:
    """A Tacotron without dropout and noise, which each process draws on its own."""
    store = FeatureStore(stores / "synthesizer")
    architecture = toy_config(prenet_dropout=0.0, zoneout=0.0)
    network = Tacotron2(architecture, TrainingSettings(encoder_dropout=0.0, postnet_dropout=0.0))
    config = SynthesizerBatchConfig()
    equal: Any = _EqualItems(store)
    task = _FrozenStatistics(
        network,
        TacotronConfig(architecture, inference=SETTINGS),
        store,
        config,
        LossConfig(embedding_noise=0.0),
        HEADER,
    )
    return task, lambda step: collate(equal, [step, step + 1, step + 2, step + 3], config, 2, None)


def wavernn(stores: Path) -> Stage:
    store = FeatureStore(stores / "vocoder")
    config = WaveRNNConfig(hidden_size=16, fc_size=12, condition_size=8, sample_embedding_size=6, residual_size=8)
    task = WaveRNNTask(build_wavernn(config), store, size=Validation(crops=2, crop_frames=2, clips=1, clip_frames=3))
    return task, WaveRNNBatches(store, config, 4, 2).batch_at


STAGES = {"encoder": encoder, "synthesizer": synthesizer, "wavernn": wavernn}


class _Part:
    """Batches of one process: its share of the batches of all."""

    def __init__(self, batch_at: Callable[[int], Batch], rank: int, world: int) -> None:
        self._batch_at, self._rank, self._world = batch_at, rank, world

    def batch_at(self, step: int) -> Batch:
        return self._share(self._batch_at(step))

    def _share(self, batch: Batch) -> Batch:
        if isinstance(batch, torch.Tensor):
            size = len(batch) // self._world
            return batch[self._rank * size : (self._rank + 1) * size]
        if isinstance(batch, dict):
            return {name: self._share(value) for name, value in batch.items()}
        if is_dataclass(batch) and not isinstance(batch, type):
            return replace(batch, **{field.name: self._share(getattr(batch, field.name)) for field in fields(batch)})
        return batch


def weights_after_steps(name: str, stores: Path, run: Path, rank: int = 0, world: int = 1) -> np.ndarray:
    """All weights after each step, float32 [steps + 1, weights]."""
    torch.manual_seed(5)
    task, batch_at = STAGES[name](stores)
    flat = lambda: torch.cat([p.detach().reshape(-1) for p in task.model.parameters()]).numpy().copy()  # noqa: E731
    found = [flat()]
    after_step = task.after_step

    def record(step: int, average: Any) -> None:
        found.append(flat())
        after_step(step, average)

    task.after_step = record  # type: ignore[method-assign, assignment]
    fit(task, _Part(batch_at, rank, world), FIT, run)
    return np.stack(found)


def main() -> None:
    name, folder = sys.argv[1], Path(sys.argv[2])
    rank, world = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    found = weights_after_steps(name, folder, folder / "two", rank, world)
    if rank == 0:
        np.save(folder / "two.npy", found)


if __name__ == "__main__":
    main()
