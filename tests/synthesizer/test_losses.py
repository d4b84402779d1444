"""Word guidance: allowed tokens of each step, and the loss on other tokens."""

import numpy as np
import torch

from synthesizer.batches import allowed_tokens, encode_words
from synthesizer.losses import word_guidance_loss
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.transcript import encode


def test_symbols_equal_encode_and_have_their_word() -> None:
    transcript = text_to_transcript("Hello, my old friend!")
    for probability in (0.0, 0.5, 1.0):
        ids, words = encode_words(transcript, probability, np.random.default_rng(3))
        expected = encode(transcript, probability, np.random.default_rng(3))
        np.testing.assert_array_equal(ids, expected)
        assert words.tolist() == sorted(words.tolist())
        assert set(words.tolist()) == {0, 1, 2, 3}


def test_steps_allow_the_words_at_their_time() -> None:
    words = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    times = np.array([[0.0, 0.5], [0.5, 1.0], [2.0, 2.5]])  # a pause of a second after the second word
    allowed = allowed_tokens(times, words, 50, 0.05)
    assert allowed[0].tolist() == [0, 2]
    assert allowed[10].tolist() == [0, 4]  # within a tenth of a second of the boundary: both words
    assert allowed[30].tolist() == [3, 4]  # the pause belongs to the word before it
    assert allowed[-1].tolist() == [5, 7]
    assert (np.diff(allowed, axis=0) >= 0).all()


def test_times_that_do_not_fit_allow_all_tokens() -> None:
    allowed = allowed_tokens(np.zeros((2, 2)), np.array([0, 1, 2]), 4, 0.05)
    assert allowed.tolist() == [[0, 2]] * 4


def test_loss_is_zero_inside_and_large_outside() -> None:
    alignment = torch.zeros(1, 4, 3)
    alignment[0, 0] = 1
    inside = torch.tensor([[[0, 1], [0, 1], [0, 3]]])
    outside = torch.tensor([[[2, 3], [2, 3], [2, 3]]])
    assert word_guidance_loss(alignment, inside, torch.tensor([3])).abs() < 1e-3
    assert word_guidance_loss(alignment, outside, torch.tensor([3])) > 5
    assert word_guidance_loss(alignment, torch.stack((inside[0],)), torch.tensor([2])).abs() < 1e-3
