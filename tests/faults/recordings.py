"""Read mutated recordings: `python -m tests.faults.recordings --count 2000`.

Recordings of seven formats are changed in bits, bytes, blocks and sizes, cut short and joined. Each is read as a
reference clip, and its header as preprocessing does.
"""

from __future__ import annotations

import functools
import random
from pathlib import Path

from tests.faults.harness import Findings, cases, fresh, main, run_case
from tests.faults.mutations import mutated

FORMATS = ("wav", "flac", "ogg", "mp3", "m4a", "aac", "webm")


def make_recordings(folder: Path) -> dict[str, bytes]:
    """Two seconds of harmonics in each format."""
    import numpy as np
    import soundfile

    from tests.speech.clips import write_with_av
    from tests.toy_models import speech_like

    wav = speech_like(2.0)
    recordings = {}
    for name in FORMATS:
        path = folder / f"clip.{name}"
        if name in ("m4a", "aac", "webm"):
            codec, container, rate = {
                "m4a": ("aac", "mp4", 16_000), "aac": ("aac", "adts", 16_000), "webm": ("libopus", "webm", 48_000),
            }[name]  # fmt: skip
            samples = np.repeat(wav, rate // 16_000)[None]
            write_with_av(path, codec, rate, "mono", container, samples)
        else:
            soundfile.write(path, wav, 16_000)
        recordings[name] = path.read_bytes()
    return recordings


def read(path: Path) -> None:
    """As reference clips and preprocessing read it. Raises: AudioError."""
    import numpy as np

    from corpora.headers import read_headers
    from speech.audio import read_audio

    read_headers([path])
    wav = read_audio(path)
    assert wav.dtype == np.float32 and wav.ndim == 1 and len(wav) and np.isfinite(wav).all() and abs(wav).max() <= 1


def check(count: int, seed: int, folder: Path) -> Findings:
    findings, rng = Findings("mutated recordings"), random.Random(seed)
    recordings = make_recordings(fresh(folder, "whole"))
    for content in recordings.values():
        path = fresh(folder, "case") / "clip"
        path.write_bytes(content)
        read(path)
    for number in cases(count):
        name = FORMATS[number % len(FORMATS)]
        other = recordings[rng.choice(FORMATS)]
        path = fresh(folder, "case") / f"clip.{rng.choice((name, name, name, *FORMATS))}"
        path.write_bytes(mutated(recordings[name], rng, other))
        outcome = run_case(functools.partial(read, path), path.parent)
        findings.add(outcome.result, *[f"{fault} ({name}, case {number}, seed {seed})" for fault in outcome.faults])
    return findings


if __name__ == "__main__":
    main(check, 2000, __doc__)
