"""Any speaker model as a judge of similarity: an ONNX graph, a TorchScript file, or an encoder of this toolkit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from evaluation.settings import SpeakerInput, labelled
from evaluation.similarity import EncoderJudge, SpeakerJudge, acceptance
from speech.audio import SAMPLE_RATE
from speech.errors import ConfigError, ModelFileError
from speech.packages import require_package

N_BANDS = 80
MIN_SECONDS = 0.5  # of a clip; a shorter one has no embedding

Run = Callable[[np.ndarray], np.ndarray]  # float32 input of the model -> its first output


class SpeakerModel:
    """Embeds whole clips, with their pauses.

    Args:
        run: the model.
        features: float32 [samples] at 16 kHz -> float32 input of the model.
        name: of its figures.
        threshold: a cosine of at least this counts as the same speaker.
    """

    def __init__(
        self, run: Run, features: Callable[[np.ndarray], np.ndarray], name: str, threshold: float | None = None
    ) -> None:
        self._run = run
        self._features = features
        self.name = name
        self.threshold = threshold
        self.note = f"Voice: {name} is an independent speaker model.{acceptance(threshold)}"

    def embed(self, wav: np.ndarray) -> np.ndarray | None:
        """float32 [dim], L2 norm 1; None if the clip is shorter than 0.5 s, or the model gives no finite values.

        Args:
            wav: float32 [samples] at 16 kHz, in [-1, 1].
        """
        if len(wav) < MIN_SECONDS * SAMPLE_RATE:
            return None
        embedding = np.asarray(self._run(self._features(wav)), np.float32).ravel()
        norm = float(np.linalg.norm(embedding))
        return embedding / norm if np.isfinite(norm) and norm > 0 else None


def load_speaker_model(name: str, kind: SpeakerInput = "auto", threshold: float | None = None) -> SpeakerJudge:
    """A speaker model of a file. It is run once, so that a wrong input is reported before anything is measured.

    Args:
        name: FILE or label=FILE: ONNX (.onnx), an encoder of this toolkit (.safetensors), or TorchScript. A TorchScript
            file can contain code, so it must be trusted.
        kind: what the model takes; "auto" reads it from the shape of the ONNX graph's input.

    Raises:
        ConfigError: the input is not clear, or a package is missing.
        ModelFileError: the file is missing, cannot be read, or cannot be run on this input.
    """
    label, file = labelled(name)
    path = Path(file)
    if not path.is_file():
        raise ModelFileError(f"There is no speaker model {path}: name an ONNX, TorchScript or encoder file.")
    if path.suffix == ".safetensors":
        from encoder import SpeakerEncoder

        return EncoderJudge(SpeakerEncoder.load(path), label, threshold)
    run, shape = _load_onnx(path) if path.suffix == ".onnx" else (_load_torchscript(path), None)
    features = feature_extractor(shape, kind, path.name)
    model = SpeakerModel(run, features, label, threshold)
    noise = 0.1 * np.random.default_rng(0).standard_normal(2 * SAMPLE_RATE, dtype=np.float32)
    try:
        embedding = model.embed(noise)
    except Exception as error:  # the runtimes raise classes of their own
        sizes = list(features(noise).shape)
        raise ModelFileError(f"{path} cannot be run on an input of shape {sizes}: check --speaker-input.") from error
    if embedding is None:
        raise ModelFileError(f"{path} gives no finite embedding: check --speaker-input.")
    return model


def feature_extractor(
    shape: Sequence[int | str | None] | None, kind: SpeakerInput, file: str
) -> Callable[[np.ndarray], np.ndarray]:
    """What turns a clip into the input of a model.

    Args:
        shape: of the model's input, a name or None for a size that varies; None if it is unknown.
        kind: "auto" to find out: [batch, samples] and [batch, 1, samples] are waveforms, [batch, frames, 80] and
            [batch, 80, frames] are fbank.
        file: for the error.

    Raises:
        ConfigError: "auto" is not clear, or kaldi-native-fbank is missing.
    """
    sizes = tuple(shape or ())
    if kind == "auto":
        if len(sizes) == 3 and N_BANDS in sizes[1:]:
            kind = "fbank"
        elif len(sizes) == 2 or (len(sizes) == 3 and sizes[1] == 1):
            kind = "waveform"
        else:
            raise ConfigError(f"The input of {file} is not clear: give --speaker-input waveform or fbank.")
    if kind == "waveform":
        return lambda wav: wav.reshape((1,) * (len(sizes) - 1) + (-1,)) if sizes else wav[None]
    package = require_package("kaldi_native_fbank", "A speaker model of fbank features", "kaldi-native-fbank")
    bands_first = sizes[1:2] == (N_BANDS,) and sizes[2] != N_BANDS
    return lambda wav: fbank(package, wav).T[None] if bands_first else fbank(package, wav)[None]


def fbank(package: Any, wav: np.ndarray) -> np.ndarray:
    """Log mel filter banks as in Kaldi, without dither, minus their mean over the clip.

    Args:
        package: kaldi_native_fbank.
        wav: float32 [samples] at 16 kHz, in [-1, 1].

    Returns:
        float32 [frames, 80]; frames of 25 ms (Povey's window) every 10 ms.
    """
    options = package.FbankOptions()
    options.frame_opts.dither = 0
    options.frame_opts.samp_freq = SAMPLE_RATE
    options.mel_opts.num_bins = N_BANDS
    stream = package.OnlineFbank(options)
    stream.accept_waveform(SAMPLE_RATE, wav.tolist())
    stream.input_finished()
    frames = np.stack([stream.get_frame(index) for index in range(stream.num_frames_ready)])
    return frames - frames.mean(axis=0)


def _load_onnx(path: Path) -> tuple[Run, Sequence[int | str | None]]:
    """A graph with one input, and the shape of that. Errors as `load_speaker_model`."""
    import torch

    package = require_package("onnxruntime", "An ONNX speaker model", "onnxruntime")
    options = package.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    try:
        session = package.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises classes of its own
        raise ModelFileError(f"onnxruntime cannot read {path}: name an ONNX file.") from error
    inputs = session.get_inputs()
    if len(inputs) != 1:
        names = ", ".join(item.name for item in inputs)
        raise ModelFileError(f"{path} has the inputs {names}: a speaker judge needs a model with one input.")
    return lambda features: session.run(None, {inputs[0].name: features})[0], inputs[0].shape


def _load_torchscript(path: Path) -> Run:
    """Errors as `load_speaker_model`."""
    import torch

    try:
        module = torch.jit.load(str(path), map_location="cpu").eval()
    except (RuntimeError, ValueError) as error:
        raise ModelFileError(f"{path} is not a TorchScript file: convert the model to ONNX or TorchScript.") from error

    def run(features: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            output = module(torch.from_numpy(np.ascontiguousarray(features)))
        return (output[0] if isinstance(output, tuple) else output).numpy()

    return run
