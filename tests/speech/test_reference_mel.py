"""The reference of a voice: a few seconds of its recording as a coded mel."""

import numpy as np
import pytest

from speech.errors import ConfigError
from speech.mel_config import MelConfig
from speech.reference_mel import SECONDS, ReferenceMel

RATE = 16_000


def tone(seconds: float, level: float = 0.3) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (level * np.sin(2 * np.pi * 220 * time) * (1 + 0.5 * np.sin(2 * np.pi * 3 * time))).astype(np.float32)


def test_the_part_with_most_speech_is_kept():
    wav = np.concatenate([0.001 * tone(6), tone(4), 0.001 * tone(6)])
    reference = ReferenceMel.of_recording(wav)
    assert reference is not None
    loud = ReferenceMel.of_recording(tone(4))
    assert loud is not None
    assert reference.coded.shape == (round(SECONDS * 80), 80)
    assert abs(float(reference.mel.mean()) - float(loud.mel.mean())) < 0.1


@pytest.mark.parametrize("wav", [np.zeros(5 * RATE, np.float32), tone(0.5), np.zeros(0, np.float32)])
def test_no_reference_of_silence_or_a_short_clip(wav):
    assert ReferenceMel.of_recording(wav) is None


@pytest.mark.parametrize("gain", [0.1, 0.5, 2.0])
def test_the_level_of_the_recording_does_not_matter(gain):
    one, other = ReferenceMel.of_recording(tone(2)), ReferenceMel.of_recording(gain * tone(2))
    assert one is not None and other is not None
    assert np.abs(one.mel - other.mel).max() <= 8 / 255 + 1e-6


def test_an_offset_does_not_matter():
    one, other = ReferenceMel.of_recording(tone(2)), ReferenceMel.of_recording(tone(2) + 0.1)
    assert one is not None and other is not None
    assert np.abs(one.mel - other.mel).mean() < 0.02


def test_mel_values_are_in_range():
    reference = ReferenceMel.of_recording(tone(3))
    assert reference is not None
    assert reference.mel.shape == (80, len(reference.coded))
    assert np.abs(reference.mel).max() <= 4


@pytest.mark.parametrize(
    "coded",
    [
        np.zeros((300, 80), np.uint8),
        np.zeros((10, 40), np.uint8),
        np.zeros((10, 80), np.float32),
        np.zeros(9, np.uint8),
    ],
)
def test_wrong_arrays_are_refused(coded):
    with pytest.raises(ConfigError, match="reference mel"):
        ReferenceMel(coded, MelConfig())
