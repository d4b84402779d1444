"""Load damaged and hostile voice files, and save under hostile names: `python -m tests.faults.voice_files --count 300`.

A third have changed bits and bytes, a third hostile entries and tensors with a right checksum, and a third are voices
of hostile names.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import random
from pathlib import Path
from typing import Any

from tests.faults.harness import Findings, cases, fresh, main, run_case
from tests.faults.mutations import hostile_json, hostile_value, mutated
from tests.faults.works import a_voice

NAMES = ("../ann", "/tmp/ann", "..", ".", "", "con", "a/b", "a\\b", "ann\0", "ann\n", "é" * 70, "a" * 300, "-rf", "~",
         "$(id)", "\u202eann", "ann.safetensors", "a.", " ann ", "*", "ann\ud800")  # fmt: skip


def make_voice(path: Path) -> dict[str, Any]:
    """Save a voice; its tensors."""
    voice = a_voice()
    voice.save(path)
    tensors: dict[str, Any] = voice.tensors()
    return tensors


def load(path: Path, whole: dict[str, Any] | None) -> None:
    """Load a voice. Raises: SpeechError; AssertionError if it is not `whole`."""
    from cloning.voices import Voice

    voice = Voice.load(path)
    repr(voice)
    if whole is not None:
        tensors = voice.tensors()
        assert all(tensors[name].tobytes() == whole[name].tobytes() for name in whole), "damage was not found"


def save(folder: Path, name: str) -> None:
    """Save a voice in a library and load it. Raises: SpeechError."""
    from cloning.voices import VoiceLibrary

    library = VoiceLibrary(folder / "voices")
    library.save(dataclasses.replace(a_voice(), name=name))
    assert library.load(name).embedding_space == "toy"


def hostile_voice(content: Path, rng: random.Random) -> bytes:
    from safetensors import safe_open

    from modelfile.checksum import save_arrays

    with safe_open(content, framework="np") as file:
        entries = dict(file.metadata())
        arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a dict
    for _ in range(rng.randint(1, 3)):
        name, tensor = rng.choice(sorted(entries)), rng.choice(sorted(arrays))
        kind = rng.randrange(4)
        if kind == 0:
            entries[name] = str(hostile_value(rng)).encode("utf-8", "replace").decode()
        elif kind == 1:
            values = entries.get("reference_mel_config", "{}")
            with_hostile = hostile_json(json.loads(values) if values.startswith("{") else {}, rng)
            entries["reference_mel_config"] = json.dumps(with_hostile)
        elif kind == 2:
            arrays[tensor] = arrays[tensor].reshape(-1)[: rng.randrange(3)]
        else:
            arrays[tensor] = (arrays[tensor] * 0).astype(rng.choice(("f8", "f4", "f2", "i1", "i8", "u4", "?")))
    return save_arrays(arrays, entries)


def check(count: int, seed: int, folder: Path) -> Findings:
    findings, rng = Findings("damaged and hostile voices"), random.Random(seed)
    original = fresh(folder, "whole") / "ann.safetensors"
    whole = make_voice(original)
    load(original, whole)
    for number in cases(count):
        here = fresh(folder, "case")
        path = here / "ann.safetensors"
        if number % 3 == 0:
            path.write_bytes(mutated(original.read_bytes(), rng))
            case = functools.partial(load, path, whole)
        elif number % 3 == 1:
            path.write_bytes(hostile_voice(original, rng))
            case = functools.partial(load, path, None)
        else:
            name = rng.choice(NAMES) if rng.random() < 0.5 else "".join(chr(rng.randrange(0x3000)) for _ in range(3))
            case = functools.partial(save, here, name)
        outcome = run_case(case, here)
        findings.add(outcome.result, *[f"{fault} (case {number}, seed {seed})" for fault in outcome.faults])
    return findings


if __name__ == "__main__":
    main(check, 300, __doc__)
