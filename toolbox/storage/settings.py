"""How a text is spoken, as plain values that the window shows and that files store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cloning.options import DEFAULT_LOUDNESS, LOUDNESS_RANGE
from synthesizer.options import RANGES


@dataclass(frozen=True)
class SpeechSettings:
    """The options of a request besides its seed. Defaults and ranges are those of `cloning.SpeechOptions`.

    Attributes:
        lexicon: path of a .csv file with pronunciations; "" for none.
        trim: remove long silences from the finished audio.
        loudness: in LUFS.
        watermark: add a watermark to the audio.
    """

    speed: float = 1.0
    pauses: float = 1.0
    pitch_range: float = 1.0
    lexicon: str = ""
    trim: bool = False
    loudness: float = DEFAULT_LOUDNESS
    watermark: bool = False

    def as_json(self) -> dict[str, Any]:
        """The entries of a result's card and of the preferences."""
        return {
            "speed": self.speed, "pauses": self.pauses, "pitch_range": self.pitch_range, "lexicon": self.lexicon,
            "trimmed": self.trim, "loudness": self.loudness, "watermark": self.watermark,
        }  # fmt: skip

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> SpeechSettings:
        """Settings of a file. Missing values, such as those of older files, and invalid ones take the defaults."""
        numbers = {name: _number(values.get(name), limits, 1.0) for name, limits in RANGES.items()}
        numbers["loudness"] = _number(values.get("loudness"), LOUDNESS_RANGE, DEFAULT_LOUDNESS)
        lexicon = values.get("lexicon")
        return cls(
            **numbers,
            lexicon=lexicon if isinstance(lexicon, str) else "",
            trim=values.get("trimmed") is True,
            watermark=values.get("watermark") is True,
        )

    def changes(self) -> list[str]:
        """The settings that differ from the defaults, a short phrase each."""
        phrases = {"speed": "speed", "pauses": "pauses", "pitch_range": "pitch range"}
        changed = [f"{phrase} {getattr(self, name):g}" for name, phrase in phrases.items() if getattr(self, name) != 1]
        if self.lexicon:
            changed.append(f"lexicon {Path(self.lexicon).name}")
        if self.trim:
            changed.append("silences trimmed")
        if self.loudness != DEFAULT_LOUDNESS:
            changed.append(f"{self.loudness:g} LUFS")
        if self.watermark:
            changed.append("watermark")
        return changed


DEFAULTS = SpeechSettings()


def _number(value: Any, limits: tuple[float, float], default: float) -> float:
    usable = isinstance(value, int | float) and not isinstance(value, bool) and limits[0] <= value <= limits[1]
    return float(value) if usable else default
