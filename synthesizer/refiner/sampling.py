"""Sampling of a refined mel: from the decoder's mel with noise along the velocity."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from synthesizer.refiner.network import FRAMES, Conditions, Refiner

Floats = NDArray[np.float32]

SILENCE = -4.0


class RefinerSettings(Protocol):
    """What the inference settings of a family say of its refiner.

    Attributes:
        refiner_steps: of the integration. refiner_temperature: scale of the noise at its start.
        refiner_guidance: classifier-free guidance towards the speaker; 1 for none.
    """

    @property
    def refiner_steps(self) -> int: ...

    @property
    def refiner_temperature(self) -> float: ...

    @property
    def refiner_guidance(self) -> float: ...


@dataclass(frozen=True, eq=False)
class CoarseMel:
    """A decoded sentence that is to be refined.

    Attributes:
        mel: [n_mels, frames], dB scaled to [-4, 4].
        symbols: the symbol that is spoken in each frame, int64 [frames].
        f0: [frames] in Hz, 0 where unvoiced.
        embedding: [embedding_size], L2 norm 1.
        reference: mel of a recording of the speaker, [n_mels, reference_frames]; None if there is none.
    """

    mel: Floats
    symbols: NDArray[np.int64]
    f0: NDArray[np.floating]
    embedding: Floats
    reference: Floats | None = None


def spoken_symbols(symbols: NDArray[np.integer], alignment: NDArray[np.floating], frames: int) -> NDArray[np.int64]:
    """The symbol that is spoken in each frame, from the attention.

    Args:
        symbols: of the sentence, [tokens]; alignment: [tokens, steps].
        frames: number of mel frames of these steps.

    Returns:
        int64 [frames]. The index of the token never decreases.
    """
    tokens = np.maximum.accumulate(alignment.argmax(0))
    step = np.arange(frames) * alignment.shape[1] // frames
    return np.asarray(symbols, np.int64)[tokens[step]]


def time_steps(steps: int) -> list[float]:
    """Times from 0 to 1 of an integration in `steps` steps, denser near 0 ("sway sampling", arXiv 2410.06885)."""
    return [1 - math.cos(math.pi / 2 * step / steps) for step in range(steps + 1)]


@torch.inference_mode()
def refine(
    refiner: Refiner,
    coarse: CoarseMel,
    settings: RefinerSettings,
    seed: int,
    check: Callable[[], None] | None = None,
) -> Floats:
    """A sharp mel for a decoded sentence.

    Args:
        check: called between steps; it can raise to stop.

    Returns:
        float32 [n_mels, frames] in [-4, 4].
    """
    given = conditions_of(coarse, refiner.mean.device)
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(given.coarse.shape, generator=generator).to(given.coarse.device)
    values = refiner.start(given, settings.refiner_temperature * noise)
    guidance = settings.refiner_guidance
    if guidance != 1:
        given = Conditions(*(torch.cat(both) for both in zip(given, _without_speaker(given), strict=True)))
    encoded = refiner.encode(given)
    times = time_steps(settings.refiner_steps)
    for now, then in zip(times, times[1:], strict=False):
        if check is not None:
            check()
        velocity = refiner.velocity(values.expand_as(given.coarse), values.new_full((len(given.coarse),), now), encoded)
        if guidance != 1:
            velocity = torch.lerp(velocity[1:], velocity[:1], guidance)
        values = values + (then - now) * velocity
    limit = refiner.mel_config.max_abs_value
    mel = refiner.restore(values)[0, : coarse.mel.shape[1]].T.clamp(-limit, limit)
    return np.ascontiguousarray(mel.cpu().numpy())


def conditions_of(coarse: CoarseMel, device: torch.device) -> Conditions:
    """Conditions of one sentence, padded to a multiple of FRAMES."""
    frames = coarse.mel.shape[1]
    more = -frames % FRAMES
    mel = F.pad(torch.from_numpy(np.ascontiguousarray(coarse.mel.T, np.float32)), (0, 0, 0, more), value=SILENCE)
    symbols = F.pad(torch.from_numpy(coarse.symbols), (0, more), value=int(coarse.symbols[-1]))
    f0 = F.pad(torch.from_numpy(np.asarray(coarse.f0, np.float32)), (0, more))
    reference, length = _reference(coarse.reference, mel)
    embedding = torch.from_numpy(np.array(coarse.embedding, np.float32))
    tensors = (mel, torch.ones(()), symbols, f0, embedding, reference, torch.tensor(length))
    return Conditions(*(tensor[None].to(device) for tensor in tensors))


def _without_speaker(given: Conditions) -> Conditions:
    return given._replace(
        embedding=torch.zeros_like(given.embedding), reference_lengths=torch.zeros_like(given.reference_lengths)
    )


def _reference(reference: Floats | None, like: Tensor) -> tuple[Tensor, int]:
    if reference is None:
        return like.new_zeros(FRAMES, like.shape[1]), 0
    length = reference.shape[1] // FRAMES * FRAMES
    return torch.from_numpy(np.ascontiguousarray(reference.T[:length], np.float32)), length
