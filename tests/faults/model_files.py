"""Load damaged and hostile model files: `python -m tests.faults.model_files --count 900`.

A third have changed bits and bytes, a third a hostile config, and a third hostile other entries, names and shapes of
tensors. The last two have a right checksum. Damage must be found.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.harness import Findings, cases, fresh, main, run_case
from tests.faults.mutations import hostile_json, hostile_value, mutated

KINDS = ("damage", "config", "entries")


def make_models(folder: Path) -> dict[str, Path]:
    """A toy model of each family that has files."""
    from tests import toy_models
    from tests.synthesizer.tacotron1.toy import toy_synthesizer as toy_tacotron1

    for name, make in {
        "lstm": toy_models.toy_encoder,
        "tacotron": toy_models.toy_synthesizer,
        "tacotron1": toy_tacotron1,
        "wavernn": toy_models.toy_vocoder,
        "campplus": _toy_campplus,
        "spectral": _toy_spectral,
    }.items():
        make().save(folder / f"{name}.safetensors")  # type: ignore[operator]
    return {path.stem: path for path in sorted(folder.glob("*.safetensors"))}


def _toy_campplus() -> Any:
    from encoder.campplus.inference import CAMPPlusEncoder
    from encoder.campplus.model import CAMPPlusModel
    from tests.test_train_encoder import CAMPPLUS

    return CAMPPlusEncoder(CAMPPlusModel(CAMPPLUS), embedding_space="toy", licence="CC0", trained_on="nothing")


def _toy_spectral() -> Any:
    from tests.vocoder.spectral.test_training import TOY
    from vocoder.spectral.inference import SpectralVocoder
    from vocoder.spectral.model import SpectralGenerator

    return SpectralVocoder(SpectralGenerator(TOY), licence="CC0", trained_on="nothing")


def load(path: Path, whole: dict[str, Any] | None) -> None:
    """Load a model as the chain does. Raises: SpeechError; AssertionError if it is not `whole`."""
    import torch

    from modelfile.checkpoint import load_weights
    from modelfile.families import family_of
    from modelfile.header import read_header

    header = read_header(path)
    weights = load_weights(path)
    family_of(header.stage, header.kind).load(header, weights, "cpu")
    if whole is not None:
        same = weights.keys() == whole.keys() and all(torch.equal(weights[name], whole[name]) for name in whole)
        assert same, "damage was not found"


def rewritten(path: Path, change: Callable[[dict[str, str], dict[str, Any]], None]) -> bytes:
    """A model file with other entries and tensors, and a right checksum."""
    from safetensors import safe_open

    from modelfile.checksum import save_arrays

    with safe_open(path, framework="np") as file:
        entries = dict(file.metadata())
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
    change(entries, arrays)
    return save_arrays(arrays, entries)


def hostile_config(rng: random.Random, entries: dict[str, str], arrays: dict[str, Any]) -> None:
    config = hostile_json(json.loads(entries["config"]), rng, share=0.08)
    entries["config"] = json.dumps(config) if rng.random() < 0.95 else "[" * 99_999


def hostile_entries(rng: random.Random, entries: dict[str, str], arrays: dict[str, Any]) -> None:
    for _ in range(rng.randint(1, 3)):
        name, tensor = rng.choice(sorted(entries)), rng.choice(sorted(arrays))
        kind = rng.randrange(5)
        if kind == 0:
            entries[name] = str(hostile_value(rng)).encode("utf-8", "replace").decode()
        elif kind == 1:
            entries.pop(name, None)
        elif kind == 2:
            arrays[tensor] = arrays[tensor].reshape(-1)[: rng.randrange(2)]
        elif kind == 3:
            arrays[tensor + rng.choice(("", "/../x", ".levels", ".step"))] = arrays[rng.choice(sorted(arrays))]
        else:
            arrays[tensor] = (arrays[tensor] * 0).astype(rng.choice(("f8", "f4", "f2", "i1", "i8", "u4", "?")))


def check(count: int, seed: int, folder: Path) -> Findings:
    import torch

    from modelfile.checkpoint import load_weights

    torch.set_num_threads(1)
    findings, rng = Findings("damaged and hostile model files"), random.Random(seed)
    models = make_models(fresh(folder, "whole"))
    weights = {name: load_weights(path) for name, path in models.items()}
    for name, path in models.items():
        load(path, weights[name])
    names = sorted(models)
    for number in cases(count):
        name, kind = names[number % len(names)], KINDS[number // len(names) % len(KINDS)]
        path = fresh(folder, "case") / f"{name}.safetensors"
        if kind == "damage":
            content = mutated(models[name].read_bytes(), rng, models[rng.choice(names)].read_bytes())
        else:
            change = hostile_config if kind == "config" else hostile_entries
            content = rewritten(models[name], functools.partial(change, rng))
        path.write_bytes(content)
        whole = weights[name] if kind == "damage" else None
        outcome = run_case(functools.partial(load, path, whole), path.parent)
        findings.add(
            outcome.result, *[f"{fault} ({kind} of {name}, case {number}, seed {seed})" for fault in outcome.faults]
        )
    return findings


if __name__ == "__main__":
    main(check, 900, __doc__)
