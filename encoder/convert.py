"""Bringing in the public SV2TTS encoder (RTVC's `encoder.pt`; Resemblyzer ships the same kind of file).

`python -m encoder.convert OUT.safetensors` makes a model file of it, to embed with or to learn from.
"""

import argparse
import importlib.util
import pickle
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from encoder.base import Precision, SpeakerEncoder
from encoder.lstm.config import PUBLIC_SPACE, EncoderConfig
from encoder.lstm.model import SpeakerEncoderModel
from speech.errors import ModelFileError, StorageError, exit_on_speech_error

PUBLIC_LICENCE = "Apache-2.0"
PUBLIC_TRAINED_ON = "LibriSpeech train-other, VoxCeleb1, VoxCeleb2 (public SV2TTS encoder, weights of Resemblyzer)"


def find_resemblyzer_weights() -> Path | None:
    """Path of the weights inside the PyPI package `resemblyzer`, or None where it is not installed."""
    try:
        spec = importlib.util.find_spec("resemblyzer")  # finds without running: its import would need librosa
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    weights = Path(spec.origin).with_name("pretrained.pt")
    return weights if weights.is_file() else None


def load_public_encoder(path: str | Path, precision: Precision = "auto") -> SpeakerEncoder:
    """Loads a public encoder checkpoint.

    Args:
        path: `.pt` file whose "model_state" holds `lstm.*` and `linear.*` tensors; others are left out.
        precision: as of `SpeakerEncoder`.

    Raises:
        ModelFileError: if the file is missing, is no PyTorch file of plain tensors, or holds another model.
    """
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"There is no public encoder at {path}; give the path of its .pt file.")
    try:
        checkpoint: Any = torch.load(path, map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, ValueError, KeyError) as error:
        raise ModelFileError(f"{path} is not a PyTorch file of plain tensors; is it the right file?") from error
    state = checkpoint.get("model_state") if isinstance(checkpoint, dict) else None
    if not isinstance(state, dict) or not all(isinstance(value, Tensor) for value in state.values()):
        raise ModelFileError(f"{path} is not a public speaker encoder: it has no 'model_state' of tensors.")
    try:
        model = _build(state)
    except (KeyError, RuntimeError, IndexError) as error:
        raise ModelFileError(f"{path} holds another model than the public speaker encoder ({error}).") from error
    return SpeakerEncoder(
        model,
        embedding_space=PUBLIC_SPACE,
        precision=precision,
        licence=PUBLIC_LICENCE,
        trained_on=PUBLIC_TRAINED_ON,
        step=int(checkpoint.get("step", 0)),
    )


def convert_public_encoder(path: str | Path, output: str | Path) -> SpeakerEncoder:
    """Writes a public encoder checkpoint as a model file of ours (float32).

    Raises:
        ModelFileError: as `load_public_encoder`.
        StorageError: if the output cannot be written.
    """
    encoder = load_public_encoder(path)
    encoder.save(output)
    return encoder


def _build(state: dict[str, Tensor]) -> SpeakerEncoderModel:
    """Reads the sizes off the tensors, then fills a model of ours with them."""
    config = EncoderConfig(
        n_mels=state["lstm.weight_ih_l0"].shape[1],
        hidden_size=state["lstm.weight_hh_l0"].shape[1],
        num_layers=sum(name.startswith("lstm.weight_ih_l") for name in state),
        embedding_size=state["linear.weight"].shape[0],
    )
    weights = {name: value.float() for name, value in state.items() if name.startswith(("lstm.", "linear."))}
    model = SpeakerEncoderModel(config)
    model.load_state_dict(weights)
    return model


@exit_on_speech_error
def main(arguments: list[str] | None = None) -> None:
    """Converts the file named by --source, or the weights inside the package `resemblyzer`."""
    parser = argparse.ArgumentParser(prog="python -m encoder.convert", description=main.__doc__)
    parser.add_argument("output", type=Path, help="model file to write (.safetensors)")
    parser.add_argument("--source", type=Path, help="public encoder (.pt); the installed resemblyzer's, unless given")
    parser.add_argument("--force", action="store_true", help="overwrite the output")
    args = parser.parse_args(arguments)
    if args.output.exists() and not args.force:
        raise StorageError(f"{args.output} exists; give another name, or --force to overwrite it.")
    source = args.source or find_resemblyzer_weights()
    if source is None:
        raise ModelFileError("The package resemblyzer is not installed; install it, or give a .pt file with --source.")
    encoder = convert_public_encoder(source, args.output)
    print(f"{args.output}: encoder of {source}, step {encoder.step}, embedding space {encoder.embedding_space}")


if __name__ == "__main__":
    main()
