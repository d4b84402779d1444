"""Training of a VITS as its flags describe it."""

from __future__ import annotations

import logging
import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import Tensor

from corpora.store import FeatureStore
from modelfile.checkpoint import load_model_file
from modelfile.header import config_from_header
from speech.errors import ConfigError, ModelFileError
from speech.mel_config import MelConfig
from synthesizer.planning import header_entries, measuring_encoder, read_start_file, with_store_settings
from synthesizer.speaker_loss import MelEmbedder
from synthesizer.training_flags import JointEncoder, JointEncoderRequest, TrainingRun
from synthesizer.units.encoders import NetworkUnits
from synthesizer.units.loading import file_digest, load_unit_encoder
from synthesizer.vits.config import KIND, Architecture, VitsConfig
from synthesizer.vits.conversion_loss import ContentDistance, ConversionLosses
from synthesizer.vits.data import VitsBatches
from synthesizer.vits.flags import VitsFlags
from synthesizer.vits.joint_task import JointVitsTask
from synthesizer.vits.model import Vits
from synthesizer.vits.references import ReferenceMaker
from synthesizer.vits.task import VitsTask
from training.config import TrainingPlan
from training.flags import fit_config, trained_on
from training.starting import take_over, with_flags

logger = logging.getLogger(__name__)

BETAS = (0.8, 0.99)  # of the paper
CLIP_NORM = 50.0  # only rare steps have a larger gradient


