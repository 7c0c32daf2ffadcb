"""Clusters in the embedding: as many as density valleys part, and one where none does."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, field
from typing import Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClusterMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture
from sklearn.utils.validation import check_is_fitted, validate_data

from cgcnn_md.analysis.valley import Valley
from cgcnn_md.frame import Floats, Ints

_FEWEST = 30  # points without which a group is not a group
_STRETCHES = 10  # of time, every other one of which makes a half
_STABLE = 0.8  # agreement (adjusted Rand index) below which clusters are not believed
_REFINE = 3  # times that the valleys are found again from the points they part


@dataclass(frozen=True)
class Evidence:
    """Why there are as many clusters as there are.

    Parameters
    ----------
    n_clusters
        Clusters found.
    n_coordinates
        Slow coordinates that survived on held-out time, in which clusters were sought.
    valley
        Of every pair of clusters, density in the valley over that of the lower peak; largest, so the weakest parting.
    stability
        Adjusted Rand index between clusters found on all data and on alternate stretches of the time (of the points,
        where there is one time only), least of both; None where the points are too few to try.
    bic_gain
        Bayesian information criterion of one Gaussian minus that of the mixture, per point.
    verdict
        The result in words.
    """

    n_clusters: int
    n_coordinates: int
    valley: float
    stability: float | None
    bic_gain: float
    verdict: str


class ValleyMixture(ClusterMixin, BaseEstimator):  # type: ignore[misc]
    """Gaussian mixture with too many components, merged where no density valley parts them.

    Parameters
    ----------
    n_components
        Components to start from.
    n_clusters
        Clusters wanted; None lets the valleys decide.
    depth
        A valley is one where the density falls below this share of the lower peak.
    seed
        Seed of the mixture.

    Attributes
    ----------
    mixture_
        The fitted mixture.
    valleys_
        Valley between every two clusters, by pair.
    n_clusters_
        Clusters found.
    valley_
        Largest valley ratio that is left between two clusters; 0 for one cluster.
    labels_
        Cluster of every point fitted.
    """

    def __init__(
        self, n_components: int = 8, *, n_clusters: int | None = None, depth: float = 0.5, seed: int = 0
    ) -> None:
        self.n_components = n_components
        self.n_clusters = n_clusters
        self.depth = depth
        self.seed = seed

    def fit(self, X: NDArray[np.floating], y: None = None) -> Self:  # noqa: ARG002 (scikit-learn asks for it)
        """Fit to points of shape (n, n_coordinates)."""
        points = validate_data(self, X, dtype=np.float64, ensure_min_samples=2)
        # few points carry few components, unless a number was asked for
        n = int(np.clip(len(points) // _FEWEST, 1, self.n_components))
        n = min(max(n, self.n_clusters or 1), len(points))
        self.mixture_ = GaussianMixture(n, random_state=self.seed, reg_covar=1e-6 * max(float(points.var()), 1e-12))
        with warnings.catch_warnings():
            # EM that stops a little early still gives components to merge
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.mixture_.fit(points)
        component = self.mixture_.predict(points)
        groups = [[c] for c in range(n) if (component == c).any()]
        members = [np.flatnonzero(component == g[0]) for g in groups]
        ratios: dict[tuple[int, int], float] = {}
        keys = list(range(len(groups)))
        fresh = len(groups)
        while len(keys) > 1:
            for i, a in enumerate(keys):
                for b in keys[i + 1 :]:
                    if (a, b) not in ratios:
                        ratios[a, b] = _parting(points[members[a]], points[members[b]])
            pair = max(((a, b) for i, a in enumerate(keys) for b in keys[i + 1 :]), key=lambda p: ratios[p])
            enough = ratios[pair] < self.depth if self.n_clusters is None else len(keys) <= self.n_clusters
            if enough:
                break
            groups.append(groups[pair[0]] + groups[pair[1]])
            members.append(np.concatenate([members[pair[0]], members[pair[1]]]))
            keys = [k for k in keys if k not in pair] + [fresh]
            fresh += 1
        keys.sort(key=lambda k: -len(members[k]))
        self.valleys_: dict[tuple[int, int], Valley] = {}
        self.valley_ = max(
            (ratios[min(a, b), max(a, b)] for i, a in enumerate(keys) for b in keys[i + 1 :]), default=0.0
        )
        self.n_clusters_ = len(keys)
        self.labels_ = np.zeros(len(points), dtype=np.int64)
        for cluster, key in enumerate(keys):
            self.labels_[members[key]] = cluster
        for _ in range(_REFINE):
            groups_now = [points[self.labels_ == c] for c in range(self.n_clusters_)]
            if min(len(g) for g in groups_now) < 2:
                break
            self.valleys_ = {
                (a, b): Valley.border(groups_now[a], groups_now[b])
                for a in range(self.n_clusters_)
                for b in range(a + 1, self.n_clusters_)
            }
            self.labels_ = self._assign(points)
        return self

    def _assign(self, points: Floats) -> Ints:
        """Give each point to the cluster on whose side of most valleys it lies."""
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


def _parting(a: Floats, b: Floats) -> float:
    return 1.0 if min(len(a), len(b)) < _FEWEST else Valley.parting(a, b).ratio


@dataclass(eq=False)
class SpeciesClusters:
    """Clusters of one species: which coordinates count, and the fitted mixture (None for one environment)."""

    columns: Ints
    mixture: ValleyMixture | None
    evidence: Evidence
    n_clusters: int = field(init=False)

    def __post_init__(self) -> None:
        self.n_clusters = self.evidence.n_clusters

    def predict(self, embedding: NDArray[np.floating]) -> Ints:
        """Give the cluster of each atom, shape (n_atoms,); -1 where the embedding is not finite."""
        labels = np.full(len(embedding), -1, dtype=np.int64)
        good = np.isfinite(embedding).all(axis=1)
        if self.mixture is None:
            labels[good] = 0
        elif good.any():
            labels[good] = self.mixture.predict(embedding[good][:, self.columns])
        return labels


def find_clusters(
    embedding: NDArray[np.floating], autocorrelation: Floats, when: NDArray[np.integer], *,
    n_clusters: int | None = None, survive: float = 0.3, seed: int = 0,
) -> SpeciesClusters:  # fmt: skip
    """Find the environments of one species.

    Parameters
    ----------
    embedding
        Sampled slow coordinates, shape (n_points, n).
    autocorrelation
        Of each coordinate on held-out time, shape (n,).
    when
        Frame of every point, shape (n_points,).
    n_clusters
        Clusters wanted; None lets the data decide.
    survive
        Coordinates with less held-out autocorrelation are noise and not looked at.
    seed
        Seed of the mixture.

    Returns
    -------
    SpeciesClusters
        With the evidence. In doubt the smaller number: clusters that are not found again on both halves of
        the time, or too few points to try that, are merged.
    """
    points = np.asarray(embedding, dtype=np.float64)
    varied = points.std(axis=0) > 1e-9
    columns = np.flatnonzero((autocorrelation > survive) & varied)
    if n_clusters is not None and len(columns) == 0:
        columns = np.flatnonzero(varied)[:2]
    if len(columns) == 0 or n_clusters == 1:
        slowest = float(autocorrelation.max(initial=0.0))
        why = "one environment only: " + (
            "as asked" if n_clusters == 1
            else "all atoms are alike" if not varied.any()
            else f"no coordinate keeps its value over one lag (largest autocorrelation {slowest:.2f})"
        )  # fmt: skip
        return SpeciesClusters(columns, None, Evidence(1, 0, 0.0, 1.0, 0.0, why))
    chosen = points[:, columns]
    wanted = n_clusters
    while True:
        mixture = ValleyMixture(n_clusters=wanted, seed=seed).fit(chosen)
        found = mixture.n_clusters_
        stability = _stability(chosen, when, mixture, seed) if found > 1 else 1.0
        if n_clusters is not None or found == 1 or (stability is not None and stability >= _STABLE):
            break
        wanted = found - 1
    alone = GaussianMixture(1, random_state=seed).fit(chosen)
    gain = float(alone.bic(chosen) - mixture.mixture_.bic(chosen)) / len(chosen)
    if found == 1:
        few = len(chosen) < 4 * _FEWEST
        why = "one environment only: " + (
            f"{len(chosen)} points are too few to tell more" if few
            else f"no density valley in {_coordinates(len(columns))} that is found again on halves of the data"
            if wanted is not None else f"no density valley in {_coordinates(len(columns))}"
        )  # fmt: skip
        return SpeciesClusters(columns, None, Evidence(1, len(columns), 0.0, 1.0, gain, why))
    halves = "halves of the time" if np.ptp(when) else "halves of the atoms"
    again = f"too few points to try {halves}" if stability is None else f"found again on {halves} (ARI {stability:.2f})"
    why = f"{found} environments in {_coordinates(len(columns))}, {again}"
    evidence = Evidence(found, len(columns), mixture.valley_, stability, gain, why)
    return SpeciesClusters(columns, mixture, evidence)


def _coordinates(n: int) -> str:
    return "the one slow coordinate" if n == 1 else f"the {n} slow coordinates"


def _stability(points: Floats, when: NDArray[np.integer], whole: ValleyMixture, seed: int) -> float | None:
    """Agreement of the clusters of all data with those of either half of the time, or of the points of one time.

    Halves are alternate stretches of the time, so that what comes late is in both.
    """
    rank = np.unique(when, return_inverse=True)[1]
    n_times = int(rank.max(initial=0)) + 1
    odd = (rank * min(_STRETCHES, n_times) // n_times if n_times > 1 else np.arange(len(when))) % 2 == 1
    scores = []
    for half in (~odd, odd):
        if half.sum() < 2 * _FEWEST:
            return None
        part = ValleyMixture(n_clusters=whole.n_clusters_, seed=seed).fit(points[half])
        scores.append(adjusted_rand_score(whole.labels_, part.predict(points)))
    return float(min(scores))
