"""Speaker verification: how well embeddings tell voices apart."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike


def equal_error_rate(scores: ArrayLike, labels: ArrayLike) -> float:
    """Rate at which false acceptances and false rejections are equally frequent.

    Args:
        scores: [trials], higher means more alike.
        labels: [trials], true where both sides are the same speaker.

    Returns:
        In [0, 1]; 0.5 is chance. Between the two trials where the curves cross, they are joined by straight lines, so
        that the figure does not jump with single trials.

    Raises:
        ValueError: if there is no trial of one of the two kinds, or a score is not finite.
    """
    values = np.asarray(scores, dtype=np.float64).ravel()
    same = np.asarray(labels).astype(bool).ravel()
    if values.shape != same.shape:
        raise ValueError(f"{values.size} scores for {same.size} labels")
    if not np.isfinite(values).all():
        raise ValueError("scores must be finite")
    if same.all() or not same.any():
        raise ValueError("an equal error rate needs pairs of the same and of different speakers")
    order = np.argsort(-values, kind="stable")
    values, same = values[order], same[order]
    # one operating point after each group of equal scores: accept everything down to it
    last_of_group = np.append(values[1:] != values[:-1], True)
    rejected = np.append(1.0, (1 - np.cumsum(same) / same.sum())[last_of_group])
    accepted = np.append(0.0, (np.cumsum(~same) / (~same).sum())[last_of_group])
    gap = accepted - rejected  # rises from -1 to 1
    after = int(np.argmax(gap >= 0))
    before = after - 1
    share = -gap[before] / (gap[after] - gap[before])
    return float(accepted[before] + share * (accepted[after] - accepted[before]))


def all_pairs_eer(embeddings: ArrayLike, speakers: Sequence[str] | ArrayLike) -> float:
    """Equal error rate over every pair of utterances, scored by the cosine.

    Args:
        embeddings: [utterances, dim], rows of L2 norm 1.
        speakers: [utterances], who spoke each; at least two speakers, one of them with two utterances.
    """
    rows = np.asarray(embeddings, dtype=np.float32)
    names = np.asarray(speakers)
    first, second = np.triu_indices(len(rows), k=1)
    return equal_error_rate((rows @ rows.T)[first, second], names[first] == names[second])
