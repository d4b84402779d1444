from pathlib import Path

import pytest

from corpora.corpus import Utterance
from evaluation.natural_study import split_references


@pytest.mark.parametrize(("count", "references"), [(1, 0), (2, 1), (3, 1), (4, 2), (20, 4)])
def test_up_to_four_utterances_and_at_most_half_are_references(count, references):
    utterances = [Utterance(f"c/{k}", Path(f"{k}.wav"), 0.0, 1.0, "ann", "", "c") for k in range(count)]
    taken, rest = split_references(utterances)
    assert taken == utterances[:references]
    assert rest == (utterances[references:] if count > 1 else [])
