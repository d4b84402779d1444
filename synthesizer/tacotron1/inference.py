"""The Tacotron 1 behind the stage's facade."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray

from modelfile.checkpoint import load_into, no_larger_than
from modelfile.header import ModelHeader, config_from_header
from synthesizer.base import AlignedMel
from synthesizer.decoding_check import Decoded
from synthesizer.fallbacks import SentenceRequest, key_seed
from synthesizer.network import NetworkSynthesizer, origin_of
from synthesizer.tacotron1.alphabets import read_pinyin, reads_pinyin, symbols_of
from synthesizer.tacotron1.cleaning import letters_only, read_letters
from synthesizer.tacotron1.config import KIND, Tacotron1Config
from synthesizer.tacotron1.decoding import Sentence, finished, free_run
from synthesizer.tacotron1.model import Tacotron1
from synthesizer.text.transcript import Transcript

if TYPE_CHECKING:
    from synthesizer.text.lexicon import Lexicon

Floats = NDArray[np.float32]

WINDOW = (1, 3)  # tokens behind and ahead of the focus; three letters in 25 ms are more than any speech has


class Tacotron1Synthesizer(NetworkSynthesizer[Tacotron1, Tacotron1Config]):
    """A Tacotron 1. It reads letters, English or pinyin, and no phonemes."""

    kind = KIND

    @property
    def n_symbols(self) -> int:
        return self.config.architecture.n_symbols

    def transcribe(self, text: str, lexicon: Lexicon | None = None) -> Transcript:
        if reads_pinyin(self.n_symbols):
            return read_pinyin(text, self.n_symbols)
        return read_letters(text, lexicon)

    def decode(
        self,
        requests: Sequence[SentenceRequest],
        *,
        windowed: bool = False,
        progress: Callable[[int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Decoded]:
        """One decoding of each."""
        settings = self.config.inference
        decoded = []
        for request in requests:
            run = free_run(
                self.model,
                Sentence(symbols_of(request.transcript, self.n_symbols), request.embedding, request.generator_seed),
                settings,
                window=WINDOW if windowed else None,
                cancelled=cancelled,
            )
            decoded.append(finished(run, settings, self.mel_config.max_abs_value))
            if progress is not None:
                progress(len(decoded))
        return decoded

    def align_transcript(self, transcript: Transcript, mel: Floats, embedding: Floats, key: str) -> AlignedMel:
        symbols = torch.from_numpy(symbols_of(letters_only(transcript), self.n_symbols))[None].to(self.device)
        factor, frames = self.reduction_factor, mel.shape[1]
        steps = -(-frames // factor)
        padded = np.full((steps * factor, len(mel)), -self.mel_config.max_abs_value, np.float32)
        padded[:frames] = mel.T
        given = torch.from_numpy(padded)[None].to(self.device)
        speaker = torch.from_numpy(np.array(embedding, np.float32))[None].to(self.device)
        generator = torch.Generator().manual_seed(key_seed(key))
        with torch.inference_mode():
            memory = self.model.read(symbols, torch.ones_like(symbols, dtype=torch.bool), speaker, generator)
            valid = torch.ones(given.shape[:2], dtype=torch.bool, device=self.device)
            output = self.model(memory, given, valid, factor, generator)
        limit = self.mel_config.max_abs_value
        made = output.mel[0, :frames].clamp(-limit, limit).T
        return AlignedMel(np.ascontiguousarray(made.cpu().numpy()), output.alignments[0].cpu().numpy())


def load_tacotron1(
    header: ModelHeader, weights: Mapping[str, torch.Tensor], device: str | torch.device = "cpu"
) -> Tacotron1Synthesizer:
    """The synthesizer of a model file.

    Raises:
        ModelFileError: the settings or the weights do not fit.
    """
    config = config_from_header(Tacotron1Config, header)
    with no_larger_than(weights):
        model = Tacotron1(config.architecture)
    load_into(model, weights)
    return Tacotron1Synthesizer(model, config, origin_of(header), device)
