"""Stores for the vocoder: waveforms with their mels, or with those that a synthesizer makes of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from preparation.models import load_encoder, load_synthesizer
from preparation.settings import Settings
from preparation.synthesizer import transcript_of
from preparation.task import Refused, Task, check_length, coded_mel, mel_info, prepared, refusing, trimmed
from speech.errors import ModelFileError

if TYPE_CHECKING:
    import numpy as np

    from corpora.store_filling import Clip
    from corpora.workers import Timer

LEAST_COVERAGE = 0.8  # of the text by attention; with less the synthesizer has lost its place


@dataclass(frozen=True, kw_only=True)
class Vocoder(Settings):
    """Waveforms with their mel spectrograms for the vocoder; transcripts are needed for --gta alone."""

    max_seconds: float = 60.0
    """Longer clips are left out."""
    gta: bool = False
    """Store the mels that the synthesizer makes of each recording, its timing kept, instead of the recording's own."""
    synthesizer: Path = Path("models/default/synthesizer.safetensors")
    """With --gta: the synthesizer's model file."""
    encoder: Path = Path("models/default/encoder.safetensors")
    """With --gta: the model file of the speaker encoder that belongs to the synthesizer."""

    @property
    def longest(self) -> float:
        return self.max_seconds

    def info(self) -> dict[str, Any]:
        info = {**super().info(), "mel_config": mel_info()}
        if not self.gta:
            return info
        encoder, synthesizer = load_encoder(self.encoder), load_synthesizer(self.synthesizer)
        if encoder.embedding_space != synthesizer.embedding_space:
            raise ModelFileError(
                f"{self.synthesizer} expects voices of the space {synthesizer.embedding_space!r}, but {self.encoder} "
                f"makes {encoder.embedding_space!r}: give an encoder and a synthesizer that were trained together."
            )
        digest = hashlib.blake2b(self.synthesizer.read_bytes(), digest_size=8).hexdigest()
        return {**info, "gta": True, "synthesizer": digest, "embedding_space": synthesizer.embedding_space}

    def clips(self, work: Sequence[Task], timer: Timer) -> Iterator[Clip]:
        import numpy as np

        from corpora.store_filling import Clip
        from speech.audio import SAMPLE_RATE
        from speech.mel import MelConfig

        hop = MelConfig().hop_length
        for task in work:
            with refusing(task.key) as refused:
                whole = task.read(timer, self.decode_limit(task))
                wav = trimmed(whole)
                seconds = len(wav) / SAMPLE_RATE
                check_length(seconds, self.min_seconds, self.longest)
                mel = self._aligned(task, whole, wav) if self.gta else coded_mel(wav)
                samples = np.zeros(len(mel) * hop, np.int16)  # sample k belongs to frame k // hop
                count = min(len(samples), len(wav))
                samples[:count] = np.rint(wav[:count] * 32768)
                meta = task.meta(seconds) | ({"gta": True} if self.gta else {})
                yield Clip(task.key, {"mel": mel, "wav": samples}, meta)
            yield from refused

    def _aligned(self, task: Task, whole: np.ndarray, wav: np.ndarray) -> np.ndarray:
        """The synthesizer's mel of a trimmed recording, uint8 [frames, 80]."""
        from preparation.aligned_mels import aligned_mel
        from speech.mel import code_mel, synthesis_mel
        from synthesizer.alignment_score import alignment_report

        transcript = transcript_of(task.utterance.text)
        embedding = load_encoder(self.encoder).embed_many([prepared(whole)], prepared=True)[0]
        synthesizer = load_synthesizer(self.synthesizer)
        made = aligned_mel(synthesizer, synthesis_mel(wav).T, transcript, embedding, task.key)
        report = alignment_report(made.alignment, stopped=True)
        if report.coverage < LEAST_COVERAGE:
            raise Refused(f"the synthesizer cannot follow its text ({report.coverage:.0%} of it was read)")
        return code_mel(made.mel)
