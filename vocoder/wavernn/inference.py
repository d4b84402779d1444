"""Sampling from a WaveRNN in PyTorch: the reference that faster engines are measured against.

The randomness is a tape of uniform numbers made beforehand, so that two ways of running a model can be compared sample
by sample.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from speech.mel import MelConfig
from vocoder.checks import check_mel
from vocoder.data import mel_window
from vocoder.inference import STAGE, Cancelled, Progress, Vocoder, VocodingCancelled
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.folding import Fold, join_folds, plan_folds
from vocoder.wavernn.model import WaveRNN, build_wavernn
from vocoder.wavernn.samples import Deemphasis, decode_samples, draw_samples

if TYPE_CHECKING:
    from training.checkpoint import ModelHeader

logger = logging.getLogger(__name__)

FOLD_FRAMES = 48  # 0.6 s: long enough that most cuts find a quiet place
OVERLAP_FRAMES = 4  # 50 ms: 37.5 ms to swing in, the last 12.5 ms of them and as much again for the fade
CHUNK_FRAMES = 16  # of a stream: 0.2 s


def make_tape(config: WaveRNNConfig, samples: int, seed: int, fold: int = 0) -> np.ndarray:
    """The random numbers of one fold: float32 [samples, config.uniforms] in [0, 1); a longer tape begins the same."""
    generator = np.random.default_rng([seed, fold])
    return generator.random((samples, config.uniforms), dtype=np.float32)


class _Stream:
    """A batch of streams that moves on frame by frame."""

    def __init__(self, model: WaveRNN, batch: int, device: torch.device) -> None:
        self.model, self.config = model, model.config
        self.stepper = model.stepper(batch)
        start = self.config.silence if self.config.mode == "raw" else 0.0
        self.samples = torch.full((batch,), start, device=device)

    def run_frame(self, windows: Tensor, tape: Tensor) -> Tensor:
        """Windows [batch, n_mels, 2 * pad + 1] and tape [hop, batch, uniforms] -> the frame's samples [batch, hop]."""
        self.samples = self.samples[: len(windows)]
        self.stepper.begin_frame(windows)
        made = []
        for offset in range(self.config.hop_length):
            outputs = self.stepper.step(offset, self.samples)
            self.samples = draw_samples(outputs, tape[offset], self.config)
            made.append(self.samples)
        return torch.stack(made, dim=1)


def sample_folds(
    model: WaveRNN,
    mel: np.ndarray,
    folds: Sequence[Fold],
    tapes: Sequence[np.ndarray],
    progress: Progress | None = None,
    cancelled: Cancelled | None = None,
) -> list[np.ndarray]:
    """Generate all folds of an utterance side by side; a fold that is done leaves the batch.

    Args:
        model: in eval mode.
        mel: float32 [n_mels, frames], scaled to [-max_abs_value, max_abs_value].
        folds: stretches of the mel's frames.
        tapes: for each fold float32 [fold.frames * hop, config.uniforms].

    Returns:
        For each fold its samples [fold.frames * hop]: int64 labels, or float32 values in mol mode.

    Raises:
        VocodingCancelled: `cancelled` returned True.
    """
    config, device = model.config, next(model.parameters()).device
    order = sorted(range(len(folds)), key=lambda index: -folds[index].frames)
    made: list[list[np.ndarray]] = [[] for _ in folds]
    done, total = 0, sum(fold.frames for fold in folds) * config.hop_length
    with torch.inference_mode():
        stream = _Stream(model, len(folds), device)
        for frame in range(folds[order[0]].frames):
            if cancelled is not None and cancelled():
                raise VocodingCancelled
            active = [index for index in order if folds[index].frames > frame]
            windows = [mel_window(mel.T, folds[i].start + frame, 1, config.pad, config) for i in active]
            span = slice(frame * config.hop_length, (frame + 1) * config.hop_length)
            tape = np.stack([tapes[index][span] for index in active], axis=1)
            samples = stream.run_frame(_to(np.stack(windows), device), _to(tape, device)).cpu().numpy()
            for index, row in zip(active, samples, strict=True):
                made[index].append(row)
            done += samples.size
            if progress is not None:
                progress(done, total)
    return [np.concatenate(parts) for parts in made]


