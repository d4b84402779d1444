"""References of one voice, and outliers among them."""

import numpy as np
import pytest

from toolbox.storage.references import Reference, StoredVoice, find_outliers, similarity_to_others


def unit(vector: np.ndarray) -> np.ndarray:
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def speaker(seed: int, clips: int, spread: float = 0.3) -> np.ndarray:
    """Embeddings of one voice, with a similarity of about 0.9."""
    rng = np.random.default_rng(seed)
    middle = unit(rng.standard_normal(64))
    return np.stack([unit(middle + spread * unit(rng.standard_normal(64))) for _ in range(clips)])


def voice(rows: np.ndarray, seconds: list[float] | None = None) -> StoredVoice:
    seconds = seconds or [5.0] * len(rows)
    references = [Reference(row, f"{n}.wav", "", seconds[n], f"key{n}") for n, row in enumerate(rows)]
    return StoredVoice("ann", "toy", tuple(references), "by letter", "2026-01-31")


def test_similarity_is_to_the_mean_of_the_others():
    rows, weights = speaker(0, 4), np.array([0.1, 0.2, 0.3, 0.4])
    for number in range(4):
        others = [one for one in range(4) if one != number]
        mean = unit(weights[others] @ rows[others])
        assert similarity_to_others(rows, weights)[number] == pytest.approx(float(mean @ rows[number]), abs=1e-5)
    assert np.isnan(similarity_to_others(rows[:1], np.ones(1))).all()


def test_one_outlier_does_not_make_outliers_of_the_others():
    rows = np.concatenate([speaker(0, 4), speaker(1, 1)])
    assert find_outliers(rows, np.full(5, 0.2)) == [4]
    assert find_outliers(rows[[4, 0, 1]], np.full(3, 1 / 3)) == [0]
    two = np.concatenate([speaker(0, 5), speaker(1, 1), speaker(2, 1)])
    assert find_outliers(two, np.full(7, 1 / 7)) == [5, 6]


def test_of_two_different_references_both_are_marked():
    rows = np.concatenate([speaker(0, 1), speaker(1, 1)])
    assert find_outliers(rows, np.full(2, 0.5)) == [0, 1]
    assert find_outliers(rows[:1], np.ones(1)) == [] == find_outliers(speaker(0, 6), np.full(6, 1 / 6))
    assert "remove the wrong one" in voice(rows).lines()[0]


def test_a_voice_names_its_outliers():
    stored = voice(np.concatenate([speaker(0, 3), speaker(1, 1)]))
    assert stored.outliers == ("key3",) and stored.similarity.shape == (4,)
    (line,) = stored.lines()
    assert line.startswith("3.wav does not sound like the other references")
    assert voice(speaker(0, 3)).lines() == [] == voice(speaker(0, 1)).lines()


def test_the_voice_is_the_mean_by_seconds_of_speech():
    rows = speaker(0, 3)
    made = voice(rows, [1.0, 3.0, 0.0]).voice  # unknown seconds count as the average
    np.testing.assert_allclose(made.embedding, unit(rows[0] + 3 * rows[1] + 2 * rows[2]), atol=1e-5)
    assert (made.name, made.consent, made.sources) == ("ann", "by letter", ("0.wav", "1.wav", "2.wav"))
    np.testing.assert_allclose(voice(rows, [0.0] * 3).voice.embedding, unit(rows.sum(axis=0)), atol=1e-5)
