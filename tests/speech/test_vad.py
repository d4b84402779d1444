"""Voice activity detection and removal of silence."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from speech import audio, vad
from speech.errors import AudioError
from tests.speech.clips import RATE, tone
from tests.toy_models import speech_like


def test_reference_equals_golden(golden_dir):
    golden = np.load(golden_dir / "encoder.npz")
    clips = [key.removesuffix(".wav16k") for key in golden if key.endswith(".wav16k")]
    assert len(clips) == 6
    for clip in clips:
        prepared = vad.prepare_reference(golden[f"{clip}.wav16k"])
        assert len(prepared) == int(golden[f"{clip}.trimmed_samples"])
        if f"{clip}.trimmed" in golden:
            np.testing.assert_array_equal(prepared, golden[f"{clip}.trimmed"])


@pytest.mark.parametrize("offset", [0.05, -0.05, 0.2, 0.5])
def test_an_offset_does_not_change_the_encoders_input(offset):
    wav = speech_like(4.0)
    np.testing.assert_allclose(vad.prepare_reference(wav + np.float32(offset)), vad.prepare_reference(wav), atol=1e-3)


def reference_trimming(flags: list[bool]) -> list[bool]:
    """The trimming rule written out window by window."""
    voiced = []
    for at in range(len(flags)):
        around = [flags[near] for near in range(at - 3, at + 5) if 0 <= near < len(flags)]
        voiced.append(sum(around) > 4)
    return [any(voiced[max(0, at - 3) : at + 4]) for at in range(len(flags))]


@settings(max_examples=60, deadline=None)
@given(flags=st.lists(st.booleans(), min_size=1, max_size=40))
def test_trimming_equals_the_reference_implementation(flags):
    wav = np.repeat(np.arange(len(flags), dtype=np.float32), 480)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(vad, "vad_flags", lambda _wav, gain: np.array(flags))
        kept = vad.select_windows(wav, vad.speech_windows(wav))
    assert kept[::480].astype(int).tolist() == [at for at, keep in enumerate(reference_trimming(flags)) if keep]


def test_window_indices_map_back_to_the_clip(golden_dir):
    wav = np.load(golden_dir / "encoder.npz")["1320_00000.wav16k"]
    spaced = np.concatenate([wav, np.zeros(3 * RATE, dtype=np.float32), wav])
    prepared, windows = vad.prepare_with_windows(spaced)
    assert (np.diff(windows) > 0).all()
    assert len(prepared) == len(windows) * vad.VAD_WINDOW
    gain = audio.raise_volume(spaced)[len(wav) // 2] / spaced[len(wav) // 2]
    for place in (0, len(windows) // 2, len(windows) - 1):
        there = spaced[windows[place] * vad.VAD_WINDOW :][: vad.VAD_WINDOW]
        here = prepared[place * vad.VAD_WINDOW :][: vad.VAD_WINDOW]
        np.testing.assert_allclose(here, there * gain, rtol=1e-5)


def test_vad_in_blocks_equals_one_pass(golden_dir, monkeypatch):
    wav = np.load(golden_dir / "encoder.npz")["1320_00000.wav16k"]
    flags, level = vad.vad_flags(wav), audio.rms_dbfs(wav)
    for module in (audio, vad):
        monkeypatch.setattr(module, "BLOCK_SAMPLES", 10 * vad.VAD_WINDOW)
    assert np.array_equal(vad.vad_flags(wav), flags)
    assert audio.rms_dbfs(wav) == pytest.approx(level, abs=1e-9)
    assert np.array_equal(vad.vad_flags(wav / 4, gain=4.0), flags)


def test_values_beyond_full_scale_are_clipped_before_the_vad(golden_dir):
    wav = np.load(golden_dir / "encoder.npz")["1320_00000.wav16k"]
    assert np.array_equal(vad.vad_flags(wav * 8), vad.vad_flags(np.clip(wav * 8, -1, 1)))


def test_clips_without_speech_are_empty_or_refused():
    silence = np.zeros(RATE, dtype=np.float32)
    assert not vad.speech_windows(silence).any()
    assert not vad.speech_windows(silence[:100]).any()
    for wav in (silence, silence[:0]):
        with pytest.raises(AudioError, match="No speech"):
            vad.prepare_reference(wav)
    with pytest.raises(AudioError, match="one channel"):
        vad.prepare_reference(np.zeros((2, RATE), dtype=np.float32))
    with pytest.raises(AudioError, match="NaN"):
        vad.prepare_reference(np.full(RATE, np.nan, dtype=np.float32))


def test_trim_edges_keeps_inner_pauses():
    gap = np.zeros(RATE // 2, dtype=np.float32)
    wav = np.concatenate([gap, tone(0.5), gap, tone(0.5), gap])
    wav += np.random.default_rng(0).normal(0, 1e-4, len(wav)).astype(np.float32)
    trimmed = vad.trim_edges(wav)
    assert abs(len(trimmed) / RATE - 1.6) < 0.05
    assert len(vad.trim_edges(np.zeros(RATE, dtype=np.float32))) == 0
    assert len(vad.trim_edges(np.zeros(3, dtype=np.float32))) == 0