def plan_training(flags: VitsFlags, store: FeatureStore, run: TrainingRun) -> TrainingPlan:
    """Train the network on a store, from random weights or those of `--warm-start`.

    Raises:
        ConfigError, CorpusError, ModelFileError: the flags, the store and the start do not fit.
    """
    encoder = _joint_encoder(flags, store, run) if flags.dino else None
    references = ReferenceMaker(flags.joint, encoder.n_mels) if encoder is not None else None
    config, weights = read_start(flags, store, encoder)
    rank, world_size = int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1"))
    batches = VitsBatches(
        store, config.architecture, flags.batch_frames, references, seed=flags.seed, rank=rank, world_size=world_size
    )
    torch.manual_seed(flags.seed)
    network = Vits(config.architecture)
    take_over(network, weights, flags.warm_start or flags.vocoder)
    given = (network, config, store, flags, header_entries(flags, store))
    if encoder is None or references is None:
        task = VitsTask(*given, _conversions(flags, store, run, config))
    else:
        task = JointVitsTask(*given, encoder, references)
    parameters = sum(parameter.numel() for parameter in network.parameters())
    hours = batches.frames.sum() / config.architecture.mel.frames_per_second / 3600
    logger.info(
        "%s: %d recordings to train on (%.2f h); %.1f million parameters",
        flags.store, len(batches.indices), hours, parameters / 1e6,
    )  # fmt: skip
    fit = fit_config(
        flags,
        warmup_steps=min(500, flags.steps // 10),
        decay="exponential",
        weight_decay=0.01,
        betas=BETAS,
        clip_norm=CLIP_NORM,
    )
    names = (
        "batch_frames", "segment_frames", "mel_weight", "kl_weight", "duration_weight", "adversarial_weight",
        "voice_weight", "content_weight", "discriminator_start", "discriminator_warmup_steps", "discriminator_lr_scale",
    )  # fmt: skip
    losses = {name: getattr(flags, name) for name in names}
    settings = {"store": str(flags.store), **losses, "discriminators": asdict(flags.disc)}
    if flags.dino:
        settings["joint"] = {**asdict(flags.joint), "encoder": str(flags.joint.encoder)}
    return TrainingPlan(task, batches, fit, settings)


def _conversions(
    flags: VitsFlags, store: FeatureStore, run: TrainingRun, config: VitsConfig
) -> ConversionLosses | None:
    """The losses of conversions; None if their weights are 0."""
    if not flags.voice_weight and not flags.content_weight:
        return None
    sizes, embedder, content = config.architecture, None, None
    if sizes.decoder != "spectral":
        raise ConfigError("--voice-weight and --content-weight need a decoder that predicts mels: give --vocoder.")
    if flags.voice_weight:
        encoder = measuring_encoder(flags, run, store)
        embedder = MelEmbedder(encoder.model, encoder.n_mels, sizes.mel)
    if flags.content_weight:
        content = content_distance(flags, store, sizes.mel)
    return ConversionLosses(config.inference, embedder, content)


def content_distance(flags: VitsFlags, store: FeatureStore, mel: MelConfig) -> ContentDistance:
    """The distance of units by `--unit-encoder`.

    Raises:
        ConfigError: it is not the unit encoder of the store, or not one of our own network.
    """
    assert flags.unit_encoder is not None
    units = load_unit_encoder(flags.unit_encoder)
    if not isinstance(units, NetworkUnits) or file_digest(flags.unit_encoder) != store.info.get("units"):
        raise ConfigError(
            f"{flags.unit_encoder} is not the unit file of {store.directory}, or not one of our own network: give "
            "--unit-encoder the one that prepared the store."
        )
    return ContentDistance(units, mel)


def _joint_encoder(flags: VitsFlags, store: FeatureStore, run: TrainingRun) -> JointEncoder:
    assert run.joint_encoder is not None  # the training script provides it
    joint = flags.joint
    return run.joint_encoder(
        JointEncoderRequest(
            flags.steps, joint.encoder, joint.prototypes, joint.momentum, flags.licence, trained_on(flags, store)
        )
    )


def read_start(
    flags: VitsFlags, store: FeatureStore, encoder: JointEncoder | None = None
) -> tuple[VitsConfig, dict[str, Tensor] | None]:
    """Settings and weights that a training starts from. Flags that differ from their default replace those of the file.

    Args:
        encoder: that is trained too, instead of the store's embeddings.

    Raises:
        ModelFileError: `--warm-start` is not a VITS.
        ConfigError: its mel settings, its embedding space or the size of its embeddings are not those of the data.
    """
    architecture, settings, weights, unit_file = flags.architecture, flags.inference, None, ""
    if flags.vocoder is not None:
        architecture, weights = with_vocoder(architecture, flags.vocoder)
    if flags.warm_start is not None:
        header, weights = read_start_file(flags.warm_start, KIND)
        space = encoder.embedding_space if encoder else store.info.get("embedding_space", "")
        if header.embedding_space != space:
            whose = "the speaker encoder (--joint.encoder)" if encoder else "the store"
            raise ConfigError(
                f"{flags.warm_start} has the embedding space {header.embedding_space!r}, but {whose} has {space!r}: "
                "use the encoder that the synthesizer was trained with."
            )
        found = config_from_header(VitsConfig, header)
        architecture, settings = with_flags(found.architecture, architecture), with_flags(found.inference, settings)
        unit_file = found.unit_file
    config = VitsConfig(architecture, settings, unit_file)
    size = encoder.embedding_size if encoder else None
    config = with_store_settings(config, store, from_file=weights is not None, embedding_size=size)
    return replace(config, unit_file=_unit_file(config, store)), weights


@dataclass(frozen=True)
class SpectralVocoderConfig:
    """Config of a spectral vocoder's file. The stages do not import each other."""

    channels: int
    hidden: int
    blocks: int
    kernel: int
    mel: MelConfig = field(default_factory=MelConfig)


def with_vocoder(architecture: Architecture, path: Path) -> tuple[Architecture, dict[str, Tensor]]:
    """The sizes with a decoder that contains a spectral vocoder, and the vocoder's weights under the names of a VITS.

    Raises:
        ModelFileError: the file is not a spectral vocoder, or damaged.
    """
    header, weights = load_model_file(path, "vocoder")
    if header.kind != "spectral":
        raise ModelFileError(f"{path} is a vocoder of the family {header.kind!r}: --vocoder takes a spectral one.")
    found = config_from_header(SpectralVocoderConfig, header)
    sizes = replace(
        architecture,
        decoder="spectral",
        spectral_size=found.channels,
        spectral_hidden=found.hidden,
        spectral_blocks=found.blocks,
        spectral_kernel=found.kernel,
        mel=found.mel,
    )
    return sizes, {f"decoder.vocoder.{name}": tensor for name, tensor in weights.items()}


def _unit_file(config: VitsConfig, store: FeatureStore) -> str:
    """Digest of the unit file of a store, "" if the model has no units.

    Raises:
        ConfigError: the model that training starts from has units of another file.
    """
    given: str = store.info.get("units", "") if config.architecture.units else ""
    if config.unit_file not in ("", given):
        raise ConfigError(
            f"{store.directory} has the units of another file than the model to start from: preprocess it with the "
            "unit file of that model."
        )
    return given
