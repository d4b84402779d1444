import numpy as np
import pytest
import torch

from encoder.campplus.model import CAMPPlusModel
from encoder.clustering import (
    Clusters,
    Groups,
    cluster_utterances,
    embed_utterances,
    k_means,
    majority_speakers,
    normalised_mutual_information,
    purity,
    speakers_of,
)
from encoder.config import ClusterConfig
from encoder.data import cut_window
from speech.errors import ConfigError, CorpusError
from tests.encoder.test_margin import TOY


def points(clusters: int, each: int, spread: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    centres = np.linalg.qr(rng.standard_normal((16, 16)))[0][:clusters]
    rows = np.repeat(centres, each, axis=0) + spread * rng.standard_normal((clusters * each, 16))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32), np.repeat(range(clusters), each)


def test_k_means_finds_separate_clusters_and_repeats_exactly() -> None:
    rows, truth = points(5, 30)
    labels, directions = k_means(rows, 5)
    assert purity(labels, truth) == normalised_mutual_information(labels, truth) == 1
    assert directions.shape == (5, 16) and directions.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(directions, axis=1), 1, atol=1e-6)
    assert ((rows @ directions.T).argmax(axis=1) == labels).all()
    again = k_means(rows, 5)
    np.testing.assert_array_equal(labels, again[0])
    np.testing.assert_array_equal(directions, again[1])


def test_equal_embeddings_are_clustered_too() -> None:
    labels, directions = k_means(np.full((10, 4), 0.5, dtype=np.float32), 3)
    assert set(labels) <= {0, 1, 2} and np.isfinite(directions).all()


def test_purity_and_majority() -> None:
    labels, speakers = np.array([0, 0, 0, 2, 2]), np.array([4, 4, 1, 1, 1])
    assert purity(labels, speakers) == pytest.approx(0.8)
    assert majority_speakers(labels, speakers, 4).tolist() == [4, -1, 1, -1]
    assert normalised_mutual_information(labels, np.array([7, 7, 7, 3, 3])) == pytest.approx(1)


def test_an_embedding_is_the_mean_of_windows(toy_store) -> None:
    torch.manual_seed(0)
    model = CAMPPlusModel(TOY).train()
    items = [3, 0, 5]
    found = embed_utterances(model, toy_store, items, windows=2)
    assert model.training and found.shape == (3, 8)
    model.eval()
    for row, item in zip(found, items, strict=True):
        mel = toy_store.array(item, "mel")
        count = min(2, max(1, len(mel) // 20))
        windows = np.stack([cut_window(mel, 20, (turn + 0.5) / count) for turn in range(count)])
        with torch.no_grad():
            mean = model(torch.from_numpy(windows)).mean(dim=0).numpy()
        np.testing.assert_allclose(row, mean / np.linalg.norm(mean), atol=1e-5)


def test_names_count_only_where_they_differ(toy_store) -> None:
    speakers = speakers_of(toy_store, range(4))
    assert speakers is not None and speakers.tolist() == [0, 1, 1, 1]
    assert speakers_of(toy_store, [1, 2, 3]) is None


def test_number_of_clusters(toy_store) -> None:
    assert [ClusterConfig().clusters_of(n) for n in (5, 300, 1_000_000)] == [2, 30, 8000]
    assert ClusterConfig(count=7).clusters_of(300) == 7
    with pytest.raises(CorpusError, match=r"--cluster\.count"):
        cluster_utterances(CAMPPlusModel(TOY), toy_store, [0, 1], ClusterConfig(count=3))
    for values in ({"count": 1}, {"every": 0.0}, {"start": 1.5}, {"windows": 0}):
        with pytest.raises(ConfigError):
            ClusterConfig(**values)


def test_new_clusters_are_used_from_their_first_step_on() -> None:
    clusters = Clusters(3)
    assert clusters.at(100) is None and not clusters.exist
    for number, first in enumerate((10, 20, 30)):
        clusters.add(torch.full((3,), number), first)
    assert clusters.exist
    used = [found.labels[0] if (found := clusters.at(step)) else None for step in (19, 20, 29, 30, 99)]
    assert used == [None, 1, 1, 2, 2]  # the first ones are no longer needed
    restored = Clusters(3)
    restored.load_state_dict(clusters.state_dict())
    again = [found.labels[0] if (found := restored.at(step)) else None for step in (19, 20, 29, 30, 99)]
    assert again == used


def test_members_of_a_cluster() -> None:
    groups = Groups(np.array([2, 0, 2, 1, 2]))
    assert [groups.members(position).tolist() for position in range(4)] == [[0, 2, 4], [1], [0, 2, 4], [3]]
