"""Adapt a refiner to one voice: a low-rank update of its weights, trained on a minute of speech."""

from __future__ import annotations

import copy
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from torch import Tensor, nn
from torch.nn.utils import parametrize

from modelfile.checkpoint import weights_digest
from speech.errors import ConfigError, CorpusError
from synthesizer.adapter import VoiceAdapter
from synthesizer.masks import SILENCE
from synthesizer.refiner.data import change_voice, padded
from synthesizer.refiner.discriminators import MelDiscriminators
from synthesizer.refiner.network import FRAMES, Conditions, Refiner
from synthesizer.refiner.one_step import one_step_losses
from synthesizer.text.symbols import PAD_ID

Floats = NDArray[np.float32]
Progress = Callable[[int, int], None]  # (steps done, steps in all)

logger = logging.getLogger(__name__)

RANK = 8
STEPS = 240
ROWS = 8
CROP = 160  # frames
LEAST_FRAMES = 32  # of a clip
LEARNING_RATE = 1e-3
WARMUP = 20
DISCRIMINATORS_LR_SCALE = 0.25
REFERENCE = (96, 280)  # frames
COARSE_UNKNOWN = 0.15
REFERENCE_UNKNOWN = 0.3
SMOOTHING = (1.5, 1.5)  # bands and frames: about as smooth as a decoded mel


@dataclass(frozen=True, eq=False)
class SpokenMel:
    """A recording as the refiner needs it.

    Attributes:
        recorded: float32 [n_mels, frames]. coarse: the same, about as smooth as a mel of the decoder.
        f0: [frames] in Hz, 0 where unvoiced.
        embedding: float32 [embedding_size], L2 norm 1.
    """

    recorded: Floats
    coarse: Floats
    f0: NDArray[np.floating]
    embedding: Floats


def spoken_mel(recorded: Floats, f0: NDArray[np.floating], embedding: Floats) -> SpokenMel:
    """A recording and its smoothed mel.

    A mel that the decoder makes from a transcript differs from the recording in words too. Adapted to such pairs, the
    refiner made other words of a text in use.
    """
    return SpokenMel(recorded, gaussian_filter(recorded, SMOOTHING).astype(np.float32), f0, embedding)


class _LowRank(nn.Module):
    """Parametrisation of a weight: the weight plus a product of two small matrices, which starts as 0."""

    def __init__(self, weight: Tensor) -> None:
        super().__init__()
        rows, columns = len(weight), weight[0].numel()
        self.down = nn.Parameter(torch.randn(RANK, columns) / columns**0.5)
        self.up = nn.Parameter(torch.zeros(rows, RANK))

    def forward(self, weight: Tensor) -> Tensor:
        return weight + (self.up @ self.down).view_as(weight)


def adapt_refiner(
    refiner: Refiner,
    spoken: Sequence[SpokenMel],
    discriminators: MelDiscriminators | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    check: Callable[[], None] | None = None,
) -> VoiceAdapter:
    """Train a low-rank update on recordings of one person; the refiner is not changed.

    Args:
        spoken: the recordings.
        discriminators: those against which the refiner was trained, for a refiner of one step; they are not changed.
            None for a refiner that was trained by flow matching.
        check: called between steps; it can raise to stop.

    Raises:
        CorpusError: no recording is as long as LEAST_FRAMES.
    """
    spoken = [one for one in spoken if one.recorded.shape[1] >= LEAST_FRAMES]
    if not spoken:
        raise CorpusError("There is no speech to adapt the voice to: give recordings of half a minute or more in all.")
    changed = copy.deepcopy(refiner).train().requires_grad_(False)
    updates = {}
    torch.manual_seed(seed)
    for name, module in _adapted(changed):
        updates[name] = _LowRank(module.weight)
        parametrize.register_parametrization(module, "weight", updates[name])
    parameters = [value for update in updates.values() for value in update.parameters()]
    groups: list[dict[str, Any]] = [{"params": parameters, "scale": 1.0}]
    judges = None if discriminators is None else copy.deepcopy(discriminators).train().requires_grad_(True)
    if judges is not None:
        groups.append({"params": list(judges.parameters()), "scale": DISCRIMINATORS_LR_SCALE})
    optimizer = torch.optim.AdamW(groups, lr=LEARNING_RATE, weight_decay=1e-2)
    rng = np.random.default_rng(seed)
    generator = torch.Generator().manual_seed(seed)
    for step in range(STEPS):
        if check is not None:
            check()
        for group in optimizer.param_groups:
            decay = 0.5 * (1 + math.cos(math.pi * step / STEPS))
            group["lr"] = group["scale"] * LEARNING_RATE * min((step + 1) / WARMUP, decay)
        loss = _loss(changed, judges, spoken, rng, generator)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        if progress is not None:
            progress(step + 1, STEPS)
    tensors = {
        f"{name}.{part}": getattr(update, part).detach().to(torch.float16).numpy()
        for name, update in updates.items()
        for part in ("up", "down")
    }
    return VoiceAdapter(tensors, weights_digest(refiner.state_dict()))


