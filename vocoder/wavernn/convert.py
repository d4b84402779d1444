"""Bringing in public SV2TTS vocoders (RTVC's `vocoder.pt`, fatchord's WaveRNN): classic shape, raw or mol.

`python -m vocoder.wavernn.convert vocoder.pt OUT.safetensors` makes a model file of one.
"""

import argparse
import pickle
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from speech.errors import ConfigError, ModelFileError, StorageError, exit_on_speech_error
from speech.mel_config import MelConfig
from vocoder.wavernn.classic import ClassicWaveRNN
from vocoder.wavernn.config import MIXTURES, WaveRNNConfig
from vocoder.wavernn.inference import WaveRNNVocoder

# public name -> ours; the digits of the residual blocks and filters are worked out in _renamed
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
    """Load a public WaveRNN checkpoint; sizes and mode are read off its tensors.

    Args:
        path: `.pt` file whose "model_state" holds the tensors; nothing but tensors is unpickled.
        mel: what its mels are; public checkpoints use the defaults.

    Raises:
        ModelFileError: missing, no PyTorch file of plain tensors, or another model.
    """
    path = Path(path)
    state, _ = _read(path)
    try:
        config = _config_of(state, mel or MelConfig())
        model = ClassicWaveRNN(config)
        blocks = config.residual_blocks
        model.load_state_dict({_renamed(name, blocks): _reshaped(name, value) for name, value in state.items()})
    except (KeyError, IndexError, RuntimeError, ConfigError) as error:
        raise ModelFileError(f"{path} holds another model than a public WaveRNN ({error}).") from error
    return model.eval()


def convert_public_wavernn(path: str | Path, output: str | Path) -> WaveRNNVocoder:
    """Write a public WaveRNN checkpoint as a model file of ours.

    Raises:
        ModelFileError: as `load_public_wavernn`.
        StorageError: the output cannot be written.
    """
    _, step = _read(Path(path))
    vocoder = WaveRNNVocoder(load_public_wavernn(path), trained_on="a public SV2TTS vocoder, converted", step=step)
    vocoder.save(output)
    return vocoder


def _read(path: Path) -> tuple[dict[str, Tensor], int]:
    if not path.is_file():
        raise ModelFileError(f"There is no public vocoder at {path}; give the path of its .pt file.")
    try:
        checkpoint: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ModelFileError(f"{path} is not a PyTorch file of plain tensors; is it the right file?") from error
    state = checkpoint.get("model_state") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelFileError(f"{path} is not a public vocoder: it has no 'model_state' of tensors.")
    state = {name: value for name, value in state.items() if name != "step"}
    step = checkpoint.get("step", 0)
    return state, int(torch.as_tensor(step).max())


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
        return f"upsampling.filters.{int(match[1]) // 2}.{leaf}"  # every other layer there is the stretching
    if stem == "upsample.resnet.conv_out":
        return f"residual_network.{3 + blocks}.{leaf}"
    return f"{_NAMES[stem]}.{leaf}"


def _reshaped(name: str, value: Tensor) -> Tensor:
    """The smoothing filters are pictures one band high there, [1, 1, 1, width], and sequences here."""
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
