"""Cluster-aware DINO (Han et al., arXiv 2304.05754): crops of different utterances of one cluster.

The crops of plain DINO are of one utterance, and so of one room, microphone and mood, which the encoder learns as well
as the voice. Utterances of one cluster are mostly of one speaker and differ in these.
"""

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from encoder.clustering import Clusters, cluster_utterances, normalised_mutual_information, purity, speakers_of
from encoder.config import ClusterConfig
from encoder.crops import CropBatches, Crops
from encoder.dino_task import DinoTask
from training.processes import share_from_first

logger = logging.getLogger(__name__)

LEAD = 8  # steps between a clustering and its first use; batches are prepared fewer steps ahead


class ClusterCropBatches(CropBatches):
    """Draws the crops of each row of a batch from different utterances of one cluster.

    Before the first clustering, and in a cluster of one utterance, they are of one utterance.

    Args:
        args, others: as `CropBatches`.

    Attributes:
        clusters: of the training utterances.
    """

    def __init__(self, *args: Any, **others: Any):
        super().__init__(*args, **others)
        self.clusters = Clusters(len(self.items))
        self._positions = {item: position for position, item in enumerate(self.items)}

    def sources(self, chosen: np.ndarray, step: int, rng: np.random.Generator) -> np.ndarray:
        """As `CropBatches`; the first long crop is of the chosen utterance, the others of as many others as there are.

        A smaller cluster repeats them in turn, so that neighbouring crops still are of different utterances.
        """
        groups = self.clusters.at(step)
        plain = super().sources(chosen, step, rng)
        if groups is None:
            return plain
        columns = []
        for item in chosen:
            position = self._positions[int(item)]
            members = groups.members(position)
            others = rng.permutation(members[members != position])
            columns.append(np.resize(np.concatenate([[position], others]), len(plain)))
        return np.asarray(self.items)[np.stack(columns, axis=1)]


class ClusterDinoTask(DinoTask):
    """DINO whose teacher clusters the training utterances every few epochs.

    Args:
        batches: whose clusters are replaced.
        clustering: number of clusters, and how often they are computed.
        start: steps of plain DINO.
        seed: of k-means.
        others: as `DinoTask`.
    """

    def __init__(
        self, *args: Any, batches: ClusterCropBatches, clustering: ClusterConfig, start: int, seed: int, **others: Any
    ):
        super().__init__(*args, **others)
        self.batches, self.clustering, self.seed = batches, clustering, seed
        self.start = max(1, start)  # the first clustering follows a step
        self.every = max(LEAD, round(clustering.every * len(batches.items) / self.config.utterances))
        self.speakers = speakers_of(batches.store, batches.items)
        self.extra_modules = {**self.extra_modules, "clusters": batches.clusters}

    def step(self, batch: Crops, step: int, generator: torch.Generator) -> dict[str, Tensor]:
        """As `DinoTask`, with the `purity` and `nmi` of the newest clusters if there are speaker names."""
        parts = super().step(batch, step, generator)
        clusters = self.batches.clusters
        if self.speakers is not None and clusters.exist:
            parts["purity"], parts["nmi"] = clusters.agreement.clone()
        return parts

    def after_step(self, done: int, averages: Mapping[str, Tensor]) -> None:
        """Move the teacher towards the student, and cluster if it is due."""
        super().after_step(done, averages)
        if done >= self.start and (done - self.start) % self.every == 0:
            self._cluster(done)

    def _cluster(self, done: int) -> None:
        labels, _ = cluster_utterances(self.teacher, self.batches.store, self.batches.items, self.clustering, self.seed)
        clusters = self.batches.clusters
        found = torch.from_numpy(labels).to(clusters.labels.device)
        if torch.distributed.is_initialized():
            share_from_first([found])
        if self.speakers is not None:
            labels = found.cpu().numpy()
            figures = purity(labels, self.speakers), normalised_mutual_information(labels, self.speakers)
            clusters.agreement.copy_(torch.tensor(figures))
            logger.info("step %d: purity of the clusters %.3f, NMI with the speakers %.3f", done, *figures)
        clusters.add(found, done + LEAD)
