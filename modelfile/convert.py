"""Convert public PyTorch checkpoints to model files: `python -m modelfile.convert FILE.pt [...] --out DIR`.

Recognised are the encoder, synthesizer and vocoder of Real-Time-Voice-Cloning and other files of the same layout. Each
model family knows its own (`Family.convert`).
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from modelfile.families import STAGES, families_of
from modelfile.header import read_header
from modelfile.public import Converted, PublicCheckpoint, is_public_checkpoint, read_public_checkpoint
from speech.errors import ModelFileError, StorageError, exit_on_speech_error
from speech.files import check_free_space

if TYPE_CHECKING:
    import torch

KNOWN = "the encoder, synthesizer or vocoder of Real-Time-Voice-Cloning, or a WaveRNN of the same layout"


def convert_checkpoint(checkpoint: PublicCheckpoint) -> Converted:
    """Header and weights of the model in a public checkpoint. All sizes are those of its tensors.

    Raises:
        ModelFileError: no family knows it, or it is incomplete.
    """
    for stage in STAGES:
        for family in families_of(stage).values():
            converted = family.convert(checkpoint) if family.convert is not None else None
            if converted is not None:
                header, weights = converted
                as_stored = json.loads(json.dumps(header.config))
                header = replace(header, config=as_stored, extra={**header.extra, **checkpoint.provenance})
                family.load(header, weights, "cpu")  # checks names and shapes
                return header, weights
    raise ModelFileError(f"{checkpoint.name} is not a model that can be converted: give {KNOWN}.")


def convert_file(source: str | Path, output: str | Path) -> None:
    """Write a public checkpoint as a model file, replacing an older one.

    Raises:
        ModelFileError: as `read_converted`.
        StorageError: the output cannot be written.
    """
    _save(Path(output), read_converted(source))


def read_converted(source: str | Path, stage: str | None = None) -> Converted:
    """Header and weights of a public checkpoint, of one stage if it is given.

    Raises:
        ModelFileError: it is not a PyTorch file of plain tensors, or of no known model, or of a different stage.
    """
    header, weights = convert_checkpoint(read_public_checkpoint(source))
    if stage is not None and header.stage != stage:
        raise ModelFileError(f"{source} is a public {header.stage}: give a file of a public {stage}.")
    return header, weights


def convert_files(sources: Sequence[str | Path], folder: str | Path, *, overwrite: bool = False) -> dict[str, Path]:
    """Write public checkpoints as the models of a folder, which `--models` takes: `encoder.safetensors` and so on.

    A synthesizer is taken to belong to the encoder among the files; without one, to the public encoder.

    Args:
        sources: at most one of each stage.
        overwrite: replace the models that the folder holds.

    Returns:
        The written files by stage. Nothing is written unless all can be converted.

    Raises:
        ModelFileError: as `convert_file`, or two files are of the same stage.
        StorageError: the folder holds such a model already, or cannot be written.
    """
    models = {header.stage: (header, weights) for header, weights in _converted_together(sources).values()}
    outputs = {stage: Path(folder) / f"{stage}.safetensors" for stage in STAGES if stage in models}
    for output in outputs.values():
        if output.exists() and not overwrite:
            raise StorageError(f"{output} exists: give a different folder, or --force to overwrite it.")
    check_free_space(Path(folder) / "models", sum(_size(weights) for _, weights in models.values()))
    # The encoder last: after a kill, a second conversion of the others still reads their embedding space from it.
    for stage in reversed(outputs):
        _save(outputs[stage], models[stage])
    return outputs


def convert_beside(
    sources: Sequence[str | Path], progress: Callable[[str, int, int], None] | None = None
) -> list[Path]:
    """Write public checkpoints as model files beside them, with the same names. Replaces earlier conversions only.

    Args:
        sources: at most one of each stage; those that are converted together belong together, as in `convert_files`.
        progress: called with the name of a file, the steps done and the steps in all.

    Returns:
        The model files. Nothing is written unless all can be converted.

    Raises:
        ModelFileError: as `convert_files`.
        StorageError: there is a model file of that name that was not converted, or it cannot be written.
    """
    outputs = [_output_of(Path(source)) for source in sources]
    steps = 2 * len(outputs)

    def report(name: str, done: int) -> None:
        if progress is not None:
            progress(name, done, steps)

    models = _converted_together(sources, report)
    check_free_space(outputs[0], sum(_size(weights) for _, weights in models.values()))
    for number, (output, source) in enumerate(zip(outputs, sources, strict=True)):
        report(Path(source).name, len(outputs) + number)
        _save(output, models[Path(source)])
    return outputs


def _output_of(source: Path) -> Path:
    """The model file beside a checkpoint. Raises: StorageError if there is one that was not made of it."""
    output = source.with_suffix(".safetensors")
    if output.exists() and read_header(output).extra.get("converted_from") != source.name:
        raise StorageError(f"{output} exists and was not made of {source.name}: move one of them to another folder.")
    return output


def _converted_together(
    sources: Sequence[str | Path], report: Callable[[str, int], None] = lambda name, done: None
) -> dict[Path, Converted]:
    """The models of checkpoints that belong together. Raises: ModelFileError as `convert_files`."""
    models: dict[Path, Converted] = {}
    stages: dict[str, Path] = {}
    for done, source in enumerate(map(Path, sources)):
        report(source.name, done)
        header, weights = convert_checkpoint(read_public_checkpoint(source))
        if header.stage in stages:
            raise ModelFileError(
                f"{stages[header.stage].name} and {source.name} are both for the {header.stage} stage: "
                "convert them to different folders."
            )
        models[source], stages[header.stage] = (header, weights), source
    if "encoder" in stages and "synthesizer" in stages:
        header, weights = models[stages["synthesizer"]]
        space = models[stages["encoder"]][0].embedding_space
        models[stages["synthesizer"]] = replace(header, embedding_space=space), weights
    return models


def model_file(path: str | Path, convert: bool = False) -> Path:
    """The model file to use for a path that a user gave.

    Args:
        path: a model file, or a public checkpoint, which is never opened in place.
        convert: convert a public checkpoint to a model file beside it, unless that is there and newer.

    Raises:
        ModelFileError: a public checkpoint that may not or cannot be converted.
        StorageError: there is a model file of that name that was not converted, or it cannot be written.
    """
    path = Path(path)
    if not is_public_checkpoint(path):
        return path
    if not convert:
        output = path.with_suffix(".safetensors")
        raise ModelFileError(
            f"{path} is a pickled PyTorch file, which could run any program: add --convert-checkpoints to convert "
            f"it to {output.name} first, in a process of its own that cannot."
        )
    if not path.is_file():
        raise ModelFileError(f"There is no file {path}: give the path of a .pt file.")
    output = _output_of(path)
    if not output.is_file() or output.stat().st_mtime < path.stat().st_mtime:
        convert_file(path, output)
    return output


def convert_folder(folder: str | Path, convert: bool = False) -> None:
    """Convert `encoder.pt`, `synthesizer.pt` and `vocoder.pt` of a folder that lacks the model files of these stages.

    Args:
        convert: whether they may be converted.

    Raises:
        ModelFileError: there are such files, and they may not or cannot be converted.
        StorageError: a model file cannot be written.
    """
    folder = Path(folder)
    outputs = {folder / f"{stage}.pt": folder / f"{stage}.safetensors" for stage in STAGES}
    sources = [source for source, output in outputs.items() if source.is_file() and not output.exists()]
    if sources and convert:
        convert_files(sources, folder)
    elif any(source.stem != "vocoder" for source in sources):  # a vocoder is not always needed
        raise ModelFileError(
            f"{folder} holds pickled PyTorch files, which could run any program: add --convert-checkpoints to "
            "convert them first, in a process of its own that cannot."
        )


def _size(weights: Mapping[str, "torch.Tensor"]) -> int:
    return sum(tensor.nbytes for tensor in weights.values())


def _save(output: Path, model: Converted) -> None:
    from modelfile.checkpoint import save_model

    header, weights = model
    save_model(output, weights, header)


@exit_on_speech_error
def main(arguments: list[str] | None = None) -> None:
    """Convert public PyTorch checkpoints (.pt) to the model files of a folder."""
    parser = argparse.ArgumentParser(prog="python -m modelfile.convert", description=main.__doc__)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE.pt", help=f"checkpoint of {KNOWN}")
    parser.add_argument("--out", type=Path, required=True, metavar="DIR", help="models folder to write to")
    parser.add_argument("--force", action="store_true", help="overwrite the models in the folder")
    args = parser.parse_args(arguments)
    outputs = convert_files(args.files, args.out, overwrite=args.force)
    for stage, output in outputs.items():
        print(describe(stage, output))


def describe(stage: str, output: Path) -> str:
    """One line about a converted model file."""
    header = read_header(output)
    size = output.stat().st_size / 1e6
    space = f", embedding space {header.embedding_space}" if header.embedding_space else ""
    source = header.extra["converted_from"]
    return f"{output}: {stage} ({header.kind}) of {source}, step {header.step}{space}, {size:.1f} MB"


if __name__ == "__main__":
    main()
