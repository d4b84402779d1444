"""Decoding along a given alignment."""

import numpy as np
import torch

from synthesizer.tacotron.attention_forcing import attention_forced
from synthesizer.tacotron.config import InferenceSettings
from synthesizer.tacotron.decoding import SentenceInput, free_run
from synthesizer.tacotron.model import Tacotron2, TeacherForcing
from tests.synthesizer.toy import toy_config

SETTINGS = InferenceSettings(reduction_factor=2, voice_emphasis=1.5, pitch_predictor_emphasis=1.3)


def toy_model() -> Tacotron2:
    torch.manual_seed(0)
    return Tacotron2(toy_config(prenet_dropout=0.0)).eval().requires_grad_(False)


def given_text(model: Tacotron2, frames: int, rows: int = 1) -> TeacherForcing:
    config = model.config
    symbols = torch.arange(3, 12).expand(rows, -1)
    embedding = torch.nn.functional.normalize(torch.ones(rows, config.speaker_embedding_size), dim=1)
    mel, lengths = torch.zeros(rows, frames, config.mel.n_mels), torch.full((rows,), frames)
    return TeacherForcing(symbols, torch.full((rows,), symbols.shape[1]), mel, lengths, embedding)


def test_along_its_own_alignment_the_mel_is_that_of_free_running():
    model = toy_model()
    given = given_text(model, 2)
    sentence = SentenceInput(given.symbols[0].numpy(), given.embedding[0].numpy(), seed=0)
    (decoded,) = free_run(model, [sentence], SETTINGS, refined=False, engine="torch")
    given = given_text(model, decoded.mel.shape[1])
    mel = attention_forced(model, given, torch.from_numpy(decoded.alignment)[None], SETTINGS)
    plain = torch.from_numpy(decoded.mel.T.copy())[None]
    expected = plain + model.postnet(plain, torch.ones(plain.shape[:2], dtype=torch.bool))
    np.testing.assert_allclose(mel.numpy(), expected.numpy(), atol=1e-4)


def test_the_mel_does_not_depend_on_the_recording():
    model = toy_model()
    given = given_text(model, 20, rows=2)
    alignments = torch.rand(2, given.symbols.shape[1], 10).softmax(1)
    one = attention_forced(model, given, alignments, SETTINGS)
    other = attention_forced(model, given._replace(mel=torch.randn_like(given.mel)), alignments, SETTINGS)
    assert one.shape == given.mel.shape
    assert torch.equal(one, other)
    assert not torch.allclose(one, attention_forced(model, given, alignments.flip(2), SETTINGS))
