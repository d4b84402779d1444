"""Corpora of speech on disk, and which of their speakers are held out.

What lies in a folder says how it is read, the first of these that fits:

* `metadata.csv` with a header: `path,speaker,text,duration_s` (only `path` must be there);
* `metadata.csv` as LJ Speech has it: `name|text|normalised text`, the audio in `wavs/`;
* lhotse manifests: cuts, or recordings with supervisions, as every lhotse recipe writes them;
* Common Voice, VoxCeleb 1 and 2, VCTK or TIMIT as they are unpacked;
* a folder per speaker, nested as deep as you like, with a transcript beside each recording or none; LibriSpeech and
  LibriTTS, whole or one of their parts, among them.

An utterance's key is the corpus folder's name and its path in there, so equal file names of two speakers are two
utterances. Whatever cannot be used is handed to `on_reject(key, reason)` and does not stop the rest.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np

from corpora.formats import Listing, list_recordings
from corpora.headers import Header, read_headers
from corpora.manifests import MANIFEST_PATTERN, manifest_cuts, manifest_files
from corpora.recordings import Found, OnReject
from speech.errors import AudioError, CorpusError

if TYPE_CHECKING:
    from lhotse import CutSet

logger = logging.getLogger(__name__)

# Held out by name. LibriSpeech: four speakers with much material, and those with one utterance whose number ends in 7.
VALIDATION_SPEAKERS = frozenset(
    {"1737", "32", "7312", "669", "p287"}
    | {"1447", "2007", "2817", "307", "3607", "3807", "4137", "4267", "4297", "4397"}
    | {"5867", "587", "6147", "6367", "7447", "7517", "87", "8797", "887"}
)
EVALUATION_CORPORA = frozenset({"librispeech_test_other", "demo_references"})
ONE_SPEAKER_CORPORA = frozenset({"ljspeech_samples", "kathleen"})
NAMED_CORPORA = frozenset({"librispeech_train_clean_100", "vctk_samples"})  # VALIDATION_SPEAKERS says it all for these
UTTERANCES_PER_HELD_OUT = 40
HELD_OUT_FRACTION = 0.05
HELD_OUT_NOISE = 0.2
FEW_SPEAKERS = 10  # with fewer than these, utterances are held out instead of speakers


@dataclass(frozen=True, slots=True)
class Utterance:
    """One stretch of one speaker's speech.

    Attributes:
        key: unique among all corpora read together.
        start, duration: where it lies in the file, in seconds.
        text: the transcript as the corpus has it, white space folded; "" where there is none.
        whole: it is the whole file.
        channel: the channel it is on, where the file has several and only one is meant.
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


def iter_utterances(
    paths: Iterable[str | Path],
    on_reject: OnReject | None = None,
    *,
    listing: Listing = list_recordings,
    jobs: int = 0,
) -> Iterator[Utterance]:
    """All usable utterances of several corpora, in the corpora's own order.

    Args:
        paths: corpus folders, or manifest files of lhotse.
        on_reject: called with the key and the reason of every utterance that is left out; logged if None.
        listing: how a folder without lhotse manifests is read (see `corpora.formats`).
        jobs: processes that look at files which might hang a decoder; with 0 this one does it, unwatched.

    Raises:
        CorpusError: a corpus is missing or has nothing that can be used, or two corpora have the same name.
    """
    reject = on_reject or _log_rejected
    named: dict[str, Path] = {}
    for path in map(Path, paths):
        corpus = corpus_name(path)
        if named.setdefault(corpus, path).resolve() != path.resolve():
            raise CorpusError(f"Two corpora are named {corpus} ({named[corpus]} and {path}): rename one of them.")
    for corpus, path in named.items():
        keys: set[str] = set()
        for utterance in _read_corpus(path, corpus, reject, listing, jobs):
            if utterance.key in keys:
                reject(utterance.key, "the corpus lists it twice")
            else:
                keys.add(utterance.key)
                yield utterance
        if not keys:
            raise CorpusError(
                f"The corpus {path} has no usable recording: see the README for how a corpus is laid out."
            )


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
        key = f"{corpus}/{recording.name}"
        if isinstance(header, str):
            reject(key, header)
        else:
            yield _whole_file(key, recording, header, corpus)


def _whole_file(key: str, found: Found, header: Header, corpus: str) -> Utterance:
    seconds = header.samples / header.rate
    return Utterance(key, found.path, 0.0, seconds, found.speaker, " ".join(found.text.split()), corpus)


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


def load_corpus(path: str | Path, on_reject: OnReject | None = None) -> CutSet:
    """Read a corpus into lhotse cuts, for lhotse's own tools.

    Args:
        path, on_reject: see `iter_utterances`.

    Returns:
        Cuts with unique ids (the keys) and exactly one supervision each, which has a speaker and a text (maybe "").

    Raises:
        CorpusError: there is nothing at `path`, or nothing in it that can be used.
    """
    from lhotse import CutSet

    return CutSet.from_cuts(map(_cut_of_utterance, iter_utterances([path], on_reject)))


