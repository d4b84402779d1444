"""The models that are loaded, for the worker's thread alone: nobody else touches them while a job runs."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cloning import ModelFiles, VoiceCloner, resolve_device
from cloning.voices import Voice
from toolbox.jobs.context import JobContext

if TYPE_CHECKING:
    from encoder import SpeakerEncoder
    from synthesizer import Synthesizer

WARM_UP_SAMPLES = 32_000  # 2 s, one partial of the encoder and a bit
MOST_THREADS = 4  # one voice at a time gives no work to more
STAGES = ("encoder", "synthesizer", "vocoder")


class Models:
    """The stages that are loaded, each with the file that it came from; a stage is loaded again when its file changes.

    Args:
        device: "auto", "cpu", "cuda", ...
        threads: that torch may use at most; by default one processor is left to the window, for two threads of which
            one has to wait for its turn are slower than one.
    """

    def __init__(self, device: str = "auto", threads: int | None = None) -> None:
        self.device = device
        self.threads = min(MOST_THREADS, max(1, (os.cpu_count() or 1) - 1)) if threads is None else threads
        self._loaded: dict[str, tuple[tuple[Any, ...], Any]] = {}

    def load(self, context: JobContext, files: ModelFiles) -> VoiceCloner:
        """All three stages, loading what is not there yet.

        Raises:
            ModelFileError, ConfigError: a file is missing or damaged, or they do not fit each other.
        """
        for number, stage in enumerate(STAGES):
            if not self._is_loaded(stage, files):
                context.progress(f"Loading the {stage}", number, len(STAGES))
            context.check()
            self._stage(stage, files)
        return VoiceCloner(*(self._loaded[stage][1] for stage in STAGES))

    def encoder(self, context: JobContext, files: ModelFiles) -> SpeakerEncoder:
        if not self._is_loaded("encoder", files):
            context.progress("Loading the encoder", 0, 0)
        return self._stage("encoder", files)

    def synthesizer(self, context: JobContext, files: ModelFiles) -> Synthesizer:
        if not self._is_loaded("synthesizer", files):
            context.progress("Loading the synthesizer", 0, 0)
        return self._stage("synthesizer", files)

    def vocoder(self, context: JobContext, files: ModelFiles) -> Any:
        if not self._is_loaded("vocoder", files):
            context.progress("Loading the vocoder", 0, 0)
        return self._stage("vocoder", files)

    def about(self, files: ModelFiles) -> dict[str, str]:
        """File name and step of each loaded stage of a chain, for a result's card."""
        told = {}
        for stage in STAGES:
            path: Path | None = getattr(files, stage)
            if self._is_loaded(stage, files):
                step = getattr(self._loaded[stage][1], "step", 0)
                told[stage] = "griffin-lim" if path is None else f"{path.name}, step {step}"
        return told

    def _is_loaded(self, stage: str, files: ModelFiles) -> bool:
        return stage in self._loaded and self._loaded[stage][0] == _identity(stage, files)

    def _stage(self, stage: str, files: ModelFiles) -> Any:
        if not self._is_loaded(stage, files):
            _limit_threads(self.threads)
            self._loaded.pop(stage, None)  # two vocoders need not fit into memory
            self._loaded[stage] = _identity(stage, files), _load(stage, files, self.device)
        return self._loaded[stage][1]


def _limit_threads(threads: int) -> None:
    """Of this process, and of the thread that calls; never more than are allowed already (OMP_NUM_THREADS)."""
    import torch

    if torch.get_num_threads() > threads:
        torch.set_num_threads(threads)


def _identity(stage: str, files: ModelFiles) -> tuple[Any, ...]:
    """Changes when another file is chosen, or the file is another one than before."""
    path: Path | None = getattr(files, stage)
    if path is None:
        return (None, str(files.synthesizer))  # Griffin-Lim takes its mel settings from the synthesizer
    try:
        stat = path.stat()
    except OSError:
        return (str(path),)
    return (str(path), stat.st_mtime_ns, stat.st_size)


def _load(stage: str, files: ModelFiles, device: str) -> Any:
    path: Path | None = getattr(files, stage)
    if path is None:
        from speech.mel import MelConfig
        from toolbox.storage.model_files import read_model_file
        from vocoder.griffin_lim.inference import GriffinLimVocoder

        try:
            mel = read_model_file(files.synthesizer).mel
            return GriffinLimVocoder(MelConfig(**mel))
        except (OSError, ValueError, TypeError):
            return GriffinLimVocoder()
    device = resolve_device(device)
    if stage == "encoder":
        from encoder import SpeakerEncoder

        return SpeakerEncoder.load(path, device=device)
    if stage == "synthesizer":
        from synthesizer import Synthesizer

        return Synthesizer.load(path, device=device)
    from vocoder import Vocoder

    return Vocoder.load(path, device=device)


def load_models(context: JobContext, models: Models, files: ModelFiles, warm_up: bool = True) -> dict[str, str]:
    """Load a chain, and do what is only done once, so that the first sound need not wait for it.

    Returns:
        what `Models.about` tells.
    """
    cloner = models.load(context, files)
    if warm_up:
        context.progress("Preparing the models", 2, 3)
        _warm_up(context, cloner)
    return models.about(files)


def _warm_up(context: JobContext, cloner: VoiceCloner) -> None:
    """Hear a moment of noise and say a word until its first sound: kernels are chosen, the dictionary is read."""
    cloner.vocoder.warm_up()
    context.check()
    noise = np.random.default_rng(0).normal(0, 0.1, WARM_UP_SAMPLES).astype(np.float32)
    embedding = cloner.encoder.embed(noise, prepared=True)
    context.check()
    voice = Voice(embedding, cloner.encoder.embedding_space)
    next(cloner.stream("Ready.", voice, 0, cancelled=context.cancelled), None)
    context.check()
