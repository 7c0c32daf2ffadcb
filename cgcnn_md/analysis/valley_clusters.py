"""Clusters as many as density valleys part: small groups, merged."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin, clone
from sklearn.cluster import KMeans
from sklearn.utils.validation import check_is_fitted, validate_data

from cgcnn_md.analysis.valley import Valley
from cgcnn_md.frame import Floats, Ints
from cgcnn_md.kernels.valley import EMPTY

FEWEST = 30  # points without which a group is not a group
_TIE = 1e-3  # weight of an empty valley: it decides where nothing else does
_ROWS = 4096  # points that are looked at together
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
        Clusters to find at least, whether valleys part them or not.
    depth
        A valley is one where the density falls below this share of the lower peak.
    seed
        Seed of k-means.

    Attributes
    ----------
    n_clusters_
        Clusters found.
    tree_
        Groups and the order in which they merge.
    borders_
        Valley between every two parts, by pair. A cluster is a part, or several that were merged.
    cluster_of_
        Cluster of every part, shape (n_parts,).
    ratios_
        Shallowest valley ratio between any parts of two clusters, shape (n_clusters, n_clusters).
    valley_
        Largest of these; 0 for one cluster.
    labels_
        Cluster of every point fitted, the largest first.
    """

    def __init__(self, n_groups: int = 24, *, n_clusters: int = 1, depth: float = 0.5, seed: int = 0) -> None:
        self.n_groups = n_groups
        self.n_clusters = n_clusters
        self.depth = depth
        self.seed = seed

    def fit(self, X: NDArray[np.floating], y: None = None, *, system: Ints | None = None) -> Self:  # noqa: ARG002
        """Fit to points of shape (n, n_coordinates), each of a system, shape (n,); None for one system."""
        points = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        one = np.zeros(len(points), dtype=np.int64)
        self.system_ = one if system is None else np.unique(system, return_inverse=True)[1]
        self.tree_ = tree = MergeTree.of(points, self.system_, self.n_groups, seed=self.seed, least=self.n_clusters)
        return self._draw_borders(points, tree.labels(max(tree.most(self.depth), min(self.n_clusters, tree.n_groups))))

    def cut(self, n: int, X: NDArray[np.floating]) -> Self:
        """Give so many clusters of the same groups, with borders of their own; X are the points fitted to."""
        other = self._like()
        other.tree_ = self.tree_
        return other._draw_borders(np.asarray(X, dtype=np.float64), self.tree_.labels(n))

    def merged(self, a: int, b: int) -> Self:
        """Give the same clusters with two of them taken together; the borders to all others stay."""
        other = self._like()
        other.borders_ = self.borders_
        into = np.arange(self.n_clusters_)
        into[b] = a
        size = np.bincount(into[self.labels_], minlength=self.n_clusters_)
        size[b] = -1  # gone: the last, which no part is given
        rank = _ranks(size)
        return other._number(rank[into][self.labels_], rank[into][self.cluster_of_])

    def parted(self, cluster: int, valley: Valley, points: Floats) -> Self:
        """Give the same clusters with one of them parted in two; what the two have for borders to others stays.

        Every part of the cluster gets a twin, on the other side of the valley.
        """
        other = self._like()
        n, own = len(self.cluster_of_), np.flatnonzero(self.cluster_of_ == cluster)
        like = np.concatenate([np.arange(n), own])  # of a twin, the part that it came from
        other.borders_ = {}
        for a, b in combinations(range(len(like)), 2):
            of, to = int(like[a]), int(like[b])
            if of == to:
                border = valley
            else:
                border = self.borders_[of, to] if of < to else self.borders_[to, of].turned()
                if {self.cluster_of_[of], self.cluster_of_[to]} == {cluster} and (a < n) != (b < n):
                    border = replace(border, ratio=min(border.ratio, valley.ratio))  # the valley is between them too
            other.borders_[a, b] = border
        cluster_of = np.concatenate([self.cluster_of_, np.full(len(own), self.n_clusters_)])
        labels = cluster_of[other._part(points, len(like))]
        rank = _ranks(np.bincount(labels, minlength=self.n_clusters_ + 1))
        return other._number(rank[labels], rank[cluster_of])

    def _like(self) -> Self:
        """Give another to be fitted to the same points."""
        other: Self = clone(self)
        other.system_, other.n_features_in_ = self.system_, self.n_features_in_
        return other

    def _draw_borders(self, points: Floats, labels: Ints) -> Self:
        """Draw the borders of clusters, given which one each point is near; of those only that hold points then."""
        for _ in range(_REFINE):
            groups = [points[labels == c] for c in range(int(labels.max(initial=0)) + 1)]
            middle = [np.median(inside, axis=0) for inside in groups]
            self.borders_: dict[tuple[int, int], Valley] = {
                (a, b): Valley.along(groups[a], groups[b], middle[b] - middle[a])
                for a, b in combinations(range(len(groups)), 2)
            }
            labels = self._part_held(points, len(groups))
        return self._number(labels, np.arange(int(labels.max(initial=0)) + 1))

    def _part_held(self, points: Floats, n_parts: int) -> Ints:
        """Give each point to a part, and take parts away that get none: a few points amid others have no side."""
        labels = self._part(points, n_parts)
        while len(held := np.unique(labels).tolist()) < n_parts:
            place, n_parts = {part: i for i, part in enumerate(held)}, len(held)
            self.borders_ = {
                (place[a], place[b]): border for (a, b), border in self.borders_.items() if a in place and b in place
            }
            labels = self._part(points, n_parts)
        return labels

    def _number(self, labels: Ints, cluster_of: Ints) -> Self:
        """Take parts for clusters."""
        self.labels_, self.cluster_of_, self.n_clusters_ = labels, cluster_of, int(cluster_of.max()) + 1
        self.ratios_ = np.zeros((self.n_clusters_, self.n_clusters_))
        for parts, valley in self.borders_.items():
            a, b = sorted(cluster_of[list(parts)])
            if a != b:
                self.ratios_[a, b] = max(self.ratios_[a, b], valley.ratio)
        self.valley_ = float(self.ratios_.max())
        return self

    def _part(self, points: Floats, n_parts: int) -> Ints:
        """Give each point to the part on whose side of most borders it lies."""
        ends = np.array(list(self.borders_), dtype=np.int64).reshape(-1, 2)
        axes = np.array([valley.axis for valley in self.borders_.values()]).reshape(-1, points.shape[1])
        thresholds = np.array([valley.threshold for valley in self.borders_.values()])
        for_part = np.eye(n_parts)[ends[:, 1]] - np.eye(n_parts)[ends[:, 0]]
        parts = np.empty(len(points), dtype=np.int64)
        for start in range(0, len(points), _ROWS):
            rows = slice(start, start + _ROWS)
            side = points[rows] @ axes.T - thresholds
            won = np.sign(side) + 1e-3 * side / (1.0 + np.abs(side))  # the margin only breaks ties
            parts[rows] = (won @ for_part).argmax(axis=1)
        return parts

    def nearness(self) -> Floats:
        """Tell how near two clusters are to be taken for one (`nearness`), shape (n_clusters, n_clusters)."""
        held = np.zeros((self.n_clusters_, int(self.system_.max()) + 1))
        np.add.at(held, (self.labels_, self.system_), 1)
        near = np.zeros_like(self.ratios_)
        for a, b in combinations(range(self.n_clusters_), 2):
            near[a, b] = nearness(self.ratios_[a, b], held[a], held[b])
        return near

    def predict(self, X: NDArray[np.floating]) -> Ints:
        """Give the cluster of each point, shape (n,)."""
        check_is_fitted(self)
        cluster: Ints = self.cluster_of_[self.parts(X)]
        return cluster

    def parts(self, X: NDArray[np.floating]) -> Ints:
        """Give the part that each point is in, shape (n,)."""
        return self._part(validate_data(self, X, dtype=np.float64, reset=False), len(self.cluster_of_))


