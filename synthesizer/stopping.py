"""When free-running decoding ends: stop token, rest on the last token, limit on the length, cancellation."""

from __future__ import annotations

from collections.abc import Callable

from speech.errors import WorkCancelled
from speech.mel_config import MelConfig

STOP_LOGIT = 0.0  # a stop probability of one half
REST_SECONDS = 0.4  # attention on the end symbol for this long ends the utterance
SECONDS_PER_TOKEN = 0.2  # speech is faster than this; it bounds an utterance that never stops
EXTRA_SECONDS = 1.5

Cancelled = Callable[[], bool]


def step_limit(mel: MelConfig, reduction_factor: int, tokens: int) -> int:
    """The most decoder steps for a text of this many tokens."""
    seconds = EXTRA_SECONDS + SECONDS_PER_TOKEN * tokens
    return int(seconds * mel.frames_per_second / reduction_factor) + 1


def rest_steps(mel: MelConfig, reduction_factor: int) -> int:
    """Decoder steps of rest on the end symbol that end an utterance."""
    return max(1, round(REST_SECONDS * mel.frames_per_second / reduction_factor))


def stop_if(cancelled: Cancelled | None) -> None:
    """Raises: WorkCancelled if `cancelled` returns True."""
    if cancelled is not None and cancelled():
        raise WorkCancelled
