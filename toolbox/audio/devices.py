"""Lists of audio devices."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from cloning.playback import NEEDED, Direction, PlaybackError, load_audio_library


@dataclass(frozen=True)
class Device:
    """An audio device. Attributes: sample_rate: its default, in Hz; is_default: it is the system's default device."""

    index: int
    name: str
    channels: int
    sample_rate: int
    is_default: bool


def list_devices(direction: Direction, library: Any = None, rescan: bool = False) -> list[Device]:
    """The audio devices for one direction, the default first. May take a second: not for the GUI thread.

    Args:
        rescan: reload PortAudio, which otherwise lists only the devices that were connected when it was loaded.
            This ends playback and recording.
    Raises:
        PlaybackError: the package, the PortAudio library or a device is missing.
    """
    if rescan:
        _reload(library or sys.modules.get("sounddevice"))
    library = library or load_audio_library(direction)
    try:
        default = library.query_devices(kind=direction).get("index", -1)
        listed = list(library.query_devices())
    except (library.PortAudioError, ValueError) as error:
        failure, use = NEEDED[direction]
        raise PlaybackError(f"{failure}, because there is no audio device for {use} here.") from error
    devices = [
        Device(index, str(about["name"]), channels, round(about["default_samplerate"]), index == default)
        for index, about in enumerate(listed)
        if (channels := int(about[f"max_{direction}_channels"])) > 0
    ]
    return sorted(devices, key=lambda device: not device.is_default)


def _reload(library: Any) -> None:
    """`sounddevice` has no public function for this."""
    if hasattr(library, "_terminate") and hasattr(library, "_initialize"):
        library._terminate()
        library._initialize()
