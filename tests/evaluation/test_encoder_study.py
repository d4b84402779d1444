from pathlib import Path
from typing import Any

import pytest
import soundfile

from corpora.corpus import Utterance
from evaluation.clip_tests import EncoderUnderTest
from evaluation.encoder_study import OTHERS, EncoderPlan, encoder_figures, groups
from evaluation.mfcc import MfccBaseline
from evaluation.report import Notes
from speech.errors import CorpusError
from tests.toy_models import speech_like, toy_encoder


def utterance(corpus, speaker, number=0):
    return Utterance(f"{corpus}/{speaker}/{number}", Path("x.wav"), 0.0, 2.0, speaker, "", corpus)


def write_corpus(folder, speakers, clips, seconds=2.0):
    for speaker in range(speakers):
        (folder / f"s{speaker}").mkdir(parents=True)
        for clip in range(clips):
            wav = speech_like(seconds, 100 + 15 * speaker, 10 * speaker + clip)
            soundfile.write(folder / f"s{speaker}" / f"{clip}.wav", wav, 16_000)
    return folder


def test_corpora_of_one_speaker_are_merged():
    items = [utterance("b", "x"), utterance("a", "y"), utterance("c", "z"), utterance("c", "w")]
    assert {name: [item.speaker for item in members] for name, members in groups(items).items()} == {
        "c": ["z", "w"], OTHERS: ["y", "x"],
    }  # fmt: skip


def test_a_row_for_each_corpus_and_length_and_a_column_for_each_system(tmp_path):
    corpora = [write_corpus(tmp_path / "one", 6, 2), write_corpus(tmp_path / "two", 5, 2)]
    notes = Notes()
    figures: Any = encoder_figures(
        corpora, {"toy": EncoderUnderTest(toy_encoder()), "mean MFCC": MfccBaseline()}, [("toy", "mean MFCC")],
        EncoderPlan(lengths=(1.6, 30.0)), None, notes, lambda items, what, total: items,
    )  # fmt: skip
    assert list(figures) == ["EER, toy", "EER, mean MFCC", "toy minus mean MFCC", "minDCF, toy", "minDCF, mean MFCC"]
    rows = [
        f"{name}, {length}, clean ({clips} clips)"
        for name, clips in (("one", 12), ("two", 10), ("mean of 2 corpora", 22))
        for length in ("whole", "1.6 s")
    ]
    for column in figures.values():
        assert list(column) == rows
    rates = figures["EER, toy"]
    assert rates[rows[0]].n == 12
    middle = (rates[rows[0]].value + rates[rows[2]].value) / 2
    assert rates[rows[4]].value == pytest.approx(middle)
    difference = figures["toy minus mean MFCC"][rows[0]].value
    assert difference == pytest.approx(rates[rows[0]].value - figures["EER, mean MFCC"][rows[0]].value)
    assert any("6 speakers are few" in note for note in notes.all())


def test_speakers_with_one_recording_are_noted(tmp_path):
    corpus, notes = write_corpus(tmp_path / "alone", 3, 1, seconds=6.0), Notes()
    figures = encoder_figures(
        [corpus], {"mfcc": MfccBaseline()}, [], EncoderPlan(lengths=()), None, notes, lambda items, what, total: items
    )
    assert figures["EER, mfcc"]["alone, whole, clean (6 clips)"].n == 6
    assert any("of 3 speakers there is one recording" in note for note in notes.all())


def test_there_must_be_pairs_of_both_kinds(tmp_path):
    corpus = write_corpus(tmp_path / "mono", 1, 3)
    with pytest.raises(CorpusError, match="two speakers"):
        encoder_figures(
            [corpus],
            {"mfcc": MfccBaseline()},
            [],
            EncoderPlan(lengths=()),
            None,
            Notes(),
            lambda items, what, total: items,
        )
