"""Guessed pronunciations: against words of CMUdict that the model has never seen."""

import random

from hypothesis import given, settings
from hypothesis import strategies as st

from synthesizer.text.g2p import LONGEST, MODEL, predict_phonemes
from synthesizer.text.pronunciation import dictionary
from synthesizer.text.symbols import PHONEMES
from synthesizer.text.train_g2p import align, held_out, words


def test_accuracy_on_words_that_it_has_not_seen():
    _, held = words()
    tested = random.Random(0).sample(held, 400)
    exact = sum(predict_phonemes(word) == tuple(dictionary()[word].split()) for word in tested)
    without_stress = sum(
        [p.rstrip("012") for p in predict_phonemes(word)] == [p.rstrip("012") for p in dictionary()[word].split()]
        for word in tested
    )
    assert exact / len(tested) > 0.57 and without_stress / len(tested) > 0.63


def test_every_twentieth_word_is_held_out():
    entries, held = words()
    assert abs(len(held) / (len(entries) + len(held)) - 0.05) < 0.001
    assert held_out(7) and not held_out(8)
    assert not {word for word, _ in entries} & set(held)


def test_the_model_is_small():
    assert MODEL.stat().st_size < 700_000


@settings(max_examples=60, deadline=None)
@given(st.from_regex(r"[a-z]{1,40}", fullmatch=True))
def test_any_letters_give_phonemes_with_one_stress(word):
    phonemes = predict_phonemes(word)
    assert set(phonemes) <= set(PHONEMES)
    assert sum(p.endswith("1") for p in phonemes) == any(p[-1].isdigit() for p in phonemes)


def test_what_cannot_be_sounded_out():
    assert predict_phonemes("") == predict_phonemes("a" * (LONGEST + 1)) == predict_phonemes("naïve") == ()


def test_letters_are_aligned_with_their_phonemes(monkeypatch):
    monkeypatch.setattr("synthesizer.text.train_g2p.ALIGNED_WORDS", 300)
    entries, _ = words()
    some = [(w, p) for w, p in random.Random(1).sample(entries, 3000) if len(w) > 3][:400]
    aligned = align(some)
    assert len(aligned) > 350
    for graphones, (word, phonemes) in zip(align(some[:300]), some, strict=False):
        if "".join(g[0] for g in graphones) == word:
            assert tuple(" ".join(g[2:] for g in graphones).split()) == phonemes
