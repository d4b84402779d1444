"""CAM++ as a model family: its files and its training."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import OmitArgPrefixes

from encoder.campplus.config import CAMPPlusConfig
from encoder.flags import EncoderFlags, Objective
from modelfile.families import Family
from training.flags import Kind

if TYPE_CHECKING:
    from torch import Tensor

    from corpora.store import FeatureStore
    from encoder.campplus.inference import CAMPPlusEncoder
    from modelfile.header import ModelHeader
    from training.config import TrainingPlan


@dataclass(frozen=True)
class CAMPPlusFlags(EncoderFlags):
    """Train a CAM++ speaker encoder on a feature store that `preprocess.py encoder --n-mels 80` made."""

    kind: Kind = "campplus"
    run: Path = Path("runs/campplus")
    objective: Objective = "aam"
    model: OmitArgPrefixes[CAMPPlusConfig] = field(default_factory=CAMPPlusConfig)


def load(header: "ModelHeader", weights: "dict[str, Tensor]", device: Any = "cpu", **options: Any) -> "CAMPPlusEncoder":
    """Build the encoder that a model file describes.

    Args:
        options: `precision` of `SpeakerEncoder`.

    Raises:
        ModelFileError: the config is invalid, or the weights do not fit it.
    """
    from encoder.campplus.inference import CAMPPlusEncoder
    from encoder.campplus.model import CAMPPlusModel
    from modelfile.checkpoint import no_larger_than
    from modelfile.header import config_from_header

    config = config_from_header(CAMPPlusConfig, header)
    with no_larger_than(weights):
        model = CAMPPlusModel(config)
    return CAMPPlusEncoder.of_file(model, header, weights, device, **options)


def plan(flags: CAMPPlusFlags, store: "FeatureStore", run: Path) -> "TrainingPlan":
    """Training with or without speaker labels; see `encoder.plan.plan_training`."""
    from encoder.campplus.model import CAMPPlusModel
    from encoder.plan import plan_training

    return plan_training(flags, store, CAMPPlusModel, flags.model)


FAMILY = Family(kind="campplus", config=CAMPPlusConfig, load=load, training_flags=CAMPPlusFlags, plan=plan, order=20)
