"""Forced alignment, and segmentation at pauses."""

from itertools import pairwise

import numpy as np
import pytest

from speech import alignment
from speech.alignment import (
    Phone,
    Word,
    align_phones,
    align_words,
    fallback_phones,
    phone_per_frame,
    split_at_silences,
)
from speech.audio import SAMPLE_RATE, read_audio
from speech.errors import AudioError


def spoken(*words: tuple[str, float, float]) -> list[Word]:
    """Words of (text, duration, pause after it) in seconds, from 0.5 s on."""
    result, time = [], 0.5
    for text, duration, pause in words:
        result.append(Word(text, time, time + duration))
        time += duration + pause
    return result


def split(words: list[Word], monkeypatch: pytest.MonkeyPatch) -> list[alignment.Segment]:
    monkeypatch.setattr(alignment, "align_words", lambda wav, text: words)
    wav = np.zeros(int((words[-1].end + 0.5) * SAMPLE_RATE), np.float32)
    return split_at_silences(wav, " ".join(word.word for word in words))


def test_long_pauses_are_cuts_and_short_ones_commas(monkeypatch):
    words = spoken(("one", 1.0, 0.2), ("two", 1.0, 0.5), ("three", 1.0, 0.0), ("four!", 1.0, 0.0))
    first, second = split(words, monkeypatch)
    assert (first.text, second.text) == ("one, two,", "three four!")
    assert (first.start, first.end) == pytest.approx((0.42, 2.78))
    assert second.words[0].start == pytest.approx(0.08)


def test_no_segment_is_too_short(monkeypatch):
    words = spoken(("one", 1.0, 0.5), ("two", 1.0, 0.0), ("three", 1.0, 0.0))
    (segment,) = split(words, monkeypatch)
    assert segment.text == "one, two three."


def test_long_segments_are_also_cut_at_short_pauses(monkeypatch):
    words = spoken(*[(f"w{k}", 1.5, 0.15 if k == 2 else 0.0) for k in range(6)])
    assert [len(segment.words) for segment in split(words, monkeypatch)] == [3, 3]


def test_a_recording_is_aligned_with_its_transcript(repository):
    pytest.importorskip("pocketsphinx")
    text = (
        "The ferry leaves the northern harbor at dawn and crosses a quiet bay. On clear mornings the passengers can "
        "watch the fishing boats return, followed by a cloud of hungry gulls."
    )
    wav = read_audio(repository / "samples" / "slt.flac")
    words = align_words(wav, text)
    assert [word.word for word in words] == text.split()
    times = np.array([(word.start, word.end) for word in words])
    assert (np.diff(times, axis=1) > 0).all() and (times[1:, 0] >= times[:-1, 1]).all() and times[-1, 1] < 10.2
    pauses = {before.word for before, after in pairwise(words) if after.start - before.end > 0.1}
    assert pauses == {"bay."}

    phones = align_phones(wav, text)
    assert [phone.phone for phone in phones[:6]] == ["DH", "AH", "F", "EH", "R", "IY"]
    assert phones[0].start == words[0].start and abs(phones[-1].end - words[-1].end) < 0.2  # the rest is silence
    assert all(after.start >= before.end > before.start for before, after in pairwise(phones))
    assert align_words(wav, text) == words
    segments = split_at_silences(wav, text)
    assert " ".join(segment.text for segment in segments) == text


def test_the_phone_at_the_centre_of_a_frame():
    phones = [Phone("A", 0.02, 0.05), Phone("B", 0.05, 0.06), Phone("C", 0.062, 0.2)]
    assert phone_per_frame(phones, 6, 0.02) == ["", "A", "B", "C", "C", "C"]
    assert phone_per_frame([], 2, 0.02) == ["", ""]


def test_phones_of_another_text_are_refused(repository):
    pytest.importorskip("pocketsphinx")
    wav = read_audio(repository / "samples" / "slt.flac")[:4000]
    with pytest.raises(AudioError, match="does not match"):
        align_phones(wav, "This sentence is far longer than a quarter of a second.")


def test_texts_that_cannot_be_aligned():
    pytest.importorskip("pocketsphinx")
    with pytest.raises(AudioError, match="empty"):
        align_words(np.zeros(0, np.float32), "hello")
    with pytest.raises(AudioError, match="does not match"):
        align_words(np.zeros(SAMPLE_RATE // 10, np.float32), "one two three four five six seven eight")


@pytest.mark.parametrize(("word", "phones"), [("shoe", "SH AA EH"), ("queen", "K W IY N"), ("", "AH"), ("'", "AH")])
def test_fallback_phones(word, phones):
    assert fallback_phones(word) == phones
