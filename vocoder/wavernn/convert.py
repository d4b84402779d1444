"""Convert public SV2TTS vocoders (RTVC's `vocoder.pt`, fatchord's WaveRNN): classic shape, raw or mol.

`python -m vocoder.wavernn.convert vocoder.pt OUT.safetensors`
"""

import argparse
import re
from pathlib import Path

from torch import Tensor

from modelfile.public import read_public_checkpoint
from speech.errors import ConfigError, ModelFileError, StorageError, exit_on_speech_error
from speech.mel_config import MelConfig
from vocoder.wavernn.classic import ClassicWaveRNN
from vocoder.wavernn.config import MIXTURES, WaveRNNConfig
from vocoder.wavernn.inference import WaveRNNVocoder

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


def load_public_wavernn(path: str | Path, mel: MelConfig | None = None) -> ClassicWaveRNN:
    """Load a public WaveRNN checkpoint. Sizes and mode are those of its tensors.

    Args:
        path: `.pt` file whose "model_state" holds the tensors; only tensors are unpickled.
        mel: its mel settings; public checkpoints use the defaults.

    Raises:
        ModelFileError: missing, not a PyTorch file of plain tensors, or a different model.
    """
    state = {name: value for name, value in read_public_checkpoint(path, "vocoder")[0].items() if name != "step"}
    try:
        config = _config_of(state, mel or MelConfig())
        model = ClassicWaveRNN(config)
        blocks = config.residual_blocks
        model.load_state_dict({_renamed(name, blocks): _reshaped(name, value) for name, value in state.items()})
    except (KeyError, IndexError, RuntimeError, ConfigError) as error:
        raise ModelFileError(f"{path} is not a public WaveRNN ({error}): give its .pt file.") from error
    return model.eval()


def convert_public_wavernn(path: str | Path, output: str | Path) -> WaveRNNVocoder:
    """Convert a public WaveRNN checkpoint to a model file.

    Raises:
        ModelFileError: as `load_public_wavernn`.
        StorageError: the output cannot be written.
    """
    _, step = read_public_checkpoint(path, "vocoder")
    vocoder = WaveRNNVocoder(load_public_wavernn(path), trained_on="a public SV2TTS vocoder, converted", step=step)
    vocoder.save(output)
    return vocoder


def _config_of(state: dict[str, Tensor], mel: MelConfig) -> WaveRNNConfig:
    outputs = state["fc3.weight"].shape[0]
    filters = sorted((n for n in state if n.startswith("upsample.up_layers.")), key=lambda n: int(n.split(".")[2]))
    blocks = {match[1] for name in state if (match := re.match(r"upsample\.resnet\.layers\.(\d+)\.", name))}
    residual_size, n_mels, width = state["upsample.resnet.conv_in.weight"].shape
    if n_mels != mel.n_mels:
        raise KeyError(f"{n_mels} mel bands instead of {mel.n_mels}")
    raw = outputs != 3 * MIXTURES
    return WaveRNNConfig(
        shape="classic",
        mode="raw" if raw else "mol",
        bits=outputs.bit_length() - 1 if raw else 9,
        hidden_size=state["rnn1.weight_hh_l0"].shape[1],
        fc_size=state["fc1.weight"].shape[0],
        pad=(width - 1) // 2,
        condition_size=state["upsample.resnet.conv_out.weight"].shape[0],
        upsample_factors=tuple((state[name].shape[-1] - 1) // 2 for name in filters),
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


@exit_on_speech_error
def main(arguments: list[str] | None = None) -> None:
    """Convert a public vocoder on the command line."""
    parser = argparse.ArgumentParser(description="Convert a public WaveRNN checkpoint to a model file.")
    parser.add_argument("source", type=Path, help="the .pt file")
    parser.add_argument("output", type=Path, help="the .safetensors file to write")
    parser.add_argument("--force", action="store_true", help="overwrite the output")
    args = parser.parse_args(arguments)
    if args.output.exists() and not args.force:
        raise StorageError(f"{args.output} exists: choose another name, or overwrite it with --force.")
    vocoder = convert_public_wavernn(args.source, args.output)
    print(f"{args.output}: {vocoder.config.mode} WaveRNN of step {vocoder.step}")


if __name__ == "__main__":
    main()
