"""Audio sinks: a missing sound card, a fake one, and several at once."""

import sys
from pathlib import Path

import numpy as np
import pytest

from cloning.playback import (
    Direction,
    PlaybackError,
    Sinks,
    SoundCard,
    load_audio_library,
    playable_rate,
)
from tests.fakes import FakeSoundDevice
from tests.toolbox.audio_devices import FakeDevices

RATE = 16_000


def noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).uniform(0.1, 1, samples).astype(np.float32)


def trimmed(played: np.ndarray) -> np.ndarray:
    """Samples without silence at the ends."""
    audible = np.flatnonzero(played)
    return played[audible[0] : audible[-1] + 1]


# --- the sound card ---------------------------------------------------------------------------------------------------


def test_all_written_audio_is_played_in_order():
    library, parts = FakeSoundDevice(), [noise(n, n) for n in (1, 159, 160, 161, 5000)]
    card = SoundCard(RATE, library)
    for part in parts:
        card.write(part)
    card.close()
    (played,) = library.played
    assert np.array_equal(played[played != 0], np.concatenate(parts))


def test_missing_audio_is_played_as_silence():
    library = FakeSoundDevice()
    card = SoundCard(RATE, library)
    while len(library.streams[0].blocks) < 3:
        pass
    card.write(noise(100))
    card.close()
    assert not library.played[0][:160].any() and np.array_equal(trimmed(library.played[0]), noise(100))


def test_audio_is_resampled_to_the_rate_of_the_device():
    library = FakeSoundDevice(rate=48_000)
    card = SoundCard(RATE, library)
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32)
    for start in range(0, len(tone), 1600):
        card.write(tone[start : start + 1600])
    card.close()
    played = trimmed(library.played[0])
    played = played[np.flatnonzero(np.abs(played) > 0.01)[0] :]
    assert len(played) == pytest.approx(48_000, abs=200)
    assert np.argmax(np.abs(np.fft.rfft(played[:48_000], 48_000))) == pytest.approx(440, abs=2)


def test_aborting_does_not_wait():
    library = FakeSoundDevice()
    card = SoundCard(RATE, library)
    card.write(noise(1_000_000))
    card.abort()
    assert library.aborted == 1 and len(library.played[0]) < 1_000_000


def test_the_position_counts_played_audio_without_waits():
    library = FakeSoundDevice()
    card = SoundCard(RATE, library)
    while len(library.streams[0].blocks) < 20:
        pass
    assert card.position == 0 and not card.finished
    card.write(noise(1600))
    card.finish()
    card.finish()  # a second call has no effect
    positions = []
    while not card.finished:
        positions.append(card.position)
    assert positions == sorted(positions) and card.position == pytest.approx(0.1, abs=0.001)
    card.close()
    assert np.array_equal(trimmed(library.played[0]), noise(1600))


def test_the_position_is_in_seconds_at_any_device_rate():
    library = FakeSoundDevice(rate=48_000)
    card = SoundCard(RATE, library)
    card.write(noise(8000))
    card.close()
    assert card.position == pytest.approx(0.5, abs=0.01)


def test_a_named_device_is_opened():
    library = FakeDevices()
    for device in (None, 1, "headset"):
        card = SoundCard(RATE, library, device)
        card.write(noise(10))
        card.close()
    assert library.opened == [None, 1, "headset"]


def test_a_missing_named_device_is_reported(monkeypatch):
    monkeypatch.setitem(sys.modules, "sounddevice", FakeDevices())
    directions: list[tuple[Direction, str]] = [("output", "played"), ("input", "recorded")]
    for direction, what in directions:
        assert load_audio_library(direction) is not None
        with pytest.raises(PlaybackError, match=f"can be {what}: the audio device 'gone' is gone"):
            load_audio_library(direction, "gone")
    with pytest.raises(PlaybackError, match="cannot play"):
        SoundCard(RATE, FakeDevices(busy=True), "headset")


def test_a_supported_rate_is_kept():
    assert playable_rate(FakeDevices(input_rate=48_000), RATE, "input") == 48_000
    assert (
        playable_rate(FakeDevices(), RATE, "input", "headset")
        == RATE
        == playable_rate(FakeSoundDevice(), RATE, "output")
    )


@pytest.mark.parametrize("missing", ["package", "library", "device", "access"])
def test_missing_parts_are_reported(missing, monkeypatch):
    class Importer:
        def find_spec(self, name, path=None, target=None):
            if name == "sounddevice":
                raise OSError("PortAudio library not found")

    monkeypatch.delitem(sys.modules, "sounddevice", raising=False)
    if missing == "package":
        monkeypatch.setitem(sys.modules, "sounddevice", None)
    elif missing == "library":
        monkeypatch.setattr(sys, "meta_path", [Importer(), *sys.meta_path])
    else:
        monkeypatch.setitem(sys.modules, "sounddevice", FakeSoundDevice(devices=missing != "device", busy=True))
    with pytest.raises(PlaybackError) as error:
        SoundCard(RATE, load_audio_library())
    words = {"package": "sounddevice", "library": "PortAudio", "device": "no audio device", "access": "cannot play"}
    assert words[missing] in str(error.value) and "\n" not in str(error.value)


# --- several ----------------------------------------------------------------------------------------------------------


class Recorder:
    def __init__(self) -> None:
        self.log: list[object] = []

    def write(self, wav: np.ndarray) -> None:
        self.log.append(len(wav))

    def close(self) -> None:
        self.log.append("close")

    def abort(self) -> None:
        self.log.append("abort")


def test_sinks_close_at_the_end_and_abort_after_an_error():
    for error, end in ((None, "close"), (KeyboardInterrupt, "abort")):
        recorders = [Recorder(), Recorder()]
        try:
            with Sinks(RATE) as sinks:
                assert not sinks
                for sink in recorders:
                    sinks.add(sink)
                assert sinks
                sinks.pause(1)  # ignored before the first audio
                sinks.write(noise(5))
                sinks.pause(0.5)
                if error:
                    raise error
        except KeyboardInterrupt:
            pass
        assert [sink.log for sink in recorders] == [[5, 8000, end]] * 2


def test_interrupting_the_final_wait_stops_playback_and_keeps_finished_files():
    class Waiting(Recorder):
        def close(self) -> None:
            raise KeyboardInterrupt

    card, file = Waiting(), Recorder()
    with pytest.raises(KeyboardInterrupt), Sinks(RATE) as sinks:
        sinks.add(card)
        sinks.add(file)
        sinks.write(noise(5))
    assert (card.log, file.log) == ([5, "abort"], [5, "close"])


def test_importing_needs_no_audio_library(repository):
    assert (
        "import sounddevice"
        not in Path(repository, "cloning/playback.py").read_text().split("def load_audio_library")[0]
    )