def adapted(refiner: Refiner, adapter: VoiceAdapter) -> Refiner:
    """A copy of a refiner with an adapter.

    Raises:
        ConfigError: the adapter has other tensors than the refiner.
    """
    changed = copy.deepcopy(refiner)
    names = {f"{name}.{part}" for name, _ in _adapted(changed) for part in ("up", "down")}
    try:
        if set(adapter.tensors) != names:
            raise ValueError("names")
        with torch.no_grad():
            for name, module in _adapted(changed):
                up, down = (
                    torch.from_numpy(np.array(adapter.tensors[f"{name}.{part}"], np.float32)) for part in ("up", "down")
                )
                module.weight += (up @ down).view_as(module.weight).to(module.weight.device)
    except (ValueError, RuntimeError) as error:
        raise ConfigError("The adaptation of this voice is of another model: adapt the voice again.") from error
    return changed


class AdaptedRefiners:
    """The refiner of a model with the adapters of voices; keeps the last one."""

    def __init__(self, refiner: Refiner | None) -> None:
        self.refiner = refiner
        self._last: tuple[VoiceAdapter, Refiner] | None = None

    @cached_property
    def _digest(self) -> str:
        assert self.refiner is not None
        return weights_digest(self.refiner.state_dict())

    def of(self, adapter: VoiceAdapter | None) -> Refiner | None:
        """The refiner for a voice; None for the model's own. An adapter of another model is left out with a warning.

        Raises:
            ConfigError: the adapter is damaged.
        """
        if adapter is None or self.refiner is None:
            return None
        if adapter.model != self._digest:
            logger.warning("The voice was adapted with another model and is used without that: adapt it again.")
            return None
        if self._last is None or self._last[0] is not adapter:
            self._last = (adapter, adapted(self.refiner, adapter))
        return self._last[1]


def _adapted(refiner: Refiner) -> list[tuple[str, nn.Linear | nn.Conv1d]]:
    """The layers with a large weight, by name."""
    return [
        (name, module)
        for name, module in refiner.named_modules()
        if isinstance(module, nn.Linear) or (isinstance(module, nn.Conv1d) and module.groups == 1)
    ]


def _loss(
    refiner: Refiner,
    discriminators: MelDiscriminators | None,
    spoken: Sequence[SpokenMel],
    rng: np.random.Generator,
    generator: torch.Generator,
) -> Tensor:
    """The loss of random crops: of one step with discriminators, else of flow matching."""
    lengths = np.array([one.recorded.shape[1] for one in spoken])
    chosen = [spoken[index] for index in rng.choice(len(spoken), ROWS, p=lengths / lengths.sum())]
    crops = [_crop(one, spoken, rng) for one in chosen]
    given = Conditions(*(torch.stack(values) for values in zip(*(crop[0] for crop in crops), strict=True)))
    recorded = torch.stack([crop[1] for crop in crops])
    time = (torch.arange(ROWS) + torch.rand(ROWS, generator=generator)) / ROWS
    noise = torch.randn(recorded.shape, generator=generator)
    if discriminators is not None:
        with torch.autocast("cpu", torch.bfloat16):
            return one_step_losses(refiner, discriminators, given, recorded, noise, 1.0, mismatched_weight=0.0)["loss"]
    target, start = refiner.standardise(recorded), refiner.start(given, noise)
    with torch.autocast("cpu", torch.bfloat16):
        velocity = refiner.velocity(torch.lerp(start, target, time[:, None, None]), time, refiner.encode(given))
    return (velocity.float() - (target - start)).square().mean()


def _crop(one: SpokenMel, spoken: Sequence[SpokenMel], rng: np.random.Generator) -> tuple[Conditions, Tensor]:
    """A row of `Conditions` and its recorded mel. The coarse mel always has another voice, as it has in use."""
    start = int(rng.integers(max(1, one.recorded.shape[1] - CROP + 1)))
    part = slice(start, start + CROP)
    coarse = change_voice(np.ascontiguousarray(one.coarse[:, part].T), rng)
    other = spoken[int(rng.integers(len(spoken)))].recorded.T
    length = min(int(rng.integers(*REFERENCE)), len(other)) // FRAMES * FRAMES
    first = int(rng.integers(len(other) - length + 1))
    if rng.random() < REFERENCE_UNKNOWN:
        length = 0
    arrays = (
        padded(coarse, CROP, SILENCE),
        np.array(rng.random() >= COARSE_UNKNOWN),
        np.full(CROP, PAD_ID),
        padded(np.asarray(one.f0[part], np.float32), CROP, 0),
        one.embedding,
        padded(other[first : first + length], REFERENCE[1], SILENCE),
        np.array(length),
    )
    tensors = [torch.from_numpy(np.array(values)) for values in arrays]
    tensors = [tensor if tensor.dtype == torch.int64 else tensor.float() for tensor in tensors]
    return Conditions(*tensors), torch.from_numpy(padded(one.recorded[:, part].T, CROP, SILENCE))
