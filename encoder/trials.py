"""The pairs of windows that judge a half-trained encoder: speakers never trained on, clean and in noise."""

import logging
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from encoder.augmentation import Disturbance, no_augmentation
from encoder.data import MelStore, cut_window, items_by_speaker
from encoder.metrics import equal_error_rate, min_dcf
from speech.errors import CorpusError

if TYPE_CHECKING:
    from collections.abc import Sequence

logger = logging.getLogger(__name__)

NOISY_SNR_DB = 5.0


class VerificationTrials:
    """Windows of validation speakers, and the pairs of them that are fair trials.

    Two windows of one recording share the room and the microphone, so they make no trial. A speaker with one recording
    can only be the stranger. Speakers who are trained on take part only where a store has nobody else, and that is said
    in the log: the figure is too good then.

    Args:
        store: see `EncoderTask`.
        frames: length of a window.
        windows_per_speaker: at most so many, spread over the speaker's utterances.

        noises: recorded noise, power mels [frames, n_mels]; coloured stationary noise without any.

    Attributes:
        windows: float32 [windows, frames, n_mels], as they were recorded.
        noisy: the same with noise 5 dB below the speech.
        speakers: the name behind each window.

    Raises:
        CorpusError: if there are not two speakers, one of them with two utterances.
    """

    def __init__(
        self, store: MelStore, frames: int, windows_per_speaker: int, noises: "Sequence[np.ndarray]" = ()
    ) -> None:
        trained_on = items_by_speaker(store, "train")
        held_out = items_by_speaker(store, "validation")
        unheard = {name: items for name, items in held_out.items() if name not in trained_on}
        everybody = {name: trained_on.get(name, []) + held_out.get(name, []) for name in {**trained_on, **held_out}}
        for choice in (unheard, held_out, everybody):
            self._choose(choice, windows_per_speaker)
            if self._same.any() and not self._same.all():
                break
        else:
            raise CorpusError(
                "The store cannot judge an encoder: it takes two speakers, one of them with two utterances; "
                "add speakers and preprocess again."
            )
        if choice is not unheard:
            logger.warning("the validation split has too few speakers: the EER is that of speakers who are trained on")
        windows = np.stack([cut_window(store.array(item, "mel"), frames, position) for item, position in self._places])
        self.windows = torch.from_numpy(windows)
        add_noise = replace(no_augmentation(), noise_probability=1.0, noise_snr_db=(NOISY_SNR_DB, NOISY_SNR_DB))
        self.noisy = torch.from_numpy(Disturbance(add_noise, noises)(windows, np.random.default_rng(0)))

    def _choose(self, items_of: dict[str, list[int]], windows_per_speaker: int) -> None:
        """Places the windows (item, position) and lists the fair pairs."""
        names, self._places = [], []
        for name, items in sorted(items_of.items()):
            for turn in range(windows_per_speaker):
                self._places.append(
                    (items[turn * len(items) // windows_per_speaker], (turn + 0.5) / windows_per_speaker)
                )
                names.append(name)
        self.speakers = names
        speakers, recordings = np.array(names, dtype=str), np.array([item for item, _ in self._places], dtype=np.int64)
        first, second = np.triu_indices(len(speakers), k=1)
        fair = recordings[first] != recordings[second]
        self._pairs = first[fair], second[fair]
        self._same = speakers[self._pairs[0]] == speakers[self._pairs[1]]

    def equal_error_rate(self, embeddings: Tensor) -> float:
        """EER of the windows' embeddings [windows, dim] over all fair pairs, in [0, 1]."""
        return equal_error_rate(*self.scores(embeddings))

    def min_dcf(self, embeddings: Tensor) -> float:
        """Least detection cost at a prior of 1 % for the same speaker, in [0, 1]; see `encoder.metrics`."""
        return min_dcf(*self.scores(embeddings))

    def scores(self, embeddings: Tensor) -> tuple[np.ndarray, np.ndarray]:
        """Cosines of all fair pairs, and whether both sides are the same speaker."""
        rows = embeddings.float().numpy()
        return (rows @ rows.T)[self._pairs], self._same
