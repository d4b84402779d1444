"""Recording from a fake microphone."""

import sys

import numpy as np
import pytest

from speech.errors import AudioError
from tests.toolbox.audio_devices import FakeDevices, wait_until
from tests.toy_models import speech_like
from toolbox.audio.recording import Recorder

RATE = 16_000


def tone(seconds: float = 1.0, peak: float = 0.3, rate: int = RATE) -> np.ndarray:
    return (peak * np.sin(2 * np.pi * 440 * np.arange(round(seconds * rate)) / rate)).astype(np.float32)


def test_a_take_has_the_samples_of_the_microphone():
    library = FakeDevices(tone())
    recorder = Recorder(library=library)
    assert recorder.state == "idle" and recorder.stop().seconds == 0
    recorder.start()
    wait_until(lambda: recorder.seconds > 2)
    assert recorder.state == "recording" and recorder.remark() == ""
    take = recorder.stop()
    assert recorder.state == "stopped" and take.seconds > 2
    wav = take.wav()
    assert wav.dtype == np.float32 and np.array_equal(wav, np.resize(tone(), len(wav)))
    wait_until(lambda: not library.inputs[0].thread.is_alive())


def test_a_pause_is_not_recorded_but_its_level_is_shown():
    recorder = Recorder(library=FakeDevices(tone()))
    recorder.start()
    wait_until(lambda: recorder.seconds > 0.5)
    recorder.pause()
    paused = recorder.seconds
    wait_until(lambda: recorder._library.inputs[0].delivered > (paused + 1) * RATE)
    assert recorder.state == "paused" and recorder.seconds == paused and recorder.level().peak > -20
    recorder.resume()
    wait_until(lambda: recorder.seconds > paused + 0.5)
    assert recorder.stop().seconds > paused


def test_a_retake_discards_the_take():
    library = FakeDevices(tone())
    recorder = Recorder(library=library)
    recorder.start()
    wait_until(lambda: recorder.seconds > 0.2)
    library.signal = tone(peak=0.15)
    before = recorder.seconds
    recorder.start()
    assert recorder.seconds < before
    wait_until(lambda: recorder.seconds > 0.2)
    assert np.abs(recorder.stop().wav()).max() == pytest.approx(0.15, abs=0.01)
    wait_until(lambda: not any(stream.thread.is_alive() for stream in library.inputs))


@pytest.mark.parametrize(("peak", "expected"), [(1.0, 0.0), (0.1, -20.0), (0.01, -40.0)])
def test_the_level_is_in_decibels_below_full_scale(peak, expected):
    recorder = Recorder(library=FakeDevices(tone(peak=peak)))
    recorder.start()
    wait_until(lambda: recorder.seconds > 1)
    level = recorder.level()
    assert level.peak == pytest.approx(expected, abs=0.3)
    assert level.rms == pytest.approx(expected - 3, abs=0.5)
    assert level.clipped == (peak == 1.0)
    recorder.discard()
    assert recorder.level().peak == -100 and recorder.state == "idle"


@pytest.mark.parametrize(
    ("signal", "seconds", "word"),
    [(np.zeros(100), 2, "gives no signal"), (tone(peak=1.0), 0.5, "clipping"), (tone(peak=0.01), 4.5, "very quiet")],
)
def test_problems_are_reported_while_recording(signal, seconds, word):
    recorder = Recorder(library=FakeDevices(signal))
    recorder.start()
    wait_until(lambda: recorder.seconds > seconds)
    assert word in recorder.remark()
    recorder.discard()
    assert recorder.remark() == ""


def test_a_device_with_a_different_rate_is_resampled():
    library = FakeDevices(tone(rate=48_000), input_rate=48_000)
    recorder = Recorder(library=library)
    recorder.start()
    wait_until(lambda: recorder.seconds > 1)
    take = recorder.stop()
    assert take.raw_rate == 48_000 and len(take.wav()) == pytest.approx(take.seconds * RATE, abs=2)


def test_the_chosen_device_is_opened():
    library = FakeDevices(tone())
    recorder = Recorder(device="built-in", library=library)
    recorder.start()
    wait_until(lambda: recorder.state == "recording")
    recorder.discard()
    assert library.opened == ["built-in"]


def test_stopping_before_the_device_is_open_closes_it():
    library = FakeDevices(tone())
    recorder = Recorder(library=library)
    recorder.start()
    take = recorder.stop()
    assert recorder.state == "stopped"
    wait_until(lambda: all(not stream.thread.is_alive() for stream in library.inputs))
    if not take.blocks:
        with pytest.raises(AudioError, match="Nothing was recorded"):
            take.wav()


def test_a_microphone_that_cannot_be_opened_is_reported():
    recorder = Recorder(library=FakeDevices(broken=True))
    recorder.start()
    wait_until(lambda: recorder.state == "failed")
    assert "cannot be opened" in recorder.error and recorder.remark() == recorder.error and "\n" not in recorder.error


@pytest.mark.parametrize("missing", ["package", "device", "chosen"])
def test_missing_parts_are_reported(missing, monkeypatch):
    library = None if missing == "package" else FakeDevices(devices=missing != "device")
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    recorder = Recorder(device="gone" if missing == "chosen" else None)
    recorder.start()
    wait_until(lambda: recorder.state == "failed")
    words = {"package": "pip install sounddevice", "device": "microphone", "chosen": "'gone' is gone"}
    assert words[missing] in recorder.error and recorder.error.startswith("Nothing can be recorded")


def test_a_device_that_disappears_leaves_the_take_so_far():
    library = FakeDevices(tone())
    recorder = Recorder(library=library)
    recorder.start()
    wait_until(lambda: recorder.seconds > 1)
    library.inputs[0].unplug()
    wait_until(lambda: recorder.state == "failed")
    assert "microphone stopped" in recorder.remark()
    assert recorder.stop().seconds > 1


def test_a_take_has_a_quality_report():
    recorder = Recorder(library=FakeDevices(speech_like(4.5)))
    recorder.start()
    wait_until(lambda: recorder.seconds > 4.4)
    assert not recorder.stop().report().errors
    recorder._library.signal = np.zeros(100, np.float32)
    recorder.start()
    wait_until(lambda: recorder.seconds > 1)
    assert [remark.code for remark in recorder.stop().report().errors] == ["silent"]