def sample_stream(
    model: WaveRNN, mel: np.ndarray, tape_of: Callable[[int], np.ndarray], chunk_frames: int = CHUNK_FRAMES
) -> Iterator[np.ndarray]:
    """Generate an utterance as one stream and hand it out in chunks; equal to `sample_folds` with a single fold.

    Args:
        tape_of: gives the next n rows of the tape, float32 [n, config.uniforms].
    """
    config, device = model.config, next(model.parameters()).device
    with torch.inference_mode():
        stream = _Stream(model, 1, device)
    for start in range(0, mel.shape[1], chunk_frames):
        parts = []
        for frame in range(start, min(start + chunk_frames, mel.shape[1])):
            window = mel_window(mel.T, frame, 1, config.pad, config)
            tape = tape_of(config.hop_length)
            with torch.inference_mode():  # not around a yield: the mode belongs to the thread, not to this generator
                parts.append(stream.run_frame(_to(window[None], device), _to(tape[:, None], device))[0])
        yield torch.cat(parts).cpu().numpy()


class WaveRNNVocoder(Vocoder):
    """A trained WaveRNN behind the verbs of `Vocoder`."""

    kind = "wavernn"

    def __init__(
        self,
        model: WaveRNN,
        device: str | torch.device = "cpu",
        *,
        licence: str = "",
        trained_on: str = "",
        step: int = 0,
    ) -> None:
        self.model = model.to(device).eval().requires_grad_(False)
        self.licence, self.trained_on, self.step = licence, trained_on, step

    @classmethod
    def from_file(
        cls, header: "ModelHeader", weights: dict[str, Tensor], device: str | torch.device = "cpu"
    ) -> "WaveRNNVocoder":
        """Build the model that a file describes.

        Raises:
            ModelFileError: its config is refused or the weights do not fit it.
        """
        from training.checkpoint import config_from_header, load_into

        model = build_wavernn(config_from_header(WaveRNNConfig, header))
        load_into(model, weights)
        return cls(model, device, licence=header.licence, trained_on=header.trained_on, step=header.step)

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        from training.checkpoint import save_model

        save_model(
            path,
            self.model,
            stage=STAGE,
            kind=self.kind,
            config=self.config,
            step=self.step,
            licence=self.licence,
            trained_on=self.trained_on,
            dtype=dtype,
        )

    @property
    def config(self) -> WaveRNNConfig:
        return self.model.config

    @property
    def mel_config(self) -> MelConfig:
        return self.config.mel

    def vocode(
        self,
        mel: np.ndarray,
        seed: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
        fold_frames: int = FOLD_FRAMES,
    ) -> np.ndarray:
        """See `Vocoder.vocode`; `fold_frames` 0 makes one stream, as `stream` does."""
        mel = check_mel(mel, self.mel_config.n_mels)
        seed = _chosen(seed)
        folds = plan_folds(mel.mean(axis=0), fold_frames, OVERLAP_FRAMES) if fold_frames else [Fold(0, mel.shape[1])]
        hop = self.config.hop_length
        tapes = [make_tape(self.config, fold.frames * hop, seed, index) for index, fold in enumerate(folds)]
        made = sample_folds(self.model, mel, folds, tapes, progress, cancelled)
        pieces = [decode_samples(samples, self.config) for samples in made]
        return Deemphasis(self.config)(join_folds(pieces, folds, hop))

    def stream(self, mel: np.ndarray, seed: int | None = None) -> Iterator[np.ndarray]:
        """See `Vocoder.stream`; the chunks together are `vocode(mel, seed, fold_frames=0)`."""
        mel = check_mel(mel, self.mel_config.n_mels)
        generator = np.random.default_rng([_chosen(seed), 0])
        shape = self.config.uniforms
        finish = Deemphasis(self.config)
        chunks = sample_stream(self.model, mel, lambda n: generator.random((n, shape), dtype=np.float32))
        return (finish(decode_samples(chunk, self.config)) for chunk in chunks)


def _chosen(seed: int | None) -> int:
    return int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else abs(int(seed))


def _to(array: np.ndarray, device: torch.device) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array)).to(device)
