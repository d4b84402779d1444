"""Stand-ins for a machine's sound hardware."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np


class FakeSound:
    """What of the module `sounddevice` is used: an output device of one rate, which plays as fast as it can.

    Args:
        devices: whether there is one.
        rate: the only rate in Hz that it plays; 0 for any.
        busy: it cannot be opened.

    Attributes:
        played: all that was heard, one array for each stream.
        aborted: streams that were stopped at once.
    """

    class PortAudioError(Exception):
        pass

    class CallbackStop(Exception):
        pass

    def __init__(self, devices: bool = True, rate: int = 0, busy: bool = False) -> None:
        self.devices, self.rate, self.busy = devices, rate, busy
        self.played: list[np.ndarray] = []
        self.aborted = 0
        self.streams: list[FakeStream] = []

    def query_devices(self, kind: str) -> dict[str, Any]:
        if not self.devices:
            raise self.PortAudioError("Error querying device -1")
        return {"default_samplerate": float(self.rate or 44_100)}

    def check_output_settings(self, samplerate: int, channels: int, dtype: str) -> None:
        if self.rate not in (0, samplerate):
            raise self.PortAudioError("Invalid sample rate [PaErrorCode -9997]")

    def OutputStream(self, **options: Any) -> FakeStream:
        self.check_output_settings(options["samplerate"], options["channels"], options["dtype"])
        if self.busy:
            raise self.PortAudioError("Device unavailable [PaErrorCode -9985]")
        stream = FakeStream(self, SimpleNamespace(**options))
        self.streams.append(stream)
        return stream


class FakeStream:
    def __init__(self, sound: FakeSound, options: SimpleNamespace) -> None:
        self.sound, self.options = sound, options
        self.heard: list[np.ndarray] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._play, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def _play(self) -> None:
        block, going = np.zeros((160, 1), np.float32), True
        while going and not self.stopping.is_set():
            try:
                self.options.callback(block, len(block), None, None)
            except self.sound.CallbackStop:
                going = False
            self.heard.append(block[:, 0].copy())
            self.stopping.wait(0.0005)
        self.sound.played.append(np.concatenate(self.heard))
        self.options.finished_callback()

    def abort(self) -> None:
        self.sound.aborted += 1
        self.stopping.set()

    def close(self) -> None:
        self.thread.join(5)
