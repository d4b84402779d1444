"""Which speakers, utterances and noises are held out from training. All stages use the same splits."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from corpora.corpus import Utterance

# LibriSpeech: four speakers with much material, and those with one utterance whose number ends in 7. VCTK: p287.
VALIDATION_SPEAKERS = frozenset(
    {"1737", "32", "7312", "669", "p287"}
    | {"1447", "2007", "2817", "307", "3607", "3807", "4137", "4267", "4297", "4397"}
    | {"5867", "587", "6147", "6367", "7447", "7517", "87", "8797", "887"}
)
# Voices of the corpus "teacher", which is synthetic speech of a text-to-speech model. Names with + are blends of two.
VALIDATION_VOICES = frozenset({
    "af_alloy+am_michael_40", "af_bella+bm_daniel_50", "af_kore+af_river_60", "af_nova",
    "af_sarah+bf_lily_40", "am_fenrir+af_kore_60", "am_onyx", "am_onyx+bm_george_40",
    "am_onyx+bm_george_60", "am_puck", "bf_alice+bf_isabella_50", "bf_emma+am_fenrir_50",
    "bf_lily+af_sarah_40", "bf_lily+am_adam_40", "bm_daniel+am_fenrir_50",
})  # fmt: skip
EVALUATION_CORPORA = frozenset({"librispeech_test_other", "demo_references"})
ONE_SPEAKER_CORPORA = frozenset({"ljspeech_samples", "kathleen"})
NAMED_CORPORA = frozenset({"librispeech_train_clean_100", "vctk_samples", "teacher"})  # held out by name alone
UTTERANCES_PER_HELD_OUT = 40
HELD_OUT_FRACTION = 0.05
HELD_OUT_NOISE = 0.2
FEW_SPEAKERS = 10  # with fewer than these, utterances are held out instead of speakers


def split_of(speaker: str, key: str) -> str:
    """The split of an utterance: "train", "validation" or "evaluation".

    In known corpora, the names above decide. In others, a stable hash of the name holds out one speaker in twenty.
    """
    corpus = key.split("/", 1)[0]
    if corpus in EVALUATION_CORPORA:
        return "evaluation"
    if speaker in VALIDATION_SPEAKERS or speaker in VALIDATION_VOICES:
        return "validation"
    if corpus in ONE_SPEAKER_CORPORA:
        held_out = _hash(key) % UTTERANCES_PER_HELD_OUT == 0
    elif re.fullmatch(r"so\d+", speaker):  # speechocean762
        held_out = speaker.endswith("7")
    else:
        held_out = corpus not in NAMED_CORPORA and is_held_out(speaker)
    return "validation" if held_out else "train"


def splits_of(utterances: Iterable[Utterance], validation_speakers: Iterable[str] = ()) -> dict[str, str]:
    """The split of each utterance by its key; like `split_of`, but every corpus gets a validation set.

    If `split_of` holds out nothing of a corpus, one speaker is held out, or one in forty utterances of few speakers.

    Args:
        validation_speakers: if given, exactly these are held out. Evaluation corpora keep their split.
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
    """Whether a speaker belongs to the held-out `fraction`; a pure function of the name."""
    return _hash(speaker) < fraction * 2**64


def noise_split(key: str) -> str:
    """The split of a noise, "train" or (a fifth) "validation"; a pure function of the file's name without its suffix.

    Takes of one recording, which end in a letter as `1-19898-A` and `1-19898-B` do, get the same split.
    """
    name = PurePosixPath(key.replace("\\", "/")).stem
    recording = re.sub(r"[-_][A-Z](?=([-_]\d+)?$)", "", name)
    return "validation" if is_held_out(recording, HELD_OUT_NOISE) else "train"


def _hash(text: str) -> int:
    """A 64-bit hash, equal on every machine and in every run."""
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
