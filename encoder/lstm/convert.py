"""The public SV2TTS encoder as a model file of this family."""

from encoder.base import STAGE
from encoder.lstm.config import LSTMConfig
from modelfile.checkpoint import weights_digest
from modelfile.header import ModelHeader
from modelfile.public import PUBLIC_SPACE, Converted, PublicCheckpoint
from speech.errors import ConfigError, ModelFileError

PREFIXES = ("lstm.", "linear.")
PUBLIC_DIGEST = "9673b89abbbb6372"  # of the weights inside the PyPI package resemblyzer 0.1.4
PUBLIC_LICENCE = "Apache-2.0"
PUBLIC_TRAINED_ON = "LibriSpeech train-other, VoxCeleb1, VoxCeleb2 (public SV2TTS encoder, weights of Resemblyzer)"


def convert_public(checkpoint: PublicCheckpoint) -> Converted | None:
    """Header and weights, or None if it is not an encoder: `lstm.*` and `linear.*` tensors and few others.

    An encoder with different weights than the public one has an embedding space of its own.

    Raises:
        ModelFileError: tensors are missing.
    """
    if not {"lstm.weight_ih_l0", "linear.weight"} <= set(checkpoint.tensors):
        return None
    weights = {name: value.float() for name, value in checkpoint.tensors.items() if name.startswith(PREFIXES)}
    try:
        config = LSTMConfig(
            n_mels=checkpoint.shape("lstm.weight_ih_l0")[1],
            hidden_size=checkpoint.shape("lstm.weight_hh_l0")[1],
            num_layers=sum(name.startswith("lstm.weight_ih_l") for name in weights),
            embedding_size=checkpoint.shape("linear.weight")[0],
        )
    except (KeyError, IndexError, ConfigError) as error:
        raise ModelFileError(f"{checkpoint.name} is an incomplete speaker encoder ({error}).") from error
    digest = weights_digest(weights)
    public = digest == PUBLIC_DIGEST
    header = ModelHeader(
        STAGE,
        "lstm",
        config,
        checkpoint.step,
        licence=PUBLIC_LICENCE if public else "",
        trained_on=PUBLIC_TRAINED_ON if public else "",
        embedding_space=PUBLIC_SPACE if public else f"ge2e-{digest}",
    )
    return header, weights
