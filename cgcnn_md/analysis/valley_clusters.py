"""Clusters as many as density valleys part: small groups, merged."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.cluster import KMeans
from sklearn.utils.validation import check_is_fitted, validate_data

from cgcnn_md.analysis.valley import Valley
from cgcnn_md.frame import Floats, Ints

FEWEST = 30  # points without which a group is not a group
_REFINE = 3  # times that borders are drawn again between the points they part


class ValleyClusters(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Many small groups, merged where no density valley parts them.

    K-means cuts the points into more groups than there can be clusters. The two groups with the shallowest valley
    between them are merged, again and again, until every valley left is deep enough. Then borders are drawn in the
    valleys' floors.

    Parameters
    ----------
    n_groups
        Groups to start from.
    n_clusters
        Clusters wanted; None lets the valleys decide.
    depth
        A valley is one where the density falls below this share of the lower peak.
    seed
        Seed of k-means.

    Attributes
    ----------
    tree_
        Groups and the order in which they merge.
    valleys_
        Valley between every two clusters, by pair.
    n_clusters_
        Clusters found.
    valley_
        Largest valley ratio that is left between two clusters; 0 for one cluster.
    labels_
        Cluster of every point fitted, the largest first.
    """

    def __init__(self, n_groups: int = 24, *, n_clusters: int | None = None, depth: float = 0.5, seed: int = 0) -> None:
        self.n_groups = n_groups
        self.n_clusters = n_clusters
        self.depth = depth
        self.seed = seed

    def fit(self, X: NDArray[np.floating], y: None = None) -> Self:  # noqa: ARG002 (scikit-learn asks for it)
        """Fit to points of shape (n, n_coordinates)."""
        points = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        self.tree_ = MergeTree.of(points, self.n_groups, seed=self.seed, least=self.n_clusters or 1)
        return self._draw(points, self.n_clusters or self.tree_.most(self.depth))

    def cut(self, points: Floats, n_clusters: int) -> Self:
        """Give another number of clusters of the points that this was fitted to, without fitting again."""
        drawn: Self = self._like(n_clusters)._draw(points, n_clusters)
        return drawn

    def merged(self, points: Floats, a: int, b: int) -> Self:
        """Give the clusters of the points that this was fitted to with two of them taken together."""
        labels = np.where(self.labels_ == b, a, self.labels_)
        other = self._like(self.n_clusters_ - 1)
        drawn: Self = other._draw_borders(points, _by_size(labels))
        return drawn

    def _like(self, n_clusters: int) -> Self:
        """Give clusters of the same tree that are still to be drawn."""
        other = clone(self).set_params(n_clusters=n_clusters)
        other.tree_, other.n_features_in_ = self.tree_, self.n_features_in_
        like: Self = other
        return like

    def _draw(self, points: Floats, n_clusters: int) -> Self:
        """Take so many clusters from the tree of merges and draw their borders."""
        n_clusters = min(n_clusters, self.tree_.n_groups)
        return self._draw_borders(points, self.tree_.labels(n_clusters))

    def _draw_borders(self, points: Floats, labels: Ints) -> Self:
        """Draw the borders of clusters, given which one each point is near."""
        self.labels_, self.n_clusters_ = labels, int(labels.max(initial=0)) + 1
        self.valleys_: dict[tuple[int, int], Valley] = {}
        for _ in range(_REFINE):
            groups = [points[self.labels_ == c] for c in range(self.n_clusters_)]
            if min(len(g) for g in groups) < 2:
                break
            self.valleys_ = {
                (a, b): Valley.between(groups[a], groups[b])
                for a in range(self.n_clusters_)
                for b in range(a + 1, self.n_clusters_)
            }
            self.labels_ = self._assign(points)
        self.valley_ = max((valley.ratio for valley in self.valleys_.values()), default=0.0)
        return self

    def _assign(self, points: Floats) -> Ints:
        """Give each point to the cluster on whose side of most borders it lies."""
        wins = np.zeros((len(points), self.n_clusters_))
        for (a, b), valley in self.valleys_.items():
            side = np.tanh(points @ valley.axis - valley.threshold)
            won = np.sign(side) + 1e-3 * side  # the margin only breaks ties
            wins[:, b] += won
            wins[:, a] -= won
        labels: Ints = wins.argmax(axis=1)
        return labels

    def predict(self, X: NDArray[np.floating]) -> Ints:
        """Give the cluster of each point, shape (n,)."""
        check_is_fitted(self)
        return self._assign(validate_data(self, X, dtype=np.float64, reset=False))


@dataclass(eq=False)
class MergeTree:
    """Small groups of points and the order in which they merge.

    Parameters
    ----------
    group
        Group of every point, shape (n_points,).
    merges
        Pairs of groups in the order in which they merge; the first of a pair takes the other in.
    ratios
        Shallowest valley before each merge.
    """

    group: Ints
    merges: list[tuple[int, int]]
    ratios: list[float]

    @property
    def n_groups(self) -> int:
        """Groups at the start."""
        return len(self.merges) + 1

    @classmethod
    def of(cls, points: Floats, n_groups: int, *, seed: int, least: int = 1) -> MergeTree:
        """Cut points of shape (n, n_coordinates) into about `n_groups` and find the order of merging.

        Few points carry few groups, unless `least` asks for more.
        """
        different = len(np.unique(points, axis=0))
        n = min(max(int(np.clip(len(points) // FEWEST, 1, n_groups)), least), different)
        group = np.asarray(KMeans(n, random_state=seed, n_init=1).fit_predict(points), dtype=np.int64)
        members = {g: np.flatnonzero(group == g) for g in range(n)}
        ratio = {(a, b): _shallow(points[members[a]], points[members[b]]) for a in members for b in members if a < b}
        tree = cls(group, [], [])
        while ratio:
            into, gone = max(ratio, key=lambda pair: (ratio[pair], -pair[0], -pair[1]))
            tree.merges.append((into, gone))
            tree.ratios.append(min(ratio[into, gone], 1.0))
            members[into] = np.concatenate([members[into], members.pop(gone)])
            ratio = {pair: value for pair, value in ratio.items() if gone not in pair}
            for other in members:
                if other != into:
                    pair = (min(into, other), max(into, other))
                    ratio[pair] = _shallow(points[members[pair[0]]], points[members[pair[1]]])
        return tree

    def most(self, depth: float) -> int:
        """Give the number of clusters that are left as soon as no valley is shallower than `depth`."""
        deep = (i for i, ratio in enumerate(self.ratios) if ratio < depth)
        return self.n_groups - next(deep, len(self.ratios))

    def labels(self, n_clusters: int) -> Ints:
        """Give the cluster of every point when so many are left, the largest first."""
        root = np.arange(self.n_groups)
        for into, gone in self.merges[: self.n_groups - n_clusters]:
            root[root == root[gone]] = root[into]
        return _by_size(root[self.group])


def _by_size(labels: Ints) -> Ints:
    """Give clusters new numbers, the largest first."""
    found, labels = np.unique(labels, return_inverse=True)
    order = np.argsort(-np.bincount(labels), kind="stable")
    rank = np.empty(len(found), dtype=np.int64)
    rank[order] = np.arange(len(found))
    return rank[labels]


def _shallow(a: Floats, b: Floats) -> float:
    """Density in the valley between two groups; for a group too small to tell, above 1 and more so the nearer."""
    if min(len(a), len(b)) < FEWEST:
        return 1.0 + 1.0 / (1.0 + float(np.linalg.norm(a.mean(axis=0) - b.mean(axis=0))))
    return Valley.between(a, b).ratio
