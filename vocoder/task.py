"""What the training tasks of all vocoder families share: the model file's header and the validation samples."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from speech.audio import write_audio
from speech.mel import synthesis_mel
from speech.mel_config import MelConfig
from training.config import Task
from vocoder.base import STAGE
from waveform.emphasis import Deemphasis

if TYPE_CHECKING:
    from training.run_directory import RunDirectory

WRITTEN = 4  # validation clips that are written as audio


class VocoderTask(Task):
    """Base of the families' tasks.

    Args:
        model: the module to train, with its `config`.
        licence, trained_on: for the header of the model file.
    """

    kind: str

    def __init__(self, model: nn.Module, licence: str = "", trained_on: str = "") -> None:
        self.model = model
        self.licence, self.trained_on = licence, trained_on

    @property
    def mel_config(self) -> MelConfig:
        config: Any = self.model.config
        return config.mel

    def model_file(self) -> dict[str, Any]:
        """The entries of the model file's header."""
        about = {"licence": self.licence, "trained_on": self.trained_on}
        return {"stage": STAGE, "kind": self.kind, "config": self.model.config, **about}

    def compare_clips(
        self, step: int, run: "RunDirectory", waves: Iterable[np.ndarray], mels: Iterable[np.ndarray]
    ) -> float:
        """Compare the mels of generated clips with the given ones.

        The first clips are written to the run's samples and to TensorBoard. A picture shows the given mel at the top
        and the generated one below.

        Args:
            waves: pre-emphasised [samples] each.
            mels: [n_mels, frames] each, scaled to [-max_abs_value, max_abs_value].

        Returns:
            Mean absolute distance of the mels.
        """
        config, errors = self.mel_config, []
        for number, (wave, mel) in enumerate(zip(waves, mels, strict=True)):
            wav = Deemphasis(config.preemphasis)(wave)
            generated = synthesis_mel(wav, config)[:, : mel.shape[1]]
            errors.append(float(np.abs(generated - mel).mean()))
            if number < WRITTEN:
                write_audio(run.samples / f"step-{step:09d}-{number}.wav", wav, config.sample_rate, overwrite=True)
                run.writer.add_audio(f"sample/{number}", wav, step, sample_rate=config.sample_rate)
                picture = np.concatenate([generated, mel])[::-1] / (2 * config.max_abs_value) + 0.5
                run.writer.add_image(f"mel/{number}", picture[None].astype(np.float32), step)
        return float(np.mean(errors))
