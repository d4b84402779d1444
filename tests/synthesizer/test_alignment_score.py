"""The score of an alignment finds skipped, repeated and missing text."""

import numpy as np
import pytest

from synthesizer.alignment_score import alignment_report
from tests.synthesizer.toy_decodings import along

FORWARD = np.repeat(np.arange(30), 2)


def test_alignment_in_order_is_ok():
    report = alignment_report(along(FORWARD, 30), True)
    assert report.ok
    assert report.monotonic
    assert report.reached_end
    assert (report.coverage, report.backward_jumps, report.forward_jumps) == (1.0, 0, 0)
    assert report.focus == pytest.approx(0.8, abs=0.01)


def test_fewer_steps_than_tokens_are_ok():
    """At a reduction factor of 4 a step is 50 ms and can cover several letters."""
    assert alignment_report(along(np.arange(1, 30, 2), 30, blur=0.0), True).ok


def test_small_backward_moves_are_not_repetitions():
    path = FORWARD.copy()
    path[20:40:5] -= 2
    assert alignment_report(along(path, 30), True).ok


@pytest.mark.parametrize("stopped", [True, False])
def test_stop_token_is_required(stopped):
    report = alignment_report(along(FORWARD, 30), stopped)
    assert report.monotonic
    assert report.ok is stopped


def test_each_repetition_counts_once():
    path = np.concatenate([np.arange(20), np.arange(12, 25), np.arange(15, 30)])
    report = alignment_report(along(path, 30), True)
    assert report.backward_jumps == 2
    assert not report.monotonic
    assert not report.ok
    assert report.coverage == 1.0


def test_skipped_text_is_found():
    path = np.concatenate([np.arange(10), np.arange(18, 30)])
    report = alignment_report(along(path, 30), True)
    assert report.forward_jumps == 1
    assert report.coverage == pytest.approx(24 / 30)  # eight skipped, two of them with weight from their neighbours
    assert not report.ok


def test_skipped_start_is_found():
    report = alignment_report(along(np.arange(8, 30), 30), True)
    assert report.forward_jumps == 1
    assert report.coverage < 0.8


def test_missing_end_is_found():
    report = alignment_report(along(np.arange(20), 30), True)
    assert not report.reached_end
    assert not report.ok


def test_uniform_attention_fails():
    report = alignment_report(np.full((30, 60), 1 / 30), True)
    assert report.focus == pytest.approx(1 / 30)
    assert not report.ok


def test_pauses_between_sentences_are_ignored():
    first, second = along(FORWARD, 30), along(FORWARD, 30)
    joined = np.zeros((60, 125))
    joined[:30, :60], joined[30:, 65:] = first, second
    assert alignment_report(joined, True).ok


@pytest.mark.parametrize("shape", [(0, 0), (0, 5), (5, 0), (5, 7)])
def test_empty_alignment_fails(shape):
    report = alignment_report(np.zeros(shape), True)
    assert not report.ok
    assert report.coverage == 0


def test_wrong_shape_is_refused():
    with pytest.raises(ValueError, match="tokens, steps"):
        alignment_report(np.zeros(5), True)


def test_nan_fails():
    assert not alignment_report(np.full((30, 60), np.nan), True).ok
