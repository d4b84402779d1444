import sys
from types import ModuleType

import numpy as np
import pytest
import torch

from evaluation.naturalness import DistillMos
from speech.errors import ConfigError
from tests.toy_models import speech_like


class Package(ModuleType):
    """distillmos, with a model that scores the loudest sample."""

    class ConvTransformerSQAModel(torch.nn.Module):
        def __init__(self):
            super().__init__()
            assert "torchaudio" in sys.modules
            print("loading")

        def forward(self, wavs):
            return 1 + wavs.abs().amax(dim=1, keepdim=True)


def test_scores_without_torchaudio(monkeypatch, capsys):
    monkeypatch.delitem(sys.modules, "torchaudio", raising=False)
    monkeypatch.setitem(sys.modules, "distillmos", Package("distillmos"))
    judge = DistillMos()
    assert "torchaudio" not in sys.modules
    assert capsys.readouterr().out == ""
    wav = speech_like(1.0)
    assert judge(wav) == pytest.approx(1 + np.abs(wav).max())
    assert judge(wav[::-1]) == judge(wav)
    assert judge(wav[:100]) is None


def test_a_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "distillmos", None)
    with pytest.raises(ConfigError, match="pip install --no-deps distillmos xls-r-sqa"):
        DistillMos()
    assert "torchaudio" not in sys.modules or sys.modules["torchaudio"].__file__
