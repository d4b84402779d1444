"""Export the best model of a run to a file for distribution, with half-precision weights and a complete header.

python -m training.export runs/encoder models/default/encoder.safetensors --licence CC0 --trained-on "LibriTTS"
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

from modelfile.checkpoint import StoredFloat, load_weights, save_model
from modelfile.header import ModelHeader, read_header
from speech.errors import ModelFileError, StorageError, exit_on_speech_error
from speech.files import check_free_space
from training.run_directory import RunDirectory


def export_model(
    source: str | Path,
    out: str | Path,
    *,
    trained_on: str = "",
    licence: str = "",
    dtype: StoredFloat = "float16",
    newest: bool = False,
    overwrite: bool = False,
) -> ModelHeader:
    """Write a copy of a run's model for distribution, read it back, and return its header.

    Args:
        source: a run directory, or a model file.
        trained_on, licence: for the header; "" keeps the entries of the source.
        dtype: how weights are stored.
        newest: export a run's newest weights instead of its best.

    Raises:
        ModelFileError: the source is not a model, or a weight does not fit `dtype`.
        StorageError: `out` exists and `overwrite` is not set, or it cannot be written.
    """
    source, out = Path(source), Path(out)
    if out.exists() and not overwrite:
        raise StorageError(f"{out} exists: choose a different name, or give --force to overwrite it.")
    if source.is_dir():
        source = _model_of_run(RunDirectory(source), newest)
    header = read_header(source)
    check_free_space(out, source.stat().st_size // 4)  # the least that it can take; before gigabytes are read
    header = replace(header, licence=licence or header.licence, trained_on=trained_on or header.trained_on)
    save_model(out, load_weights(source), header, dtype)
    load_weights(out)
    return read_header(out)


def _model_of_run(run: RunDirectory, newest: bool) -> Path:
    path = run.model if newest or not run.best.is_file() else run.best
    if not path.is_file():
        raise ModelFileError(f"{run.path} holds no model yet: give the folder of a run that has saved one.")
    return path


@exit_on_speech_error
def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("run", type=Path, help="run directory, or a model file")
    parser.add_argument("out", type=Path, help="the .safetensors file to write")
    parser.add_argument("--trained-on", default="", help="training data, for the header")
    parser.add_argument("--licence", default="", help="licence of the weights, for the header")
    parser.add_argument("--dtype", choices=get_args(StoredFloat), default="float16", help="how weights are stored")
    parser.add_argument("--newest", action="store_true", help="export the newest weights instead of the best")
    parser.add_argument("--force", action="store_true", help="overwrite OUT")
    args = parser.parse_args(arguments)
    header = export_model(
        args.run, args.out, trained_on=args.trained_on, licence=args.licence, dtype=args.dtype,
        newest=args.newest, overwrite=args.force,
    )  # fmt: skip
    megabytes = args.out.stat().st_size / 1e6
    print(f"{args.out}: {header.stage} {header.kind} after step {header.step}, {megabytes:.1f} MB in {args.dtype}")


if __name__ == "__main__":
    main()
