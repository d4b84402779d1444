"""What training a postfilter does with a batch, and how one is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from speech.errors import CorpusError
from synthesizer.tacotron.model import Tacotron2
from synthesizer.tacotron.postfilter import LIMIT, REFERENCE, apply_postfilter, contour_of
from synthesizer.tacotron.postfilter_data import PostfilterBatch, Reading
from synthesizer.tacotron.variance import variance_gains
from training.config import Task

STAGE = "synthesizer"
VOICED_WEIGHT = 0.2  # of whether there is a pitch, beside which one, in octaves
STEEPNESS_WEIGHT = 0.5  # of the differences from band to band, which harmonics are made of
GAIN_RANGE = (1.0, 2.5)  # of the pitch
LEAST_VOICED = 20  # frames, below which an utterance tells nothing of how far a voice goes up and down


class PostfilterTask(Task):
    """Trains the postfilter of a finished synthesizer; nothing else of it.

    The network that draws harmonics is told the pitch of the recording. The one that predicts the pitch learns beside
    it; as its answer is a mean, it goes up and down less than voices do, and how much less is noted.

    Args:
        model: a synthesizer with a postfilter.
        held_out: how it reads unseen speakers along, for `validate`.
        about: further entries of the model file's header.

    Raises:
        CorpusError: nothing to validate on.
    """

    best_metric = "validation_mel"
    best_mode: Literal["min", "max"] = "min"

    def __init__(
        self, model: Tacotron2, held_out: Sequence[Reading], embedding_space: str, about: dict[str, str] | None = None
    ) -> None:
        if not held_out:
            raise CorpusError("The store has no validation speakers: preprocess a corpus with more speakers.")
        assert model.postfilter is not None
        self.network, self.postfilter = model, model.postfilter
        self.model: nn.Module = model
        self.held_out = held_out
        self.embedding_space = embedding_space
        self.about = about or {}

    def step(self, batch: PostfilterBatch, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Losses of one batch."""
        octaves, voiced = self.postfilter.pitch(batch.made, batch.voices)
        result = self.postfilter(batch.made, batch.harmonics, batch.voices)
        losses = {
            "mel": (result - batch.real).abs().mean(),
            "steepness": (result.diff(dim=2) - batch.real.diff(dim=2)).abs().mean(),
            **pitch_losses(octaves, voiced, batch.pitch),
        }
        loss = losses["mel"] + STEEPNESS_WEIGHT * losses["steepness"]
        loss = loss + losses["octaves"] + VOICED_WEIGHT * losses["voiced"]
        return {"loss": loss, **losses, "items": torch.tensor(batch.pitch.numel())}

    @torch.no_grad()
    def validate(self, step: int, run: Any) -> dict[str, float]:
        """On unseen speakers, read along: the mel's distance with the recording's pitch told (`validation_mel`) and
        before the postfilter; how far its texture is from a recording's with the pitch as predicted, and before; the
        pitch's median error in cents and the share of frames in which there wrongly is one or none."""
        config, device = self.network.config, next(self.postfilter.parameters()).device
        totals: dict[str, list[float]] = {}
        contours, pairs = [], []
        pictures = []
        for item in self.held_out:
            made, real, harmonics, voice = (
                torch.from_numpy(values.astype(np.float32)).to(device)
                for values in (item.made, item.real, item.harmonics, item.voice)
            )
            told = self.postfilter(made[None], harmonics[None], voice[None])[0].clamp(-LIMIT, LIMIT)
            octaves, voiced = (part[0].cpu().numpy() for part in self.postfilter.pitch(made[None], voice[None]))
            predicted = contour_of(octaves, voiced, 1.0)
            free = apply_postfilter(self.postfilter, made.T, voice, config).T
            both = (predicted > 0) & (item.pitch > 0)
            figures = {
                "validation_mel": float((told - real).abs().mean()),
                "mel_before": float((made - real).abs().mean()),
                "texture": texture_distance(free, real),
                "texture_before": texture_distance(made, real),
                "voicing_errors": float(np.mean((predicted > 0) != (item.pitch > 0))),
            }
            if both.any():
                figures["cents"] = float(np.median(np.abs(1200 * np.log2(predicted[both] / item.pitch[both]))))
            for name, value in figures.items():
                totals.setdefault(name, []).append(value)
            if both.sum() >= LEAST_VOICED:
                contours.append([float(np.log2(contour[both]).std()) for contour in (item.pitch, predicted)])
            pairs.append((real.cpu().numpy(), free.cpu().numpy()))
            pictures.append(torch.cat([one.T.flip(0) for one in (real, free, made)]))
        self._note_gains(contours, pairs)
        writer = getattr(run, "writer", None)
        if writer is not None:
            for number, picture in enumerate(pictures[:4]):
                writer.add_image(f"mel/{number}", ((picture.cpu().numpy() + LIMIT) / (2 * LIMIT))[None], step)
        return {name: float(np.mean(values)) for name, values in totals.items()}

    def _note_gains(self, contours: list[list[float]], pairs: list[tuple[np.ndarray, np.ndarray]]) -> None:
        """How much further recordings go, in pitch and in each band, than what was made."""
        if contours:
            recorded, predicted = np.mean(contours, 0)
            gain = float(np.clip(recorded / max(predicted, 1e-3), *GAIN_RANGE))
            self.network.config = replace(self.network.config, pitch_gain=round(gain, 3))
        gains = variance_gains(pairs)
        if gains:
            self.network.config = replace(self.network.config, variance_gains=gains)

    def model_file(self) -> dict[str, Any]:
        """What `save_model` writes beside the weights."""
        return {"stage": STAGE, "config": self.network.config, "embedding_space": self.embedding_space, **self.about}


def pitch_losses(octaves: Tensor, voiced: Tensor, pitch: Tensor) -> dict[str, Tensor]:
    """Distance in octaves where the recording has a pitch, and cross-entropy of its having one.

    Args:
        octaves, voiced: see `Postfilter.pitch`; pitch: in Hz, 0 for none; all [batch, frames].
    """
    sounds = pitch > 0
    wanted = torch.log2(pitch.clamp_min(1.0) / REFERENCE)
    distance = (octaves - wanted).abs() * sounds
    return {
        "octaves": distance.sum() / sounds.sum().clamp_min(1),
        "voiced": F.binary_cross_entropy_with_logits(voiced, sounds.float()),
    }


def texture_distance(made: Tensor, real: Tensor) -> float:
    """How much more or less a mel moves than a recording, from frame to frame and from band to band.

    Mean over the bands of the absolute log ratio of the standard deviations of both differences.

    Args:
        made, real: [frames, n_mels].
    """
    ratios = []
    for dim in (0, 1):
        ours, theirs = (mel.diff(dim=dim).std(0).clamp_min(1e-3) for mel in (made, real))
        ratios.append((ours / theirs).log().abs().mean())
    return float(torch.stack(ratios).mean())
