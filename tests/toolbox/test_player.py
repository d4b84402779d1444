"""Playing on a made-up sound card."""

import sys
import threading

import numpy as np
import pytest

from tests.toolbox.sounds import FakeDevices, wait_until
from toolbox.audio.player import Player

RATE = 16_000


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 1, samples).astype(np.float32)


def heard(sound: FakeDevices) -> np.ndarray:
    played = np.concatenate(sound.played) if sound.played else np.zeros(0)
    return played[played != 0]


def test_a_sound_is_heard_and_the_playhead_goes_to_its_end():
    sound = FakeDevices()
    player = Player(library=sound)
    assert player.position() == player.duration() == 0 and not player.playing
    player.play(noise(RATE // 2), RATE)
    assert player.playing and player.duration() == pytest.approx(0.5)
    positions = []
    while player.playing:
        positions.append(player.position())
    assert player.wait(5) and positions == sorted(positions)
    assert np.array_equal(heard(sound), noise(RATE // 2))
    assert player.position() == pytest.approx(0.5, abs=0.02) and player.error == ""


def test_a_sound_that_grows_is_heard_while_it_grows():
    sound = FakeDevices()
    player = Player(library=sound)
    player.begin(RATE)
    for seed in range(3):
        player.append(noise(1000, seed))
        wait_until(lambda seed=seed: player.position() > seed * 1000 / RATE)
        assert player.playing and player.duration() == pytest.approx((seed + 1) * 1000 / RATE)
    player.finish()
    assert player.wait(5) and not player.playing
    assert np.array_equal(heard(sound), np.concatenate([noise(1000, seed) for seed in range(3)]))


def test_stopping_is_silence_at_once_and_keeps_the_position():
    sound = FakeDevices()
    player = Player(library=sound)
    player.play(noise(60 * RATE), RATE)
    wait_until(lambda: player.position() > 0.1)
    player.stop()
    stopped = player.position()
    assert not player.playing and 0.1 < stopped < 60
    assert player.wait(5) and player.position() == stopped
    assert len(sound.played[0]) < 60 * RATE
    player.append(noise(10))  # of no consequence


def test_a_new_sound_ends_the_old_one():
    sound = FakeDevices()
    player = Player(library=sound)
    player.play(noise(60 * RATE), RATE)
    wait_until(lambda: player.position() > 0)
    player.play(noise(500, 1), RATE)
    assert player.wait(5)
    wait_until(lambda: len(sound.played) == 2)
    assert min(len(one) for one in sound.played) < 2000


def test_playing_may_start_anywhere():
    sound = FakeDevices()
    player = Player(library=sound)
    player.play(noise(RATE), RATE, start=0.75)
    assert player.position() >= 0.75
    assert player.wait(5) and np.array_equal(heard(sound), noise(RATE)[12_000:])
    assert player.duration() == pytest.approx(1) and player.position() == pytest.approx(1, abs=0.02)


def test_the_device_that_is_chosen_is_used_from_the_next_sound_on():
    sound = FakeDevices()
    player = Player(device="monitor", library=sound)
    for device in ("monitor", 0, None):
        player.device = device
        player.play(noise(100), RATE)
        assert player.wait(5)
    assert sound.asked_for == ["monitor", 0, None]


@pytest.mark.parametrize("missing", ["package", "device", "chosen", "busy"])
def test_without_a_device_it_is_said_and_nothing_else_happens(missing, monkeypatch):
    library = None if missing == "package" else FakeDevices(devices=missing != "device", busy=missing == "busy")
    monkeypatch.setitem(sys.modules, "sounddevice", library)
    player = Player(device="gone" if missing == "chosen" else None)
    player.play(noise(100), RATE)
    assert player.wait(5) and not player.playing
    words = {"package": "pip install", "device": "no sound device", "chosen": "'gone' is gone", "busy": "cannot play"}
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
    player.play(noise(100), RATE)  # returns although the device does not answer yet
    assert player.playing and player.position() == 0
    released.set()
    assert player.wait(5) and np.array_equal(heard(player._library), noise(100))


def test_a_device_that_goes_away_is_said():
    sound = FakeDevices()
    player = Player(library=sound)
    player.begin(RATE)
    player.append(noise(RATE))
    wait_until(lambda: sound.streams and sound.streams[0].heard)
    sound.streams[0].stopping.set()
    assert player.wait(5) and "stopped playing" in player.error
