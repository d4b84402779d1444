"""Verification trials for validation: pairs of windows of held-out speakers, clean and with noise."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from encoder.augmentation import Augmenter
from encoder.config import no_augmentation
from encoder.data import MelStore, cut_window, items_by_speaker
from encoder.metrics import equal_error_rate, min_dcf
from speech.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

NOISY_SNR_DB = 5.0
MAX_RECORDINGS = 64  # in the place of speakers


class VerificationTrials:
    """Windows of validation speakers, and the pairs of them that serve as trials.

    Two windows of one recording are no trial, since room and microphone are the same. A speaker with one recording only
    occurs in trials of different speakers. Training speakers are used only if the store has no others. The figures are
    then too good, which is logged.

    Args:
        store: see `EncoderTask`.
        frames: length of a window.
        windows_per_speaker: at most, spread over the speaker's utterances.
        noise: recorded noise, power mels [frames, n_mels]; coloured stationary noise without any.
        names_needed: otherwise recordings take the place of speakers if the store has too few of them. Windows of one
            recording are then trials, although room and microphone are the same.

    Attributes:
        windows: float32 [windows, frames, n_mels], as recorded.
        noisy: the same with noise 5 dB below the speech.
        speakers: speaker of each window.

    Raises:
        CorpusError: there are not two speakers, one of them with two utterances.
    """

    def __init__(
        self,
        store: MelStore,
        frames: int,
        windows_per_speaker: int,
        noise: "Sequence[np.ndarray]" = (),
        names_needed: bool = True,
    ) -> None:
        trained_on = items_by_speaker(store, "train")
        held_out = items_by_speaker(store, "validation")
        unknown = {name: items for name, items in held_out.items() if name not in trained_on}
        all_speakers = {name: trained_on.get(name, []) + held_out.get(name, []) for name in {**trained_on, **held_out}}
        for choice in (unknown, held_out, all_speakers):
            self._choose(choice, windows_per_speaker)
            if self._same.any() and not self._same.all():
                break
        else:
            if names_needed or not all_speakers:
                raise CorpusError(
                    "The store is too small for validation, which needs two speakers, one of them with two "
                    "utterances: add speakers and preprocess again."
                )
            self._choose_recordings(list(held_out.values()), windows_per_speaker)
            if len(set(self.speakers)) < 2:
                self._choose_recordings(list(all_speakers.values()), windows_per_speaker)
            logger.warning("the store has too few speakers: the EER tells recordings apart, not speakers")
        if choice is not unknown and len(all_speakers) > 1:
            logger.warning("the validation split has too few speakers: the EER is of training speakers")
        windows = np.stack([cut_window(store.array(item, "mel"), frames, position) for item, position in self._cuts])
        self.windows = torch.from_numpy(windows)
        add_noise = replace(no_augmentation(), noise_probability=1.0, noise_snr_db=(NOISY_SNR_DB, NOISY_SNR_DB))
        self.noisy = torch.from_numpy(Augmenter(add_noise, noise)(windows, np.random.default_rng(0)))

    def _choose_recordings(self, items: "Sequence[Sequence[int]]", windows_per_recording: int) -> None:
        """As `_choose`, with recordings in the place of speakers; evenly spread ones if there are many."""
        recordings = [item for group in items for item in group]
        step = -(-len(recordings) // MAX_RECORDINGS) or 1
        items_of = {f"recording {item}": [item] for item in recordings[::step]}
        self._choose(items_of, windows_per_recording, within_recordings=True)

    def _choose(
        self, items_of: dict[str, list[int]], windows_per_speaker: int, within_recordings: bool = False
    ) -> None:
        """Choose the windows (item, position) and list the valid pairs."""
        names, self._cuts = [], []
        for name, items in sorted(items_of.items()):
            for turn in range(windows_per_speaker):
                self._cuts.append((items[turn * len(items) // windows_per_speaker], (turn + 0.5) / windows_per_speaker))
                names.append(name)
        self.speakers = names
        speakers, recordings = np.array(names, dtype=str), np.array([item for item, _ in self._cuts], dtype=np.int64)
        first, second = np.triu_indices(len(speakers), k=1)
        valid = (recordings[first] != recordings[second]) | within_recordings
        self._pairs = first[valid], second[valid]
        self._same = speakers[self._pairs[0]] == speakers[self._pairs[1]]

    def equal_error_rate(self, embeddings: Tensor) -> float:
        """EER of the windows' embeddings [windows, dim] over all trials, in [0, 1]."""
        return equal_error_rate(*self.scores(embeddings))

    def min_dcf(self, embeddings: Tensor) -> float:
        """minDCF at a prior of 1 % for the same speaker, in [0, 1]; see `encoder.metrics`."""
        return min_dcf(*self.scores(embeddings))

    def scores(self, embeddings: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Cosines of all trials, and whether both sides are the same speaker."""
        rows = embeddings.float().numpy()
        return (rows @ rows.T)[self._pairs], self._same
