"""Lists of audio devices."""

import pytest

from cloning.playback import Direction, PlaybackError
from tests.toolbox.audio_devices import FakeDevices
from toolbox.audio.devices import list_devices


def test_devices_are_listed_by_direction_with_the_default_first():
    outputs = list_devices("output", FakeDevices())
    assert [(device.index, device.name, device.is_default) for device in outputs] == [
        (2, "headset", True), (0, "built-in", False), (1, "monitor", False),
    ]  # fmt: skip
    inputs = list_devices("input", FakeDevices())
    assert [device.name for device in inputs] == ["headset", "built-in"]
    assert (inputs[1].channels, inputs[1].sample_rate) == (2, 44_100)


def test_a_missing_device_is_an_error():
    directions: list[tuple[Direction, str]] = [("output", "played"), ("input", "microphone")]
    for direction, word in directions:
        with pytest.raises(PlaybackError, match=word):
            list_devices(direction, FakeDevices(devices=False))


def test_looking_again_reloads_portaudio():
    done: list[str] = []
    library = FakeDevices()
    library._terminate = lambda: done.append("ended")  # type: ignore[attr-defined]
    library._initialize = lambda: done.append("begun")  # type: ignore[attr-defined]
    list_devices("input", library)
    assert done == []
    list_devices("input", library, rescan=True)
    assert done == ["ended", "begun"]
