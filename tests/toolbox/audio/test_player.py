"""Playback on a fake audio device."""

import sys
import threading

import numpy as np
import pytest

from tests.toolbox.audio_devices import FakeDevices, wait_for_end, wait_until
from toolbox.audio.player import Player

RATE = 16_000


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 1, samples).astype(np.float32)


def samples_of(library: FakeDevices) -> np.ndarray:
    played = np.concatenate(library.played) if library.played else np.zeros(0)
    return played[played != 0]


def test_audio_is_played_and_the_position_reaches_its_end():
    library = FakeDevices()
    player = Player(library=library)
    assert player.position() == player.duration() == 0 and not player.playing
    player.play(noise(RATE // 2), RATE)
    assert player.playing and player.duration() == pytest.approx(0.5)
    positions = []
    while player.playing:
        positions.append(player.position())
    wait_for_end(player)
    assert positions == sorted(positions)
    assert np.array_equal(samples_of(library), noise(RATE // 2))
    assert player.position() == pytest.approx(0.5, abs=0.02) and player.error == ""


def test_growing_audio_is_played_while_it_grows():
    library = FakeDevices()
    player = Player(library=library)
    player.begin(RATE)
    for seed in range(3):
        player.append(noise(1000, seed))
        wait_until(lambda seed=seed: player.position() > seed * 1000 / RATE)
        assert player.playing and player.duration() == pytest.approx((seed + 1) * 1000 / RATE)
    player.finish()
    wait_for_end(player)
    assert not player.playing
    assert np.array_equal(samples_of(library), np.concatenate([noise(1000, seed) for seed in range(3)]))


def test_stopping_is_immediate_and_keeps_the_position():
    library = FakeDevices()
    player = Player(library=library)
    player.play(noise(60 * RATE), RATE)
    wait_until(lambda: player.position() > 0.1)
    player.stop()
    stopped = player.position()
    assert not player.playing and 0.1 < stopped < 60
    wait_for_end(player)
    assert player.position() == stopped
    assert len(library.played[0]) < 60 * RATE
    player.append(noise(10))  # ignored


def test_new_audio_replaces_the_old_one():
    library = FakeDevices()
    player = Player(library=library)
    player.play(noise(60 * RATE), RATE)
    wait_until(lambda: player.position() > 0)
    player.play(noise(500, 1), RATE)
    wait_for_end(player)
    wait_until(lambda: len(library.played) == 2)
    assert min(len(one) for one in library.played) < 2000


def test_playback_may_start_anywhere():
    library = FakeDevices()
    player = Player(library=library)
    player.play(noise(RATE), RATE, start=0.75)
    assert player.position() >= 0.75
    wait_for_end(player)
    assert np.array_equal(samples_of(library), noise(RATE)[12_000:])
    assert player.duration() == pytest.approx(1) and player.position() == pytest.approx(1, abs=0.02)


def test_a_chosen_device_is_used_from_the_next_call():
    library = FakeDevices()
    player = Player(device="monitor", library=library)
    for device in ("monitor", 0, None):
        player.device = device
        player.play(noise(100), RATE)
        wait_for_end(player)
    assert library.opened == ["monitor", 0, None]


@pytest.mark.parametrize("missing", ["package", "device", "chosen", "busy"])
def test_a_missing_device_is_reported_without_raising(missing, monkeypatch):
    library = None if missing == "package" else FakeDevices(devices=missing != "device", busy=missing == "busy")
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    player = Player(device="gone" if missing == "chosen" else None)
    player.play(noise(100), RATE)
    wait_for_end(player)
    assert not player.playing
    words = {"package": "pip install", "device": "no audio device", "chosen": "'gone' is gone", "busy": "cannot play"}
    assert words[missing] in player.error and "\n" not in player.error
    player.append(noise(10))
    player.finish()
    player.stop()
    assert player.position() == 0


def test_no_call_waits_for_a_slow_device():
    released = threading.Event()

    class Slow(FakeDevices):
        def OutputStream(self, device=None, **options):
            released.wait(5)
            return super().OutputStream(device, **options)

    player = Player(library=Slow())
    player.play(noise(100), RATE)  # returns before the device is open
    assert player.playing and player.position() == 0
    released.set()
    wait_for_end(player)
    assert np.array_equal(samples_of(player._library), noise(100))


def test_a_device_that_disappears_is_reported():
    library = FakeDevices()
    player = Player(library=library)
    player.begin(RATE)
    player.append(noise(RATE))
    wait_until(lambda: library.streams and library.streams[0].blocks)
    library.streams[0].stopping.set()
    wait_for_end(player)
    assert "stopped playing" in player.error
