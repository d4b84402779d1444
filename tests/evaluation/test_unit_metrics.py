"""Metrics of units."""

import numpy as np
import pytest

from evaluation.unit_metrics import (
    LabelledUnits,
    abx_error,
    cluster_purity,
    counts,
    normalised_information,
    phone_purity,
    runs,
    unit_means,
)

PHONES = ("AA", "B", "K")


def clip(speaker: str, content: float, identity: float, seed: int) -> LabelledUnits:
    """Rows that depend on the phone and on the speaker, as much as is said."""
    rng = np.random.default_rng(seed)
    phones = [str(phone) for phone in np.repeat(rng.choice(PHONES, 12), 4)]
    units = np.array([PHONES.index(phone) for phone in phones])
    speakers = np.random.default_rng(sum(map(ord, speaker))).standard_normal(6)
    rows = content * np.eye(3, 6)[units] + identity * speakers + 0.3 * rng.standard_normal((48, 6))
    return LabelledUnits(speaker, units, phones, rows.astype(np.float32))


def test_counts_leave_out_frames_without_a_phone() -> None:
    one = LabelledUnits("a", np.array([0, 1, 1, 2]), ["AA", "B", "", "B"], np.zeros((4, 2), np.float32))
    assert counts([one]).tolist() == [[1, 0, 0], [0, 1, 1]]


def test_purities_and_information() -> None:
    perfect, useless = np.diag([5, 5]), np.full((2, 2), 5)
    assert phone_purity(perfect) == cluster_purity(perfect) == 1
    assert normalised_information(perfect) == pytest.approx(1)
    assert phone_purity(useless) == 0.5
    assert normalised_information(useless) == pytest.approx(0)
    assert phone_purity(np.array([[5, 5, 0], [0, 0, 10]])) == 1
    assert cluster_purity(np.array([[5, 5, 0], [0, 0, 10]])) == 0.75


def test_abx_finds_content_and_not_the_speaker() -> None:
    content = [clip(speaker, 3, 0, seed) for seed, speaker in enumerate("abcd")]
    identity = [clip(speaker, 0, 3, seed) for seed, speaker in enumerate("abcd")]
    assert abx_error(content, 400) < 0.02
    assert abx_error(identity, 400) == pytest.approx(0.5, abs=0.12)
    assert abx_error(content, 50) == abx_error(content, 50)


def test_abx_needs_two_speakers_and_two_phones() -> None:
    with pytest.raises(ValueError, match="two speakers"):
        abx_error([clip("a", 1, 1, 0)])


def test_means_tell_the_speaker_if_the_units_do() -> None:
    means = unit_means([clip(speaker, 0, 3, seed) for seed, speaker in enumerate("aabb")])
    cosines = means @ means.T
    assert cosines[0, 1] > 0.9 > cosines[0, 2]


def test_runs_of_phones() -> None:
    assert runs(["A", "A", "", "B"]) == [("A", 0, 2), ("", 2, 3), ("B", 3, 4)]
    assert runs([]) == []
