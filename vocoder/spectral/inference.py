"""Inference with a spectral vocoder."""

import functools
from collections.abc import Iterator
from pathlib import Path
from typing import Literal, Unpack

import numpy as np
import torch

from speech.mel_config import MelConfig
from vocoder.base import CHUNK_FRAMES, STAGE, About, Vocoder
from vocoder.control import Control
from vocoder.spectral.model import SpectralGenerator
from vocoder.spectral.streaming import FrameLayers, GeneratorStream
from waveform import refined
from waveform.emphasis import Deemphasis
from waveform.refined import RefinedTransform
from waveform.refinements import ENTRY, REFINEMENTS, check_refinements
from waveform.segments import MelFrames
from waveform.transform import InverseTransform

BLOCK_FRAMES = 128  # largest part of a mel; twice as many are 5 % faster and take ten megabytes more


class SpectralVocoder(Vocoder):
    """A trained spectral vocoder. It has no randomness, so `seed` has no effect.

    Args:
        model: the generator.
        device: of the network; the inverse transform runs on the CPU.
        refinements: projections that make the spectrum consistent with itself and the mel
            (`waveform.refinements`); 0 keeps the network's output.
        precision: of the network on a CPU; see `FrameLayers`.
        about: `licence`, `trained_on` and `step` of the model.

    Raises:
        ConfigError: the number of refinements is out of range.
    """

    kind = "spectral"

    def __init__(
        self,
        model: SpectralGenerator,
        device: str | torch.device = "cpu",
        *,
        refinements: int = REFINEMENTS,
        precision: Literal["auto", "float32"] = "auto",
        **about: Unpack[About],
    ) -> None:
        super().__init__(**about)
        self.device = torch.device(device)
        self.config = model.config
        self.model = model.to(self.device).eval().requires_grad_(False)
        self.refinements, self.precision = check_refinements(refinements), precision

    def save(self, path: str | Path, dtype: torch.dtype | None = None) -> None:
        from modelfile.checkpoint import save_model
        from modelfile.header import ModelHeader

        extra = {ENTRY: str(self.refinements)}
        header = ModelHeader(STAGE, self.kind, self.config, self.step, self.licence, self.trained_on, extra=extra)
        save_model(path, self.model, header, dtype)

    @property
    def mel_config(self) -> MelConfig:
        return self.config.mel

    def warm_up(self) -> None:
        """Load the compiled code, or compile it, which is logged. Otherwise the first audio waits for it."""
        self.vocode(np.zeros((self.mel_config.n_mels, 1), dtype=np.float32))

    @functools.cached_property
    def _layers(self) -> FrameLayers:
        return FrameLayers(self.model, self.precision)

    def _generate(self, mel: MelFrames, seed: int | None, control: Control) -> Iterator[np.ndarray]:
        """See `Vocoder._generate`. Memory does not grow with the mel's length."""
        config, scale = self.config, np.float32(self.mel_config.max_abs_value)
        generator, transform = GeneratorStream(self._layers, control.check), self._transform(mel, control)
        finish, start = Deemphasis(config.mel.preemphasis), 0
        if not mel.has(0):
            return
        for stop in self._part_ends():
            last, part = not mel.has(stop), mel.read(start, stop)
            spectrum = generator.push(torch.from_numpy(part[None] / scale).to(self.device), last)
            yield finish(transform.push(spectrum, last)[0].numpy())
            if last:
                return
            if not self.refinements:
                mel.forget(stop)  # with refinements, the transform reads them again
            start = stop

    def _part_ends(self) -> Iterator[int]:
        """Frame numbers at which parts of the mel end: the first as soon as possible, the others in larger parts.

        They are the same for every mel, because the search for phases amplifies differences in rounding.
        """
        size, ahead = CHUNK_FRAMES, self.config.lookahead
        if self.refinements:
            size, ahead = refined.BLOCK_FRAMES, self.config.reach + refined.LOOKAHEAD_FRAMES
        stop = size + ahead
        while True:
            yield stop
            size = min(2 * size, BLOCK_FRAMES)
            stop += size

    def _transform(self, mel: MelFrames, control: Control) -> InverseTransform | RefinedTransform:
        config = self.mel_config
        if not self.refinements:
            return InverseTransform(self.model.window.cpu(), config.hop_length)
        return RefinedTransform(mel, config, self.refinements, control.check)
