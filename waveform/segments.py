"""A mel spectrogram that arrives in segments, read by frame numbers as if it were whole."""

import itertools
from collections.abc import Iterable, Iterator

import numpy as np


class MelFrames:
    """Frames of a mel whose segments are requested as they are needed.

    Args:
        segments: float32 [n_mels, frames] each, frames >= 1.

    Attributes:
        known: number of frames that have arrived.
        ended: whether these are all.
    """

    def __init__(self, segments: Iterable[np.ndarray]) -> None:
        self._segments = iter(segments)
        self._kept = np.zeros((0, 0), dtype=np.float32)
        self._first = self._needed = 0  # first frame of `_kept`, and first frame that is still read
        self.known = 0
        self.ended = False

    @classmethod
    def whole(cls, mel: np.ndarray) -> "MelFrames":
        """A mel [n_mels, frames] that is complete from the start."""
        frames = cls(())
        frames._kept, frames.known, frames.ended = mel, mel.shape[1], True
        return frames

    def has(self, frame: int) -> bool:
        """Whether the mel has a frame of this index. Requests segments until that is known."""
        while not self.ended and self.known <= frame:
            segment = next(self._segments, None)
            if segment is None:
                self.ended = True
            elif self.known == self._needed:  # nothing is kept
                self._kept, self._first = segment, self.known
                self.known += segment.shape[1]
            else:
                self._kept = np.concatenate([self._kept[:, self._needed - self._first :], segment], axis=1)
                self._first = self._needed
                self.known += segment.shape[1]
        return frame < self.known

    def read(self, start: int, stop: int) -> np.ndarray:
        """Frames [start, stop): float32 [n_mels, frames]. There are fewer where the mel ends before `stop`."""
        self.has(stop - 1)
        return self._kept[:, start - self._first : max(start, stop) - self._first]

    def forget(self, frame: int) -> None:
        """Frames before this one are not read again."""
        self._needed = min(max(self._needed, frame), self.known)

    def segments(self) -> Iterator[np.ndarray]:
        """The segments one by one, for a reader that does not need `read`."""
        while self._needed < self.known or self.has(self.known):
            yield self.read(self._needed, self.known)
            self.forget(self.known)

    def twice(self) -> tuple["MelFrames", "MelFrames"]:
        """The same frames for two readers, instead of this one. Segments are kept until both have read them."""
        first, second = itertools.tee(self.segments())
        return MelFrames(first), MelFrames(second)
