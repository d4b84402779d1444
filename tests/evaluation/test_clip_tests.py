from pathlib import Path

import numpy as np
import pytest

from corpora.corpus import Utterance
from evaluation.clip_tests import Condition, clip_windows, conditions, run_tests, single_recordings
from evaluation.noise import WINDOW
from evaluation.sets import Recording
from speech.vad import prepare_reference
from tests.toy_models import speech_like

CLEAN = Condition(None, None)


def recordings(speakers: str, seconds: float = 4.0):
    for number, speaker in enumerate(speakers):
        utterance = Utterance(f"c/{number}", Path(f"{number}.wav"), 0.0, seconds, speaker, "", "c")
        pitch = 90 + 40 * (ord(speaker) - ord("a"))
        yield Recording(utterance, speech_like(seconds, pitch, seed=number))


class Recorder:
    """An embedder that records its clips; a row is the number of samples and the level."""

    def __init__(self):
        self.clips = []

    def embed(self, wavs):
        self.clips += wavs
        return np.array([[len(wav), float(np.abs(wav).mean())] for wav in wavs])

    def finish(self, rows):
        return rows


class Hum:
    """A `NoiseSet` of one hum that records the keys."""

    def __init__(self):
        self.keys = []

    def segment(self, samples, key, seed=0):
        self.keys.append(key)
        return np.sqrt(2) * np.sin(2 * np.pi * 50 * np.arange(samples) / 16_000).astype(np.float32)


def test_every_length_is_tested_clean_and_at_every_ratio():
    listed = conditions((1.6,), (10.0, 0.0))
    assert [str(condition) for condition in listed] == [
        "whole, clean", "whole, noise at 10 dB", "whole, noise at 0 dB",
        "1.6 s, clean", "1.6 s, noise at 10 dB", "1.6 s, noise at 0 dB",
    ]  # fmt: skip


def test_whole_clean_clips_are_prepared_references():
    items, recorder = list(recordings("aab")), Recorder()
    tests = run_tests(items, set(), {"one": recorder}, [CLEAN], None)
    assert tests[CLEAN].speakers == ["a", "a", "b"]
    assert len(tests[CLEAN].rows["one"]) == 3
    for clip, item in zip(recorder.clips, items, strict=True):
        assert np.array_equal(clip, prepare_reference(item.wav))


def test_short_clips_have_about_the_wanted_amount_of_speech():
    recorder, short = Recorder(), Condition(1.6, None)
    tests = run_tests(recordings("aabb", 4.0), set(), {"one": recorder}, [short, Condition(30.0, None)], None)
    assert len(tests[short].speakers) == 4
    assert not tests[Condition(30.0, None)].speakers  # none is that long
    assert all(1.2 <= len(wav) / 16_000 <= 1.8 for wav in recorder.clips)


def test_all_systems_get_the_same_clips_and_again_on_repetition():
    wanted, clips = conditions((1.6,), (0.0,)), []
    for _ in range(2):
        one, two = Recorder(), Recorder()
        run_tests(recordings("aab"), set(), {"one": one, "two": two}, wanted, Hum(), seed=3)  # type: ignore[arg-type]
        assert all(np.array_equal(a, b) for a, b in zip(one.clips, two.clips, strict=True))
        clips.append(one.clips)
    assert all(np.array_equal(a, b) for a, b in zip(*clips, strict=True))


def test_noise_is_in_the_recording_before_it_is_prepared():
    items, recorder, noisy = list(recordings("ab")), Recorder(), Condition(None, 0.0)
    hum = Hum()
    run_tests(items, set(), {"one": recorder}, [noisy], hum)  # type: ignore[arg-type]
    assert hum.keys == ["c/0#0", "c/1#0"]
    for clip in recorder.clips:
        spectrum = np.abs(np.fft.rfft(clip))
        assert np.argmax(spectrum) == pytest.approx(50 * len(clip) / 16_000, abs=1)  # the hum is louder than any tone


def test_one_recording_of_a_speaker_is_cut_into_parts():
    items = list(recordings("aab", 8.0))
    single = single_recordings((item.utterance.speaker, item.utterance.key) for item in items)
    assert single == {"b"}
    tests = run_tests(items, single, {"one": Recorder()}, [CLEAN, Condition(1.6, None)], None)
    assert tests[CLEAN].speakers == ["a", "a", "b", "b"]
    assert tests[Condition(1.6, None)].speakers.count("b") > 2
    assert tests[CLEAN].has_both_kinds


@pytest.mark.parametrize("seconds", [None, 1.6, 3.0])
@pytest.mark.parametrize("count", [60, 110, 260, 1000])
def test_parts_do_not_overlap_and_have_the_wanted_length(seconds, count):
    windows = np.arange(count) * 2
    parts = clip_windows(windows, seconds, True, "key")
    assert 0 < len(parts) <= 4 or seconds is not None
    for (_, last), (first, _) in zip(parts[:-1], parts[1:], strict=True):
        assert first > last
    for first, last in parts:
        assert 0 <= first <= last < count
        if seconds is not None:
            assert 0 <= (last - first + 1) * WINDOW - seconds * 16_000 < WINDOW


def test_a_clip_is_drawn_by_key_and_seed():
    windows = np.arange(500)
    assert clip_windows(windows, 1.6, False, "a", 1) == clip_windows(windows, 1.6, False, "a", 1)
    assert len({clip_windows(windows, 1.6, False, "a", seed)[0] for seed in range(20)}) > 10
    assert clip_windows(windows[:30], 1.6, False, "a") == []


def test_recordings_without_speech_are_reported():
    items = [*recordings("aab")]
    quiet = Recording(items[0].utterance, np.full(16_000, 1e-4, np.float32))
    rejected: dict[str, str] = {}
    tests = run_tests([*items, quiet], set(), {"one": Recorder()}, [CLEAN], None, on_reject=rejected.__setitem__)
    assert list(rejected) == ["c/0"]
    assert len(tests[CLEAN].speakers) == 3
