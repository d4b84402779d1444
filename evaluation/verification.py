"""Equal error rate of a speaker encoder on a corpus, over whole utterances and over short stretches of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from encoder.verification import all_pairs_eer
from evaluation.figures import Figure
from evaluation.sets import Recording
from speech.audio import SAMPLE_RATE, prepare_reference
from speech.errors import AudioError, CorpusError

CROP_SECONDS = (1.6, 3.0, 5.0)
LEAST_SPEECH = 0.5  # seconds; below it an utterance is left out
UTTERANCES_PER_PASS = 64


class SpeechSet:
    """Utterances as an encoder hears them (volume raised, silences cut out), and who spoke each."""

    def __init__(self, recordings: Iterable[Recording], on_reject: Callable[[str, str], None] | None = None) -> None:
        """Raises: CorpusError if there are not two speakers, or none of them has two utterances."""
        self.wavs: list[np.ndarray] = []
        self.speakers: list[str] = []
        for recording in recordings:
            try:
                speech = prepare_reference(recording.wav)
            except AudioError:
                speech = recording.wav[:0]
            if len(speech) >= LEAST_SPEECH * SAMPLE_RATE:
                self.wavs.append(speech)
                self.speakers.append(recording.utterance.speaker)
            elif on_reject is not None:
                on_reject(recording.utterance.key, "there is hardly any speech in it")
        if not _has_both_kinds(self.speakers):
            raise CorpusError(
                "An equal error rate needs two speakers, and two utterances of one of them: name more data."
            )

    def crop(self, seconds: float, seed: int = 0) -> tuple[list[np.ndarray], list[str]]:
        """A stretch of each utterance that is long enough, from a place drawn at random, and their speakers."""
        samples = round(seconds * SAMPLE_RATE)
        rng = np.random.default_rng(seed)
        crops, speakers = [], []
        for wav, speaker in zip(self.wavs, self.speakers, strict=True):
            if len(wav) >= samples:
                start = int(rng.integers(len(wav) - samples + 1))
                crops.append(wav[start : start + samples])
                speakers.append(speaker)
        return crops, speakers


def equal_error_rates(encoder, speech: SpeechSet, seed: int = 0) -> dict[str, Figure]:
    """Equal error rate over all pairs of utterances, for whole ones and for crops; n counts the utterances.

    Args:
        encoder: a `SpeakerEncoder`.
    """
    figures = {"equal error rate, whole utterances": _rate(encoder, speech.wavs, speech.speakers)}
    for seconds in CROP_SECONDS:
        crops, speakers = speech.crop(seconds, seed)
        if _has_both_kinds(speakers):
            figures[f"equal error rate, {seconds:g} s of speech"] = _rate(encoder, crops, speakers)
    return figures


def _rate(encoder, wavs: Sequence[np.ndarray], speakers: Sequence[str]) -> Figure:
    passes = [
        encoder.embed_many(wavs[first : first + UTTERANCES_PER_PASS], prepared=True)
        for first in range(0, len(wavs), UTTERANCES_PER_PASS)
    ]
    return Figure(all_pairs_eer(np.concatenate(passes), speakers), len(wavs), percent=True)


def _has_both_kinds(speakers: Sequence[str]) -> bool:
    return 1 < len(set(speakers)) < len(speakers)
