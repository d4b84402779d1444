"""Summaries of a feature store: a table to print, and statistics as JSON."""

from __future__ import annotations

import bisect
import collections
import json
import math
from collections.abc import Sequence
from typing import Any

from corpora.store import FeatureStore
from corpora.store_files import REJECTED_NAME
from speech.errors import StorageError

STATISTICS_NAME = "statistics.json"
IN_ALL = "in all"
BINS = 10
BAR = 40  # characters
STEPS = (1, 2, 5)  # widths of a histogram's bins, times a power of ten


def describe_store(store: FeatureStore) -> str:
    """A table of items, hours, speakers and splits by corpus, histograms, and reasons for utterances left out."""
    groups = _by_corpus(store)
    everything = [meta for members in groups.values() for meta in members]
    lines = [
        "",
        f"{'corpus':34} {'items':>7} {'hours':>7} {'speakers':>8} {'train':>7} {'validation':>10} {'evaluation':>10}",
    ]
    lines += [_row(corpus, groups[corpus]) for corpus in sorted(groups)]
    lines += [_row(IN_ALL, everything)]
    if everything:
        seconds, items = _seconds(everything), list(_items_by_speaker(everything).values())
        lines += ["", "seconds of an item", *_bars(seconds, _even_edges(seconds))]
        lines += ["", "items of a speaker", *_bars(items, _growing_edges(items), whole=True)]
    rejected = store.rejected()
    lines += ["", f"left out: {len(rejected)}; each with its reason in {store.directory / REJECTED_NAME}"]
    for reason, keys in _by_reason(rejected):
        lines.append(f"{len(keys):7}  {printable(reason)}, for example {printable(keys[0])}")
    if everything and not any(meta["split"] == "validation" for meta in everything):
        lines += ["", "Nothing is held out for validation: name some speakers with --validation-speakers."]
    return "\n".join(lines)


def statistics(store: FeatureStore) -> dict[str, Any]:
    """The same as numbers: sums by corpus, and the distributions of seconds and items.

    A histogram has one edge more than counts. A bin includes its lower edge, the last one its upper edge too.
    """
    groups = _by_corpus(store)
    everything = [meta for members in groups.values() for meta in members]
    by_speaker: collections.Counter[str] = collections.Counter()
    for meta in everything:
        by_speaker[meta["speaker"]] += meta.get("seconds", 0.0)
    seconds, of_speakers = _seconds(everything), list(by_speaker.values())
    items = list(_items_by_speaker(everything).values())
    return {
        "in_all": _sums(everything),
        "corpora": {corpus: _sums(groups[corpus]) for corpus in sorted(groups)},
        "seconds_of_an_item": _distribution(seconds, _even_edges(seconds)),
        "items_of_a_speaker": _distribution(items, _growing_edges(items)),
        "seconds_of_a_speaker": _distribution(of_speakers, _growing_edges(of_speakers)),
        "left_out": {reason: len(keys) for reason, keys in _by_reason(store.rejected())},
    }


def write_statistics(store: FeatureStore) -> None:
    """Write `statistics.json` into the store's folder; StorageError if that fails."""
    path = store.directory / STATISTICS_NAME
    temporary = path.with_name(f"{path.name}.tmp")
    try:
        temporary.write_text(json.dumps(statistics(store), indent=2) + "\n", encoding="ascii")
        temporary.replace(path)
    except OSError as error:
        raise StorageError(f"{path} cannot be written ({error.strerror or error}).") from error


def _by_corpus(store: FeatureStore) -> dict[str, list[dict[str, Any]]]:
    groups: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for meta in map(store.meta, range(len(store))):
        groups[meta["corpus"]].append(meta)
    return groups


def _by_reason(rejected: list[tuple[str, str]]) -> list[tuple[str, list[str]]]:
    """Keys by reason, the most frequent reason first; details in brackets are removed."""
    reasons: dict[str, list[str]] = collections.defaultdict(list)
    for key, reason in rejected:
        reasons[reason.split(" (")[0]].append(key)
    return sorted(reasons.items(), key=lambda item: -len(item[1]))


def _seconds(members: list[dict[str, Any]]) -> list[float]:
    return [meta.get("seconds", 0.0) for meta in members]


def _items_by_speaker(members: list[dict[str, Any]]) -> collections.Counter[str]:
    return collections.Counter(meta["speaker"] for meta in members)


def _sums(members: list[dict[str, Any]]) -> dict[str, Any]:
    splits = collections.Counter(meta["split"] for meta in members)
    return {
        "items": len(members),
        "hours": round(sum(_seconds(members)) / 3600, 4),
        "speakers": len(_items_by_speaker(members)),
        **{split: splits[split] for split in ("train", "validation", "evaluation")},
    }


def _row(name: str, members: list[dict[str, Any]]) -> str:
    sums = _sums(members)
    counts = f"{sums['train']:7} {sums['validation']:10} {sums['evaluation']:10}"
    return f"{printable(name):34} {sums['items']:7} {sums['hours']:7.2f} {sums['speakers']:8} {counts}"


def _distribution(values: Sequence[float], edges: Sequence[float]) -> dict[str, Any]:
    if not values:
        return {"minimum": None, "median": None, "mean": None, "maximum": None, "edges": [], "counts": []}
    ordered = sorted(values)
    return {
        "minimum": round(ordered[0], 3),
        "median": round((ordered[(len(ordered) - 1) // 2] + ordered[len(ordered) // 2]) / 2, 3),
        "mean": round(sum(ordered) / len(ordered), 3),
        "maximum": round(ordered[-1], 3),
        "edges": list(edges),
        "counts": _counts(values, edges),
    }


def _even_edges(values: Sequence[float]) -> list[float]:
    """At most `BINS` bins of a round width, and one more for the largest values."""
    if not values:
        return [0.0, 1.0]
    ordered = sorted(values)
    top = max(ordered[int(0.99 * (len(ordered) - 1))], 1e-3)
    power = 10.0 ** math.floor(math.log10(top / BINS))
    width = next(step * power for step in (*STEPS, 10) if step * power * BINS >= top)
    first = int(ordered[0] / width)
    edges = [round(number * width, 6) for number in range(first, max(math.ceil(top / width), first + 1) + 1)]
    return edges if ordered[-1] <= edges[-1] else [*edges, math.ceil(ordered[-1])]


def _growing_edges(values: Sequence[float]) -> list[float]:
    """0, 1, 2, 5, 10, 20, 50 and so on, as far as the values need them."""
    edges = [0.0, 1.0]
    while edges[-1] <= max(values, default=0):
        number = len(edges) - 1
        edges.append(STEPS[number % len(STEPS)] * 10.0 ** (number // len(STEPS)))
    return edges[bisect.bisect_right(edges, min(values, default=0)) - 1 :]


def _counts(values: Sequence[float], edges: Sequence[float]) -> list[int]:
    counts = [0] * (len(edges) - 1)
    for value in values:
        counts[min(max(bisect.bisect_right(edges, value) - 1, 0), len(counts) - 1)] += 1
    return counts


def _bars(values: Sequence[float], edges: Sequence[float], whole: bool = False) -> list[str]:
    """A line for each bin. Bins of whole numbers are named by their last number, others by their upper edge."""
    counts = _counts(values, edges)
    scale = BAR / max(counts)
    lines = []
    for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True):
        last = high - whole
        name = f"{low:g}" if last == low else f"{low:g} to {last:g}"
        lines.append(f"{name:>16} {count:7} {'#' * math.ceil(count * scale)}".rstrip())
    return lines


def printable(text: str) -> str:
    """Text with escapes for characters that a terminal cannot show, which file names may contain."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
