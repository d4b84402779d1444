"""Clusters of utterances by k-means, and what speaker names, if there are any, say about them."""

import logging
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import nn

from encoder.base import EncoderModel
from encoder.config import ClusterConfig
from encoder.data import Floats, MelStore, cut_window

logger = logging.getLogger(__name__)

Labels = NDArray[np.int64]

WINDOWS_PER_PASS = 128
MAX_ROUNDS = 50  # of k-means
NEVER = 2**62


def cluster_utterances(
    model: EncoderModel, store: MelStore, items: Sequence[int], config: ClusterConfig, seed: int = 0
) -> tuple[Labels, Floats]:
    """Cluster the utterances `items` of a store by the embeddings of a model.

    The same weights, utterances and seed give the same clusters.

    Returns:
        cluster of each utterance, int64 [items], and directions of the clusters, float32 [clusters, dim], L2 norm 1.

    Raises:
        CorpusError: more clusters than utterances.
    """
    config.check(len(items))
    count = config.clusters_of(len(items))
    logger.info("clustering %d utterances into %d clusters", len(items), count)
    return k_means(embed_utterances(model, store, items, config.windows), count, seed)


def embed_utterances(model: EncoderModel, store: MelStore, items: Sequence[int], windows: int) -> Floats:
    """The normalised mean embedding of up to `windows` windows of each utterance: float32 [items, dim].

    The windows are evenly spaced and as long as the model's partials. The model is in eval mode meanwhile.
    """
    frames, device = model.config.partials.partial_frames, next(model.parameters()).device
    sums = np.zeros((len(items), model.config.embedding_size), dtype=np.float32)
    rows: list[int] = []
    cuts: list[Floats] = []

    def embed_cuts() -> None:
        batch = torch.from_numpy(np.stack(cuts)).to(device)
        np.add.at(sums, rows, model(batch).float().cpu().numpy())
        rows.clear()
        cuts.clear()

    training = model.training
    model.eval()
    with torch.no_grad():
        for row, item in enumerate(items):
            mel = store.array(int(item), "mel")
            count = min(windows, max(1, len(mel) // frames))
            cuts += [cut_window(mel, frames, (turn + 0.5) / count) for turn in range(count)]
            rows += [row] * count
            if len(cuts) >= WINDOWS_PER_PASS:
                embed_cuts()
        if cuts:
            embed_cuts()
    model.train(training)
    return sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-8)


def k_means(embeddings: Floats, count: int, seed: int = 0) -> tuple[Labels, Floats]:
    """Clusters of embeddings [n, dim] of L2 norm 1: labels int64 [n] and directions float32 [count, dim], L2 norm 1."""
    import warnings

    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # With several threads the order of the sums, and so the last bits of the centres, would change from run to run.
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # equal embeddings give fewer clusters
        found = KMeans(count, n_init=1, max_iter=MAX_ROUNDS, random_state=seed).fit(embeddings)
    centres = np.asarray(found.cluster_centers_, dtype=np.float32)
    directions = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-8)
    return np.asarray(found.labels_, dtype=np.int64), directions


def speakers_of(store: MelStore, items: Sequence[int]) -> Labels | None:
    """Number of the speaker of each utterance, int64 [items]; None if all have the same name, as in a flat folder."""
    names = np.array([str(store.meta(int(item)).get("speaker", "")) for item in items], dtype=str)
    distinct, numbers = np.unique(names, return_inverse=True)
    return numbers.astype(np.int64) if len(distinct) > 1 else None


def majority_speakers(labels: ArrayLike, speakers: ArrayLike, classes: int) -> Labels:
    """The most frequent speaker of each label: int64 [classes], -1 for a label without utterances.

    Args:
        labels, speakers: int64 [utterances].
    """
    table = np.zeros((classes, int(np.max(speakers)) + 1), dtype=np.int64)
    np.add.at(table, (np.asarray(labels), np.asarray(speakers)), 1)
    return np.where(table.any(axis=1), table.argmax(axis=1), -1)


def purity(labels: ArrayLike, speakers: ArrayLike) -> float:
    """Fraction of utterances whose speaker is the most frequent one of their cluster.

    More clusters give a higher purity: with one for each utterance it is 1.
    """
    own = np.asarray(labels)
    majority = majority_speakers(own, speakers, int(own.max()) + 1)
    return float((majority[own] == np.asarray(speakers)).mean())


def normalised_mutual_information(labels: ArrayLike, speakers: ArrayLike) -> float:
    """Mutual information of clusters and speakers, divided by the mean of their entropies: 0 to 1."""
    from sklearn.metrics import normalized_mutual_info_score

    return float(normalized_mutual_info_score(np.asarray(speakers), np.asarray(labels)))


class Clusters(nn.Module):
    """Clusters of the training utterances in use: the newest ones and those before, each from a step on.

    They are part of the resumable state. Batches are prepared ahead of training, so new clusters are used only from a
    step on whose batch is not yet in preparation; until then, those before are. The batch of a step is then the same
    in every run.

    Args:
        items: number of training utterances.
    """

    labels: torch.Tensor
    first_steps: torch.Tensor
    agreement: torch.Tensor  # purity and NMI of the newest clusters

    def __init__(self, items: int):
        super().__init__()
        self.register_buffer("labels", torch.zeros(2, items, dtype=torch.int64))
        self.register_buffer("first_steps", torch.full((2,), NEVER, dtype=torch.int64))
        self.register_buffer("agreement", torch.zeros(2))
        self._versions: list[tuple[int, Groups]] | None = None  # copies on the CPU, for the thread that makes batches

    @property
    def exist(self) -> bool:
        return bool((self.first_steps < NEVER).any())

    def add(self, labels: torch.Tensor, first_step: int) -> None:
        """Use labels int64 [items] from `first_step` on, instead of the older ones of the two."""
        older = int(self.first_steps.argmax() if (self.first_steps == NEVER).any() else self.first_steps.argmin())
        self.labels[older] = labels
        self.first_steps[older] = first_step
        self._versions = self._read()

    def at(self, step: int) -> "Groups | None":
        """The clusters that the batch of a step is drawn from; None before the first ones."""
        if self._versions is None:  # a resumed state may have been read into the buffers
            self._versions = self._read()
        valid = [version for version in self._versions if version[0] <= step]
        return max(valid, key=lambda version: version[0])[1] if valid else None

    def _read(self) -> "list[tuple[int, Groups]]":
        steps = self.first_steps.tolist()
        return [
            (first, Groups(row)) for first, row in zip(steps, self.labels.cpu().numpy().copy(), strict=True)
            if first < NEVER
        ]  # fmt: skip


class Groups:
    """The members of each cluster of labels int64 [items]."""

    def __init__(self, labels: Labels):
        self.labels = labels
        self._order = np.argsort(labels, kind="stable")
        self._starts = np.searchsorted(labels[self._order], np.arange(int(labels.max()) + 2))

    def members(self, position: int) -> Labels:
        """Positions of all utterances in the cluster of one: itself included."""
        label = self.labels[position]
        return self._order[self._starts[label] : self._starts[label + 1]]
