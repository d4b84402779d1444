"""Results: a spoken text with the result of the alignment checks, and a converted recording."""

from __future__ import annotations

import base64
import html
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from cloning.finishing import check_alignment, is_intelligible
from cloning.provenance import Provenance

if TYPE_CHECKING:
    from synthesizer import Sentence, Synthesis


class GeneratedAudio:
    """What all results have in common. Attributes: as of `Speech`."""

    wav: np.ndarray
    sample_rate: int
    seed: int
    provenance: Provenance

    @property
    def seconds(self) -> float:
        """Duration of the waveform."""
        return len(self.wav) / self.sample_rate

    def save(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write a .wav, .flac or .ogg file with its provenance, and return its path.

        Raises:
            StorageError: the suffix is unknown, the file exists and `overwrite` is False, or it cannot be written.
        """
        from speech.audio import write_audio

        write_audio(path, self.wav, self.sample_rate, overwrite=overwrite, tags=self.provenance.tags())
        return Path(path)

    def _repr_html_(self) -> str:
        """An audio player, for notebooks."""
        from speech.audio import encode_audio

        content = encode_audio(self.wav, self.sample_rate, ".wav", self.provenance.tags())
        data = base64.b64encode(content).decode("ascii")
        caption = html.escape(repr(self))
        return f'<audio controls src="data:audio/wav;base64,{data}"></audio><br>{caption}'


@dataclass(frozen=True, eq=False, repr=False)
class Speech(GeneratedAudio):
    """A spoken text.

    Attributes:
        wav: float32 [samples], at the loudness of the options, true peak -1 dB at most.
        sample_rate: in Hz.
        text: as it was given.
        seed: the seed that gives the same samples again.
        mel: float32 [n_mels, frames] in [-4, 4].
        alignment: float32 [tokens, steps], attention weights; of a very long text not every step.
        tokens: symbol of each row of the alignment.
        alignment_score: that of the worst sentence, 0 to 1; 1 if all were decoded completely and in order, 0 if one is
            silent or no speech at all.
        remarks: one sentence for each fault that was found; empty if there is none.
        sentences: attempts, corrections, score and remarks of each sentence.
        provenance: where it comes from; written into the files.
    """

    wav: np.ndarray
    sample_rate: int
    text: str
    seed: int
    mel: np.ndarray
    alignment: np.ndarray
    tokens: tuple[str, ...]
    alignment_score: float
    remarks: tuple[str, ...]
    sentences: tuple[Sentence, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)

    @classmethod
    def of(
        cls, wav: np.ndarray, synthesis: Synthesis, sample_rate: int, text: str, seed: int, provenance: Provenance
    ) -> Speech:
        """The result of finished audio, float32 [samples]."""
        score, remarks = check_alignment(synthesis.sentences)
        return cls(
            wav=wav,
            sample_rate=sample_rate,
            text=text,
            seed=seed,
            mel=synthesis.mel,
            alignment=synthesis.alignment,
            tokens=tuple(synthesis.tokens),
            alignment_score=score,
            remarks=remarks,
            sentences=tuple(synthesis.sentences),
            provenance=provenance,
        )

    @property
    def intelligible(self) -> bool:
        """False if at least half of it probably cannot be understood, as with a synthesizer after few steps."""
        return is_intelligible(self.sentences)

    def __repr__(self) -> str:
        text = self.text if len(self.text) <= 40 else f"{self.text[:39]}…"
        return f"Speech({text!r}, {self.seconds:.1f} s at {self.sample_rate} Hz, seed={self.seed})"


@dataclass(frozen=True, eq=False, repr=False)
class Conversion(GeneratedAudio):
    """A recording in another voice.

    Attributes:
        wav: float32 [samples], as long as the recording, at the loudness of the options.
        sample_rate: in Hz.
        seed: the seed that gives the same samples again.
        source_pitch: median F0 of the recording in Hz; None if it was not found.
        pitch: median F0 that the result was given; None if the model takes no pitch, or it is not known.
        remarks: one sentence for each thing that could not be done.
        provenance: where it comes from; written into the files.
    """

    wav: np.ndarray
    sample_rate: int
    seed: int
    source_pitch: float | None = None
    pitch: float | None = None
    remarks: tuple[str, ...] = ()
    provenance: Provenance = field(default_factory=Provenance)

    def __repr__(self) -> str:
        source = self.provenance.source
        return f"Conversion({source!r}, {self.seconds:.1f} s at {self.sample_rate} Hz, seed={self.seed})"
