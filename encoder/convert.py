"""The public SV2TTS encoder: RTVC's `encoder.pt`, or the same weights inside the PyPI package `resemblyzer`.

`python -m encoder.convert OUT.safetensors` writes it as a model file, for inference or as a teacher.
"""

import argparse
import importlib.util
from pathlib import Path
from typing import Any

from encoder.base import STAGE, Precision, SpeakerEncoder
from modelfile.checkpoint import save_model
from modelfile.convert import describe, read_converted
from modelfile.families import family_of
from speech.errors import ModelFileError, StorageError, exit_on_speech_error


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


def load_public_encoder(path: str | Path, precision: Precision = "auto") -> SpeakerEncoder:
    """Load a public encoder checkpoint (`.pt`).

    Args:
        precision: as for `SpeakerEncoder`.

    Raises:
        ModelFileError: missing, not a PyTorch file of plain tensors, or a different model.
    """
    header, weights = read_converted(path, STAGE)
    encoder: Any = family_of(STAGE, header.kind).load(header, weights, "cpu", precision=precision)
    return encoder


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
    header, weights = read_converted(source, STAGE)
    save_model(args.output, weights, header)
    print(describe(STAGE, args.output))


if __name__ == "__main__":
    main()
