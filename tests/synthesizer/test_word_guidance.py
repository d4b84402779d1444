"""Attention is told which word sounds: the ranges of tokens, and the loss on what lies outside."""

import numpy as np
import torch

from synthesizer.tacotron.attention import word_guidance_loss
from synthesizer.tacotron.data import encode_words, tokens_read
from synthesizer.text.front_end import text_to_transcript
from synthesizer.text.transcript import encode


def test_symbols_are_those_of_encode_and_each_has_its_word() -> None:
    transcript = text_to_transcript("Hello, my old friend!")
    for probability in (0.0, 0.5, 1.0):
        ids, words = encode_words(transcript, probability, np.random.default_rng(3))
        expected = encode(transcript, probability, np.random.default_rng(3))
        np.testing.assert_array_equal(ids, expected)
        assert words.tolist() == sorted(words.tolist())
        assert set(words.tolist()) == {0, 1, 2, 3}


def test_steps_read_the_words_that_sound() -> None:
    words = np.array([0, 0, 0, 1, 1, 2, 2, 2])
    times = np.array([[0.0, 0.5], [0.5, 1.0], [2.0, 2.5]])  # a pause of a second after the second word
    read = tokens_read(times, words, 50, 0.05)
    assert read[0].tolist() == [0, 2]
    assert read[10].tolist() == [0, 4]  # within a tenth of a second of the border: both words
    assert read[30].tolist() == [3, 4]  # the pause belongs to the word before it
    assert read[-1].tolist() == [5, 7]
    assert (np.diff(read, axis=0) >= 0).all()


def test_times_that_do_not_fit_the_text_guide_nothing() -> None:
    read = tokens_read(np.zeros((2, 2)), np.array([0, 1, 2]), 4, 0.05)
    assert read.tolist() == [[0, 2]] * 4


def test_the_loss_is_zero_inside_and_large_outside() -> None:
    alignment = torch.zeros(1, 4, 3)
    alignment[0, 0] = 1
    inside = torch.tensor([[[0, 1], [0, 1], [0, 3]]])
    outside = torch.tensor([[[2, 3], [2, 3], [2, 3]]])
    assert word_guidance_loss(alignment, inside, torch.tensor([3])).abs() < 1e-3
    assert word_guidance_loss(alignment, outside, torch.tensor([3])) > 5
    assert word_guidance_loss(alignment, torch.stack((inside[0],)), torch.tensor([2])).abs() < 1e-3
