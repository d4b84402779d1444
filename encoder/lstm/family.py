"""The LSTM encoder as a model family: its files and its training."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tyro.conf import OmitArgPrefixes

from encoder.flags import EncoderFlags
from encoder.lstm.config import LSTMConfig
from modelfile.families import Family
from training.flags import Kind

if TYPE_CHECKING:
    from torch import Tensor

    from corpora.store import FeatureStore
    from encoder.lstm.inference import LSTMEncoder
    from modelfile.header import ModelHeader
    from modelfile.public import Converted, PublicCheckpoint
    from training.config import TrainingPlan


@dataclass(frozen=True)
class LSTMFlags(EncoderFlags):
    """Train the speaker encoder on a feature store that `preprocess.py encoder` made.

    Without a teacher it is trained with the GE2E loss and defines a new embedding space. With --teacher it is
    distilled from a different encoder: it is trained to give the same embeddings, so that synthesizers made for the
    teacher work with it.
    """

    kind: Kind = "lstm"
    model: OmitArgPrefixes[LSTMConfig] = field(default_factory=lambda: LSTMConfig(compression="log"))


def load(header: "ModelHeader", weights: "dict[str, Tensor]", device: Any = "cpu", **options: Any) -> "LSTMEncoder":
    """Build the encoder that a model file describes.

    Args:
        options: `precision` of `SpeakerEncoder`.

    Raises:
        ModelFileError: the config is invalid, or the weights do not fit it.
    """
    from encoder.lstm.config import read_config
    from encoder.lstm.inference import LSTMEncoder
    from encoder.lstm.model import SpeakerEncoderModel
    from modelfile.checkpoint import no_larger_than

    config = read_config(header)
    with no_larger_than(weights):
        model = SpeakerEncoderModel(config)
    return LSTMEncoder.of_file(model, header, weights, device, **options)


def plan(flags: LSTMFlags, store: "FeatureStore", run: Path) -> "TrainingPlan":
    """Training with GE2E, distillation or both; see `encoder.plan.plan_training`."""
    from encoder.lstm.model import SpeakerEncoderModel
    from encoder.lstm.task import LSTMTask
    from encoder.plan import plan_training

    return plan_training(flags, store, SpeakerEncoderModel, flags.model, LSTMTask)


def convert(checkpoint: "PublicCheckpoint") -> "Converted | None":
    """The public SV2TTS encoder as a model file."""
    from encoder.lstm.convert import convert_public

    return convert_public(checkpoint)


FAMILY = Family(
    kind="lstm", config=LSTMConfig, load=load, training_flags=LSTMFlags, plan=plan, convert=convert, order=10
)
