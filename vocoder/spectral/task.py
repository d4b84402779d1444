"""What training a spectral vocoder does with a batch, and how a half-trained one is judged."""

from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from speech.audio import write_audio
from speech.errors import CorpusError
from speech.mel import synthesis_mel
from training.config import Task
from vocoder.base import STAGE
from vocoder.data import VocoderStore, split_items
from vocoder.emphasis import Deemphasis
from vocoder.spectral.data import SHORTEST_CROP, SpectralBatch, collate, cut_crop
from vocoder.spectral.losses import spectral_losses
from vocoder.spectral.model import SpectralGenerator
from vocoder.spectral.periodicity import periodicity_distance

if TYPE_CHECKING:
    from training.run_directory import RunDirectory

KIND = "spectral"
HEARD = 4  # of the validation clips are written as sound


class SpectralTask(Task):
    """Trains the generator to make waveforms whose spectra, at several resolutions, are those of the recordings.

    Args:
        model: the generator to train.
        store: feature store; its validation split judges the model.
        licence, trained_on: for the header of the model file.
        clips, clip_frames: how many stretches of the validation split are measured, and their length if there are
            utterances as long.

    Raises:
        CorpusError: the validation split has no utterance long enough.
    """

    best_metric = "spectral_distance"
    best_mode: Literal["min", "max"] = "min"

    def __init__(
        self,
        model: SpectralGenerator,
        store: VocoderStore,
        *,
        licence: str = "",
        trained_on: str = "",
        clips: int = 32,
        clip_frames: int = 120,
    ) -> None:
        self.model: nn.Module = model
        self._generator = model
        self.config = model.config
        self.licence, self.trained_on = licence, trained_on
        items = split_items(store, "validation", SHORTEST_CROP)
        if not items:
            raise CorpusError(
                f"The validation split has no utterance of {SHORTEST_CROP} frames to judge the vocoder by: "
                "preprocess a corpus with more speakers or utterances."
            )
        lengths = {item: store.shape(item, "mel")[0] for item in items}
        clip_frames = min(clip_frames, max(lengths.values()))
        items = [item for item in items if lengths[item] >= clip_frames]
        chosen = [items[turn * len(items) // clips] for turn in range(clips)]
        rng = np.random.default_rng(0)
        starts = [int(rng.integers(lengths[item] - clip_frames + 1)) for item in chosen]
        self.clips = [
            cut_crop(store, item, start, clip_frames, self.config) for item, start in zip(chosen, starts, strict=True)
        ]

    def step(self, batch: SpectralBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss` and its parts."""
        parts = self._losses(batch)
        return {"loss": torch.stack(list(parts.values())).sum(), **parts, "items": torch.tensor(batch["wave"].numel())}

    def validate(self, step: int, run: "RunDirectory") -> dict[str, float]:
        """`spectral_distance`, its parts, `periodicity_distance`, and `mel_error` (mean distance of mels in [-4, 4]).

        On unseen speech, of the waveform as the network makes it: nothing is refined.
        """
        device = next(self.model.parameters()).device
        batch = collate(self.clips)
        with torch.inference_mode():
            mel, target = batch["mel"].to(device), batch["wave"].to(device)
            wave = self._generator(mel)
            parts = {name: float(part) for name, part in self._distances(wave, target).items()}
            further = self._further_figures(wave, target)
            periodic = float(periodicity_distance(wave, target, self.config.mel.sample_rate))
        figures = {"spectral_distance": sum(parts.values()), **parts, "periodicity_distance": periodic, **further}
        figures["mel_error"] = self._show(step, run, mel.cpu().numpy(), wave.cpu().numpy())
        return figures

    def model_file(self) -> dict[str, Any]:
        """Keyword arguments for `modelfile.checkpoint.save_model`."""
        return {
            "stage": STAGE,
            "kind": KIND,
            "config": self.config,
            "licence": self.licence,
            "trained_on": self.trained_on,
        }

    def _losses(self, batch: SpectralBatch) -> dict[str, Tensor]:
        spectrum = self._generator.spectrum(batch["mel"])
        with torch.autocast(batch["mel"].device.type, enabled=False):
            return self._distances(self._generator.to_wave(spectrum), batch["wave"])

    def _distances(self, wave: Tensor, target: Tensor) -> dict[str, Tensor]:
        return spectral_losses(wave, target, self.config.mel.sample_rate)

    def _further_figures(self, wave: Tensor, target: Tensor) -> dict[str, float]:
        """Whatever else a stage of the training measures: [clips, samples] each -> figures of `validate`."""
        return {}

    def _show(self, step: int, run: "RunDirectory", mels: np.ndarray, waves: np.ndarray) -> float:
        """Sounds and mels to TensorBoard and the run's samples; returns the mean distance of all clips' mels."""
        config, errors = self.config.mel, []
        for number, (mel, wave) in enumerate(zip(mels, waves, strict=True)):
            wav = Deemphasis(config.preemphasis)(wave)
            reached = synthesis_mel(wav, config)[:, : mel.shape[1]]
            wanted = mel * config.max_abs_value
            errors.append(float(np.abs(reached - wanted).mean()))
            if number < HEARD:
                sound = run.samples / f"step-{step:09d}-{number}.wav"
                write_audio(sound, wav, config.sample_rate, overwrite=True)
                run.writer.add_audio(f"sample/{number}", wav, step, sample_rate=config.sample_rate)
                picture = np.concatenate([reached, wanted])[::-1] / (2 * config.max_abs_value) + 0.5
                run.writer.add_image(f"mel/{number}", picture[None].astype(np.float32), step)
        return float(np.mean(errors))
