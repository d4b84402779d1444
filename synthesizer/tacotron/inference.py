"""The Tacotron 2 behind the stage's facade."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray

from modelfile.checkpoint import load_into, no_larger_than, save_model
from modelfile.header import ModelHeader
from speech.errors import ConfigError
from synthesizer.adapter import AdaptationClip, VoiceAdapter
from synthesizer.base import STAGE, AlignedMel, Cancelled, Origin, Progress, Synthesizer
from synthesizer.decoding_check import Decoded
from synthesizer.fallbacks import SentenceRequest
from synthesizer.tacotron.config import KIND, TacotronConfig, read_config
from synthesizer.tacotron.decoding import SentenceInput, free_run
from synthesizer.tacotron.fast_convolutions import stop_if
from synthesizer.tacotron.intonation import rises
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.refiner.adaptation import AdaptedRefiners, adapt_refiner
from synthesizer.tacotron.refiner.network import Refiner
from synthesizer.tacotron.teacher_forcing import align_mel, spoken_mel
from synthesizer.text.symbols import SYMBOLS
from synthesizer.text.transcript import Transcript, encode

Floats = NDArray[np.float32]

SENTENCES_PER_PASS = 8  # bounds the memory for any length of text
# Tokens behind and ahead of the focus. Two ahead are 40 per second at a reduction factor of 4, twice the fastest
# speech: enough for correct sentences, and a limit for rushed ones. Of 16 sentences whose attention was made to jump,
# 10 were recognised with (1, 2), 4 with (1, 4), 2 with (2, 6), 1 without a window.
WINDOW = (1, 2)
FORMER_PREFIXES = {"melody.": "pitch_predictor."}  # of tensors in older files


class TacotronSynthesizer(Synthesizer):
    """A trained Tacotron 2.

    Args:
        model: the network.
        config: its settings.
        origin: header entries of the model file.
    """

    def __init__(
        self, model: Tacotron2, config: TacotronConfig, origin: Origin, device: str | torch.device = "cpu"
    ) -> None:
        sizes, factor = config.architecture, config.inference.reduction_factor
        super().__init__(origin, sizes.mel, sizes.speaker_embedding_size, factor)
        self.device = torch.device(device)
        self.config = config
        self.model = model.to(self.device).eval().requires_grad_(False)
        self._refiners = AdaptedRefiners(self.model.refiner)

    def save(self, path: str | Path, dtype: torch.dtype | Literal["int8"] | None = None) -> None:
        header = ModelHeader(STAGE, KIND, self.config, self.step, self.licence, self.trained_on, self.embedding_space)
        save_model(path, self.model, header, dtype)

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
        for first in range(0, len(order), SENTENCES_PER_PASS):
            chosen = order[first : first + SENTENCES_PER_PASS]
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

        spoken = []
        for clip in clips:
            check()
            spoken.append(spoken_mel(self.model, self.config, clip))
        return adapt_refiner(self.model.refiner, spoken, seed, progress, check)

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
    origin = Origin(header.embedding_space, header.licence, header.trained_on, header.step)
    return TacotronSynthesizer(model, config, origin, device)


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
        _seed(request.seed),
        pitch_range=request.pitch_range,
        rises=rises(request.transcript),
        median_f0=request.median_f0,
        reference=request.reference,
        refiner=refiner,
    )


def _seed(numbers: tuple[int, ...]) -> int:
    """A seed of 63 bits from the numbers that identify a decoding."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> np.uint64(1))
