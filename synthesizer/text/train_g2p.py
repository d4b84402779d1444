"""Learns the letter-to-sound model from CMUdict; ``python -m synthesizer.text.train_g2p`` makes it anew.

Each letter of a word is aligned with none, one or two phonemes by expectation maximisation; the pairs ("graphones") are
then the words of an n-gram model (Bisani and Ney, 2008, Joint-sequence models for grapheme-to-phoneme conversion), with
modified Kneser-Ney smoothing (Chen and Goodman, 1998) and without the rarest n-grams. Takes about half a minute.
"""

import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from synthesizer.text.g2p import MODEL, STEP
from synthesizer.text.pronunciation import dictionary

Phonemes = tuple[str, ...]
Ngram = tuple[int, ...]
Weights = dict[tuple[str, Phonemes], float]  # of a letter with its piece of the phonemes

ORDER = 6
FEWEST = (0, 1, 1, 2, 2, 2, 3)  # times that an n-gram of each order must occur to be kept
ALIGNED_WORDS = 20_000  # on which the alignment is learnt
ROUNDS = 7
RAREST_GRAPHONE = 5
EVERY_HELD_OUT = 20


def held_out(word_number: int) -> bool:
    """Which words, in alphabetical order, the model never sees, so that it can be tested on them."""
    return word_number % EVERY_HELD_OUT == 7


def words() -> tuple[list[tuple[str, Phonemes]], list[str]]:
    """Entries of plain letters to learn from, and the words that are held out."""
    usable = {w: p for w, p in dictionary().items() if w.isalpha() and w.isascii() and len(w) > 1}
    entries, held = [], []
    for number, word in enumerate(sorted(usable)):
        if held_out(number):
            held.append(word)
        else:
            entries.append((word, tuple(usable[word].split())))
    return entries, held


def _pieces(phonemes: Phonemes, start: int) -> Iterator[Phonemes]:
    return (phonemes[start : start + length] for length in range(3) if start + length <= len(phonemes))


def _expect(word: str, phonemes: Phonemes, weight: Weights, counts: Weights) -> None:
    """Adds to the counts how often each letter is expected to have made each piece (forward-backward)."""
    size = len(phonemes)
    forward: list[dict[int, float]] = [{0: 1.0}]
    for i, letter in enumerate(word):
        row: dict[int, float] = {}
        for start, probability in forward[i].items():
            for piece in _pieces(phonemes, start):
                end = start + len(piece)
                if size - end <= 2 * (len(word) - i - 1) and (w := weight.get((letter, piece), 0.0)):
                    row[end] = row.get(end, 0.0) + probability * w
        forward.append(row)
    total = forward[-1].get(size, 0.0)
    if not total:
        return
    backward = {size: 1.0}
    for i in range(len(word) - 1, -1, -1):
        row = {}
        for start, probability in forward[i].items():
            for piece in _pieces(phonemes, start):
                after = backward.get(start + len(piece))
                if after and (w := weight.get((word[i], piece), 0.0)):
                    row[start] = row.get(start, 0.0) + w * after
                    counts[word[i], piece] += probability * w * after / total
        backward = row


def _best_alignment(word: str, phonemes: Phonemes, weight: Weights) -> list[Phonemes] | None:
    best: list[dict[int, tuple[float, int, Phonemes]]] = [{0: (0.0, 0, ())}]
    for i, letter in enumerate(word):
        row: dict[int, tuple[float, int, Phonemes]] = {}
        for start, (score, _, _) in best[i].items():
            for piece in _pieces(phonemes, start):
                w = weight.get((letter, piece))
                end = start + len(piece)
                if w and (end not in row or row[end][0] < score + math.log(w)):
                    row[end] = (score + math.log(w), start, piece)
        best.append(row)
    end = len(phonemes)
    if end not in best[-1]:
        return None
    pieces = []
    for row in reversed(best[1:]):
        _, end, piece = row[end]
        pieces.append(piece)
    return pieces[::-1]


def _without_stress(phonemes: Phonemes) -> Phonemes:
    return tuple(phoneme.rstrip("012") for phoneme in phonemes)


def align(entries: list[tuple[str, Phonemes]]) -> list[list[str]]:
    """Graphones such as 'c|K' and 'e|' of every word that can be aligned; stress takes no part in the choice."""
    weight: Weights = defaultdict(float)
    sample = random.Random(0).sample(entries, ALIGNED_WORDS)
    for word, phonemes in sample:
        for letter in word:
            for start in range(len(phonemes)):
                for piece in _pieces(_without_stress(phonemes), start):
                    weight[letter, piece] = (0.2, 1.0, 0.05)[len(piece)]
    for _ in range(ROUNDS):
        counts: Weights = defaultdict(float)
        for word, phonemes in sample:
            _expect(word, _without_stress(phonemes), weight, counts)
        of_letter: dict[str, float] = defaultdict(float)
        for (letter, _), count in counts.items():
            of_letter[letter] += count
        weight = {pair: n / len(sample) for pair, n in counts.items() if n > 2e-4 * of_letter[pair[0]]}
    aligned = []
    for word, phonemes in entries:
        pieces = _best_alignment(word, _without_stress(phonemes), weight)
        if pieces is None:
            continue
        graphones, start = [], 0
        for letter, piece in zip(word, pieces, strict=True):
            graphones.append(f"{letter}|{' '.join(phonemes[start : start + len(piece)])}")
            start += len(piece)
        aligned.append(graphones)
    return aligned


