"""Which sound devices there are."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from typing import Any

from cloning.playback import NEEDED, Direction, PlaybackError, load_sound_library


@dataclass(frozen=True)
class Device:
    """A sound device: `index` is what to give as `device`, `sample_rate` its own in Hz, `usual`: taken unasked."""

    index: int
    name: str
    channels: int
    sample_rate: int
    usual: bool


def list_devices(direction: Direction, library: Any = None, look_again: bool = False) -> list[Device]:
    """The sound devices for one direction, the usual one first. May take a second: not for a thread that draws.

    Args:
        look_again: PortAudio knows those that were there when it was loaded; load it anew, to find what was plugged in
            since. Only while nothing is played or recorded, for that ends it.
    Raises:
        PlaybackError: the package or the PortAudio library is missing, or there is no such device.
    """
    if look_again:
        _reload(library or sys.modules.get("sounddevice"))
    library = library or load_sound_library(direction)
    try:
        usual = library.query_devices(kind=direction).get("index", -1)
        listed = list(library.query_devices())
    except (library.PortAudioError, ValueError) as error:
        nothing, use = NEEDED[direction]
        raise PlaybackError(f"{nothing}, because there is no sound device for {use} here.") from error
    devices = [
        Device(index, str(about["name"]), channels, round(about["default_samplerate"]), index == usual)
        for index, about in enumerate(listed)
        if (channels := int(about[f"max_{direction}_channels"])) > 0
    ]
    return sorted(devices, key=lambda device: not device.usual)


def _reload(library: Any) -> None:
    """`sounddevice` has no public name for it."""
    if hasattr(library, "_terminate") and hasattr(library, "_initialize"):
        library._terminate()
        library._initialize()
