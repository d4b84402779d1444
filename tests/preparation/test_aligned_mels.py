"""Mels of a synthesizer's own kind, in the time of a recording."""

import numpy as np
import torch

from preparation.aligned_mels import aligned_mel
from speech.mel import MelConfig, synthesis_mel
from speech.mel_f0 import pulse_train
from synthesizer import Synthesizer
from synthesizer.tacotron.model import Tacotron2
from synthesizer.text.front_end import text_to_transcript
from tests.synthesizer.toy import toy_config


def test_a_postfilter_draws_the_recordings_harmonics_into_them() -> None:
    torch.manual_seed(0)
    model = Tacotron2(toy_config(postfilter_size=12, postfilter_layers=2, variance_emphasis=0.0))
    synthesizer = Synthesizer(model, embedding_space="toy")
    pitch = np.full(61, 160.0)
    pitch[30:] = 0
    recording = synthesis_mel(20 * pulse_train(pitch, MelConfig()), MelConfig())[:, :61].T
    voice = np.full(256, 1 / 16, np.float32)
    transcript = text_to_transcript("Hello there.")
    without, again = (aligned_mel(synthesizer, recording, transcript, voice, "a").mel for _ in range(2))
    assert without.shape == (61, 80) and without.dtype == np.float32 and np.array_equal(without, again)
    assert model.postfilter is not None
    model.postfilter.of_mel.leave.weight.data.normal_(std=0.3, generator=torch.Generator().manual_seed(0))
    drawn = aligned_mel(synthesizer, recording, transcript, voice, "a")
    assert drawn.mel.shape == without.shape and np.abs(drawn.mel).max() <= 4
    assert not np.allclose(drawn.mel, without, atol=0.01)
    assert drawn.alignment.shape[1] == 16
