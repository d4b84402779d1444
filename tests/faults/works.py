"""Work that the fault scripts interrupt: toy trainings, preprocessing, a batch of texts, a saved voice."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.harness import fresh, quiet

TRAININGS = ("encoder", "synthesizer", "wavernn", "spectral")
STAGES = (*TRAININGS, "preprocessing", "batch", "voice")


@dataclass(frozen=True)
class Work:
    """Work that can be interrupted and continued.

    Attributes:
        what: for the line of figures.
        run: does it, or continues it, in a folder.
        torn: after an interruption: a sentence for each file that is not whole.
        differences: after its end: a sentence for each difference between two folders.
    """

    what: str
    run: Callable[[Path], Any]
    torn: Callable[[Path], list[str]]
    differences: Callable[[Path, Path], list[str]]


def make_work(stage: str, folder: Path) -> Work:
    """The work of one of `STAGES`; what it reads is made in `folder`."""
    logging.disable(logging.INFO)
    if stage in TRAININGS:
        store = make_store(stage, folder)
        from tests.training.runs import differences

        return Work(f"{stage} trainings", functools.partial(train, stage, store), torn_run, differences)
    if stage == "preprocessing":
        corpus = make_corpus(folder / "toy")
        return Work("preprocessing", functools.partial(preprocess, corpus), torn_store, different_stores)
    if stage == "batch":
        return Work("batches", speak, torn_batch, different_batches)
    return Work("saved voices", save_voice, torn_voice, different_voices)


def do_once(stage: str, folder: Path) -> tuple[Work, Path]:
    """The work of one of `STAGES`, and a folder in which it was done. That also loads what the forked cases need."""
    work, whole = make_work(stage, folder / "input"), fresh(folder, "whole")
    with quiet():
        work.run(whole)
    return work, whole


# --- trainings --------------------------------------------------------------------------------------------------------


def train(stage: str, store: Path, run: Path) -> None:
    """Start a toy training, or resume it: six steps, a save every second and a validation every third."""
    from training.run_directory import RunDirectory

    changes: dict[str, Any] = {"resume": RunDirectory(run).exists(), "steps": 6, "save_every": 2, "validate_every": 3}
    changes |= {"device": "cpu", "precision": "fp32"}
    if stage == "encoder":
        import train_encoder
        from tests.test_train_encoder import flags

        train_encoder.main(flags(store, run, **changes))
    elif stage == "synthesizer":
        import train_synth
        from tests.test_train_synth import flags_for

        train_synth.main(flags_for(store, run, **changes))
    elif stage == "wavernn":
        train_wavernn(store, run, **changes)
    else:
        from tests.vocoder.spectral.test_training import train as train_spectral

        train_spectral(store, run, **changes)


def train_wavernn(store: Path, run: Path, **changes: Any) -> None:
    """With validations of a fraction of a second."""
    from unittest import mock

    from tests.test_train_vocoder import train as train_vocoder
    from vocoder.wavernn import task

    size = task.Validation(crops=4, crop_frames=2, clips=1, clip_frames=3)
    with mock.patch.object(task, "WaveRNNTask", functools.partial(task.WaveRNNTask, size=size)):
        train_vocoder(store, run, **changes)


def make_store(stage: str, folder: Path) -> Path:
    if stage == "encoder":
        from tests.test_train_encoder import fill_store

        return fill_store(folder)
    if stage == "synthesizer":
        from tests.synthesizer.toy import toy_store

        return Path(toy_store(folder).directory)
    from tests.test_train_vocoder import fill_store as fill_vocoder_store

    return fill_vocoder_store(folder)


def torn_run(run: Path) -> list[str]:
    """Files of a killed run that are not whole."""
    from modelfile.checkpoint import load_weights
    from modelfile.header import read_header
    from training.run_directory import RunDirectory, _read_state

    directory = RunDirectory(run)
    faults = []
    for path in (directory.model, directory.best, *directory.state_files()):
        try:
            if path.parent == directory.states:
                _read_state(path)
            elif path.exists():
                read_header(path)
                load_weights(path)
        except Exception as error:
            faults.append(f"torn: {path.name}: {error}")
    try:
        if directory.config.exists():
            json.loads(directory.config.read_text(encoding="utf-8"))
    except ValueError:
        faults.append("torn: config.json")
    if directory.state_files() and not (directory.best.exists() and directory.model.exists()):
        faults.append("lost: a state without a model")
    return faults


# --- preprocessing ----------------------------------------------------------------------------------------------------


def make_corpus(folder: Path) -> Path:
    """Six speakers with two clips each, and a file that is no recording."""
    import numpy as np

    from speech.audio import write_audio
    from tests.toy_models import speech_like

    for speaker in range(6):
        for clip in range(2):
            path = folder / f"s{speaker}" / f"{clip}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_audio(path, np.pad(speech_like(1.8, seed=2 * speaker + clip), 8000))
    (folder / "s1" / "broken.wav").write_bytes(b"no audio" * 100)
    return folder


def preprocess(corpus: Path, folder: Path) -> None:
    import preprocess as script

    script.main(["vocoder", str(corpus), "--out", str(folder / "store"), "--jobs", "0"])


def torn_store(folder: Path) -> list[str]:
    from corpora.store import FeatureStore

    store_folder = folder / "store"
    if not (store_folder / "store.json").exists():
        return []
    try:
        store = FeatureStore(store_folder)
        for index in range(len(store)):
            for name in store.fields:
                store.array(index, name)
    except Exception as error:
        return [f"torn: store: {error}"]
    return []


def different_stores(one: Path, two: Path) -> list[str]:
    from corpora.store import FeatureStore
    from tests.test_preprocess import same

    store, other = FeatureStore(one / "store"), FeatureStore(two / "store")
    faults = [] if same(store, other) else ["differs: the store"]
    if dict(store.rejected()) != dict(other.rejected()):
        faults.append("differs: the clips that are left out")
    return faults + [f"left over: {path.name}" for path in (one / "store").glob("*.tmp")]


# --- a batch of texts -------------------------------------------------------------------------------------------------

TEXTS = [f"Text number {number}." for number in range(6)]


def speak(folder: Path) -> None:
    """Speak six texts into the folder `out`, with a chain that generates noise in place of speech."""
    from cloning.batch import speak_batch
    from cloning.narration import Narrator
    from cloning.options import SpeechOptions
    from cloning.targets import check_batch, numbered_paths

    jobs = [*zip(TEXTS, numbered_paths(folder / "out", len(TEXTS)), strict=True)]
    check_batch(jobs, (), False)
    narrator = Narrator(NoiseCloner(), a_voice(), SpeechOptions(seed=7))  # type: ignore[arg-type]
    speak_batch(narrator, [*jobs], None, overwrite=False)


class NoiseCloner:
    """Replaces the models of the chain: a second of noise for each text, the same for a seed."""

    def speak(self, text: str, voice: Any, options: Any, monitor: Any) -> Any:
        import zlib

        import numpy as np

        from cloning.result import Speech

        rng = np.random.default_rng([options.seed, zlib.crc32(text.encode())])
        wav = 0.1 * rng.standard_normal(16_000).astype(np.float32)
        nothing = np.zeros((1, 1), np.float32)
        return Speech(wav, 16_000, text, options.seed, nothing, nothing, ("a",), 1.0, ())

    def similarity(self, *_: Any) -> None:
        return None


def a_voice() -> Any:
    """A voice with a reference, 10 kB."""
    import numpy as np

    from cloning.voices import Voice
    from speech.mel_config import MelConfig
    from speech.reference_mel import ReferenceMel

    reference = ReferenceMel(np.random.default_rng(0).integers(0, 256, (120, 80)).astype(np.uint8), MelConfig())
    return Voice(np.ones(16), "toy", "ann", ("a.wav",), "2026-01-01", "Ann agreed.", 200.0, reference)


def torn_batch(folder: Path) -> list[str]:
    import soundfile

    faults = []
    for path in sorted((folder / "out").glob("*.wav")):
        try:
            if soundfile.info(str(path)).frames != 16_000:
                faults.append(f"torn: {path.name}")
        except soundfile.SoundFileError as error:
            faults.append(f"torn: {path.name}: {error}")
    manifest = folder / "out" / "manifest.json"
    if manifest.exists():
        with contextlib.suppress(ValueError):
            json.loads(manifest.read_text(encoding="utf-8"))
            return faults
        faults.append("torn: manifest.json")
    return faults


def different_batches(one: Path, two: Path) -> list[str]:
    """Files and entries are the same and in order; nothing else is in the folder."""
    names, expected = ({path.name for path in (folder / "out").iterdir()} for folder in (one, two))
    faults = [f"differs: the files {sorted(names ^ expected)}"] if names != expected else []
    for name in sorted(names & expected):
        first, second = ((folder / "out" / name).read_bytes() for folder in (one, two))
        if name.endswith(".json"):
            contents = [json.loads(content) for content in (first, second)]
            if contents[0] != contents[1]:
                faults.append(f"differs: {name}")
        elif _samples(one / "out" / name) != _samples(two / "out" / name):
            faults.append(f"differs: {name}")
    return faults


def _samples(path: Path) -> bytes:
    import soundfile

    return bytes(soundfile.read(str(path), dtype="int16")[0].tobytes())


# --- a voice ----------------------------------------------------------------------------------------------------------


def save_voice(folder: Path) -> None:
    """Save a voice, and then save it again with another note."""
    import dataclasses

    from cloning.voices import VoiceLibrary

    library = VoiceLibrary(folder / "voices")
    for consent in ("", "Ann agreed."):
        library.save(dataclasses.replace(a_voice(), consent=consent), overwrite=True)


def torn_voice(folder: Path) -> list[str]:
    from cloning.voices import VoiceLibrary

    library = VoiceLibrary(folder / "voices")
    try:
        for name in library.names():
            assert library.load(name).embedding_space == "toy"
    except Exception as error:
        return [f"torn: {error}"]
    return []


def different_voices(one: Path, two: Path) -> list[str]:
    from cloning.voices import Voice

    first, second = (Voice.load(folder / "voices" / "ann.safetensors") for folder in (one, two))
    same = first.header() == second.header() and first.embedding.tobytes() == second.embedding.tobytes()
    return [] if same else ["differs: the voice"]
