"""Adapting a synthesizer to a voice."""

import numpy as np
import pytest

from cloning.adaptation import adapt_voice
from cloning.voices import Voice
from speech.errors import ConfigError, CorpusError, ModelFileError
from speech.mel_config import MelConfig
from synthesizer.adapter import AdaptationClip, VoiceAdapter

RATE = 16_000
VOICE = Voice(np.ones(4, np.float32), "toy", "ann")


class Adaptable:
    """Stands for a synthesizer: keeps the clips."""

    mel_config = MelConfig()

    def adapt(self, clips, *, seed, progress, cancelled):
        self.clips: list[AdaptationClip] = list(clips)
        self.seed = seed
        return VoiceAdapter({"a": np.ones(3, np.float16)}, "model")


def noise(seconds: float) -> np.ndarray:
    return 0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE)).astype(np.float32)


def test_a_voice_keeps_its_adapter(tmp_path):
    voice = adapt_voice(Adaptable(), VOICE, [noise(21)])  # type: ignore[arg-type]
    assert VOICE.adapter is None
    voice.save(tmp_path / "ann.safetensors")
    back = Voice.load(tmp_path / "ann.safetensors")
    assert back.adapter is not None and voice.adapter is not None
    assert back.adapter.model == "model"
    assert np.array_equal(back.adapter.tensors["a"], voice.adapter.tensors["a"])
    assert np.array_equal(back.embedding, voice.embedding)


def test_recordings_are_cut():
    synthesizer = Adaptable()
    adapt_voice(synthesizer, VOICE, [noise(10), noise(20)], seed=3)  # type: ignore[arg-type]
    assert [clip.mel.shape for clip in synthesizer.clips] == [(80, 640), (80, 161), (80, 640), (80, 640), (80, 321)]
    assert all(np.array_equal(clip.embedding, VOICE.embedding) for clip in synthesizer.clips)
    assert synthesizer.seed == 3


def test_the_level_of_a_recording_does_not_matter():
    loud, faint = Adaptable(), Adaptable()
    adapt_voice(loud, VOICE, [noise(21)])  # type: ignore[arg-type]
    adapt_voice(faint, VOICE, [0.05 * noise(21) + 0.01])  # type: ignore[arg-type]
    assert np.abs(loud.clips[0].mel - faint.clips[0].mel).mean() < 0.01


@pytest.mark.parametrize("recordings", [[], [noise(5)], [np.zeros(60 * RATE, np.float32)], [noise(0.01), noise(19)]])
def test_too_little_audio_is_refused(recordings):
    with pytest.raises(CorpusError, match="give at least 20 s"):
        adapt_voice(Adaptable(), VOICE, recordings)  # type: ignore[arg-type]


def test_ten_minutes_are_enough():
    synthesizer = Adaptable()
    adapt_voice(synthesizer, VOICE, [noise(700)])  # type: ignore[arg-type]
    assert sum(clip.mel.shape[1] for clip in synthesizer.clips) <= 600 * 80


@pytest.mark.parametrize("damage", ["no model", "float32", "not finite"])
def test_a_damaged_adapter_is_refused(tmp_path, damage):
    from safetensors.numpy import save_file

    header = VOICE.header() | ({} if damage == "no model" else {"adapter_model": "x"})
    values = np.array([1.0, np.nan if damage == "not finite" else 2.0])
    tensors = {
        "embedding": np.array(VOICE.embedding),
        "adapter.a": values.astype(np.float32 if damage == "float32" else np.float16),
    }
    save_file(tensors, tmp_path / "ann.safetensors", header)
    with pytest.raises(ModelFileError, match="damaged"):
        Voice.load(tmp_path / "ann.safetensors")


def test_a_mixture_of_voices_has_no_adapter():
    voice = adapt_voice(Adaptable(), VOICE, [noise(21)])  # type: ignore[arg-type]
    assert Voice.average([voice, voice]).adapter is None


def test_the_default_of_a_model_is_a_sentence():
    from cloning.speech_model import SpeechModel

    with pytest.raises(ConfigError, match="cannot be adapted"):
        SpeechModel.adapt(None, VOICE, [])  # type: ignore[arg-type]
