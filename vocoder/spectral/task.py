"""Training of a spectral vocoder without discriminators: multi-resolution spectral distances."""

from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from vocoder.data import VocoderStore, validation_items
from vocoder.spectral.data import SHORTEST_CROP, SpectralBatch, collate, cut_crop
from vocoder.spectral.losses import spectral_losses
from vocoder.spectral.model import SpectralGenerator
from vocoder.spectral.periodicity import periodicity_distance
from vocoder.task import VocoderTask

if TYPE_CHECKING:
    from training.run_directory import RunDirectory


class SpectralTask(VocoderTask):
    """Trains the generator to produce waveforms whose spectra, at several resolutions, are those of the recordings.

    Args:
        model: the generator to train.
        store: feature store with a validation split.
        clips, clip_frames: number of validation clips, and their length if there are utterances of that length.
        about: `licence` and `trained_on`, for the header of the model file.

    Raises:
        CorpusError: the validation split has no utterance long enough.
    """

    kind = "spectral"
    best_metric = "spectral_distance"

    def __init__(
        self, model: SpectralGenerator, store: VocoderStore, *, clips: int = 32, clip_frames: int = 120, **about: str
    ) -> None:
        super().__init__(model, **about)
        self._generator = model  # the same as `model`, with its own type
        self.config = model.config
        lengths = {item: store.shape(item, "mel")[0] for item in validation_items(store, SHORTEST_CROP)}
        clip_frames = min(clip_frames, max(lengths.values()))
        items = [item for item, length in lengths.items() if length >= clip_frames]
        chosen = [items[number * len(items) // clips] for number in range(clips)]
        rng = np.random.default_rng(0)
        starts = [int(rng.integers(lengths[item] - clip_frames + 1)) for item in chosen]
        self.clips = [
            cut_crop(store, item, start, clip_frames, self.config.mel)
            for item, start in zip(chosen, starts, strict=True)
        ]

    def step(self, batch: SpectralBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """`loss` and its parts."""
        parts = self._losses(batch)
        return {"loss": torch.stack(list(parts.values())).sum(), **parts, "items": torch.tensor(batch["wave"].numel())}

    def validate(self, step: int, run: "RunDirectory") -> dict[str, float]:
        """`spectral_distance`, its parts, `periodicity_distance`, and `mel_error` (mean distance of mels in [-4, 4]).

        Of the network's output on the validation split, without refinements.
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
        mels = mel.cpu().numpy() * self.config.mel.max_abs_value
        figures["mel_error"] = self.compare_clips(step, run, wave.cpu().numpy(), mels)
        return figures

    def _losses(self, batch: SpectralBatch) -> dict[str, Tensor]:
        spectrum = self._generator.spectrum(batch["mel"])
        with torch.autocast(batch["mel"].device.type, enabled=False):
            return self._distances(self._generator.to_wave(spectrum), batch["wave"])

    def _distances(self, wave: Tensor, target: Tensor) -> dict[str, Tensor]:
        return spectral_losses(wave, target, self.config.mel.sample_rate)

    def _further_figures(self, wave: Tensor, target: Tensor) -> dict[str, float]:
        """More figures of `validate`, for a subclass: from generated and recorded clips, [clips, samples] each."""
        return {}
