"""Naturalness without a reference: mean opinion scores that a model predicts."""

from __future__ import annotations

import contextlib
import io
import sys
from types import ModuleType

import numpy as np

from speech.audio import SAMPLE_RATE
from speech.packages import require_package

MIN_SECONDS = 0.1
PACKAGES = "--no-deps distillmos xls-r-sqa"


class DistillMos:
    """Distill-MOS (Stahl & Gamper, arXiv 2502.05356): overall quality, 1 to 5. The weights are in its package.

    Raises:
        ConfigError: the package is missing.
    """

    name = "Distill-MOS"
    note = "Quality: Distill-MOS predicts listeners' opinions from 1 to 5 without a reference."

    def __init__(self) -> None:
        # The package imports torchaudio for its command line alone, and prints while it loads.
        stand_in = ModuleType("torchaudio")
        added = sys.modules.setdefault("torchaudio", stand_in) is stand_in
        try:
            with contextlib.redirect_stdout(io.StringIO()):
                self._model = require_package("distillmos", "Distill-MOS", PACKAGES).ConvTransformerSQAModel().eval()
        finally:
            if added:
                del sys.modules["torchaudio"]

    def __call__(self, wav: np.ndarray) -> float | None:
        """Score, 1 to 5; None if the clip is too short. Args: wav: float32 [samples] at 16 kHz, in [-1, 1]."""
        import torch

        if len(wav) < MIN_SECONDS * SAMPLE_RATE:
            return None
        with torch.inference_mode():
            return float(self._model(torch.from_numpy(np.ascontiguousarray(wav))[None]))
