"""Training of a refiner: the part of the plan that all families share."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from torch import Tensor, nn
from tqdm import tqdm

from speech.errors import ConfigError
from speech.mel_config import MelConfig
from synthesizer.refiner.adversarial import AdversarialRefinerTask
from synthesizer.refiner.data import RefinerBatches, RefinerItems
from synthesizer.refiner.discriminators import MelDiscriminators
from synthesizer.refiner.flags import RefinerFlags
from synthesizer.refiner.network import Conditions, Refiner
from synthesizer.refiner.one_step import Measure
from synthesizer.refiner.task import RefinerTask
from synthesizer.speaker_loss import VoiceDistance
from synthesizer.training_flags import SynthesizerFlags, TrainingRun
from training.config import TrainingPlan
from training.flags import fit_config

DEFAULT_SIZE = 288  # if neither the model nor --refiner-size gives one
HELD_OUT = 256  # utterances of held-out speakers


@dataclass(frozen=True)
class RefinedModel:
    """A finished synthesizer of which only the refiner is trained.

    Attributes:
        refiner, discriminators: parts of the model.
        config: of the family; it has `architecture.mel` and `inference`.
        header: entries of the model file besides the config.
    """

    model: nn.Module
    refiner: Refiner | None
    discriminators: MelDiscriminators | None
    config: Any
    header: Mapping[str, str]


def plan_of(
    refined: RefinedModel,
    items: RefinerItems,
    held_out: RefinerItems,
    flags: SynthesizerFlags,
    refine: RefinerFlags,
    run: TrainingRun,
    measures: Sequence[Measure],
) -> TrainingPlan:
    """The plan of a refiner's training.

    Args:
        items, held_out: recordings with generated mels, to train on and of held-out speakers.
        refine: settings of the refiner's training in `flags`.
        measures: further losses of the family, for a training against discriminators.

    Raises:
        ConfigError, ModelFileError: the flags do not fit, or there is no such encoder.
    """
    refiner, config = refined.refiner, refined.config
    assert refiner is not None
    if not bool((refiner.deviation != 1).any()):
        for buffer, values in zip((refiner.mean, refiner.deviation), items.statistics(), strict=True):
            buffer.copy_(values)
    if refine.adversarial:
        config = replace(config, inference=replace(config.inference, refiner_steps=1))
    mel = config.architecture.mel
    given = (refined.model, refiner, held_out, config.inference, mel, {**refined.header, "config": config}, run.vocode)
    voice = voice_measure(flags, refine, run, mel)
    if refine.adversarial:
        assert refined.discriminators is not None
        task: RefinerTask = AdversarialRefinerTask(
            *given, discriminators=refined.discriminators, flags=refine, measures=[*measures, *voice]
        )
    else:
        task = RefinerTask(*given)
    fit = fit_config(
        flags,
        warmup_steps=min(500, flags.steps // 10),
        decay="cosine",
        weight_decay=1e-2,
        clip_norm=1.0,
        ema_decay=0.999,
        betas=(0.8, 0.99) if refine.adversarial else (0.9, 0.999),
    )
    settings = {**asdict(refine), "start": str(refine.start or "")}
    del settings["generated"]  # where the generated mels are kept does not change the result
    described = {"store": str(flags.store), "start": str(flags.warm_start), "refiner": settings}
    if voice:
        described["encoder"] = str(flags.encoder)
    rank = int(os.environ.get("RANK", "0"))
    return TrainingPlan(task, RefinerBatches(items, flags.seed, rank), fit, described)


def voice_measure(flags: SynthesizerFlags, refine: RefinerFlags, run: TrainingRun, mel: MelConfig) -> list[Measure]:
    """The distance of voices by the encoder of `--encoder`; nothing if its weight is 0.

    Raises:
        ConfigError: the refiner is trained without discriminators.
        ModelFileError: there is no such encoder.
    """
    if not refine.voice_weight:
        return []
    if not refine.adversarial:
        raise ConfigError("--refine.voice-weight needs --refine.adversarial.")
    encoder = run.load_encoder(flags.encoder)
    voices = VoiceDistance(encoder.model, encoder.n_mels, mel)

    def distance(made: Tensor, given: Conditions, recorded: Tensor) -> Tensor:
        found: Tensor = voices.to(made.device)(made, recorded)
        return found

    return [Measure("voice", refine.voice_weight, distance, of_words=False)]


def progress_bar(items: Iterable[int], label: str) -> Iterable[int]:
    """The items, with a progress bar on a terminal."""
    return tqdm(items, label, unit="batch", dynamic_ncols=True, disable=None)
