"""Grapheme-to-phoneme (G2P) conversion of words that no dictionary has.

A joint n-gram model over graphones, pairs of a letter and its phonemes (Bisani and Ney, 2008), trained on CMUdict by
`synthesizer.text.train_g2p`. A beam search finds the most probable graphone sequence that spells the word.
"""

import functools
import math
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

MODEL = Path(__file__).with_suffix(".npz")
LOG_STEP = 1 / 16  # quantisation step of the stored logarithms
BEAM_WIDTH = 12
MAX_LETTERS = 60  # longer strings are not words

_BEGIN, _END = 0, 1  # symbols before the first and after the last letter


class _Model(NamedTuple):
    """The n-gram tree; node 0 is the root.

    Attributes:
        child: child node of ``node << 16 | symbol``.
        probability, backoff: natural logarithms per node.
        graphones: (symbol, phonemes) of each letter.
    """

    child: dict[int, int]
    probability: list[float]
    backoff: list[float]
    graphones: dict[str, list[tuple[int, tuple[str, ...]]]]
    order: int


@functools.cache
def _model() -> _Model:
    with np.load(MODEL) as arrays:
        vocabulary = arrays["graphones"].tobytes().decode().split("\n")
        order = sum(name.startswith("symbol") for name in arrays.files)
        keys, logs, backs = [], [np.zeros(1)], [np.zeros(1)]
        first_parent, first = 0, 1
        for level in range(1, order + 1):
            children, symbols = arrays[f"children{level}"], arrays[f"symbol{level}"]
            parents = first_parent + np.repeat(np.arange(len(children), dtype=np.int64), children)
            keys.append(parents << 16 | symbols)
            logs.append(arrays[f"probability{level}"] * -LOG_STEP)
            backs.append(arrays[f"backoff{level}"] * LOG_STEP)
            first_parent, first = first, first + len(symbols)
    every = np.concatenate(keys).tolist()
    graphones = defaultdict(list)
    for symbol, graphone in enumerate(vocabulary):
        letter, bar, phonemes = graphone.partition("|")
        if bar:
            graphones[letter].append((symbol, tuple(phonemes.split())))
    probability, backoff = np.concatenate(logs).tolist(), np.concatenate(backs).tolist()
    return _Model(dict(zip(every, range(1, first), strict=True)), probability, backoff, dict(graphones), order)


def _step(model: _Model, suffixes: tuple[int, ...], symbol: int) -> tuple[float, tuple[int, ...]]:
    """Log probability of a symbol after a history, and the new history (nodes of its suffixes, longest first)."""
    score, found = 0.0, None
    after = []
    for node in suffixes:
        child = model.child.get(node << 16 | symbol)
        if child is None:
            if found is None:
                score += model.backoff[node]
            continue
        if found is None:
            found = score + model.probability[child]
        after.append(child)
    return -16.0 + score if found is None else found, (*after[-(model.order - 1) :], 0)


@functools.lru_cache(maxsize=4096)
def predict_phonemes(word: str) -> tuple[str, ...]:
    """The most probable pronunciation of a word.

    Args:
        word: letters a to z, lower case.

    Returns:
        ARPABET with exactly one primary stress if there is a vowel; empty if the model has no pronunciation, as for
        words of more than `MAX_LETTERS` letters.
    """
    model = _model()
    if not word or len(word) > MAX_LETTERS or any(letter not in model.graphones for letter in word):
        return ()
    _, begin = _step(model, (0,), _BEGIN)
    hypotheses: list[tuple[float, tuple[int, ...], tuple[str, ...]]] = [(0.0, begin, ())]
    for letter in word:
        best: dict[tuple[tuple[int, ...], tuple[str, ...]], float] = {}
        for score, suffixes, phonemes in hypotheses:
            for symbol, letter_phonemes in model.graphones[letter]:
                gain, after = _step(model, suffixes, symbol)
                key = (after, phonemes + letter_phonemes)
                if score + gain > best.get(key, -math.inf):
                    best[key] = score + gain
        ranked = sorted(((s, *key) for key, s in best.items()), key=lambda h: (-h[0], h[2]))
        hypotheses = ranked[:BEAM_WIDTH]
    total: dict[tuple[str, ...], float] = defaultdict(float)
    for score, suffixes, phonemes in hypotheses:
        total[phonemes] += math.exp(max(-600.0, score + _step(model, suffixes, _END)[0]))
    candidates = sorted((p for p in total if p), key=lambda p: -total[p])
    stressed = [p for p in candidates if sum(phoneme.endswith("1") for phoneme in p) == 1]
    return stressed[0] if stressed else _with_one_stress(candidates[0]) if candidates else ()


def _with_one_stress(phonemes: tuple[str, ...]) -> tuple[str, ...]:
    """Keep only the first primary stress; without one, stress the first vowel of the strongest kind."""
    vowels = [i for i, phoneme in enumerate(phonemes) if phoneme[-1].isdigit()]
    if not vowels:
        return phonemes
    for stress in "120":
        if marked := [i for i in vowels if phonemes[i].endswith(stress)]:
            chosen = marked[0]
            break
    weaker = (p[:-1] + "2" if p.endswith("1") else p for p in phonemes)
    return tuple(phonemes[i][:-1] + "1" if i == chosen else p for i, p in enumerate(weaker))
