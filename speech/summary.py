"""What a feature store holds and what was left out of it, in words."""

import collections
from typing import Any

from speech.features import FeatureStore

IN_ALL = "in all"


def describe_store(store: FeatureStore) -> str:
    """A table of items, hours, speakers and split sizes by corpus, then the reasons for what was left out."""
    groups: dict[str, list[dict[str, Any]]] = collections.defaultdict(list)
    for meta in map(store.meta, range(len(store))):
        groups[meta["corpus"]].append(meta)
    lines = [
        "",
        f"{'corpus':34} {'items':>7} {'hours':>7} {'speakers':>8} {'train':>7} {'validation':>10} {'evaluation':>10}",
    ]
    lines += [_row(corpus, groups[corpus]) for corpus in sorted(groups)]
    everything = [meta for members in groups.values() for meta in members]
    lines += [_row(IN_ALL, everything), ""]
    rejected = store.rejected()
    lines.append(f"left out: {len(rejected)}; each with its reason in {store.directory / 'rejected-*.jsonl'}")
    reasons: dict[str, list[str]] = collections.defaultdict(list)
    for key, reason in rejected:
        reasons[reason.split(" (")[0]].append(key)  # particulars come in brackets
    for reason, keys in sorted(reasons.items(), key=lambda item: -len(item[1])):
        lines.append(f"{len(keys):7}  {printable(reason)}, for example {printable(keys[0])}")
    if everything and not any(meta["split"] == "validation" for meta in everything):
        lines += ["", "Nothing is held out for validation: name some speakers with --validation-speakers."]
    return "\n".join(lines)


def _row(name: str, members: list[dict[str, Any]]) -> str:
    hours = sum(meta.get("seconds", 0.0) for meta in members) / 3600
    speakers = len({meta["speaker"] for meta in members})
    splits = collections.Counter(meta["split"] for meta in members)
    counts = f"{splits['train']:7} {splits['validation']:10} {splits['evaluation']:10}"
    return f"{printable(name):34} {len(members):7} {hours:7.2f} {speakers:8} {counts}"


def printable(text: str) -> str:
    """File names may hold what no terminal can show: it is written as escapes."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in text)
