"""Lists of audio devices, read in the background because drivers may be slow."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtWidgets import QComboBox

from cloning.playback import PlaybackError
from speech.errors import one_line
from toolbox.audio.devices import Device, list_devices
from toolbox.state.session import Session

SYSTEM_DEFAULT = "System default"
STILL_WORKS = {
    "output": "Speech can still be generated, viewed and exported.",
    "input": "Voices can still be opened from files.",
}


def fill_devices(
    session: Session, direction: str, box: QComboBox, report: Callable[[str], object], rescan: bool = False
) -> None:
    """Fill a list with the devices for "output" or "input", and select the one of the preferences.

    Args:
        report: called with a sentence about what is missing and what still works.
        rescan: also find devices that were connected since the start. This ends playback and recording.
    """
    library = session.audio_library

    def find(_context: object) -> list[Device] | str:
        try:
            return list_devices(direction, library, rescan)  # type: ignore[arg-type]
        except PlaybackError as error:
            return one_line(error)

    def found(devices: list[Device] | str) -> None:
        wanted = session.preferences.get(f"{direction}_device", "")
        box.clear()
        box.addItem(SYSTEM_DEFAULT, None)
        if isinstance(devices, str):
            report(f"{devices} {STILL_WORKS[direction]}")
        else:
            for device in devices:
                box.addItem(device.name + (" (default)" if device.is_default else ""), device.name)
            box.setCurrentIndex(max(0, box.findData(wanted)) if wanted else 0)
        box.setEnabled(not isinstance(devices, str))

    session.submit("Searching for audio devices", find, found, "files", False)
