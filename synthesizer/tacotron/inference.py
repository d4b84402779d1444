"""The Tacotron 2 behind the stage's facade."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from modelfile.checkpoint import load_into, no_larger_than
from modelfile.header import ModelHeader
from speech.errors import ConfigError
from speech.mel_f0 import f0_from_mel
from synthesizer.adapter import AdaptationClip, VoiceAdapter
from synthesizer.base import AlignedMel, Cancelled, Origin, Progress
from synthesizer.decoding_check import Decoded
from synthesizer.fallbacks import SentenceRequest
from synthesizer.network import NetworkSynthesizer, origin_of
from synthesizer.refiner.adaptation import AdaptedRefiners, adapt_refiner, spoken_mel
from synthesizer.refiner.network import Refiner
from synthesizer.stopping import stop_if
from synthesizer.tacotron.config import KIND, TacotronConfig, read_config
from synthesizer.tacotron.decoding import SentenceInput, candidates_of, free_run
from synthesizer.tacotron.intonation import rises
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.teacher_forcing import align_mel
from synthesizer.text.symbols import SYMBOLS
from synthesizer.text.transcript import Transcript, encode

Floats = NDArray[np.float32]

SENTENCES_PER_PASS = 8  # with all their candidates; bounds the memory for any length of text
# Tokens behind and ahead of the focus. Two ahead are 40 per second at a reduction factor of 4, twice the fastest
# speech: enough for correct sentences, and a limit for rushed ones. Of 16 sentences whose attention was made to jump,
# 10 were recognised with (1, 2), 4 with (1, 4), 2 with (2, 6), 1 without a window.
WINDOW = (1, 2)
FORMER_PREFIXES = {"melody.": "pitch_predictor."}  # of tensors in older files


class TacotronSynthesizer(NetworkSynthesizer[Tacotron2, TacotronConfig]):
    """A trained Tacotron 2."""

    kind = KIND

    def __init__(
        self, model: Tacotron2, config: TacotronConfig, origin: Origin, device: str | torch.device = "cpu"
    ) -> None:
        super().__init__(model, config, origin, device)
        self._refiners = AdaptedRefiners(self.model.refiner)

    def decode(
        self,
        requests: Sequence[SentenceRequest],
        *,
        windowed: bool = False,
        progress: Callable[[int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Decoded]:
        """One decoding of each, in groups of similar length, as the longest one decides how long a group takes."""
        texts = [encode(request.transcript, 1.0) for request in requests]
        refiners = [self._refiners.of(request.adapter) for request in requests]
        order = sorted(range(len(requests)), key=lambda k: len(texts[k]))
        decoded: dict[int, Decoded] = {}
        at_once = max(1, SENTENCES_PER_PASS // candidates_of(self.model, self.config.inference))
        for first in range(0, len(order), at_once):
            chosen = order[first : first + at_once]
            results = free_run(
                self.model,
                [_sentence_input(requests[k], texts[k], refiners[k]) for k in chosen],
                self.config.inference,
                window=WINDOW if windowed else None,
                cancelled=cancelled,
            )
            decoded |= dict(zip(chosen, results, strict=True))
            if progress is not None:
                progress(len(decoded))
        return [decoded[k] for k in range(len(requests))]

    @property
    def adaptable(self) -> bool:
        return self.model.refiner is not None

    def adapt(
        self,
        clips: Sequence[AdaptationClip],
        *,
        seed: int = 0,
        progress: Progress | None = None,
        cancelled: Cancelled | None = None,
    ) -> VoiceAdapter:
        if self.model.refiner is None:
            return super().adapt(clips)

        def check() -> None:
            stop_if(cancelled)

        mel_config = self.config.architecture.mel
        spoken = [spoken_mel(clip.mel, f0_from_mel(clip.mel, mel_config), clip.embedding) for clip in clips]
        return adapt_refiner(self.model.refiner, spoken, self.model.discriminators, seed, progress, check)

    def align_transcript(self, transcript: Transcript, mel: Floats, embedding: Floats, key: str) -> AlignedMel:
        return align_mel(self.model, self.config, mel, transcript, embedding, key)


def load_tacotron(
    header: ModelHeader, weights: Mapping[str, torch.Tensor], device: str | torch.device = "cpu"
) -> TacotronSynthesizer:
    """The synthesizer of a model file.

    Raises:
        ModelFileError: the settings or the weights do not fit.
        ConfigError: the model has a different set of symbols.
    """
    config = read_config(header)
    if config.architecture.n_symbols != len(SYMBOLS):
        raise ConfigError(
            f"The synthesizer was trained with {config.architecture.n_symbols} text symbols, but this version has "
            f"{len(SYMBOLS)}: use the version of the toolkit that it was trained with, or train it again."
        )
    with no_larger_than(weights):
        model = Tacotron2(config.architecture, config.training)
    load_into(model, current_names(weights))
    return TacotronSynthesizer(model, config, origin_of(header), device)


def current_names(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Weights by their present names; older files have some different ones."""
    renamed = {}
    for name, tensor in weights.items():
        for former, current in FORMER_PREFIXES.items():
            if name.startswith(former):
                name = current + name.removeprefix(former)
        renamed[name] = tensor
    return renamed


def _sentence_input(
    request: SentenceRequest, symbols: NDArray[np.int64], refiner: Refiner | None = None
) -> SentenceInput:
    return SentenceInput(
        symbols,
        request.embedding,
        request.generator_seed,
        pitch_range=request.pitch_range,
        rises=rises(request.transcript),
        median_f0=request.median_f0,
        reference=request.reference,
        refiner=refiner,
    )
