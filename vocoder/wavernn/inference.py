"""A trained WaveRNN behind the verbs of `Vocoder`: what runs it, in how many folds, and what becomes of them."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import numpy as np
import torch
from torch import Tensor

from speech.errors import ConfigError
from speech.mel import MelConfig
from vocoder.base import STAGE, Cancelled, Progress, Vocoder, stop_if
from vocoder.checks import check_mel
from vocoder.emphasis import Deemphasis
from vocoder.wavernn.config import WaveRNNConfig
from vocoder.wavernn.engines import OVERLAP_FRAMES, Engine, Running, start_engine
from vocoder.wavernn.folding import Fold, FoldJoiner, plan_folds
from vocoder.wavernn.model import WaveRNN, build_wavernn
from vocoder.wavernn.samples import decode_samples
from vocoder.wavernn.sampling import (
    CHUNK_FRAMES,
    make_tape,
    open_tape,
    sample_folds,
    sample_stream,
)

if TYPE_CHECKING:
    from modelfile.checkpoint import ModelHeader

__all__ = ["Engine", "Fold", "WaveRNNVocoder", "make_tape", "sample_folds", "sample_stream"]

FINISH_SAMPLES = 2**18  # that are finished at once
FOLDS_AT_ONCE = 64  # that are sampled before they are joined, so that not all labels of a long text are there at once;
FOLDS_AT_ONCE_ON_GPU = 128  # there more of them run side by side


class WaveRNNVocoder(Vocoder):
    """A trained WaveRNN.

    Args:
        model: its weights must not change afterwards: the compiled engine works on a copy of them.
        device: where PyTorch runs the model, if it does.
        engine: "compiled" for the CPU, "torch" for the reference; "auto" takes the compiled one on a CPU (the reference
            where it cannot run), half precision on a CUDA GPU, and the reference elsewhere.
        threads: of the compiled engine; by default as many as PyTorch would use.

    Raises:
        ConfigError: there is no such engine on this device.
    """

    kind = "wavernn"

    def __init__(
        self,
        model: WaveRNN,
        device: str | torch.device = "cpu",
        *,
        engine: Engine = "auto",
        threads: int | None = None,
        licence: str = "",
        trained_on: str = "",
        step: int = 0,
    ) -> None:
        self.device = torch.device(device)
        if engine not in get_args(Engine):
            raise ConfigError(f"There is no vocoder engine {engine!r}: choose {', '.join(get_args(Engine))}.")
        if engine == "compiled" and self.device.type != "cpu":
            raise ConfigError(
                f"The compiled vocoder runs on the CPU, not on {self.device}: choose engine torch or auto."
            )
        if threads is not None and threads < 1:
            raise ConfigError(f"A vocoder cannot run on {threads} threads: choose 1 or more.")
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.engine, self.threads = engine, threads
        self.licence, self.trained_on, self.step = licence, trained_on, step

    @classmethod
    def from_file(
        cls,
        header: "ModelHeader",
        weights: dict[str, Tensor],
        device: str | torch.device = "cpu",
        *,
        engine: Engine = "auto",
        threads: int | None = None,
    ) -> "WaveRNNVocoder":
        """Build the model that a file describes, its matrices whole or in blocks.

        Raises:
            ModelFileError: its config is refused or the weights do not fit it.
        """
        from modelfile.checkpoint import config_from_header, load_into
        from vocoder.wavernn.pruning import unpack_sparse

        config = config_from_header(WaveRNNConfig, header)
        model = build_wavernn(config)
        load_into(model, unpack_sparse(weights, config))
        return cls(
            model,
            device,
            engine=engine,
            threads=threads,
            licence=header.licence,
            trained_on=header.trained_on,
            step=header.step,
        )

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        from modelfile.checkpoint import save_model
        from vocoder.wavernn.pruning import pack_sparse

        save_model(
            path,
            pack_sparse(self.model.state_dict(), self.config),
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

    @functools.cached_property
    def running(self) -> Running:
        """The engine that was chosen, made and warmed up at first use."""
        return start_engine(self.model, self.engine, self.threads)

    def warm_up(self) -> None:
        self.running  # noqa: B018

    def vocode(
        self,
        mel: np.ndarray,
        seed: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
        folds: int | None = None,
    ) -> np.ndarray:
        """See `Vocoder.vocode`.

        The folds are chosen by the length and the number of threads, so the same seed gives the same samples on the
        same number of threads. `folds` asks for a number of one's own: 1 is what `stream` gives.
        """
        mel = check_mel(mel, self.mel_config.n_mels)
        running, seed, hop = self.running, _chosen(seed), self.config.hop_length
        planned = plan_folds(mel.mean(axis=0), folds or running.fold_count(mel.shape[1]), OVERLAP_FRAMES)
        joiner, done, total = FoldJoiner(mel.shape[1], hop), 0, hop * sum(fold.frames for fold in planned)
        at_once = FOLDS_AT_ONCE if self.device.type == "cpu" else FOLDS_AT_ONCE_ON_GPU
        for first in range(0, len(planned), at_once):
            some = planned[first : first + at_once]
            tapes = [open_tape(self.config, seed, first + index) for index in range(len(some))]
            report = None if progress is None else _Shifted(progress, done, total)
            made = running.sampler.sample_folds(mel, some, tapes, report, cancelled)
            for index, fold in enumerate(some):
                stop_if(cancelled)
                joiner.add(decode_samples(made[index], self.config), fold)
                made[index] = np.empty(0)  # an hour of speech need not be there twice
            done += hop * sum(fold.frames for fold in some)
        finish, wav = Deemphasis(self.mel_config.preemphasis), joiner.joined
        for start in range(0, len(wav), FINISH_SAMPLES):
            stop_if(cancelled)
            wav[start : start + FINISH_SAMPLES] = finish(wav[start : start + FINISH_SAMPLES])
        return wav

    def stream(
        self,
        mel: np.ndarray,
        seed: int | None = None,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> Iterator[np.ndarray]:
        """See `Vocoder.stream`; the chunks together are `vocode(mel, seed, folds=1)`."""
        mel = check_mel(mel, self.mel_config.n_mels)
        return self._stream(mel, _chosen(seed), progress, cancelled)

    def _stream(
        self, mel: np.ndarray, seed: int, progress: Progress | None, cancelled: Cancelled | None
    ) -> Iterator[np.ndarray]:
        finish, done, total = Deemphasis(self.mel_config.preemphasis), 0, mel.shape[1] * self.config.hop_length
        tape = open_tape(self.config, seed)
        for samples in self.running.sampler.sample_stream(mel, tape, CHUNK_FRAMES, cancelled):
            done += len(samples)
            if progress is not None:
                progress(done, total)
            yield finish(decode_samples(samples, self.config))


class _Shifted:
    """Progress of a part, told as that of the whole."""

    def __init__(self, progress: Progress, before: int, total: int) -> None:
        self._progress, self._before, self._total = progress, before, total

    def __call__(self, done: int, _total: int) -> None:
        self._progress(self._before + done, self._total)


def _chosen(seed: int | None) -> int:
    return int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else abs(int(seed))
