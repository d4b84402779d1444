"""Training of the G2P model on CMUdict: ``python -m synthesizer.text.train_g2p`` (about 30 s).

Each letter of a word is aligned with zero to two phonemes by expectation maximisation. The pairs ("graphones") are the
vocabulary of an n-gram model (Bisani and Ney, 2008, Joint-sequence models for grapheme-to-phoneme conversion) with
modified Kneser-Ney smoothing (Chen and Goodman, 1998) and pruning of rare n-grams.
"""

import argparse
import math
import random
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from synthesizer.text.dictionary import dictionary
from synthesizer.text.g2p import LOG_STEP, MODEL

Phonemes = tuple[str, ...]
Ngram = tuple[int, ...]
Weights = dict[tuple[str, Phonemes], float]  # of a letter with its phonemes

ORDER = 6
MIN_COUNTS = (0, 1, 1, 2, 2, 2, 3)  # minimum count of an n-gram of each order
ALIGNMENT_WORDS = 20_000  # that the alignment model is trained on
EM_ITERATIONS = 7
MIN_GRAPHONE_COUNT = 5
HELD_OUT_EVERY = 20


def is_held_out(word_index: int) -> bool:
    """Whether a word, by its index in alphabetical order, is held out for testing."""
    return word_index % HELD_OUT_EVERY == 7


def split_dictionary() -> tuple[list[tuple[str, Phonemes]], list[str]]:
    """Training entries (words of plain letters only), and the held-out words."""
    usable = {w: p for w, p in dictionary().items() if w.isalpha() and w.isascii() and len(w) > 1}
    entries, held = [], []
    for number, word in enumerate(sorted(usable)):
        if is_held_out(number):
            held.append(word)
        else:
            entries.append((word, tuple(usable[word].split())))
    return entries, held


def _chunks(phonemes: Phonemes, start: int) -> Iterator[Phonemes]:
    return (phonemes[start : start + length] for length in range(3) if start + length <= len(phonemes))


def _expect(word: str, phonemes: Phonemes, weight: Weights, counts: Weights) -> None:
    """Add the expected counts of each letter with its phonemes (forward-backward algorithm)."""
    size = len(phonemes)
    forward: list[dict[int, float]] = [{0: 1.0}]
    for i, letter in enumerate(word):
        row: dict[int, float] = {}
        for start, probability in forward[i].items():
            for chunk in _chunks(phonemes, start):
                end = start + len(chunk)
                if size - end <= 2 * (len(word) - i - 1) and (w := weight.get((letter, chunk), 0.0)):
                    row[end] = row.get(end, 0.0) + probability * w
        forward.append(row)
    total = forward[-1].get(size, 0.0)
    if not total:
        return
    backward = {size: 1.0}
    for i in range(len(word) - 1, -1, -1):
        row = {}
        for start, probability in forward[i].items():
            for chunk in _chunks(phonemes, start):
                after = backward.get(start + len(chunk))
                if after and (w := weight.get((word[i], chunk), 0.0)):
                    row[start] = row.get(start, 0.0) + w * after
                    counts[word[i], chunk] += probability * w * after / total
        backward = row


def _best_alignment(word: str, phonemes: Phonemes, weight: Weights) -> list[Phonemes] | None:
    best: list[dict[int, tuple[float, int, Phonemes]]] = [{0: (0.0, 0, ())}]
    for i, letter in enumerate(word):
        row: dict[int, tuple[float, int, Phonemes]] = {}
        for start, (score, _, _) in best[i].items():
            for chunk in _chunks(phonemes, start):
                w = weight.get((letter, chunk))
                end = start + len(chunk)
                if w and (end not in row or row[end][0] < score + math.log(w)):
                    row[end] = (score + math.log(w), start, chunk)
        best.append(row)
    end = len(phonemes)
    if end not in best[-1]:
        return None
    chunks = []
    for row in reversed(best[1:]):
        _, end, chunk = row[end]
        chunks.append(chunk)
    return chunks[::-1]


def _without_stress(phonemes: Phonemes) -> Phonemes:
    return tuple(phoneme.rstrip("012") for phoneme in phonemes)


