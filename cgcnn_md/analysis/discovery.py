"""Clusters of every group of atoms, and their numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cgcnn_md.analysis.cluster import SpeciesClusters
from cgcnn_md.analysis.surrogates import Shuffles
from cgcnn_md.frame import Ints
from cgcnn_md.store import Store


@dataclass(frozen=True, eq=False)
class Discovery:
    """Clusters of every group of atoms, by default of every species.

    Parameters
    ----------
    by_group
        What was found for each group, in the order of the cluster numbers.
    first
        Number of each group's first cluster; numbers are global.
    species
        Species of each group, and of each species itself.
    shuffles
        What is left of each coordinate's autocorrelation where pairs are shuffled; only for groups with pairs in time.
    """

    by_group: dict[str, SpeciesClusters]
    first: dict[str, int]
    species: dict[str, str]
    shuffles: dict[str, Shuffles] = field(default_factory=dict)

    @property
    def n_clusters(self) -> int:
        """Clusters of all groups together."""
        return sum(found.n_clusters for found in self.by_group.values())

    @property
    def numbers(self) -> dict[str, Ints]:
        """Numbers of the clusters of every group."""
        return {name: self.first[name] + np.arange(found.n_clusters) for name, found in self.by_group.items()}

    @property
    def widest(self) -> int:
        """Clusters of the group that has most."""
        return max((found.n_clusters for found in self.by_group.values()), default=0)


def renumber(stores: Sequence[Store], rank: Ints, order: Mapping[str, Ints]) -> None:
    """Give stored clusters other numbers.

    Parameters
    ----------
    stores
        The systems.
    rank
        New number of every cluster, shape (n_clusters,).
    order
        Of groups, which place among its clusters each one had that is now the first, the second and so on.
    """
    for store in stores:
        groups = store.groups("found")
        for frames in store.done_units():
            labels, chi = store.clusters(frames), store.membership(frames)
            store.write_clusters(frames.start, np.where(labels >= 0, rank[labels], -1))
            if chi is None:
                continue
            for name, ranked in order.items():
                own = np.flatnonzero(groups == name)
                chi[:, own, : len(ranked)] = chi[:, own][..., ranked]
            store.write_membership(frames.start, chi)
