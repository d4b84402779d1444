"""Two thousand mixed lines are read without an error, and each word of them has phonemes."""

import re

import pytest

from synthesizer.synthesis import read_lines
from tests.synthesizer.text.mixed_texts import COUNT, mixed_texts


def test_the_texts_are_reproducible_and_distinct():
    texts = mixed_texts()
    assert texts == mixed_texts()
    assert len(texts) == len(set(texts)) == COUNT
    assert mixed_texts(seed=1) != texts


@pytest.mark.slow
def test_all_texts_are_read():
    for text in mixed_texts():
        for line in read_lines(text):
            assert all(word.phonemes for word in line.transcript.words), text
            assert not re.search(r"\d", re.sub(r"\{[^}]*\}", "", line.transcript.text)), text
