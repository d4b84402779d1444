"""Audio of a validation for TensorBoard."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from speech.mel_config import MelConfig
from synthesizer.training_flags import Vocode
from training.run_directory import RunDirectory

AUDIO_CLIPS = 2  # per validation
MAX_SECONDS = 10.0  # an untrained model does not stop


@dataclass(frozen=True)
class ValidationAudio:
    """Writes the audio of mels.

    Attributes:
        vocode: makes the audio; None makes none.
        mel_config: settings of the mels.
    """

    vocode: Vocode | None
    mel_config: MelConfig

    def write(self, run: RunDirectory, name: str, mel: np.ndarray, step: int) -> None:
        """Write the start of a mel [n_mels, frames]; nothing for one that is empty or not finite."""
        mel = mel[:, : round(MAX_SECONDS * self.mel_config.frames_per_second)]
        if self.vocode is not None and mel.size and np.isfinite(mel).all():
            limit = self.mel_config.max_abs_value
            wav = self.vocode(np.clip(mel, -limit, limit).astype(np.float32), self.mel_config)
            run.writer.add_audio(name, wav, step, sample_rate=self.mel_config.sample_rate)
