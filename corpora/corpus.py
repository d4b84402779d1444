"""Corpora of speech on disk. Their layout is detected, in this order:

* `metadata.csv` with a header: `path,speaker,text,duration_s` (only `path` is required);
* `metadata.csv` in the format of LJ Speech: `name|text|normalised text`, the audio in `wavs/`;
* lhotse manifests: cuts, or recordings with supervisions, as every lhotse recipe writes them;
* `SV2TTS` folders that Real-Time-Voice-Cloning has preprocessed (`corpora.preprocessed`);
* Common Voice, VoxCeleb 1 and 2, VCTK, TIMIT, RAVDESS, the Speech Accent Archive, CHiME-3 and 4, or CSTR NAM TIMIT
  Plus as unpacked;
* a folder per speaker, nested to any depth, with or without a transcript beside each recording. LibriSpeech and
  LibriTTS, or a part of them, are of this layout.

The key of an utterance is the name of the corpus folder and the path of the file in it. What cannot be used is passed
to `on_reject(key, reason)`, and reading continues.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from corpora.formats import Listing, list_recordings
from corpora.headers import Header, read_headers
from corpora.manifests import MANIFEST_PATTERN, manifest_cuts, manifest_files
from corpora.preprocessed import SUFFIX, read_waveform
from corpora.recordings import Found, Labels, OnReject
from speech.audio import SAMPLE_RATE, as_wav, read_audio, resample
from speech.errors import AudioError, CorpusError
from speech.files import readable

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Utterance:
    """A recording of one speaker, or a part of one.

    Attributes:
        key: unique among all corpora read together.
        start, duration: its position in the file, in seconds.
        text: the transcript of the corpus with single spaces; "" if there is none.
        whole: it is the whole file.
        channel: the one channel to read of a file with several; None to average all.
        labels: what the corpus says about the recording, for example its emotion.
    """

    key: str
    path: Path
    start: float
    duration: float
    speaker: str
    text: str
    corpus: str
    whole: bool = True
    channel: int | None = None
    labels: Labels = ()


def iter_utterances(
    paths: Iterable[str | Path],
    on_reject: OnReject | None = None,
    *,
    listing: Listing = list_recordings,
    jobs: int = 0,
) -> Iterator[Utterance]:
    """All usable utterances of several corpora, in the order of the corpora.

    Args:
        paths: corpus folders, or lhotse manifest files.
        on_reject: called with the key and the reason for every utterance that is left out; None logs them.
        listing: reader of a folder without lhotse manifests (see `corpora.formats`).
        jobs: worker processes for files that need a decoder library; 0 opens them in this process without a time limit.

    Raises:
        CorpusError: a corpus is missing or has no usable recording, or two corpora have the same name.
    """
    on_reject = on_reject or _log_rejected
    last: list[tuple[str, str]] = []

    def reject(key: str, reason: str) -> None:
        last[:] = [(key, reason)]
        on_reject(key, reason)

    named: dict[str, Path] = {}
    for path in map(Path, paths):
        corpus = _corpus_name(path)
        if named.setdefault(corpus, path).resolve() != path.resolve():
            raise CorpusError(f"Two corpora are named {corpus} ({named[corpus]} and {path}): rename one of them.")
    for corpus, path in named.items():
        keys: set[str] = set()
        last.clear()
        for utterance in _read_corpus(path, corpus, reject, listing, jobs):
            if utterance.key in keys:
                reject(utterance.key, "the corpus lists it twice")
            else:
                keys.add(utterance.key)
                yield utterance
        if not keys:
            example = "".join(f"; for example {key} is left out: {reason}" for key, reason in last)
            raise CorpusError(f"The corpus {path} has no usable recording: see docs/training.md for layouts{example}.")


def _read_corpus(path: Path, corpus: str, reject: OnReject, listing: Listing, jobs: int) -> Iterator[Utterance]:
    folder = path.parent if path.name == "metadata.csv" else path
    if not folder.exists():
        raise CorpusError(f"There is no corpus at {path}: give a folder of recordings or a lhotse manifest.")
    listed = folder.is_dir() and (folder / "metadata.csv").is_file()
    manifests = [] if listed else manifest_files(folder)
    if manifests:
        for cut in manifest_cuts(manifests, corpus, reject):
            yield _utterance_of_cut(cut, corpus)
        return
    found = list(listing(folder, corpus, reject))
    for recording, header in zip(found, read_headers([item.path for item in found], jobs), strict=True):
        key = readable(f"{corpus}/{recording.name}")
        if isinstance(header, str):
            reject(key, header)
        else:
            yield _whole_file(key, recording, header, corpus)


def _whole_file(key: str, found: Found, header: Header, corpus: str) -> Utterance:
    seconds = header.samples / header.rate
    text = " ".join(found.text.split())
    labels = tuple((name, readable(value)) for name, value in found.labels)
    return Utterance(key, found.path, 0.0, seconds, readable(found.speaker), text, corpus, labels=labels)


def _utterance_of_cut(cut: Any, corpus: str) -> Utterance:
    supervision, recording = cut.supervisions[0], cut.recording
    mono = isinstance(cut.channel, int)
    return Utterance(
        key=cut.id,
        path=Path(recording.sources[0].source),
        start=float(cut.start),
        duration=float(cut.duration),
        speaker=supervision.speaker,
        text=supervision.text or "",
        corpus=corpus,
        whole=cut.start == 0 and abs(cut.duration - recording.duration) < 1e-3,
        channel=cut.channel if mono and recording.num_channels > 1 else None,
    )


def read_utterance(utterance: Utterance, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """The audio of an utterance: float32 [samples] at `sample_rate` in [-1, 1].

    Of a long file only the part that is needed is decoded, if the format allows it.

    Raises:
        AudioError: see `speech.audio.read_audio`.
    """
    import soundfile

    if utterance.path.suffix == SUFFIX:
        return read_waveform(utterance.path, sample_rate)
    if utterance.whole and utterance.channel is None:
        return read_audio(utterance.path, sample_rate)
    try:
        with soundfile.SoundFile(utterance.path) as file:
            rate = file.samplerate
            file.seek(min(round(utterance.start * rate), file.frames))
            wav = file.read(round(utterance.duration * rate), dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError):
        if utterance.channel is not None:
            raise AudioError(f"{utterance.path} has several channels and cannot be read one by one.") from None
        start, end = (round(time * sample_rate) for time in (utterance.start, utterance.start + utterance.duration))
        return read_audio(utterance.path, sample_rate)[start:end]
    if not len(wav):
        raise AudioError(f"{utterance.path} ends before the utterance begins.")
    mono = wav.mean(axis=1) if utterance.channel is None else wav[:, utterance.channel]
    mono = resample(as_wav(mono), rate, sample_rate)
    return mono / max(1.0, float(np.abs(mono).max(initial=0)))


def _corpus_name(path: str | Path) -> str:
    """The name of the folder, or of the manifest file without its suffix."""
    path = Path(path).resolve()
    if path.name == "metadata.csv":
        return readable(path.parent.name)
    return readable(MANIFEST_PATTERN.sub("", path.name) if path.is_file() else path.name)


def _log_rejected(key: str, reason: str) -> None:
    logger.warning("%s left out: %s", key, reason)
