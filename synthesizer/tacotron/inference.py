"""The facade: a trained synthesizer, from text and an embedding to a mel spectrogram."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from speech.errors import ConfigError
from speech.mel import MelConfig
from synthesizer.options import EmbeddedVoice, SpeakerVoice, SynthesisOptions
from synthesizer.synthesis import Line, Sentence, Synthesis, assemble, join_syntheses, read_lines, read_sentences
from synthesizer.tacotron.config import SynthesizerConfig
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.supervisor import Outcome, Supervisor, Task
from synthesizer.text.symbols import SYMBOLS

__all__ = ["Sentence", "Synthesis", "Synthesizer", "join_syntheses", "read_sentences"]

Floats = NDArray[np.float32]

STAGE = "synthesizer"
DEFAULTS = SynthesisOptions()


class Synthesizer:
    """Says a text in a voice: `str`, `float32 [256]` -> `Synthesis`. Holds no state besides the weights."""

    def __init__(
        self,
        model: Tacotron2,
        *,
        embedding_space: str,
        device: str | torch.device = "cpu",
        licence: str = "",
        trained_on: str = "",
        step: int = 0,
    ):
        self.device = torch.device(device)
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.embedding_space = embedding_space
        self.licence = licence
        self.trained_on = trained_on
        self.step = step

    @property
    def config(self) -> SynthesizerConfig:
        return self.model.config

    @property
    def mel_config(self) -> MelConfig:
        return self.model.config.mel

    @classmethod
    def load(cls, path: str | Path, device: str | torch.device = "cpu") -> Self:
        """Loads a model file.

        Raises:
            ModelFileError: if it is missing, damaged, or not a synthesizer.
        """
        from modelfile.checkpoint import load_into, load_model_file
        from modelfile.header import config_from_header

        header, weights = load_model_file(path, STAGE)
        config = config_from_header(SynthesizerConfig, header)
        if config.n_symbols != len(SYMBOLS):
            raise ConfigError(
                f"{path} reads {config.n_symbols} symbols, but this version writes {len(SYMBOLS)}: "
                "use the version of the toolkit that it was trained with, or train it anew."
            )
        model = Tacotron2(config)
        load_into(model, weights)
        return cls(
            model,
            embedding_space=header.embedding_space,
            device=device,
            licence=header.licence,
            trained_on=header.trained_on,
            step=header.step,
        )

    def save(self, path: str | Path, dtype: torch.dtype | Literal["int8"] | None = None) -> None:
        """Writes a model file, as float32; as `torch.float16` for half the size, or "int8" for a quarter."""
        from modelfile.checkpoint import save_model
        from modelfile.header import ModelHeader

        header = ModelHeader(STAGE, "", self.config, self.step, self.licence, self.trained_on, self.embedding_space)
        save_model(path, self.model, header, dtype)

    def warm_up(self) -> None:
        """Do beforehand what the first sentence would wait for: the decoder is compiled, or loaded from its cache."""
        size = self.config.speaker_embedding_size
        self.synthesize("a", EmbeddedVoice(np.full(size, size**-0.5, np.float32)))

    def synthesize(
        self,
        text: str,
        voice: SpeakerVoice,
        options: SynthesisOptions = DEFAULTS,
        *,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Synthesis:
        """Synthesize a text of any length, sentence by sentence.

        Args:
            text: Unicode; `{HH AH0 L OW1}` is read as ARPABET phonemes.
            voice: its embedding must be of the space that `embedding_space` names.
            seed: of the prenet dropout, which varies the result. The same seed gives the same mel.
            progress: called with (sentences done, sentences in all).
            cancelled: polled while decoding; True stops it.

        Raises:
            TextError: nothing in the text can be spoken.
            ConfigError: the embedding has the wrong size or is not finite.
            synthesizer.tacotron.decoding.DecodingCancelled: `cancelled` returned True.
        """
        (synthesis,) = self.synthesize_many(
            [text], [voice], options, seeds=[seed], progress=progress, cancelled=cancelled
        )
        return synthesis

    def synthesize_many(
        self,
        texts: Sequence[str],
        voices: Sequence[SpeakerVoice],
        options: SynthesisOptions = DEFAULTS,
        *,
        seeds: Sequence[int],
        progress: Callable[[int, int], None] | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Synthesis]:
        """Synthesize several texts as one batch, which is faster. Each result is the same as that of `synthesize`.

        Args:
            texts, voices, seeds: one of each for every text; for the rest and for errors see `synthesize`.
        """
        texts_lines = [read_lines(text, options.lexicon) for text in texts]
        tasks = [
            task
            for lines, voice, seed in zip(texts_lines, voices, seeds, strict=True)
            for task in self._tasks(lines, voice, seed, options)
        ]

        def report(done: int) -> None:
            if progress is not None:
                progress(done, len(tasks))

        outcomes = iter(Supervisor(self.model).read(tasks, report, cancelled))
        return [
            join_syntheses([self._spoken(line, next(outcomes), options) for line in lines]) for lines in texts_lines
        ]

    def stream(
        self,
        text: str,
        voice: SpeakerVoice,
        options: SynthesisOptions = DEFAULTS,
        *,
        seed: int = 0,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[Synthesis]:
        """Synthesize a text sentence by sentence, each when it is asked for.

        Arguments and errors are those of `synthesize`. `join_syntheses` of the parts equals its result. A pause
        belongs to the sentence before it.
        """
        lines = read_lines(text, options.lexicon)
        return self._stream(lines, self._tasks(lines, voice, seed, options), options, cancelled)

    def _stream(
        self,
        lines: Sequence[Line],
        tasks: Sequence[Task],
        options: SynthesisOptions,
        cancelled: Callable[[], bool] | None,
    ) -> Iterator[Synthesis]:
        supervisor = Supervisor(self.model)
        for line, task in zip(lines, tasks, strict=True):
            (outcome,) = supervisor.read([task], cancelled=cancelled)
            yield self._spoken(line, outcome, options)

    def _tasks(self, lines: Sequence[Line], voice: SpeakerVoice, seed: int, options: SynthesisOptions) -> list[Task]:
        """The index of a sentence in its text is part of its seed, so that a batch does not change the result."""
        embedding = self._checked(voice.embedding)
        return [
            Task(line.transcript, embedding, (seed, number), options.pitch_range, voice.pitch)
            for number, line in enumerate(lines)
        ]

    def _spoken(self, line: Line, outcome: Outcome, options: SynthesisOptions) -> Synthesis:
        factor = self.config.reduction_factor
        return assemble(line, outcome, self.mel_config, factor, options.speed, options.pauses)

    def _checked(self, embedding: Floats) -> Floats:
        embedding = np.asarray(embedding, np.float32)
        if embedding.shape != (self.config.speaker_embedding_size,):
            raise ConfigError(
                f"the voice has an embedding of shape {embedding.shape}, but this synthesizer wants "
                f"({self.config.speaker_embedding_size},)"
            )
        if not np.isfinite(embedding).all():
            raise ConfigError("the voice's embedding holds values that are not numbers")
        return embedding
