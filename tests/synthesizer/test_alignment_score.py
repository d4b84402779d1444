import numpy as np
import pytest

from synthesizer.alignment_score import alignment_report


def along(path, tokens: int, blur: float = 0.1) -> np.ndarray:
    """An alignment whose peak follows a path, with some weight on the neighbours: [tokens, steps]."""
    distance = np.abs(np.arange(tokens)[:, None] - np.asarray(path)[None, :])
    weights = np.where(distance == 0, 1 - 2 * blur, np.where(distance == 1, blur, 0.0))
    return weights / weights.sum(axis=0)


FORWARD = np.repeat(np.arange(30), 2)


def test_reading_once_in_order_is_fine():
    report = alignment_report(along(FORWARD, 30), True)
    assert report.ok
    assert report.monotonic
    assert report.reached_end
    assert (report.coverage, report.backward_jumps, report.forward_jumps) == (1.0, 0, 0)
    assert report.focus == pytest.approx(0.8, abs=0.01)


def test_fewer_steps_than_tokens_are_fine():
    """At a reduction factor of 4 a step is 50 ms, and the attention passes over letters."""
    assert alignment_report(along(np.arange(1, 30, 2), 30, blur=0.0), True).ok


def test_trembling_is_no_repetition():
    path = FORWARD.copy()
    path[20:40:5] -= 2
    assert alignment_report(along(path, 30), True).ok


@pytest.mark.parametrize("stopped", [True, False])
def test_the_stop_token_is_asked_for(stopped):
    report = alignment_report(along(FORWARD, 30), stopped)
    assert report.monotonic
    assert report.ok is stopped


def test_repeating_is_found_and_counted_once_a_time():
    path = np.concatenate([np.arange(20), np.arange(12, 25), np.arange(15, 30)])
    report = alignment_report(along(path, 30), True)
    assert report.backward_jumps == 2
    assert not report.monotonic
    assert not report.ok
    assert report.coverage == 1.0


def test_skipping_is_found():
    path = np.concatenate([np.arange(10), np.arange(18, 30)])
    report = alignment_report(along(path, 30), True)
    assert report.forward_jumps == 1
    assert report.coverage == pytest.approx(24 / 30)  # eight skipped, two of them brushed by their neighbours
    assert not report.ok


def test_skipping_the_start_is_found():
    report = alignment_report(along(np.arange(8, 30), 30), True)
    assert report.forward_jumps == 1
    assert report.coverage < 0.8


def test_not_reaching_the_end_is_found():
    report = alignment_report(along(np.arange(20), 30), True)
    assert not report.reached_end
    assert not report.ok


def test_an_even_blur_is_no_reading():
    report = alignment_report(np.full((30, 60), 1 / 30), True)
    assert report.focus == pytest.approx(1 / 30)
    assert not report.ok


def test_pauses_between_joined_sentences_do_not_count():
    first, second = along(FORWARD, 30), along(FORWARD, 30)
    joined = np.zeros((60, 125))
    joined[:30, :60], joined[30:, 65:] = first, second
    assert alignment_report(joined, True).ok


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (5, 7)])
def test_nothing_was_attended_to(shape):
    report = alignment_report(np.zeros(shape), True)
    assert not report.ok
    assert report.coverage == 0


def test_not_an_alignment():
    with pytest.raises(ValueError, match="tokens, steps"):
        alignment_report(np.zeros(5), True)


def test_values_that_are_no_numbers_do_not_pass():
    assert not alignment_report(np.full((30, 60), np.nan), True).ok
