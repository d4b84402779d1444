import numpy as np
import pytest

from speech.second_speaker import cluster_partials, find_second_speaker, format_spans, similarity_gaps
from tests.speech.clips import PARTIAL_SECONDS, STEP_SECONDS, FakePartials


@pytest.mark.parametrize(
    "voices",
    [[0] * 6 + [1] * 4, [0] * 4 + [1] * 3 + [0] * 4, [1] * 3 + [0] * 9, [0, 0, 0, 0, 1, 1] * 3],
    ids=["at the end", "in the middle", "at the beginning", "in turns"],
)
def test_spans_of_a_second_speaker(voices):
    second = find_second_speaker(FakePartials(voices, spread=0.6))
    assert second is not None and second.similarity < 0.5
    covered = np.zeros(len(voices), dtype=bool)
    for start, end in second.spans:
        middles = STEP_SECONDS * np.arange(len(voices)) + PARTIAL_SECONDS / 2
        covered |= (middles > start) & (middles < end)
    np.testing.assert_array_equal(covered, np.array(voices) == 1)


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 12, 40])
def test_one_speaker_gives_none(count):
    for seed in range(5):
        assert find_second_speaker(FakePartials([0] * count, spread=0.5, seed=seed)) is None


@pytest.mark.parametrize("voices", [[0], [0, 1], [0, 0, 1], [0, 0, 0, 0, 1]])
def test_a_single_outlier_is_not_a_speaker(voices):
    assert find_second_speaker(FakePartials(voices, spread=0.3)) is None


def test_identical_partials_are_one_speaker():
    same = FakePartials([0] * 6, spread=0.0)
    assert find_second_speaker(same) is None
    group = cluster_partials(same.embeddings)
    assert group is not None
    across, gap, _ = similarity_gaps(same.embeddings, group)
    assert across == pytest.approx(1, abs=1e-5) and gap == pytest.approx(0, abs=1e-5)


def test_a_long_clip():
    voices = [0] * 700 + [1] * 70
    second = find_second_speaker(FakePartials(voices, spread=0.5))
    assert second is not None and len(second.spans) == 1
    assert second.spans[0][0] == pytest.approx(700 * STEP_SECONDS, abs=1)


def test_format_spans():
    assert format_spans([(5.9, 11.2)]) == "from 6 s to 11 s"
    assert format_spans([(0, 0.3), (20, 24)]) == "from 0 s to 1 s and from 20 s to 24 s"
    assert format_spans([(0, 1), (3, 9), (12, 13), (20, 22), (30, 35)]) == (
        "from 3 s to 9 s, from 20 s to 22 s and from 30 s to 35 s and elsewhere"
    )