def align(entries: list[tuple[str, Phonemes]]) -> list[list[str]]:
    """Graphones such as 'c|K' and 'e|' of every word that can be aligned. The alignment ignores stress."""
    weight: Weights = defaultdict(float)
    sample = random.Random(0).sample(entries, ALIGNMENT_WORDS)
    for word, phonemes in sample:
        for letter in word:
            for start in range(len(phonemes)):
                for chunk in _chunks(_without_stress(phonemes), start):
                    weight[letter, chunk] = (0.2, 1.0, 0.05)[len(chunk)]
    for _ in range(EM_ITERATIONS):
        counts: Weights = defaultdict(float)
        for word, phonemes in sample:
            _expect(word, _without_stress(phonemes), weight, counts)
        letter_totals: dict[str, float] = defaultdict(float)
        for (letter, _), count in counts.items():
            letter_totals[letter] += count
        weight = {pair: n / len(sample) for pair, n in counts.items() if n > 2e-4 * letter_totals[pair[0]]}
    aligned = []
    for word, phonemes in entries:
        chunks = _best_alignment(word, _without_stress(phonemes), weight)
        if chunks is None:
            continue
        graphones, start = [], 0
        for letter, chunk in zip(word, chunks, strict=True):
            graphones.append(f"{letter}|{' '.join(phonemes[start : start + len(chunk)])}")
            start += len(chunk)
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
    """Interpolated Kneser-Ney probabilities of all observed n-grams, by order."""
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
            if order == 1 or counts[order][g] >= MIN_COUNTS[order] or g in needed
        }
        needed = {g[:-1] for g in kept[order]}
    return kept


def _backoffs(kept: list[dict[Ngram, float]]) -> list[dict[Ngram, float]]:
    """Backoff weights of each context, which make its probabilities sum to one."""
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
    """Store the n-gram tree by levels, children in the order of their parents, logarithms in steps of `LOG_STEP`."""
    arrays: dict[str, np.ndarray] = {"graphones": np.frombuffer("\n".join(vocabulary).encode(), np.uint8)}
    parents: list[Ngram] = [()]
    for order in range(1, ORDER + 1):
        nodes = sorted(kept[order] | ({(0,): 1.0} if order == 1 else {}))
        below = Counter(g[:-1] for g in nodes)
        logs = [math.log(kept[order].get(g, 1e-6)) for g in nodes]
        back = [math.log(backoff[order].get(g, 1.0)) for g in nodes]
        arrays[f"children{order}"] = np.array([below[g] for g in parents], np.uint16)
        arrays[f"symbol{order}"] = np.array([g[-1] for g in nodes], np.uint16)
        arrays[f"probability{order}"] = np.clip(np.rint(np.array(logs) / -LOG_STEP), 0, 255).astype(np.uint8)
        arrays[f"backoff{order}"] = np.clip(np.rint(np.array(back) / LOG_STEP), -128, 127).astype(np.int8)
        parents = nodes
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]  # the stub takes the names for options


def main() -> None:
    """Train the model, write it beside this file and print its size."""
    argparse.ArgumentParser("python -m synthesizer.text.train_g2p", description=main.__doc__).parse_args()
    entries, held = split_dictionary()
    aligned = align(entries)
    counted = Counter(graphone for graphones in aligned for graphone in graphones)
    vocabulary = ["<", ">", *sorted(g for g, n in counted.items() if n >= MIN_GRAPHONE_COUNT)]
    numbers = {graphone: i for i, graphone in enumerate(vocabulary)}
    sequences = [(0, *(numbers[g] for g in gs), 1) for gs in aligned if all(g in numbers for g in gs)]
    counts = _count(sequences)
    kept = _prune(_kneser_ney(counts, len(vocabulary) - 1), counts)
    _save(MODEL, vocabulary, kept, _backoffs(kept))
    print(f"{len(sequences)} words, {len(held)} held out, {sum(map(len, kept))} n-grams, {MODEL.stat().st_size} bytes")


if __name__ == "__main__":
    main()
