"""Ground-truth aligned mels have the timing of the recording."""

import numpy as np
import pytest
import torch

from speech.errors import ConfigError
from speech.mel import synthesis_mel
from speech.mel_config import MelConfig
from speech.mel_f0 import pulse_train
from synthesizer.options import EmbeddedVoice
from synthesizer.tacotron.model import Tacotron2
from synthesizer.text.front_end import text_to_transcript
from tests.synthesizer.toy import facade, toy_config


def test_postfilter_adds_the_harmonics_of_the_recording() -> None:
    torch.manual_seed(0)
    model = Tacotron2(toy_config(postfilter_size=12, postfilter_layers=2))
    synthesizer = facade(model, variance_emphasis=0.0)
    f0 = np.full(61, 160.0)
    f0[30:] = 0
    recording = synthesis_mel(20 * pulse_train(f0, MelConfig()), MelConfig())[:, :61]
    voice = EmbeddedVoice(np.full(256, 1 / 16, np.float32))
    transcript = text_to_transcript("Hello there.")
    without, again = (synthesizer.align(transcript, recording, voice, "a").mel for _ in range(2))
    assert without.shape == (80, 61) and without.dtype == np.float32 and np.array_equal(without, again)
    assert model.postfilter is not None
    model.postfilter.of_mel.leave.weight.data.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    drawn = synthesizer.align(transcript, recording, voice, "a")
    assert drawn.mel.shape == without.shape and np.abs(drawn.mel).max() <= 4
    assert not np.allclose(drawn.mel, without, atol=0.01)
    assert drawn.alignment.shape[1] == 16
    np.testing.assert_array_equal(synthesizer.align("Hello there.", recording, voice, "a").mel, drawn.mel)
    with pytest.raises(ConfigError, match="80, frames"):
        synthesizer.align("Hello there.", recording.T, voice)
