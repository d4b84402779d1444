"""Grapheme-to-phoneme conversion, tested on held-out words of CMUdict."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from synthesizer.text.dictionary import dictionary
from synthesizer.text.g2p import MAX_LETTERS, MODEL, predict_phonemes
from synthesizer.text.symbols import PHONEMES
from synthesizer.text.train_g2p import align, is_held_out, split_dictionary


def test_accuracy_on_held_out_words():
    _, held = split_dictionary()
    tested = random.Random(0).sample(held, 400)
    exact = sum(predict_phonemes(word) == tuple(dictionary()[word].split()) for word in tested)
    without_stress = sum(
        [p.rstrip("012") for p in predict_phonemes(word)] == [p.rstrip("012") for p in dictionary()[word].split()]
        for word in tested
    )
    assert exact / len(tested) > 0.57 and without_stress / len(tested) > 0.63


def test_every_twentieth_word_is_held_out():
    entries, held = split_dictionary()
    assert abs(len(held) / (len(entries) + len(held)) - 0.05) < 0.001
    assert is_held_out(7) and not is_held_out(8)
    assert not {word for word, _ in entries} & set(held)


def test_the_model_is_small():
    assert MODEL.stat().st_size < 700_000


@settings(max_examples=60, deadline=None)
@given(st.from_regex(r"[a-z]{1,40}", fullmatch=True))
def test_any_letters_give_one_primary_stress(word):
    phonemes = predict_phonemes(word)
    assert set(phonemes) <= set(PHONEMES)
    assert sum(p.endswith("1") for p in phonemes) == any(p[-1].isdigit() for p in phonemes)


def test_strings_without_a_pronunciation():
    assert predict_phonemes("") == predict_phonemes("a" * (MAX_LETTERS + 1)) == predict_phonemes("naïve") == ()


def test_letters_are_aligned_with_their_phonemes(monkeypatch):
    monkeypatch.setattr("synthesizer.text.train_g2p.ALIGNMENT_WORDS", 300)
    entries, _ = split_dictionary()
    some = [(w, p) for w, p in random.Random(1).sample(entries, 3000) if len(w) > 3][:400]
    aligned = align(some)
    assert len(aligned) > 350
    for graphones, (word, phonemes) in zip(align(some[:300]), some, strict=False):
        if "".join(g[0] for g in graphones) == word:
            assert tuple(" ".join(g[2:] for g in graphones).split()) == phonemes
