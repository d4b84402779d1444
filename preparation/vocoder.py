"""Stores for the vocoder: waveforms with their mels, or with those that a synthesizer predicts for them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cloning.compatibility import require_same_space
from modelfile.locations import DEFAULT_MODELS
from preparation.features import encoder_ready, stored_mel, stored_samples, trimmed
from preparation.models import load_encoder, load_synthesizer
from preparation.settings import MelSettings
from preparation.synthesizer import transcript_of
from preparation.task import Refused, Task, check_length, refusing
from speech.mel_config import require_same_mel

if TYPE_CHECKING:
    import numpy as np

    from corpora.store_filling import Clip
    from corpora.workers import Timer

MIN_COVERAGE = 0.8  # fraction of the text that the attention must cover; with less the alignment has failed


@dataclass(frozen=True, kw_only=True)
class Vocoder(MelSettings):
    """Waveforms with their mel spectrograms for the vocoder. Only --gta needs transcripts."""

    max_seconds: float = 60.0
    """Leave out longer clips."""
    gta: bool = False
    """Store ground-truth-aligned mels: the synthesizer's prediction for each recording with teacher forcing."""
    synthesizer: Path = DEFAULT_MODELS / "synthesizer.safetensors"
    """Synthesizer model file for --gta."""
    encoder: Path = DEFAULT_MODELS / "encoder.safetensors"
    """Encoder model file for --gta, the one that the synthesizer was trained with."""

    @property
    def longest(self) -> float:
        return self.max_seconds

    def info(self) -> dict[str, Any]:
        if not self.gta:
            return super().info()
        encoder, synthesizer = load_encoder(self.encoder), load_synthesizer(self.synthesizer)
        names = f"the encoder {self.encoder}", f"the synthesizer {self.synthesizer}"
        require_same_space(encoder.embedding_space, synthesizer.embedding_space, *names)
        require_same_mel(synthesizer.mel_config, self.mel, f"the synthesizer {self.synthesizer}", "this store")
        digest = hashlib.blake2b(self.synthesizer.read_bytes(), digest_size=8).hexdigest()
        return {**super().info(), "gta": True, "synthesizer": digest, "embedding_space": synthesizer.embedding_space}

    def clips(self, work: Sequence[Task], timer: Timer) -> Iterator[Clip]:
        from corpora.store_filling import Clip

        for task in work:
            with refusing(task.key) as refused:
                whole = task.read(timer, self.decode_limit(task), self.sample_rate)
                wav = trimmed(whole, self.sample_rate)
                seconds = len(wav) / self.sample_rate
                check_length(seconds, self.min_seconds, self.longest)
                mel = self._aligned(task, whole, wav) if self.gta else stored_mel(wav, self.mel)
                meta = task.meta(seconds) | ({"gta": True} if self.gta else {})
                yield Clip(task.key, {"mel": mel, "wav": stored_samples(wav, len(mel), self.mel)}, meta)
            yield from refused

    def _aligned(self, task: Task, whole: np.ndarray, wav: np.ndarray) -> np.ndarray:
        """The synthesizer's mel of a trimmed recording, uint8 [frames, n_mels]."""
        from speech.mel import code_mel, synthesis_mel
        from synthesizer.alignment_score import alignment_report
        from synthesizer.options import EmbeddedVoice

        transcript = transcript_of(task.utterance.text)
        embedding = load_encoder(self.encoder).embed_many([encoder_ready(whole, self.sample_rate)], prepared=True)[0]
        synthesizer = load_synthesizer(self.synthesizer)
        made = synthesizer.align(transcript, synthesis_mel(wav, self.mel), EmbeddedVoice(embedding), task.key)
        report = alignment_report(made.alignment, stopped=True)
        if report.coverage < MIN_COVERAGE:
            raise Refused(f"the synthesizer cannot be aligned to its text (it covers {report.coverage:.0%} of it)")
        return code_mel(made.mel.T, self.mel.max_abs_value)
