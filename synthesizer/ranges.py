"""Ranges of the settings of a synthesizer, in configs and in flags. Imports no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping

from speech.errors import ConfigError

Range = tuple[float, float]


def require_range(settings: object, name: str, low: float, high: float, flags: str = "") -> None:
    """Check that a setting lies in [low, high].

    Args:
        flags: how the command line begins its flag, such as "--" or "--joint."; "" for a setting without one.

    Raises:
        ConfigError: it does not.
    """
    value = getattr(settings, name)
    if not low <= value <= high:  # also refuses NaN
        raise ConfigError(f"{_label(name, flags)} must lie in [{low:.10g}, {high:.10g}], not {value}.")


def require_ranges(settings: object, ranges: Mapping[str, Range], flags: str = "") -> None:
    """`require_range` for several settings by name."""
    for name, (low, high) in ranges.items():
        require_range(settings, name, low, high, flags)


def require_rates(settings: object, *names: str) -> None:
    """Raises: ConfigError if one of these settings is no rate in [0, 1)."""
    for name in names:
        if not 0 <= getattr(settings, name) < 1:
            raise ConfigError(f"{name} must lie in [0, 1).")


def _label(name: str, flags: str) -> str:
    return f"{flags}{name.replace('_', '-')}" if flags else name
