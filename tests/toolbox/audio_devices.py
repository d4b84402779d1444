"""A fake of the module `sounddevice`, with inputs and outputs."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace
from typing import Any

import numpy as np

from tests.fakes import FakeSoundDevice

DEVICES = (
    {"name": "built-in", "max_input_channels": 2, "max_output_channels": 2, "default_samplerate": 44_100.0},
    {"name": "monitor", "max_input_channels": 0, "max_output_channels": 2, "default_samplerate": 48_000.0},
    {"name": "headset", "max_input_channels": 1, "max_output_channels": 1, "default_samplerate": 16_000.0},
)


class FakeDevices(FakeSoundDevice):
    """Several devices. The microphone repeats `signal`, much faster than in real time.

    Args:
        signal: float32 [samples] that the microphone delivers.
        input_rate: the only input rate in Hz; 0 for any.
        broken: the microphone cannot be opened.

    Attributes:
        opened: devices of the streams, None for the default.
    """

    def __init__(
        self, signal: np.ndarray | None = None, input_rate: int = 0, broken: bool = False, **options: Any
    ) -> None:
        super().__init__(**options)
        self.signal = np.zeros(1600, np.float32) if signal is None else np.asarray(signal, np.float32)
        self.input_rate, self.broken = input_rate, broken
        self.opened: list[Any] = []
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
        if not self.devices:
            raise self.PortAudioError("Error opening OutputStream: Invalid device [PaErrorCode -9996]")
        self.opened.append(device)
        return super().OutputStream(**options)

    def check_input_settings(self, samplerate: int, channels: int, dtype: str, device: Any = None) -> None:
        if self.input_rate not in (0, samplerate):
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    def InputStream(self, device: Any = None, **options: Any) -> FakeMicrophone:
        self.opened.append(device)
        if self.broken:
            raise self.PortAudioError("Error opening InputStream: Device unavailable [PaErrorCode -9985]")
        self.inputs.append(FakeMicrophone(self, SimpleNamespace(**options)))
        return self.inputs[-1]


class FakeMicrophone:
    def __init__(self, library: FakeDevices, options: SimpleNamespace) -> None:
        self.library, self.options = library, options
        self.stopping, self.delivered = threading.Event(), 0
        self.thread = threading.Thread(target=self._record, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def _record(self) -> None:
        block = self.options.samplerate // 100
        while not self.stopping.is_set():
            positions = (self.delivered + np.arange(block)) % len(self.library.signal)
            samples = self.library.signal[positions]
            self.delivered += block
            self.options.callback(samples[:, None].astype(np.float32), block, None, None)
            time.sleep(0.0005)
        self.options.finished_callback()

    def unplug(self) -> None:
        """The device disappears during a recording."""
        self.stopping.set()
        self.thread.join(5)

    def abort(self) -> None:
        self.stopping.set()

    def close(self) -> None:
        self.thread.join(5)


def wait_until(condition: Any, seconds: float = 60.0) -> None:
    """Raises: AssertionError if the condition does not become true."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "the condition did not become true"
        time.sleep(0.002)


def wait_for_end(player: Any) -> None:
    """Wait until the thread of the last playback has ended."""
    wait_until(lambda: player._playback is None or player._playback.ended.is_set())
