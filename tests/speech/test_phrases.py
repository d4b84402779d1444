"""Phrases of a recording."""

import numpy as np
import pytest

from speech.errors import AudioError
from speech.phrases import CELL, MOST_CELLS, phrases
from tests.toy_models import speech_like


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(16_000 * seconds), np.float32)


def test_a_pause_ends_a_phrase_and_silence_belongs_to_none():
    wav = np.concatenate([silence(1.0), speech_like(2.0), silence(1.5), speech_like(2.5), silence(1.0)])
    (first, end), (second, last) = phrases(wav)
    assert 0.5 <= first / 16_000 <= 1.1 and 2.8 <= end / 16_000 <= 3.5
    assert 4.0 <= second / 16_000 <= 4.6 and 6.8 <= last / 16_000 <= 7.5
    assert all(edge % CELL == 0 for edge in (first, end, second, last))


def test_long_speech_is_cut_where_it_is_quietest():
    wav = speech_like(20.0)
    wav[45 * CELL : 46 * CELL] = 0
    found = phrases(wav)
    assert all(0 < end - start <= MOST_CELLS * CELL for start, end in found)
    assert all(end <= start for (_, end), (start, _) in zip(found, found[1:], strict=False))
    assert 45 * CELL in [start for start, _ in found]


@pytest.mark.parametrize("wav", [silence(2.0), silence(0.05), silence(0.0)], ids=["silent", "short", "empty"])
def test_without_speech_there_is_an_error(wav):
    with pytest.raises(AudioError, match="No speech"):
        phrases(wav)
