"""A cache of loaded models, for the models' worker thread only."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cloning.cloner import VoiceCloner
from cloning.models import LOADERS, STAGES, ModelFiles, load_speech_model, needs_vocoder, use_threads
from cloning.options import SpeechOptions
from cloning.speech_model import EndToEnd, Monitor, TwoStage
from cloning.voices import Voice
from detector.config import DEFAULT_DETECTOR
from modelfile.header import read_header
from toolbox.jobs.context import JobContext

if TYPE_CHECKING:
    from detector import Detector
    from encoder import SpeakerEncoder

CONVERSION = "conversion"  # key of the model for speech to speech
WARM_UP_SAMPLES = 32_000  # 2 s at 16 kHz, a little more than one partial of the encoder


class Models:
    """The loaded model of each stage. A stage is loaded again when its file changes.

    Args:
        device: "auto", "cpu", "cuda", ...
        threads: of PyTorch; 1 gives the samples of the command line and leaves the other processors to the window.
    """

    def __init__(self, device: str = "auto", threads: int = 1) -> None:
        self.device = device
        self.threads = threads
        self._loaded: dict[str, tuple[tuple[Any, ...], Any]] = {}
        self._detector: Detector | None = None

    def load(self, context: JobContext, files: ModelFiles) -> VoiceCloner:
        """All stages; only those that are not in the cache are loaded. An end-to-end synthesizer needs no vocoder.

        Raises:
            ModelFileError, ConfigError: a file is missing or damaged, or the models do not fit each other.
        """
        stages = STAGES if needs_vocoder(files.synthesizer) else STAGES[:2]
        for number, stage in enumerate(stages):
            if not self._is_loaded(stage, files):
                context.progress(f"Loading the {stage}", number, len(stages))
            context.check()
            self._stage(stage, files)
        synthesizer = self._stage("synthesizer", files)
        if synthesizer.end_to_end:
            self._loaded.pop("vocoder", None)  # it has no part in the result
            model = EndToEnd(synthesizer)
            model.digests = files.digests()
            return VoiceCloner(self._stage("encoder", files), model)
        return VoiceCloner(self._stage("encoder", files), self.two_stage(context, files))

    def converting(self, context: JobContext, files: ModelFiles) -> VoiceCloner:
        """Encoder and model for speech to speech, which is kept beside the others.

        Args:
            files: of `ModelFiles.find_conversion`.

        Raises:
            ModelFileError, ConfigError: as `load`.
        """
        encoder = self.encoder(context, files)
        identity = (*_identity("synthesizer", files), *_identity("units", files))
        if CONVERSION not in self._loaded or self._loaded[CONVERSION][0] != identity:
            context.progress("Loading the model for speech to speech", 0, 0)
            use_threads(self.threads)
            self._loaded.pop(CONVERSION, None)
            self._loaded[CONVERSION] = identity, load_speech_model(files, self.device)
        return VoiceCloner(encoder, self._loaded[CONVERSION][1])

    def encoder(self, context: JobContext, files: ModelFiles) -> SpeakerEncoder:
        if not self._is_loaded("encoder", files):
            context.progress("Loading the encoder", 0, 0)
        return self._stage("encoder", files)

    def detector(self) -> Detector | None:
        """The detector of synthesized speech among the default models; None if it is not there."""
        if self._detector is None and DEFAULT_DETECTOR.is_file():
            from detector import Detector

            use_threads(self.threads)
            self._detector = Detector.load(DEFAULT_DETECTOR)
        return self._detector

    def two_stage(self, context: JobContext, files: ModelFiles) -> TwoStage:
        """Synthesizer and vocoder, for one of the two steps alone. Errors as `load`."""
        for stage in ("synthesizer", "vocoder"):
            if not self._is_loaded(stage, files):
                context.progress(f"Loading the {stage}", 0, 0)
            context.check()
            self._stage(stage, files)
        model = TwoStage(self._stage("synthesizer", files), self._stage("vocoder", files))
        model.digests = files.digests()
        return model

    def can_adapt(self, files: ModelFiles) -> bool:
        """Whether the synthesizer can be adapted to a voice."""
        adaptable: bool = self._stage("synthesizer", files).adaptable
        return adaptable

    def descriptions(self, files: ModelFiles) -> dict[str, str]:
        """File name and step of each loaded stage, for the card of a result."""
        described = {}
        for stage in STAGES:
            if self._is_loaded(stage, files):
                path: Path | None = getattr(files, stage)
                loaded = self._loaded[stage][1]
                described[stage] = loaded.kind if path is None else f"{path.name}, step {read_header(path).step}"
        return described

    def _is_loaded(self, stage: str, files: ModelFiles) -> bool:
        return stage in self._loaded and self._loaded[stage][0] == _identity(stage, files)

    def _stage(self, stage: str, files: ModelFiles) -> Any:
        if not self._is_loaded(stage, files):
            use_threads(self.threads)
            self._loaded.pop(stage, None)  # memory need not hold the old and the new model
            self._loaded[stage] = _identity(stage, files), LOADERS[stage](files, self.device)
        return self._loaded[stage][1]


def _identity(stage: str, files: ModelFiles) -> tuple[Any, ...]:
    """Changes when a different file is chosen or the file is replaced."""
    path: Path | None = getattr(files, stage)
    if path is None:  # such a vocoder has the mel settings of the synthesizer
        return (None, *_identity("synthesizer", files))
    try:
        stat = path.stat()
    except OSError:
        return (str(path),)
    return (str(path), stat.st_mtime_ns, stat.st_size)


def load_models(context: JobContext, models: Models, files: ModelFiles) -> dict[str, str]:
    """Load all stages and do everything that is done only once, so that the first text starts at once.

    Returns:
        `Models.descriptions`.
    """
    cloner = models.load(context, files)
    context.progress("Preparing the models", 2, 3)
    _warm_up(context, cloner)
    return models.descriptions(files)


def _warm_up(context: JobContext, cloner: VoiceCloner) -> None:
    """Embed two seconds of noise, and speak a word up to its first chunk: compiles kernels, reads the dictionary."""
    cloner.warm_up()
    context.check()
    noise = np.random.default_rng(0).normal(0, 0.1, WARM_UP_SAMPLES).astype(np.float32)
    embedding = cloner.encoder.embed(noise, prepared=True)
    context.check()
    voice = Voice(embedding, cloner.encoder.embedding_space)
    next(cloner.stream("Ready.", voice, SpeechOptions(seed=0), monitor=Monitor(cancelled=context.cancelled)), None)
    context.check()