def nearness(valley: float, a: NDArray[np.number], b: NDArray[np.number]) -> float:
    """Tell how near two groups are to be taken for one: by the valley between them, or, if it is empty, by systems.

    An empty valley says that the groups are apart, and not how far: the sites of one crystal are as far from each other
    in a map of slow motion as from all other crystals. They are of one system, and those others are not.

    Parameters
    ----------
    valley
        Density in the valley between them over that of the lower peak.
    a, b
        Points of either group in every system, each of shape (n_systems,).
    """
    if valley > EMPTY:
        return 1.0 + valley
    return float(np.minimum(a / max(a.sum(), 1), b / max(b.sum(), 1)).sum()) + _TIE * valley


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
    def of(cls, points: Floats, system: Ints, n_groups: int, *, seed: int, least: int = 1) -> MergeTree:
        """Cut points of shape (n, n_coordinates), each of a system, into about `n_groups`; find the order of merging.

        Few points carry few groups, unless `least` asks for more.
        """
        different = len(np.unique(points, axis=0))
        n = min(max(int(np.clip(len(points) // FEWEST, 1, n_groups)), least), different)
        group = np.asarray(KMeans(n, random_state=seed, n_init=1).fit_predict(points), dtype=np.int64)
        held = {g: points[group == g] for g in range(n)}
        middle = {g: np.median(inside, axis=0) for g, inside in held.items()}
        lives = {g: np.bincount(system[group == g], minlength=int(system.max()) + 1) for g in range(n)}

        def seen(a: int, b: int) -> tuple[float, float]:
            """Tell how near two groups are, and how shallow the valley between them is."""
            if min(len(held[a]), len(held[b])) < FEWEST:  # too small to tell: above 1, and more so the nearer
                ratio = 1.0 + 1.0 / (1.0 + float(np.linalg.norm(held[a].mean(axis=0) - held[b].mean(axis=0))))
            else:
                ratio = Valley.along(held[a], held[b], middle[b] - middle[a]).ratio
            return nearness(ratio, lives[a], lives[b]), ratio

        between = {(a, b): seen(a, b) for a in held for b in held if a < b}
        tree = cls(group, [], [])
        while between:
            into, gone = max(between, key=lambda pair: (between[pair][0], -pair[0], -pair[1]))
            tree.merges.append((into, gone))
            tree.ratios.append(min(between[into, gone][1], 1.0))
            held[into] = np.concatenate([held[into], held.pop(gone)])
            middle[into] = np.median(held[into], axis=0)
            lives[into] = lives[into] + lives.pop(gone)
            between = {pair: value for pair, value in between.items() if gone not in pair}
            for other in held:
                if other != into:
                    pair = (min(into, other), max(into, other))
                    between[pair] = seen(*pair)
        return tree

    def most(self, depth: float) -> int:
        """Give the number of clusters that are left as soon as no valley is shallower than `depth`."""
        deep = (i for i, ratio in enumerate(self.ratios) if ratio < depth)
        return self.n_groups - next(deep, len(self.ratios))

    def labels(self, n_clusters: int) -> Ints:
        """Give the cluster of every point when so many are left, or all groups that there are, the largest first."""
        root = np.arange(self.n_groups)
        for into, gone in self.merges[: max(self.n_groups - n_clusters, 0)]:
            root[root == root[gone]] = root[into]
        return _by_size(root[self.group])


def _by_size(labels: Ints) -> Ints:
    """Give clusters new numbers, the largest first."""
    labels = np.unique(labels, return_inverse=True)[1]
    return _ranks(np.bincount(labels))[labels]


def _ranks(sizes: Ints) -> Ints:
    """Give the place of each size among all, the largest first."""
    rank = np.empty(len(sizes), dtype=np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(sizes))
    return rank