def _count(sequences: list[Ngram]) -> list[Counter]:
    counts: list[Counter] = [Counter() for _ in range(ORDER + 1)]
    for sequence in sequences:
        for end in range(2, len(sequence) + 1):
            for order in range(1, min(ORDER, end) + 1):
                counts[order][sequence[end - order : end]] += 1
    return counts


def _kneser_ney(counts: list[Counter], vocabulary: int) -> list[dict[Ngram, float]]:
    """Interpolated probabilities of all n-grams that occur, by order."""
    adjusted = list(counts)
    for order in range(ORDER - 1, 0, -1):
        followed = Counter(ngram[1:] for ngram in counts[order + 1])
        adjusted[order] = Counter({g: n if g[0] == 0 else followed[g] for g, n in counts[order].items()})
    total = sum(adjusted[1].values())
    probability: list[dict[Ngram, float]] = [{}]
    probability.append({(i,): (adjusted[1][i,] + 0.5) / (total + 0.5 * vocabulary) for i in range(1, vocabulary + 1)})
    for order in range(2, ORDER + 1):
        of_count = Counter(adjusted[order].values())
        ratio = of_count[1] / (of_count[1] + 2 * of_count[2])
        discounts = [0.0] + [n - (n + 1) * ratio * of_count[n + 1] / of_count[n] for n in (1, 2, 3)]
        context: dict[Ngram, float] = defaultdict(float)
        freed: dict[Ngram, float] = defaultdict(float)
        for ngram, n in adjusted[order].items():
            context[ngram[:-1]] += n
            freed[ngram[:-1]] += discounts[min(n, 3)]
        shorter = probability[order - 1]
        probability.append(
            {
                g: (n - discounts[min(n, 3)] + freed[g[:-1]] * shorter[g[1:]]) / context[g[:-1]]
                for g, n in adjusted[order].items()
            }
        )
    return probability


def _prune(probability: list[dict[Ngram, float]], counts: list[Counter]) -> list[dict[Ngram, float]]:
    kept: list[dict[Ngram, float]] = [{} for _ in probability]
    needed: set[Ngram] = set()
    for order in range(ORDER, 0, -1):
        kept[order] = {
            g: p
            for g, p in probability[order].items()
            if order == 1 or counts[order][g] >= FEWEST[order] or g in needed
        }
        needed = {g[:-1] for g in kept[order]}
    return kept


def _backoffs(kept: list[dict[Ngram, float]]) -> list[dict[Ngram, float]]:
    """What a context's probability for unseen continuations is to be multiplied with, so that all sum to one."""
    backoff: list[dict[Ngram, float]] = [{} for _ in kept]

    def backed_off(ngram: Ngram) -> float:
        if ngram in kept[len(ngram)] or len(ngram) == 1:
            return kept[len(ngram)].get(ngram, 1e-9)
        return backoff[len(ngram) - 1].get(ngram[:-1], 1.0) * backed_off(ngram[1:])

    for order in range(1, ORDER):
        seen: dict[Ngram, float] = defaultdict(float)
        shorter: dict[Ngram, float] = defaultdict(float)
        for ngram, p in kept[order + 1].items():
            seen[ngram[:-1]] += p
            shorter[ngram[:-1]] += backed_off(ngram[1:])
        backoff[order] = {c: max(1e-6, 1 - seen[c]) / max(1e-6, 1 - shorter[c]) for c in seen}
    return backoff


def _save(path: Path, vocabulary: list[str], kept: list[dict[Ngram, float]], backoff: list[dict[Ngram, float]]) -> None:
    """A tree by levels: children lie side by side in the order of their parents; logarithms in steps of `STEP`."""
    arrays: dict[str, np.ndarray] = {"graphones": np.frombuffer("\n".join(vocabulary).encode(), np.uint8)}
    parents: list[Ngram] = [()]
    for order in range(1, ORDER + 1):
        nodes = sorted(kept[order] | ({(0,): 1.0} if order == 1 else {}))
        below = Counter(g[:-1] for g in nodes)
        logs = [math.log(kept[order].get(g, 1e-6)) for g in nodes]
        back = [math.log(backoff[order].get(g, 1.0)) for g in nodes]
        arrays[f"children{order}"] = np.array([below[g] for g in parents], np.uint16)
        arrays[f"symbol{order}"] = np.array([g[-1] for g in nodes], np.uint16)
        arrays[f"probability{order}"] = np.clip(np.rint(np.array(logs) / -STEP), 0, 255).astype(np.uint8)
        arrays[f"backoff{order}"] = np.clip(np.rint(np.array(back) / STEP), -128, 127).astype(np.int8)
        parents = nodes
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # its stub takes the names for options


def main() -> None:
    """Learns the model, writes it beside this file and prints how many n-grams it holds."""
    entries, held = words()
    aligned = align(entries)
    often = Counter(graphone for graphones in aligned for graphone in graphones)
    vocabulary = ["<", ">", *sorted(g for g, n in often.items() if n >= RAREST_GRAPHONE)]
    numbers = {graphone: i for i, graphone in enumerate(vocabulary)}
    sequences = [(0, *(numbers[g] for g in gs), 1) for gs in aligned if all(g in numbers for g in gs)]
    counts = _count(sequences)
    kept = _prune(_kneser_ney(counts, len(vocabulary) - 1), counts)
    _save(MODEL, vocabulary, kept, _backoffs(kept))
    print(f"{len(sequences)} words, {len(held)} held out, {sum(map(len, kept))} n-grams, {MODEL.stat().st_size} bytes")


if __name__ == "__main__":
    main()
