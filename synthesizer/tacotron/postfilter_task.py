"""Losses and validation of a postfilter."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from speech.errors import CorpusError
from synthesizer.tacotron.config import TacotronConfig
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.postfilter import LIMIT, REFERENCE, add_harmonics, f0_contour, predicted_f0
from synthesizer.tacotron.postfilter_data import MelPair, PostfilterBatch
from synthesizer.tacotron.variance import variance_gains
from synthesizer.texture import texture_distance
from synthesizer.training_flags import Vocode
from synthesizer.validation_audio import AUDIO_CLIPS, ValidationAudio
from training.config import Task
from training.run_directory import RunDirectory

VOICED_WEIGHT = 0.2  # of voicing, beside F0 in octaves
SLOPE_WEIGHT = 0.5  # of differences between neighbouring bands, which show the harmonics
GAIN_RANGE = (1.0, 2.5)  # of the F0 contour
LEAST_VOICED = 20  # frames; a shorter utterance does not show its pitch range


@dataclass
class _Totals:
    """What `validate` collects over the utterances."""

    figures: dict[str, list[float]] = field(default_factory=dict)
    contours: list[list[float]] = field(default_factory=list)
    mels: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    images: list[Tensor] = field(default_factory=list)


class PostfilterTask(Task):
    """Trains the postfilter of a finished synthesizer, and nothing else of it.

    The network that adds harmonics is given the F0 of the recording. The network that predicts F0 is trained along
    with it. Its contour is smoother than that of recordings; validation measures by how much, as `pitch_gain`.

    Args:
        model: a synthesizer with a postfilter.
        held_out: teacher-forced mels of held-out speakers, for `validate`.
        config: the settings of the synthesizer.
        header: entries of the model file besides the config.
        vocode: makes the audio of the first utterances at each validation; None makes none.

    Raises:
        CorpusError: nothing to validate on.
    """

    best_metric = "validation_mel"

    def __init__(
        self,
        model: Tacotron2,
        held_out: Sequence[MelPair],
        config: TacotronConfig,
        header: Mapping[str, str],
        vocode: Vocode | None = None,
    ) -> None:
        if not held_out:
            raise CorpusError("The store has no validation speakers: preprocess a corpus with more speakers.")
        assert model.postfilter is not None
        self.model, self.postfilter = model, model.postfilter
        self.config = config
        self.held_out = held_out
        self.header = header
        self.audio = ValidationAudio(vocode, config.architecture.mel)

    def step(self, batch: PostfilterBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of one batch."""
        octaves, voiced = self.postfilter.pitch(batch.generated, batch.voices)
        result = self.postfilter(batch.generated, batch.harmonics, batch.voices)
        losses = {
            "mel": (result - batch.recorded).abs().mean(),
            "steepness": (result.diff(dim=2) - batch.recorded.diff(dim=2)).abs().mean(),
            **f0_losses(octaves, voiced, batch.f0),
        }
        loss = losses["mel"] + SLOPE_WEIGHT * losses["steepness"]
        loss = loss + losses["octaves"] + VOICED_WEIGHT * losses["voiced"]
        return {"loss": loss, **losses, "items": torch.tensor(batch.f0.numel())}

    @torch.no_grad()
    def validate(self, step: int, run: RunDirectory) -> dict[str, float]:
        """Figures on held-out speakers with teacher forcing.

        Returns:
            validation_mel: L1 distance of the mel with the F0 of the recording; mel_before: without a postfilter.
            texture: `texture_distance` with the predicted F0; texture_before: without a postfilter.
            cents: median error of the predicted F0. voicing_errors: fraction of frames with wrong voicing.
        """
        totals = _Totals()
        for pair in self.held_out:
            self._measure(pair, totals)
        self._update_gains(totals)
        for number, image in enumerate(totals.images[:4]):
            run.writer.add_image(f"mel/{number}", ((image.cpu().numpy() + LIMIT) / (2 * LIMIT))[None], step)
        for number, (_, free) in enumerate(totals.mels[:AUDIO_CLIPS]):
            self.audio.write(run, f"audio/{number}", free.T, step)
        return {name: float(np.mean(values)) for name, values in totals.figures.items()}

    def _measure(self, pair: MelPair, totals: _Totals) -> None:
        device = next(self.postfilter.parameters()).device
        generated, recorded, harmonics, voice = (
            torch.from_numpy(values.astype(np.float32)).to(device)
            for values in (pair.generated, pair.recorded, pair.harmonics, pair.voice)
        )
        given_f0 = self.postfilter(generated[None], harmonics[None], voice[None])[0].clamp(-LIMIT, LIMIT)
        octaves, voiced = (part[0].cpu().numpy() for part in self.postfilter.pitch(generated[None], voice[None]))
        predicted = f0_contour(octaves, voiced, 1.0)
        gain, mel_config = self.config.inference.pitch_gain, self.config.architecture.mel
        contour = predicted_f0(self.postfilter, generated.T, voice, mel_config, gain)
        free = add_harmonics(self.postfilter, generated.T, voice, contour, mel_config).T
        both = (predicted > 0) & (pair.f0 > 0)
        figures = {
            "validation_mel": float((given_f0 - recorded).abs().mean()),
            "mel_before": float((generated - recorded).abs().mean()),
            "texture": texture_distance(free, recorded),
            "texture_before": texture_distance(generated, recorded),
            "voicing_errors": float(np.mean((predicted > 0) != (pair.f0 > 0))),
        }
        if both.any():
            figures["cents"] = float(np.median(np.abs(1200 * np.log2(predicted[both] / pair.f0[both]))))
        for name, value in figures.items():
            totals.figures.setdefault(name, []).append(value)
        if both.sum() >= LEAST_VOICED:
            totals.contours.append([float(np.log2(contour[both]).std()) for contour in (pair.f0, predicted)])
        totals.mels.append((recorded.cpu().numpy(), free.cpu().numpy()))
        totals.images.append(torch.cat([mel.T.flip(0) for mel in (recorded, free, generated)]))

    def _update_gains(self, totals: _Totals) -> None:
        """Measure how much wider F0 and each band vary in recordings than in generated mels."""
        inference = self.config.inference
        if totals.contours:
            recorded, predicted = np.mean(totals.contours, 0)
            gain = float(np.clip(recorded / max(predicted, 1e-3), *GAIN_RANGE))
            inference = replace(inference, pitch_gain=round(gain, 3))
        gains = variance_gains(totals.mels)
        if gains:
            inference = replace(inference, variance_gains=gains)
        self.config = replace(self.config, inference=inference)

    def model_file(self) -> dict[str, Any]:
        return {**self.header, "config": self.config}


def f0_losses(octaves: Tensor, voiced: Tensor, f0: Tensor) -> dict[str, Tensor]:
    """L1 distance in octaves over the voiced frames, and cross-entropy of voicing.

    Args:
        octaves, voiced: see `Postfilter.pitch`; f0: in Hz, 0 where unvoiced; all [batch, frames].
    """
    is_voiced = f0 > 0
    target = torch.log2(f0.clamp_min(1.0) / REFERENCE)
    distance = (octaves - target).abs() * is_voiced
    return {
        "octaves": distance.sum() / is_voiced.sum().clamp_min(1),
        "voiced": F.binary_cross_entropy_with_logits(voiced, is_voiced.float()),
    }
