"""Fake audio hardware."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import numpy as np


class FakeSoundDevice:
    """Replaces the module `sounddevice`: one output device, which plays as fast as it can.

    Args:
        devices: whether there is a device.
        rate: the only sample rate in Hz that it supports; 0 for any.
        busy: whether opening it fails.

    Attributes:
        played: the samples of each finished stream.
        aborted: number of streams that were aborted.
        streams: all streams that were opened.
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
    """An output stream; `blocks` are the blocks played so far, float32 [samples] each."""

    def __init__(self, library: FakeSoundDevice, options: SimpleNamespace) -> None:
        self.library, self.options = library, options
        self.blocks: list[np.ndarray] = []
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self._play, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def _play(self) -> None:
        block, running = np.zeros((160, 1), np.float32), True
        while running and not self.stopping.is_set():
            try:
                self.options.callback(block, len(block), None, None)
            except self.library.CallbackStop:
                running = False
            self.blocks.append(block[:, 0].copy())
            self.stopping.wait(0.0005)
        self.library.played.append(np.concatenate(self.blocks))
        self.options.finished_callback()

    def abort(self) -> None:
        self.library.aborted += 1
        self.stopping.set()

    def close(self) -> None:
        self.thread.join(5)
