"""Flags for the training of any encoder family. Imports no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import tyro

from encoder.config import AugmentationConfig, ClusterConfig, DinoConfig, MarginConfig, PseudoLabelConfig
from training.flags import TrainingFlags

Objective = Literal["ge2e", "aam", "dino", "cluster-dino", "pseudo-labels", "iterations"]


@dataclass(frozen=True)
class EncoderFlags(TrainingFlags):
    """Base of the training flags of encoder families; see `training.flags.TrainingFlags`."""

    former_names: ClassVar[Mapping[str, str]] = {
        "augmentation.chorus-probability": "augmentation.second-speaker-probability",
        "augmentation.chorus-ratio-db": "augmentation.second-speaker-ratio-db",
        "augmentation.pause-share": "augmentation.pause-fraction",
    }

    run: Path = Path("runs/encoder")
    learning_rate: float = 2e-3
    objective: Objective = "ge2e"
    """What to train with: "ge2e" is GE2E, or distillation with a teacher; "aam" classifies the training speakers by
    AAM-softmax. Without speaker names: "dino", "cluster-dino" with crops of different utterances of a cluster,
    "pseudo-labels" on the clusters of the encoder of --from, and "iterations" for the last two in sequence."""
    teacher: Path | None = None
    """Model file of the encoder to distil, for example one written by `python -m encoder.convert`."""
    init: Annotated[Path | None, tyro.conf.arg(aliases=["--from"])] = None
    """Model file to start from instead of random weights, to train an encoder further or for different speakers. Its
    embeddings give the pseudo labels."""
    ge2e: Literal["softmax", "contrast"] = "softmax"
    """Variant of the GE2E loss."""
    ge2e_weight: float | None = None
    """Weight of the GE2E loss; by default 1 without a teacher and 0 with one."""
    distill_weight: float | None = None
    """Weight of the distillation loss; by default 0 without a teacher and 1 with one."""
    speakers: int = 16
    """Speakers in a batch."""
    utterances: int = 2
    """Windows per speaker in a batch. GE2E gains from more: the paper has 64 speakers x 10 windows."""
    windows_per_utterance: int = 1
    """Windows cut from one utterance."""
    augment: bool = True
    """Augment the training windows with noise, reverberation, band limits, codecs and speed changes."""
    noise: Path | None = None
    """Feature store of noise, made by `preprocess.py noise`; synthetic stationary noise if not given."""
    pictures: bool = True
    """Draw a DET curve and a map of the speakers at each validation."""
    aam: MarginConfig = field(default_factory=MarginConfig)
    dino: DinoConfig = field(default_factory=DinoConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    pseudo: PseudoLabelConfig = field(default_factory=PseudoLabelConfig)
    augmentation: AugmentationConfig = field(default_factory=AugmentationConfig)