def _cut_of_utterance(utterance: Utterance) -> Any:
    from lhotse import MonoCut, MultiCut, Recording, SupervisionSegment

    recording = Recording.from_file(utterance.path, recording_id=utterance.key)
    channels: Any = list(range(recording.num_channels)) if utterance.channel is None else utterance.channel
    if channels == [0]:
        channels = 0
    kind = MonoCut if isinstance(channels, int) else MultiCut
    start = utterance.start
    duration = recording.duration if utterance.whole else utterance.duration
    spoken = SupervisionSegment(
        utterance.key, utterance.key, 0, duration, channels, utterance.text, speaker=utterance.speaker
    )
    return kind(utterance.key, start, duration, channels, [spoken], recording=recording)


def read_utterance(utterance: Utterance, sample_rate: int = 16_000) -> np.ndarray:
    """The sound of an utterance: float32 [samples] in [-1, 1]. Of a long file only the stretch is decoded, if possible.

    Raises:
        AudioError: see `speech.audio.read_audio`.
    """
    import soundfile

    from speech.audio import as_wav, read_audio, resample

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


def corpus_name(path: str | Path) -> str:
    """The first part of its utterances' keys: the folder's name, or a manifest file's without its ending."""
    path = Path(path).resolve()
    if path.name == "metadata.csv":
        return path.parent.name
    return MANIFEST_PATTERN.sub("", path.name) if path.is_file() else path.name


def split_of(speaker: str, key: str) -> str:
    """Which split an utterance belongs to, the same for every stage: "train", "validation" or "evaluation".

    Names decide where a corpus is known; elsewhere every twentieth speaker, by a stable hash of the name, is held out.
    """
    corpus = key.split("/", 1)[0]
    if corpus in EVALUATION_CORPORA:
        return "evaluation"
    if speaker in VALIDATION_SPEAKERS:
        return "validation"
    if corpus in ONE_SPEAKER_CORPORA:
        held_out = _hash(key) % UTTERANCES_PER_HELD_OUT == 0
    elif re.fullmatch(r"so\d+", speaker):  # speechocean762
        held_out = speaker.endswith("7")
    else:
        held_out = corpus not in NAMED_CORPORA and is_held_out(speaker)
    return "validation" if held_out else "train"


def splits_of(utterances: Iterable[Utterance], validation_speakers: Iterable[str] = ()) -> dict[str, str]:
    """The split of each utterance by its key; like `split_of`, but no corpus is left without validation.

    Where `split_of` holds out nothing of a corpus, one speaker is (one in forty utterances, if speakers are few).

    Args:
        validation_speakers: if given, these and no others are held out (evaluation corpora stay what they are).
    """
    explicit = frozenset(validation_speakers)
    splits: dict[str, str] = {}
    corpora: dict[str, list[Utterance]] = {}
    for utterance in utterances:
        split = split_of(utterance.speaker, utterance.key)
        if explicit and split != "evaluation":
            split = "validation" if utterance.speaker in explicit else "train"
        splits[utterance.key] = split
        corpora.setdefault(utterance.corpus, []).append(utterance)
    known = ONE_SPEAKER_CORPORA | NAMED_CORPORA
    for corpus, members in corpora.items():
        speakers = {member.speaker for member in members}
        if explicit or corpus in known or any(splits[member.key] == "evaluation" for member in members):
            continue
        if len(speakers) < FEW_SPEAKERS and not speakers & VALIDATION_SPEAKERS:
            last = min(members, key=lambda member: _hash(member.key))
            for member in members:
                held_out = member is last or _hash(member.key) % UTTERANCES_PER_HELD_OUT == 0
                splits[member.key] = "validation" if held_out else "train"
        elif all(splits[member.key] == "train" for member in members):
            chosen = min(speakers, key=_hash)
            splits.update({member.key: "validation" for member in members if member.speaker == chosen})
    return splits


def is_held_out(speaker: str, fraction: float = HELD_OUT_FRACTION) -> bool:
    """Whether a speaker belongs to the held-out `fraction`: a pure function of the name."""
    return _hash(speaker) < fraction * 2**64


def noise_split(key: str) -> str:
    """The split of a noise, "train" or (a fifth) "validation": a pure function of its file's name.

    The folders on the way to it do not matter, nor does the ending. Takes of one recording, which end in a letter as
    in `1-19898-A` and `1-19898-B`, are never divided.
    """
    name = PurePosixPath(key.replace("\\", "/")).stem
    recording = re.sub(r"[-_][A-Z](?=([-_]\d+)?$)", "", name)
    return "validation" if is_held_out(recording, HELD_OUT_NOISE) else "train"


def _hash(text: str) -> int:
    """A 64-bit hash that is the same on every machine and in every run."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")


def _log_rejected(key: str, reason: str) -> None:
    logger.warning("%s left out: %s", key, reason)
