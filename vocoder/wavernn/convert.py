"""Public WaveRNN checkpoints (RTVC's `vocoder.pt`, fatchord's WaveRNN) as model files: classic shape, raw or mol."""

import math
import re

from torch import Tensor

from modelfile.header import ModelHeader
from modelfile.public import Converted, PublicCheckpoint
from speech.errors import ConfigError, ModelFileError
from speech.mel_config import MelConfig
from vocoder.base import STAGE
from vocoder.wavernn.config import MIXTURES, WaveRNNConfig

KIND = "wavernn"

# Public names -> names of this project; `_renamed` handles residual blocks and filters.
_NAMES = {
    "upsample.resnet.conv_in": "residual_network.0",
    "upsample.resnet.batch_norm": "residual_network.1",
    "I": "input",
    "rnn1": "gru1",
    "rnn2": "gru2",
    "fc1": "fc1",
    "fc2": "fc2",
    "fc3": "output",
}
_IN_BLOCK = {"conv1": 0, "batch_norm1": 1, "conv2": 3, "batch_norm2": 4}


def convert_public(checkpoint: PublicCheckpoint) -> Converted | None:
    """Header and weights, or None if it is not a WaveRNN. Sizes and mode are those of its tensors.

    Raises:
        ModelFileError: tensors are missing or unknown, or it was trained on different mels than public SV2TTS vocoders.
    """
    state = checkpoint.tensors
    if not {"upsample.resnet.conv_in.weight", "rnn1.weight_hh_l0"} <= set(state):
        return None
    try:
        config = _config_of(checkpoint)
        weights = {_renamed(name, config.residual_blocks): _reshaped(name, value) for name, value in state.items()}
    except (KeyError, IndexError, ConfigError) as error:
        raise ModelFileError(f"{checkpoint.name} is not a public WaveRNN that can be converted: {error}.") from error
    return ModelHeader(STAGE, KIND, config, checkpoint.step), weights


def _config_of(checkpoint: PublicCheckpoint) -> WaveRNNConfig:
    state, mel = checkpoint.tensors, MelConfig()
    outputs = checkpoint.shape("fc3.weight")[0]
    filters = sorted((n for n in state if n.startswith("upsample.up_layers.")), key=lambda n: int(n.split(".")[2]))
    factors = tuple((checkpoint.shape(name)[-1] - 1) // 2 for name in filters)
    blocks = {match[1] for name in state if (match := re.match(r"upsample\.resnet\.layers\.(\d+)\.", name))}
    residual_size, n_mels, width = checkpoint.shape("upsample.resnet.conv_in.weight")
    if (n_mels, math.prod(factors)) != (mel.n_mels, mel.hop_length):
        raise ConfigError(
            f"it was trained on {n_mels} mel bands every {math.prod(factors)} samples, "
            f"and public SV2TTS vocoders on {mel.n_mels} bands every {mel.hop_length} samples"
        )
    raw = outputs != 3 * MIXTURES
    if raw and outputs & (outputs - 1):
        raise ConfigError(f"it has {outputs} outputs, which is neither a power of 2 (raw) nor {3 * MIXTURES} (mol)")
    return WaveRNNConfig(
        shape="classic",
        mode="raw" if raw else "mol",
        bits=outputs.bit_length() - 1 if raw else 9,
        hidden_size=checkpoint.shape("rnn1.weight_hh_l0")[1],
        fc_size=checkpoint.shape("fc1.weight")[0],
        pad=(width - 1) // 2,
        condition_size=checkpoint.shape("upsample.resnet.conv_out.weight")[0],
        upsample_factors=factors,
        residual_size=residual_size,
        residual_blocks=len(blocks),
        mel=mel,
    )


def _renamed(name: str, blocks: int) -> str:
    stem, _, leaf = name.rpartition(".")
    if match := re.fullmatch(r"upsample\.resnet\.layers\.(\d+)\.(\w+)", stem):
        return f"residual_network.{3 + int(match[1])}.layers.{_IN_BLOCK[match[2]]}.{leaf}"
    if match := re.fullmatch(r"upsample\.up_layers\.(\d+)", stem):
        return f"upsampling.filters.{int(match[1]) // 2}.{leaf}"  # layers alternate between upsampling and filter
    if stem == "upsample.resnet.conv_out":
        return f"residual_network.{3 + blocks}.{leaf}"
    return f"{_NAMES[stem]}.{leaf}"


def _reshaped(name: str, value: Tensor) -> Tensor:
    """Public smoothing filters are 2-D, [1, 1, 1, width]; here they are 1-D."""
    return value[:, :, 0] if name.startswith("upsample.up_layers.") else value
