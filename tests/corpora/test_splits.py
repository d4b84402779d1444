"""Held-out speakers, utterances and noises."""

from pathlib import Path

import pytest

from corpora.corpus import Utterance
from corpora.splits import VALIDATION_SPEAKERS, VALIDATION_VOICES, is_held_out, noise_split, split_of, splits_of


def test_held_out_speakers_are_the_same_everywhere():
    # Written out, because stores and models that exist were made with these.
    assert split_of("1737", "librispeech_train_clean_100/x.opus") == "validation"
    assert split_of("7367", "librispeech_train_clean_100/x.opus") == "train"
    assert split_of("so0117", "speechocean762_adults/x.opus") == "validation"
    assert split_of("so0110", "speechocean762_children/x.opus") == "train"
    assert split_of("p287", "vctk_samples/x.opus") == "validation"
    assert split_of("p287", "VCTK/x.wav") == "validation"
    assert split_of("p225", "vctk_samples/x.opus") == "train"
    assert split_of("1998", "librispeech_test_other/x.opus") == "evaluation"
    assert split_of("1320", "demo_references/x.mp3") == "evaluation"
    sentences = [split_of("kathleen", f"kathleen/{number}.opus") for number in range(4000)]
    assert 60 < sentences.count("validation") < 140
    assert [number for number in range(60) if is_held_out(f"speaker {number}")] == [
        number for number in range(60) if split_of(f"speaker {number}", "other/x.wav") == "validation"
    ]
    assert 150 < sum(is_held_out(str(number)) for number in range(4000)) < 250
    assert len(VALIDATION_SPEAKERS) == 24


def make(corpus: str, speakers: int, each: int) -> list[Utterance]:
    return [
        Utterance(f"{corpus}/{speaker}/{number}.wav", Path(), 0, 1, f"{corpus}{speaker}", "", corpus)
        for speaker in range(speakers)
        for number in range(each)
    ]


@pytest.mark.parametrize("speakers", [1, 3, 10, 30])
def test_every_unknown_corpus_has_validation(speakers):
    utterances = make("mine", speakers, 20)
    splits = splits_of(utterances)
    held_out = [utterance for utterance in utterances if splits[utterance.key] == "validation"]
    assert 0 < len(held_out) < len(utterances) / 2
    assert splits == splits_of(utterances[::-1])
    if speakers >= 10:  # then whole speakers
        assert len(held_out) == 20 * len({utterance.speaker for utterance in held_out})


def test_named_speakers_override():
    utterances = make("mine", 12, 2)
    splits = splits_of(utterances, ["mine3"])
    assert [key for key, split in splits.items() if split == "validation"] == ["mine/3/0.wav", "mine/3/1.wav"]
    assert set(splits_of(make("demo_references", 2, 1), ["x"]).values()) == {"evaluation"}


def test_held_out_voices_of_the_synthetic_corpus():
    for voice in ("af_nova", "am_puck", "af_alloy+am_michael_40"):
        assert split_of(voice, f"teacher/{voice}/1.ogg") == "validation"
    assert split_of("af_alloy", "teacher/af_alloy/1.ogg") == "train"
    hashed = next(f"voice{number}" for number in range(1000) if is_held_out(f"voice{number}"))
    assert split_of(hashed, f"teacher/{hashed}/1.ogg") == "train"  # names alone decide
    assert len(VALIDATION_VOICES) == 15


def test_noises_are_split_by_their_names():
    names = [f"noise/audio/rain_{number}-{number}7-A.opus" for number in range(2000)]
    splits = [noise_split(name) for name in names]
    assert set(splits) == {"train", "validation"}
    assert 330 < splits.count("validation") < 470
    # Folder, suffix and take do not matter.
    assert splits == [noise_split(Path(name).name.replace("-A.opus", "-C.wav")) for name in names]
    assert noise_split("1-17367-A-10.wav") == noise_split("x\\1-17367-C-10.ogg")
