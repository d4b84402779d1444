"""Export a speaker encoder as an ONNX graph, and check that it gives the same embeddings.

    python -m encoder.export encoder.safetensors encoder.onnx

The graph maps the partials of an utterance, power mels [batch, frames, n_mels], to embeddings [batch, embedding_size]
of L2 norm 1. The number of frames is that of a partial. It needs the packages onnx, onnxscript and onnxruntime.
"""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import tyro

from encoder.commands import check_output, parse_arguments
from speech.errors import ModelFileError, exit_on_speech_error
from speech.packages import require_package

if TYPE_CHECKING:
    from encoder.base import SpeakerEncoder

LARGEST_DIFFERENCE = 1e-4
CHECKED_BATCHES = (1, 3)
PURPOSE = "The export to ONNX"


@dataclass(frozen=True, kw_only=True)
class Arguments:
    encoder: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="ENCODER.safetensors")]
    """Encoder model file of any family."""
    out: Annotated[Path, tyro.conf.Positional, tyro.conf.arg(metavar="OUT.onnx")]
    """File to write."""
    force: bool = False
    """Overwrite an existing file."""


@exit_on_speech_error
def main(argv: Sequence[str] | None = None) -> None:
    given = parse_arguments(Arguments, "export", argv, __doc__)
    check_output(given.out, given.force)
    from encoder.base import SpeakerEncoder

    encoder = SpeakerEncoder.load(given.encoder, precision="fp32")
    difference = export_onnx(encoder, given.out)
    shape = f"[batch, {encoder.config.partials.partial_frames}, {encoder.config.n_mels}]"
    size = encoder.config.embedding_size
    print(f"{given.out}: power mels {shape} to embeddings of {size}, largest difference {difference:.1g}")


def export_onnx(encoder: SpeakerEncoder, path: Path) -> float:
    """Write an encoder as an ONNX graph with the input `mels` and the output `embeddings`.

    Its metadata name the sample rate, the hop length and the embedding space.

    Returns:
        The largest difference between an embedding of the graph and of the encoder.

    Raises:
        ConfigError: a package is missing.
        ModelFileError: the embeddings differ by more than 1e-4; no file is written.
        StorageError: the file cannot be written.
    """
    onnx = require_package("onnx", PURPOSE)
    require_package("onnxscript", PURPOSE)
    require_package("onnxruntime", PURPOSE)
    import torch

    from speech.files import write_bytes

    config = encoder.config
    example = torch.rand(2, config.partials.partial_frames, config.n_mels)
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the exporter about its own parts
        exported = Path(folder) / "encoder.onnx"
        torch.onnx.export(
            encoder.model,
            (example,),
            exported,
            input_names=["mels"],
            output_names=["embeddings"],
            dynamic_shapes=({0: torch.export.Dim("batch")},),
            dynamo=True,
            external_data=False,
            verbose=False,
        )
        graph = onnx.load(exported)
    about = {
        "kind": encoder.kind,
        "sample_rate": config.sample_rate,
        "hop_length": config.hop_length,
        "embedding_space": encoder.embedding_space,
        "licence": encoder.licence,
    }
    onnx.helper.set_model_props(graph, {name: str(value) for name, value in about.items()})
    written = graph.SerializeToString()
    difference = largest_difference(encoder, written)
    if not difference <= LARGEST_DIFFERENCE:
        raise ModelFileError(f"The exported graph differs from the encoder by {difference:.1g}: it is not written.")
    write_bytes(path, written)
    return difference


def largest_difference(encoder: SpeakerEncoder, graph: bytes) -> float:
    """Largest difference between the embeddings of a graph and of an encoder, over random windows in batches."""
    import torch

    onnxruntime = require_package("onnxruntime", PURPOSE)
    session = onnxruntime.InferenceSession(graph, providers=["CPUExecutionProvider"])
    generator = torch.Generator().manual_seed(0)
    differences = []
    for batch in CHECKED_BATCHES:
        shape = (batch, encoder.config.partials.partial_frames, encoder.config.n_mels)
        mels = 10 ** (torch.rand(shape, generator=generator) * 8 - 7)  # from 1e-7 to 10, as in speech
        with torch.inference_mode():
            expected = encoder.model(mels)
        (found,) = session.run(None, {"mels": mels.numpy()})
        differences.append(float((torch.from_numpy(found) - expected).abs().max()))
    return max(differences)


if __name__ == "__main__":
    main()
