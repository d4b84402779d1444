"""A made-up sound library with inputs and outputs, in the shape of `sounddevice`."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.fakes import FakeSound

DEVICES = (
    {"name": "built-in", "max_input_channels": 2, "max_output_channels": 2, "default_samplerate": 44_100.0},
    {"name": "monitor", "max_input_channels": 0, "max_output_channels": 2, "default_samplerate": 48_000.0},
    {"name": "headset", "max_input_channels": 1, "max_output_channels": 1, "default_samplerate": 16_000.0},
)


class FakeDevices(FakeSound):
    """Several devices; the microphone delivers `signal` over and over, much faster than time passes.

    Args:
        signal: float32 [samples] that the microphone hears.
        input_rate: the only rate in Hz at which it records; 0 for any.
        broken: the microphone cannot be opened.

    Attributes:
        asked_for: devices that streams were opened on, None for the usual one.
    """

    def __init__(
        self, signal: np.ndarray | None = None, input_rate: int = 0, broken: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.signal = np.zeros(1600, np.float32) if signal is None else np.asarray(signal, np.float32)
        self.input_rate, self.broken = input_rate, broken
        self.asked_for: list[Any] = []
        self.inputs: list[FakeMicrophone] = []

    def query_devices(self, device: Any = None, kind: str | None = None) -> Any:  # type: ignore[override]
        if not self.devices:
            raise self.PortAudioError("Error querying device -1")
        if device is None and kind is None:
            return DEVICES
        if device is None:
            rate = self.input_rate if kind == "input" else self.rate
            return {**DEVICES[2], "index": 2, "default_samplerate": float(rate or 44_100)}
        found = [one for number, one in enumerate(DEVICES) if device in (number, one["name"])]
        if not found or not found[0][f"max_{kind}_channels"]:
            raise ValueError(f"No {kind} device matching {device!r}")
        return found[0]

    def check_output_settings(self, samplerate: int, channels: int, dtype: str, device: Any = None) -> None:
        super().check_output_settings(samplerate, channels, dtype)

    def OutputStream(self, device: Any = None, **options: Any) -> Any:
        self.asked_for.append(device)
        return super().OutputStream(**options)

    def check_input_settings(self, samplerate: int, channels: int, dtype: str, device: Any = None) -> None:
        if self.input_rate not in (0, samplerate):
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    def InputStream(self, device: Any = None, **options: Any) -> FakeMicrophone:
        self.asked_for.append(device)
        if self.broken:
            raise self.PortAudioError("Error opening InputStream: Device unavailable [PaErrorCode -9985]")
        self.inputs.append(FakeMicrophone(self, SimpleNamespace(**options)))
        return self.inputs[-1]


class FakeMicrophone:
    def __init__(self, sound: FakeDevices, options: SimpleNamespace) -> None:
        self.sound, self.options = sound, options
        self.stopping, self.delivered = threading.Event(), 0
        self.muted = False
        self.thread = threading.Thread(target=self._record, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def _record(self) -> None:
        block = self.options.samplerate // 100
        while not self.stopping.is_set():
            places = (self.delivered + np.arange(block)) % len(self.sound.signal)
            heard = self.sound.signal[places] * (0 if self.muted else 1)
            self.delivered += block
            self.options.callback(heard[:, None].astype(np.float32), block, None, None)
            time.sleep(0.0005)
        self.options.finished_callback()

    def unplug(self) -> None:
        """The device goes away in the midst of it."""
        self.stopping.set()
        self.thread.join(5)

    def abort(self) -> None:
        self.stopping.set()

    def close(self) -> None:
        self.thread.join(5)


def wait_until(happened: Any, seconds: float = 10.0) -> None:
    """Raises: AssertionError if it does not happen in time."""
    ends = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < ends, "it did not happen in time"
        time.sleep(0.002)
