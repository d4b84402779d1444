"""Lists of sound devices, read on another thread since a driver may take its time."""

from __future__ import annotations

from collections.abc import Callable

from PyQt5.QtWidgets import QComboBox

from cloning.playback import PlaybackError
from speech.errors import one_line
from toolbox.audio.devices import Device, list_devices
from toolbox.state.session import Session

USUAL = "Whatever the system uses"
WHAT_STILL_WORKS = {
    "output": "Sounds can still be made, looked at and exported.",
    "input": "Voices can still be opened from files.",
}


def fill_devices(
    session: Session, direction: str, box: QComboBox, tell: Callable[[str], object], then: Callable[[], object] = int
) -> None:
    """Put the devices for "output" or "input" into a list, the one of the settings marked.

    Args:
        tell: told in a sentence what is missing, and what still works.
        then: called when the list is filled.
    """
    library = session.sound

    def find(_context: object) -> list[Device] | str:
        try:
            return list_devices(direction, library)  # type: ignore[arg-type]
        except PlaybackError as error:
            return one_line(error)

    def found(devices: list[Device] | str) -> None:
        wanted = session.preferences.get(f"{direction}_device", "")
        box.clear()
        box.addItem(USUAL, None)
        if isinstance(devices, str):
            tell(f"{devices} {WHAT_STILL_WORKS[direction]}")
        else:
            for device in devices:
                box.addItem(device.name + (" (usual)" if device.usual else ""), device.name)
            place = max(0, box.findData(wanted)) if wanted else 0
            box.setCurrentIndex(place)
        box.setEnabled(not isinstance(devices, str))
        then()

    session.submit("Looking for sound devices", find, found, "files", False)
