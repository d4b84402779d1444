"""Inference with a WaveRNN: engine, folds and their cross-fades."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Unpack, get_args

import numpy as np
import torch

from speech.errors import ConfigError
from speech.mel_config import MelConfig
from vocoder.base import CHUNK_FRAMES, STAGE, About, Vocoder
from vocoder.control import NO_CONTROL, Control
from vocoder.wavernn.engines import OVERLAP_FRAMES, Engine, Running, start_engine
from vocoder.wavernn.folding import FoldJoiner, plan_folds
from vocoder.wavernn.model import WaveRNN
from vocoder.wavernn.samples import decode_samples
from vocoder.wavernn.sampling import open_tape, regrouped
from waveform.emphasis import Deemphasis
from waveform.refined import refine_samples
from waveform.refinements import ENTRY, check_refinements
from waveform.segments import MelFrames

FINISH_SAMPLES = 2**18  # that are de-emphasised together
FOLDS_AT_ONCE = 64  # that are sampled before they are joined, which bounds the memory for a long text
FOLDS_AT_ONCE_ON_GPU = 128  # more of them run in parallel there


class WaveRNNVocoder(Vocoder):
    """A trained WaveRNN.

    Args:
        model: its weights must not change afterwards, because the compiled engine copies them.
        device: on which PyTorch runs the model.
        engine: "compiled" runs on the CPU and "torch" is the reference. "auto" is the compiled engine on a CPU, half
            precision on a CUDA GPU, and the reference elsewhere or where the compiled engine does not work. The
            excitation shape uses the compiled engine on any device.
        threads: of the compiled engine; by default as many as PyTorch uses.
        sharpen: sharpen the distributions where the pitch is clear, which makes voiced speech less noisy (excitation
            shape only).
        refinements: projections that make the samples less noisy and give them the mel (`waveform.refinements`); 0
            keeps the network's samples.
        about: `licence`, `trained_on` and `step` of the model.

    Raises:
        ConfigError: there is no such engine on this device, or the number of refinements is out of range.
    """

    kind = "wavernn"

    def __init__(
        self,
        model: WaveRNN,
        device: str | torch.device = "cpu",
        *,
        engine: Engine = "auto",
        threads: int | None = None,
        sharpen: bool = True,
        refinements: int = 0,
        **about: Unpack[About],
    ) -> None:
        super().__init__(**about)
        self.device = torch.device(device)
        if engine not in get_args(Engine):
            raise ConfigError(f"There is no vocoder engine {engine!r}: choose {', '.join(get_args(Engine))}.")
        if engine == "compiled" and self.device.type != "cpu":
            raise ConfigError(
                f"The compiled vocoder runs on the CPU and not on {self.device}: choose engine torch or auto."
            )
        if threads is not None and threads < 1:
            raise ConfigError(f"A vocoder cannot run on {threads} threads: choose 1 or more.")
        self.config = model.config
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.engine, self.threads, self.sharpen = engine, threads, sharpen
        self.refinements = check_refinements(refinements)

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        from modelfile.checkpoint import save_model
        from modelfile.header import ModelHeader
        from vocoder.wavernn.pruning import pack_sparse

        extra = {ENTRY: str(self.refinements)}
        header = ModelHeader(STAGE, self.kind, self.config, self.step, self.licence, self.trained_on, extra=extra)
        save_model(path, pack_sparse(self.model.state_dict(), self.config), header, dtype)

    @property
    def mel_config(self) -> MelConfig:
        return self.config.mel

    @functools.cached_property
    def running(self) -> Running:
        """The engine, created and warmed up at first use."""
        return start_engine(self.model, self.engine, self.threads, self.sharpen)

    def warm_up(self) -> None:
        self.running  # noqa: B018

    def vocode_folds(
        self, mel: np.ndarray, folds: int, seed: int | None = None, control: Control = NO_CONTROL
    ) -> np.ndarray:
        """Generate the waveform of a checked mel in at most `folds` parts at once; with 1, the samples of `stream`."""
        wav = self._sample_folds(mel, folds, _chosen(seed), control)
        parts = (wav[start : start + FINISH_SAMPLES] for start in range(0, len(wav), FINISH_SAMPLES))
        done = 0
        for part in self._finished(parts, MelFrames.whole(mel), control):
            control.check()
            wav[done : done + len(part)] = part  # over samples that were read before
            done += len(part)
        return wav

    def _generate_whole(self, mel: np.ndarray, seed: int | None, control: Control) -> np.ndarray:
        """In folds. Their number depends on the length of the mel and the number of threads, so a seed gives the same
        samples for the same number of threads."""
        return self.vocode_folds(mel, self.running.fold_count(mel.shape[1]), seed, control)

    def _sample_folds(self, mel: np.ndarray, count: int, seed: int, control: Control) -> np.ndarray:
        """The waveform of a mel, pre-emphasised, from at most `count` folds."""
        hop, planned = self.config.hop_length, plan_folds(mel.mean(axis=0), count, OVERLAP_FRAMES)
        joiner, done, total = FoldJoiner(mel.shape[1], hop), 0, hop * sum(fold.frames for fold in planned)
        at_once = FOLDS_AT_ONCE if self.device.type == "cpu" else FOLDS_AT_ONCE_ON_GPU
        for first in range(0, len(planned), at_once):
            batch = planned[first : first + at_once]
            tapes = [open_tape(self.config, seed, first + index) for index in range(len(batch))]
            report = functools.partial(_report_part, control, done, total)
            made = self.running.sampler.sample_folds(mel, batch, tapes, Control(report, control.cancelled))
            for index, fold in enumerate(batch):
                control.check()
                joiner.add(decode_samples(made[index], self.config), fold)
                made[index] = np.empty(0)  # frees memory: a recording may last an hour
            done += hop * sum(fold.frames for fold in batch)
        return joiner.joined

    def _generate(self, mel: MelFrames, seed: int | None, control: Control) -> Iterator[np.ndarray]:
        """The samples of `vocode_folds` with a single fold."""
        for_network = for_refinement = mel
        if self.refinements:
            for_network, for_refinement = mel.twice()
        tape = open_tape(self.config, _chosen(seed))
        made = self.running.sampler.sample_stream(for_network, tape, control)
        chunks = regrouped(made, CHUNK_FRAMES * self.config.hop_length)
        return self._finished((decode_samples(chunk, self.config) for chunk in chunks), for_refinement, control)

    def _finished(self, parts: Iterator[np.ndarray], mel: MelFrames, control: Control) -> Iterator[np.ndarray]:
        """Pre-emphasised samples in parts -> the waveform in parts."""
        finish = Deemphasis(self.mel_config.preemphasis)
        if self.refinements:
            parts = refine_samples(parts, mel, self.mel_config, self.refinements, control.check)
        return map(finish, parts)


def _report_part(control: Control, before: int, total: int, done: int, _part: int) -> None:
    """Report the progress of a batch of folds as that of all folds."""
    control.report(before + done, total)


def _chosen(seed: int | None) -> int:
    return int(np.random.SeedSequence().generate_state(1)[0]) if seed is None else abs(int(seed))
