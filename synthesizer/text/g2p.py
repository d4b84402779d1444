"""Pronunciations of words that no dictionary has, guessed from their letters by a model that was learnt from CMUdict.

The model is an n-gram model over pairs of a letter and its phonemes (Bisani and Ney, 2008), made by
`synthesizer.text.train_g2p`; a beam search finds the most probable row of pairs that spells the word.
"""

import functools
import math
from collections import defaultdict
from pathlib import Path
from typing import NamedTuple

import numpy as np

MODEL = Path(__file__).with_suffix(".npz")
STEP = 1 / 16  # of stored logarithms
BEAM = 12
LONGEST = 60  # letters; what is longer is keyboard noise

_BEGIN, _END = 0, 1  # symbols before the first and behind the last letter


class _Model(NamedTuple):
    """The tree of n-grams, its nodes in one row: the root is node 0.

    Attributes:
        child: of ``node << 16 | symbol``.
        probability, backoff: natural logarithms, by node.
        readings: for each letter its symbols with their phonemes.
    """

    child: dict[int, int]
    probability: list[float]
    backoff: list[float]
    readings: dict[str, list[tuple[int, tuple[str, ...]]]]
    order: int


@functools.cache
def _model() -> _Model:
    with np.load(MODEL) as arrays:
        graphones = arrays["graphones"].tobytes().decode().split("\n")
        order = sum(name.startswith("symbol") for name in arrays.files)
        keys, logs, backs = [], [np.zeros(1)], [np.zeros(1)]
        first_parent, first = 0, 1
        for level in range(1, order + 1):
            children, symbols = arrays[f"children{level}"], arrays[f"symbol{level}"]
            parents = first_parent + np.repeat(np.arange(len(children), dtype=np.int64), children)
            keys.append(parents << 16 | symbols)
            logs.append(arrays[f"probability{level}"] * -STEP)
            backs.append(arrays[f"backoff{level}"] * STEP)
            first_parent, first = first, first + len(symbols)
    every = np.concatenate(keys).tolist()
    readings = defaultdict(list)
    for symbol, graphone in enumerate(graphones):
        letter, bar, phonemes = graphone.partition("|")
        if bar:
            readings[letter].append((symbol, tuple(phonemes.split())))
    probability, backoff = np.concatenate(logs).tolist(), np.concatenate(backs).tolist()
    return _Model(dict(zip(every, range(1, first), strict=True)), probability, backoff, dict(readings), order)


def _step(model: _Model, suffixes: tuple[int, ...], symbol: int) -> tuple[float, tuple[int, ...]]:
    """Log probability of a symbol behind a history, whose suffixes are nodes, longest first; and the new suffixes."""
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
    """The most probable phonemes of a word, with stress.

    Args:
        word: letters a to z, in small letters.

    Returns:
        ARPABET with exactly one primary stress where there is a vowel; empty for words without a reading, such as those
        longer than `LONGEST` letters.
    """
    model = _model()
    if not word or len(word) > LONGEST or any(letter not in model.readings for letter in word):
        return ()
    _, begin = _step(model, (0,), _BEGIN)
    hypotheses: list[tuple[float, tuple[int, ...], tuple[str, ...]]] = [(0.0, begin, ())]
    for letter in word:
        best: dict[tuple[tuple[int, ...], tuple[str, ...]], float] = {}
        for score, suffixes, phonemes in hypotheses:
            for symbol, piece in model.readings[letter]:
                gain, after = _step(model, suffixes, symbol)
                key = (after, phonemes + piece)
                if score + gain > best.get(key, -math.inf):
                    best[key] = score + gain
        ranked = sorted(((s, *key) for key, s in best.items()), key=lambda h: (-h[0], h[2]))
        hypotheses = ranked[:BEAM]
    total: dict[tuple[str, ...], float] = defaultdict(float)
    for score, suffixes, phonemes in hypotheses:
        total[phonemes] += math.exp(max(-600.0, score + _step(model, suffixes, _END)[0]))
    readings = sorted((p for p in total if p), key=lambda p: -total[p])
    stressed = [p for p in readings if sum(phoneme.endswith("1") for phoneme in p) == 1]
    return stressed[0] if stressed else _with_one_stress(readings[0]) if readings else ()


def _with_one_stress(phonemes: tuple[str, ...]) -> tuple[str, ...]:
    """Keeps the first primary stress, or makes one of the strongest and earliest vowel."""
    vowels = [i for i, phoneme in enumerate(phonemes) if phoneme[-1].isdigit()]
    if not vowels:
        return phonemes
    for stress in "120":
        if marked := [i for i in vowels if phonemes[i].endswith(stress)]:
            chosen = marked[0]
            break
    weaker = (p[:-1] + "2" if p.endswith("1") else p for p in phonemes)
    return tuple(phonemes[i][:-1] + "1" if i == chosen else p for i, p in enumerate(weaker))
