"""Convert the public SV2TTS encoder (RTVC's `encoder.pt`; Resemblyzer ships the same kind of file).

`python -m encoder.convert OUT.safetensors` writes it as a model file, for inference or as a teacher.
"""

import argparse
import importlib.util
from pathlib import Path

from torch import Tensor

from encoder.base import Precision
from encoder.lstm.config import PUBLIC_SPACE, LSTMConfig
from encoder.lstm.inference import LSTMEncoder
from encoder.lstm.model import SpeakerEncoderModel
from modelfile.public import read_public_checkpoint
from speech.errors import ModelFileError, StorageError, exit_on_speech_error

PUBLIC_LICENCE = "Apache-2.0"
PUBLIC_TRAINED_ON = "LibriSpeech train-other, VoxCeleb1, VoxCeleb2 (public SV2TTS encoder, weights of Resemblyzer)"


def find_resemblyzer_weights() -> Path | None:
    """Path of the weights inside the PyPI package `resemblyzer`; None if it is not installed."""
    try:
        spec = importlib.util.find_spec("resemblyzer")  # does not import it, which would need librosa
    except (ImportError, ValueError):
        return None
    if spec is None or spec.origin is None:
        return None
    weights = Path(spec.origin).with_name("pretrained.pt")
    return weights if weights.is_file() else None


def load_public_encoder(path: str | Path, precision: Precision = "auto") -> LSTMEncoder:
    """Load a public encoder checkpoint.

    Args:
        path: `.pt` file whose "model_state" holds `lstm.*` and `linear.*` tensors; others are ignored.
        precision: as for `SpeakerEncoder`.

    Raises:
        ModelFileError: missing, not a PyTorch file of plain tensors, or a different model.
    """
    state, step = read_public_checkpoint(path, "encoder")
    try:
        model = _build(state)
    except (KeyError, RuntimeError, IndexError) as error:
        raise ModelFileError(f"{path} is not the public speaker encoder ({error}): give its .pt file.") from error
    return LSTMEncoder(
        model,
        embedding_space=PUBLIC_SPACE,
        precision=precision,
        licence=PUBLIC_LICENCE,
        trained_on=PUBLIC_TRAINED_ON,
        step=step,
    )


def convert_public_encoder(path: str | Path, output: str | Path) -> LSTMEncoder:
    """Write a public encoder checkpoint as a model file (float32).

    Raises:
        ModelFileError: as `load_public_encoder`.
        StorageError: the output cannot be written.
    """
    encoder = load_public_encoder(path)
    encoder.save(output)
    return encoder


def _build(state: dict[str, Tensor]) -> SpeakerEncoderModel:
    """Build the model with the sizes of the tensors."""
    config = LSTMConfig(
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
    """Convert the public encoder in --source, or the one inside the package `resemblyzer`."""
    parser = argparse.ArgumentParser(prog="python -m encoder.convert", description=main.__doc__)
    parser.add_argument("output", type=Path, help="model file to write (.safetensors)")
    parser.add_argument(
        "--source", type=Path, help="public encoder (.pt) instead of the one in the installed package resemblyzer"
    )
    parser.add_argument("--force", action="store_true", help="overwrite the output")
    args = parser.parse_args(arguments)
    if args.output.exists() and not args.force:
        raise StorageError(f"{args.output} exists: give a different name, or --force to overwrite it.")
    source = args.source or find_resemblyzer_weights()
    if source is None:
        raise ModelFileError("The package resemblyzer is not installed: install it, or give a .pt file with --source.")
    encoder = convert_public_encoder(source, args.output)
    print(f"{args.output}: encoder of {source}, step {encoder.step}, embedding space {encoder.embedding_space}")


if __name__ == "__main__":
    main()
