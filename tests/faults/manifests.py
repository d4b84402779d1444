"""Read hostile manifests: `python -m tests.faults.manifests --count 100 [--stage table]`.

Those of batches and their journals, the settings of runs, tables and lhotse manifests of corpora, lexica, defaults of
models folders: changed in bits and bytes, with hostile values, and with names that lead elsewhere.
"""

from __future__ import annotations

import functools
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.faults.harness import Findings, cases, fresh, main, quiet, run_case
from tests.faults.mutations import hostile_json, mutated
from tests.faults.works import speak

NAMES = ("../../../outside", "/etc/passwd", "/dev/zero", "..", "a\0b", "x" * 5000, "http://127.0.0.1:9/a", "clip.wav")


def varied(text: str, rng: random.Random) -> bytes:
    """A changed copy: of its bytes, or, where lines are JSON, of their values."""
    if rng.random() < 0.4:
        return mutated(text.encode(), rng, text.encode())
    lines = text.splitlines() if not text.startswith("{\n") else [text]
    changed = []
    for line in lines:
        try:
            changed.append(json.dumps(hostile_json(json.loads(line), rng)))
        except ValueError:
            changed.append(line.replace("clip.wav", rng.choice(NAMES)) if rng.random() < 0.5 else line)
    return "\n".join(changed).encode("utf-8", "backslashreplace") + b"\n"


# --- each takes a folder with a whole example, changes a file of it, and returns what reads it ------------------------


def batch(folder: Path, rng: random.Random) -> Callable[[], Any]:
    with quiet():
        speak(folder)
    manifest = folder / "out" / "manifest.json"
    outputs = json.loads(manifest.read_text())["outputs"]
    events = [{"batch": "0" * 16}, {"unfinished": "001.wav"}, *({"output": output} for output in outputs)]
    journal = "".join(json.dumps(event) + "\n" for event in events)
    if rng.random() < 0.5:
        (folder / "out" / ".manifest-journal").write_bytes(varied(journal, rng))
    manifest.write_bytes(varied(manifest.read_text(), rng))
    for path in sorted((folder / "out").glob("*.wav"))[rng.randrange(7) :]:
        path.unlink()
    return functools.partial(speak, folder)


def run_settings(folder: Path, rng: random.Random) -> Callable[[], Any]:
    settings = {"stage": "toy", "fit": {"steps": 3}, "command_lines": [["--steps", "3"], ["--run", "x"]]}
    (folder / "config.json").write_bytes(varied(json.dumps(settings, indent=2), rng))

    def resume() -> None:
        from training.flags import read_flags
        from training.run_directory import RunDirectory

        run = RunDirectory(folder)
        run.resume(settings)
        run.close()
        read_flags("encoder", ["--run", str(folder), "--resume"])

    return resume


def table(folder: Path, rng: random.Random) -> Callable[[], Any]:
    lines = [
        "file|speaker|text", "clip.wav|ann|one, two", 'clip.wav|"bob|three', "x/clip.wav|ann|four", "clip.wav||",
    ]  # fmt: skip
    (folder / "metadata.csv").write_bytes(varied("\n".join(lines) + "\n", rng))
    return functools.partial(read_corpus, folder)


def cuts(folder: Path, rng: random.Random) -> Callable[[], Any]:
    import lhotse  # noqa: F401 - makes folders of its own when it is imported

    recording = {"id": "r", "sources": [{"type": "file", "channels": [0], "source": "clip.wav"}],
                 "sampling_rate": 16_000, "num_samples": 16_000, "duration": 1.0}  # fmt: skip
    spoken = {"id": "s", "recording_id": "r", "start": 0.0, "duration": 0.5, "speaker": "ann", "text": "one"}
    cut = {"id": "c", "start": 0.0, "duration": 1.0, "channel": 0, "type": "MonoCut"}
    line = json.dumps({**cut, "supervisions": [spoken], "recording": recording})
    (folder / "cuts.jsonl").write_bytes(varied(f"{line}\n{line}\n", rng))
    return functools.partial(read_corpus, folder)


def lexicon(folder: Path, rng: random.Random) -> Callable[[], Any]:
    (folder / "words.csv").write_bytes(varied('word,pronunciation\nNguyen,W IH1 N\n"a b",AH0\n', rng))

    def read() -> None:
        from synthesizer.text.lexicon import read_lexicon

        read_lexicon(folder / "words.csv")

    return read


def defaults(folder: Path, rng: random.Random) -> Callable[[], Any]:
    for name in ("encoder", "synthesizer"):
        (folder / f"{name}.safetensors").write_bytes(b"")
    (folder / "defaults.json").write_bytes(varied('{"vocoder": "vocoder-clip.wav"}', rng))

    def find() -> None:
        from cloning.models import ModelFiles

        ModelFiles.find(folder)

    return find


KINDS = {"batch": batch, "run": run_settings, "table": table, "lhotse": cuts, "lexicon": lexicon, "defaults": defaults}


def read_corpus(folder: Path) -> None:
    """List a corpus and read what it lists. Raises: SpeechError."""
    from corpora.corpus import iter_utterances, read_utterance
    from speech.errors import AudioError

    for utterance in iter_utterances([folder]):
        try:
            read_utterance(utterance)
        except AudioError as error:
            print(error)


def check(count: int, seed: int, folder: Path, stage: str) -> Findings:
    import numpy as np

    from speech.audio import write_audio

    findings, rng = Findings(f"hostile manifests, {stage}"), random.Random(seed)
    if stage == "run":
        import training.run_directory  # noqa: F401 - PyTorch takes most of the memory that a case may use
    for number in cases(count):
        here = fresh(folder, "case")
        write_audio(here / "clip.wav", np.full(16_000, 0.1, np.float32))
        outcome = run_case(KINDS[stage](here, rng), here)
        findings.add(outcome.result, *[f"{fault} ({stage}, case {number}, seed {seed})" for fault in outcome.faults])
    return findings


if __name__ == "__main__":
    main(check, 100, __doc__, [*KINDS])
