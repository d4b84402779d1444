"""The facade: a trained synthesizer, from text and an embedding to a mel spectrogram."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray

from speech.errors import ConfigError
from speech.mel import MelConfig
from synthesizer.pacing import check_pace
from synthesizer.synthesis import Line, Sentence, Synthesis, assemble, join_syntheses, read_lines, read_sentences
from synthesizer.tacotron.config import SynthesizerConfig
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.supervisor import Outcome, Supervisor, Task
from synthesizer.text.symbols import SYMBOLS

if TYPE_CHECKING:
    from synthesizer.text.lexicon import Lexicon

__all__ = ["Sentence", "Synthesis", "Synthesizer", "join_syntheses", "read_sentences"]

Floats = NDArray[np.float32]

STAGE = "synthesizer"


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
        from modelfile.checkpoint import config_from_header, load_into, load_model_file

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

        extra = {"embedding_space": self.embedding_space, "licence": self.licence, "trained_on": self.trained_on}
        save_model(path, self.model, stage=STAGE, config=self.config, step=self.step, extra=extra, dtype=dtype)

    def warm_up(self) -> None:
        """Do beforehand what the first sentence would wait for: the decoder is compiled, or loaded from its cache."""
        size = self.config.speaker_embedding_size
        self.synthesize("a", np.full(size, size**-0.5, np.float32))

    def synthesize(
        self,
        text: str,
        embedding: Floats,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
        *,
        speed: float = 1.0,
        pauses: float = 1.0,
        pitch_range: float = 1.0,
        pitch: float | None = None,
        lexicon: Lexicon | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Synthesis:
        """Say a text of any length, sentence by sentence.

        Args:
            text: Unicode; `{HH AH0 L OW1}` is read as phonemes.
            embedding: [256], of the space that `embedding_space` names.
            seed: of the prenet's dropout, which varies the reading. The same seed gives the same mel.
            progress: called with (sentences done, sentences in all).
            speed: 0.5 to 2; 0.8 is a fifth slower, in sounds and silences alike, at the same pitch.
            pauses: 0 to 5; 2 makes the pauses between and in sentences twice as long.
            pitch_range: 0 to 3; 0 speaks on one note, 2 goes up and down twice as far. Only of effect in a model that
                predicts its melody or has a postfilter.
            pitch: the voice's median pitch in Hz (`speech.harmonics.median_f0`), heeded by a model with a
                postfilter; None leaves it as the model foretells it.
            lexicon: pronunciations that come before the dictionary's.
            cancelled: asked while it decodes.

        Raises:
            TextError: nothing in the text can be spoken.
            ConfigError: the embedding has another size, or the speed, the pauses or the pitch_range are out
                of range.
            synthesizer.tacotron.decoding.DecodingCancelled: `cancelled` returned True.
        """
        (synthesis,) = self.synthesize_many(
            [text], [embedding], [seed], progress, speed=speed, pauses=pauses, pitch_range=pitch_range, pitches=[pitch],
            lexicon=lexicon, cancelled=cancelled,
        )  # fmt: skip
        return synthesis

    def synthesize_many(
        self,
        texts: Sequence[str],
        embeddings: Sequence[Floats],
        seeds: Sequence[int],
        progress: Callable[[int, int], None] | None = None,
        *,
        speed: float = 1.0,
        pauses: float = 1.0,
        pitch_range: float = 1.0,
        pitches: Sequence[float | None] | None = None,
        lexicon: Lexicon | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> list[Synthesis]:
        """Say several texts together, which takes less time; each gives what it gives alone.

        Args:
            texts, embeddings, seeds, pitches: one of each for every text; for the rest and for errors see `synthesize`.
        """
        check_pace(speed, pauses, pitch_range)
        texts_lines = [read_lines(text, lexicon) for text in texts]
        tasks = [
            task
            for lines, embedding, seed, pitch in zip(
                texts_lines, embeddings, seeds, pitches or [None] * len(texts), strict=True
            )
            for task in _tasks(lines, self._checked(embedding), seed, pitch_range, pitch)
        ]

        def tell(done: int) -> None:
            if progress is not None:
                progress(done, len(tasks))

        outcomes = iter(Supervisor(self.model).read(tasks, tell, cancelled))
        return [
            join_syntheses([self._spoken(line, next(outcomes), speed, pauses) for line in lines])
            for lines in texts_lines
        ]

    def stream(
        self,
        text: str,
        embedding: Floats,
        seed: int = 0,
        *,
        speed: float = 1.0,
        pauses: float = 1.0,
        pitch_range: float = 1.0,
        pitch: float | None = None,
        lexicon: Lexicon | None = None,
        cancelled: Callable[[], bool] | None = None,
    ) -> Iterator[Synthesis]:
        """Say a text sentence by sentence, each as soon as it is asked for.

        Arguments and errors are those of `synthesize`. Joined, the parts are what it gives, to within the rounding of
        a batch; a pause belongs to the sentence before it.
        """
        check_pace(speed, pauses, pitch_range)
        lines = read_lines(text, lexicon)
        return self._stream(
            lines, _tasks(lines, self._checked(embedding), seed, pitch_range, pitch), speed, pauses, cancelled
        )

    def _stream(
        self,
        lines: Sequence[Line],
        tasks: Sequence[Task],
        speed: float,
        pauses: float,
        cancelled: Callable[[], bool] | None,
    ) -> Iterator[Synthesis]:
        supervisor = Supervisor(self.model)
        for line, task in zip(lines, tasks, strict=True):
            (outcome,) = supervisor.read([task], cancelled=cancelled)
            yield self._spoken(line, outcome, speed, pauses)

    def _spoken(self, line: Line, outcome: Outcome, speed: float, pauses: float) -> Synthesis:
        return assemble(line, outcome, self.mel_config, self.config.reduction_factor, speed, pauses)

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


def _tasks(lines: Sequence[Line], embedding: Floats, seed: int, pitch_range: float, pitch: float | None) -> list[Task]:
    """A sentence's place in its own text is part of its seed: what is decoded beside it is not."""
    return [Task(line.transcript, embedding, (seed, number), pitch_range, pitch) for number, line in enumerate(lines)]
