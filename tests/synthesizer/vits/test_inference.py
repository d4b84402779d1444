"""The VITS behind the facade: audio, tempo, pauses, seeds, cancelling, save and load."""

import numpy as np
import pytest
import torch

from speech.errors import ConfigError, WorkCancelled
from synthesizer import Synthesizer, join_syntheses
from synthesizer.options import EmbeddedVoice, SynthesisOptions
from tests.synthesizer.vits.toy import toy_vits

VOICE = EmbeddedVoice(np.full(16, 0.25, np.float32))
TEXT = "Hello there, old friend. Good morning!"


@pytest.fixture(scope="module")
def vits():
    return toy_vits()


def test_audio_mel_and_alignment_have_the_same_length(vits):
    synthesis = vits.synthesize(TEXT, VOICE, seed=1)
    assert synthesis.wav is not None and synthesis.wav.dtype == np.float32
    frames = synthesis.mel.shape[1]
    assert len(synthesis.wav) == 200 * frames and synthesis.alignment.shape == (len(synthesis.tokens), frames)
    assert sum(round(one.seconds * 80) + round(one.pause * 80) for one in synthesis.sentences) == frames
    assert len(synthesis.sentences) == 2 and np.abs(synthesis.wav).max() <= 1
    np.testing.assert_array_equal(synthesis.wav, vits.synthesize(TEXT, VOICE, seed=1).wav)
    assert not np.array_equal(synthesis.wav, vits.synthesize(TEXT, VOICE, seed=2).wav)


def test_sentence_by_sentence_equals_the_whole(vits):
    whole = vits.synthesize(TEXT, VOICE, seed=1)
    parts = join_syntheses([*vits.stream(TEXT, VOICE, seed=1)])
    np.testing.assert_array_equal(parts.wav, whole.wav)
    np.testing.assert_array_equal(parts.mel, whole.mel)


def test_every_token_is_spoken_in_order(vits):
    (sentence,) = vits.synthesize("Hello there.", VOICE).sentences
    path = sentence.alignment.argmax(0)
    assert sentence.stopped and np.array_equal(np.unique(path), np.arange(len(sentence.alignment)))
    assert (np.diff(path) >= 0).all()


def test_speed_and_pauses_change_the_durations(vits):
    frames = {
        name: vits.synthesize("Hello there, old friend.", VOICE, options).mel.shape[1]
        for name, options in (
            ("usual", SynthesisOptions()),
            ("slow", SynthesisOptions(speed=0.5)),
            ("pauses", SynthesisOptions(pauses=5.0)),
        )
    }
    assert frames["slow"] > 1.5 * frames["usual"] and frames["pauses"] > frames["usual"]


def test_the_voice_matters(vits):
    other = EmbeddedVoice(np.where(np.arange(16) % 2, 0.25, -0.25).astype(np.float32))
    first, second = (vits.synthesize("Hello.", voice, seed=1).wav for voice in (VOICE, other))
    assert first is not None and second is not None
    assert len(first) != len(second) or np.abs(first - second).max() > 1e-4


@pytest.mark.parametrize("blanks", [True, False])
def test_a_saved_model_speaks_the_same(tmp_path, blanks):
    vits = toy_vits(blanks=blanks)
    vits.save(tmp_path / "vits.safetensors")
    loaded = Synthesizer.load(tmp_path / "vits.safetensors")
    assert (loaded.step, loaded.licence, loaded.embedding_space, loaded.end_to_end) == (7, "CC0", "toy", True)
    np.testing.assert_array_equal(
        loaded.synthesize("Hello.", VOICE, seed=3).wav, vits.synthesize("Hello.", VOICE, seed=3).wav
    )


def test_work_can_be_cancelled_between_chunks(vits):
    calls = []

    def cancelled() -> bool:
        calls.append(1)
        return len(calls) > 2

    with pytest.raises(WorkCancelled):
        vits.synthesize(TEXT, VOICE, cancelled=cancelled)


def test_it_makes_no_mels_for_a_vocoder_and_has_no_adapter(vits):
    assert not vits.adaptable
    with pytest.raises(ConfigError, match="audio itself"):
        vits.align("Hello.", np.zeros((80, 50), np.float32), VOICE)


def test_an_untrained_duration_predictor_ends():
    vits = toy_vits()
    with torch.no_grad():
        vits.model.duration_predictor.leave.bias.fill_(50.0)  # type: ignore[union-attr]
    assert vits.synthesize("a", VOICE).mel.shape[1] < 10_000
